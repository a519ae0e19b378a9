"""Health of what the core group and its neighbours hold: configuration, Services, claims, budgets."""

from datetime import datetime

from agent.health.reading import Object, Rule, current, in_progress, text
from agent.model.health import Health


def assess_existing(value: Object, now: datetime) -> Health:
    """Judge kinds that are current as soon as they exist."""
    return current("Resource is always ready")


def assess_service(value: Object, now: datetime) -> Health:
    """Judge a Service: one of type LoadBalancer waits for its cluster IP; an outer address is not required."""
    if text(value, "spec.type") == "LoadBalancer" and not text(value, "spec.clusterIP"):
        return in_progress("NoIPAssigned", "ClusterIP not set. Service type: LoadBalancer")
    return current("Service is ready")


def assess_claim(value: Object, now: datetime) -> Health:
    """Judge a PersistentVolumeClaim by its phase."""
    phase = text(value, "status.phase")
    if phase != "Bound":
        return in_progress("NotBound", f"PVC is not Bound. phase: {phase or 'unknown'}")
    return current("PVC is Bound")


RULES: dict[tuple[str, str], Rule] = {
    ("", "ConfigMap"): assess_existing,
    ("", "Secret"): assess_existing,
    ("", "Service"): assess_service,
    ("", "PersistentVolumeClaim"): assess_claim,
    ("policy", "PodDisruptionBudget"): assess_existing,
}
