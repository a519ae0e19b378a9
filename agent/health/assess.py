"""Judges the health of one object by kstatus's rules. Pure; it must not read a cluster."""

from datetime import datetime

from agent.health.reading import Object, Rule, condition, current, entries, failed, field, in_progress, text
from agent.health.rules import batch, core, extensions, pods, workloads
from agent.model.health import Health, HealthStatus
from agent.model.jobs import is_job
from agent.model.names import group_of

_RULES: dict[tuple[str, str], Rule] = {
    **core.RULES,
    **pods.RULES,
    **workloads.RULES,
    **batch.RULES,
    **extensions.RULES,
}


def assess(value: Object, now: datetime) -> Health:
    """Judge an object as Flux's controllers do: a Job counts only when it is finished, all else as `compute`."""
    if is_job(value):
        return batch.assess_finished(value)
    return compute(value, now)


def compute(value: Object, now: datetime) -> Health:
    """Judge an object by kstatus: the rules of every kind, then its kind's own, then the Ready condition."""
    general = _assess_general(value)
    if general is not None:
        return general
    rule = _RULES.get(_kind(value))
    return rule(value, now) if rule else _assess_ready(value)


def _kind(value: Object) -> tuple[str, str]:
    return group_of(text(value, "apiVersion")), text(value, "kind")


def _assess_general(value: Object) -> Health | None:
    if field(value, "metadata.deletionTimestamp"):
        return Health(status=HealthStatus.TERMINATING, message="Resource scheduled for deletion")
    generation, observed = field(value, "metadata.generation"), field(value, "status.observedGeneration")
    if generation is not None and observed is not None and generation != observed:
        message = (
            f"{text(value, 'kind')} generation is {generation}, but latest observed generation is {observed}"
        )
        return in_progress("LatestGenerationNotObserved", message)
    for entry in entries(value, "status.conditions"):
        if entry.get("status") == "True" and entry.get("type") == "Reconciling":
            return in_progress(text(entry, "reason"), text(entry, "message"))
        if entry.get("status") == "True" and entry.get("type") == "Stalled":
            return failed(text(entry, "reason"), text(entry, "message"))
    return None


def _assess_ready(value: Object) -> Health:
    ready = condition(value, "Ready")
    if ready is None:
        return current("Resource is current")
    if ready.get("status") == "True":
        return current("Resource is Ready")
    return in_progress(text(ready, "reason"), text(ready, "message"))
