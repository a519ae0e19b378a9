"""Health of what keeps Pods running: Deployments, StatefulSets, DaemonSets, ReplicaSets."""

from datetime import datetime

from agent.health.reading import Object, Rule, condition, current, field, holds, in_progress, number, text
from agent.health.reading import failed as failed_health
from agent.model.health import Health

_NO_DEADLINE = 2**31 - 1
Count = tuple[str, str, int, int]
"""Reason, word of the message, count, count that is wanted."""


def assess_deployment(value: Object, now: datetime) -> Health:
    """Judge a Deployment; a crash-looping Pod fails it only through its progress deadline."""
    progressing = condition(value, "Progressing") or {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return failed_health("ProgressDeadlineExceeded", "Progress deadline exceeded")
    wanted = number(value, "spec.replicas", 1)
    replicas, updated = number(value, "status.replicas"), number(value, "status.updatedReplicas")
    available, ready = number(value, "status.availableReplicas"), number(value, "status.readyReplicas")
    counts: list[Count] = [
        ("LessReplicas", "Replicas", replicas, wanted),
        ("LessUpdated", "Updated", updated, wanted),
        ("ExtraPods", "Pending termination", wanted, replicas),
        ("LessAvailable", "Available", available, updated),
        ("LessReady", "Ready", ready, wanted),
    ]
    short = _first_short(counts)
    if short:
        return short
    unlimited = number(value, "spec.progressDeadlineSeconds", _NO_DEADLINE) == _NO_DEADLINE
    complete = progressing.get("status") == "True" and progressing.get("reason") == "NewReplicaSetAvailable"
    if not unlimited and not complete:
        return in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available")
    if not holds(value, "Available"):
        return in_progress("DeploymentNotAvailable", "Deployment not Available")
    return current(f"Deployment is available. Replicas: {replicas}")


def assess_stateful_set(value: Object, now: datetime) -> Health:
    """Judge a StatefulSet; with the strategy OnDelete nothing is waited for."""
    if text(value, "spec.updateStrategy.type") == "OnDelete":
        return current("StatefulSet is using the ondelete update strategy")
    wanted = number(value, "spec.replicas", 1)
    replicas, ready = number(value, "status.replicas"), number(value, "status.readyReplicas")
    counts: list[Count] = [
        ("LessReplicas", "Replicas", replicas, wanted),
        ("LessReady", "Ready", ready, wanted),
        ("ExtraPods", "Pending termination", wanted, replicas),
    ]
    short = _first_short(counts)
    if short:
        return short
    partition = field(value, "spec.updateStrategy.rollingUpdate.partition")
    if isinstance(partition, int):
        updated = number(value, "status.updatedReplicas")
        short = _first_short([("PartitionRollout", "updated", updated, wanted - partition)])
        return short or current(f"Partition rollout complete. updated: {updated}")
    short = _first_short([("LessCurrent", "current", number(value, "status.currentReplicas"), wanted)])
    if short:
        return short
    if text(value, "status.currentRevision") != text(value, "status.updateRevision"):
        return in_progress("RevisionMismatch", "Waiting for updated revision to match current")
    return current(f"All replicas scheduled as expected. Replicas: {replicas}")


def assess_daemon_set(value: Object, now: datetime) -> Health:
    """Judge a DaemonSet; its counts mean nothing before its generation was observed."""
    if field(value, "metadata.generation") is None or field(value, "status.observedGeneration") is None:
        return in_progress("NoObservedGeneration", "Missing .status.observedGeneration")
    if field(value, "status.desiredNumberScheduled") is None:
        return in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled")
    wanted = number(value, "status.desiredNumberScheduled")
    counts: list[Count] = [
        ("LessCurrent", "Current", number(value, "status.currentNumberScheduled"), wanted),
        ("LessUpdated", "Updated", number(value, "status.updatedNumberScheduled"), wanted),
        ("LessAvailable", "Available", number(value, "status.numberAvailable"), wanted),
        ("LessReady", "Ready", number(value, "status.numberReady"), wanted),
    ]
    return _first_short(counts) or current(f"All replicas scheduled as expected. Replicas: {wanted}")


def assess_replica_set(value: Object, now: datetime) -> Health:
    """Judge a ReplicaSet."""
    if holds(value, "ReplicaFailure"):
        return in_progress("ReplicaFailure", "Replica Failure condition. Check Pods")
    wanted, replicas = number(value, "spec.replicas", 1), number(value, "status.replicas")
    counts: list[Count] = [
        ("LessLabelled", "Labelled", number(value, "status.fullyLabeledReplicas"), wanted),
        ("LessAvailable", "Available", number(value, "status.availableReplicas"), wanted),
        ("LessReady", "Ready", number(value, "status.readyReplicas"), wanted),
        ("ExtraPods", "Pending termination", wanted, replicas),
    ]
    return _first_short(counts) or current(f"ReplicaSet is available. Replicas: {replicas}")


def _first_short(counts: list[Count]) -> Health | None:
    """Say the first count that is below what is wanted; extra Pods are a want that is too small."""
    for reason, word, count, wanted in counts:
        if count >= wanted:
            continue
        message = f"{word}: {wanted - count}" if reason == "ExtraPods" else f"{word}: {count}/{wanted}"
        return in_progress(reason, message)
    return None


RULES: dict[tuple[str, str], Rule] = {
    ("apps", "Deployment"): assess_deployment,
    ("extensions", "Deployment"): assess_deployment,
    ("apps", "StatefulSet"): assess_stateful_set,
    ("apps", "DaemonSet"): assess_daemon_set,
    ("extensions", "DaemonSet"): assess_daemon_set,
    ("apps", "ReplicaSet"): assess_replica_set,
    ("extensions", "ReplicaSet"): assess_replica_set,
}
