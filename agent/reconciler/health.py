"""Whether what a delivery applied has become healthy: reads the objects that it asks to be waited for, and judges them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from agent.apply.convergence import Action, Change, ChangeSet, Known
from agent.apply.waiting import Wait, judge
from agent.health.assess import assess
from agent.health.replicas import assess_with_pods, needs_pods, selector_of
from agent.kit.clock import Clock
from agent.kit.errors import CartwheelError
from agent.kube.api import Object
from agent.model.head import Head
from agent.model.health import Health, HealthStatus
from agent.model.inventory import format_id
from agent.model.names import HomeName, ObjectRef

Target = tuple[ObjectRef, str]
"""An object that is waited for, with its version."""


class Live(Protocol):
    """The cluster as it is now, from watches where there are any."""

    async def get(self, ref: ObjectRef, version: str, *, at_least: str = "") -> Object | None:
        """Return an object, none that is older than a resourceVersion, None when there is none. Raises ApiError, UnknownKind."""
        ...

    async def pods(self, namespace: str, selector: str) -> Sequence[Object]:
        """Return the Pods that labels select. Raises ApiError."""
        ...

    async def catch_up(self, home: HomeName, patience_s: float) -> None:
        """Return when it is known of what is followed for a delivery how it is now, or after a while."""
        ...

    def expect(self, home: HomeName, refs: Iterable[ObjectRef]) -> None:
        """Wake the reconciler also when one of these changes, which are about to be made."""
        ...

    def follow(self, home: HomeName, refs: Iterable[tuple[ObjectRef, str]]) -> None:
        """Wake the reconciler for a delivery when one of these objects changes."""
        ...


class HealthCheck:
    """Health as of now. `scale` is for timeouts, which come with assignments."""

    def __init__(self, live: Live, *, clock: Clock, scale: float) -> None:
        self._live = live
        self._clock = clock
        self._scale = scale

    async def judge(self, head: Head, changes: ChangeSet, passing_jobs: frozenset[ObjectRef]) -> Wait | None:
        """Judge what a delivery waits for, None when it waits for nothing. Jobs that pass away by themselves may be gone."""
        targets = targets_of(head, changes.changes)
        if not targets:
            return None
        healths = {
            ref: await self._assess(ref, version, changes.known.get(ref))
            for ref, version in targets
            if format_id(ref) not in changes.ended
        }
        for ref in passing_jobs & healths.keys():
            if healths[ref].status is HealthStatus.NOT_FOUND:
                healths[ref] = Health(status=HealthStatus.CURRENT, message="Job ended and was removed")
        return judge(healths, waited_s=self.waited_s(head), timeout_s=self.timeout_s(head))

    def timeout_s(self, head: Head) -> float:
        return head.assignment.spec.timeout_s * self._scale

    def waited_s(self, head: Head) -> float:
        """Return how long ago the last apply ended; it is on the desk, so that a restart does not begin anew."""
        if not head.applied_at:
            return 0.0
        return max((self._clock.now() - datetime.fromisoformat(head.applied_at)).total_seconds(), 0.0)

    async def _assess(self, ref: ObjectRef, version: str, known: Known | None) -> Health:
        try:
            # A watch may yet have to tell of what was written; what was before may have been healthy.
            value = await self._live.get(ref, version, at_least=known.resource_version if known else "")
        except CartwheelError as problem:
            return Health(status=HealthStatus.UNKNOWN, reason=problem.reason, message=str(problem))
        if value is None:
            return Health(status=HealthStatus.NOT_FOUND, message=f"{ref} not found")
        health = assess(value, self._clock.now())
        return await self._look_at_pods(ref, value, health) if needs_pods(value, health) else health

    async def _look_at_pods(self, ref: ObjectRef, value: Object, health: Health) -> Health:
        try:
            pods = await self._live.pods(ref.namespace, selector_of(value))
        except (CartwheelError, ValueError) as problem:
            return Health(status=HealthStatus.UNKNOWN, reason="PodsUnknown", message=str(problem))
        return assess_with_pods(health, pods, self._clock.now())


def targets_of(head: Head, changes: Iterable[Change]) -> tuple[Target, ...]:
    """Return whose health is waited for: all that was applied, or what is named."""
    spec = head.assignment.spec
    if spec.wait:
        skipped = {change.ref for change in changes if change.action is Action.SKIPPED}
        return tuple((e.ref, e.version) for e in head.entries if e.ref not in skipped)
    return tuple((check.ref, check.version) for check in spec.health_checks)
