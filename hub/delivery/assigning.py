"""From a delivery and its Bundle to the assignment that an agent gets. Pure. Orders are stamped where assignments are sent."""

from collections.abc import Iterable

from agent.kit.tracing import Traceparent
from agent.model.assignment import (
    APPROVE_PRUNE,
    RECONCILE,
    RECONCILE_CLUSTER,
    Assignment,
    DeliverySpec,
    HealthCheck,
    Order,
    PruneLimit,
)
from agent.model.names import Digest, HomeName, ObjectRef, group_of, version_of
from hub.delivery.bundle import Built
from hub.delivery.candidate import source_name
from hub.delivery.placement import Placement
from hub.model import annotations as names
from hub.model.fleet import LEAST_PRUNE, Fleet
from hub.model.kustomization import Kustomization
from hub.model.wish import Assigned

UNSTAMPED = Order(0, 0)


def assigned(
    delivery: Kustomization,
    placement: Placement,
    fleet: Fleet | None,
    *,
    candidate: Digest,
    built: Built,
    revision: str,
    by_agent: tuple[HomeName, ...],
    traceparent: Traceparent,
) -> Assigned:
    """Make the wish that this Bundle runs there."""
    assignment = Assignment(
        cluster=placement.id,
        home=placement.home,
        uid=delivery.metadata.uid,
        generation=delivery.metadata.generation,
        order=UNSTAMPED,
        candidate=candidate,
        bundle=built.bundle.ref,
        source=source_name(delivery),
        spec=_spec(delivery, by_agent),
        prune_limit=_prune_limit(fleet),
        tokens=tokens(delivery, placement, built.bundle.digest),
        confidential=built.confidential,
    )
    return Assigned(assignment=assignment, bundle=built.bundle, revision=revision, traceparent=traceparent)


def tokens(delivery: Kustomization, placement: Placement, bundle: Digest) -> dict[str, str]:
    """Return the requests that are open for the delivery there; an approval is for one Bundle, in every cluster or in one."""
    here = _approvals(placement, bundle)
    approved = approvals(delivery)
    found = {
        RECONCILE: delivery.metadata.requested_at,
        RECONCILE_CLUSTER: placement.cluster.metadata.requested_at,
        APPROVE_PRUNE: bundle if here.intersection(approved) else None,
    }
    return {name: text for name, text in found.items() if text}


def approvals(delivery: Kustomization) -> tuple[str, ...]:
    """Return the approvals of prunes that a delivery carries."""
    given = delivery.metadata.annotations.get(names.APPROVE_PRUNE, "").split(",")
    return tuple(one.strip() for one in given if one.strip())


def open_approvals(delivery: Kustomization, bundles: Iterable[tuple[Placement, Digest]]) -> tuple[str, ...]:
    """Return those approvals that are for a Bundle that is wished for somewhere: the others are spent.

    Bundles come back, above all the one without any object; what was approved once is weighed anew then.
    """
    meant = {one for placement, bundle in bundles for one in _approvals(placement, bundle)}
    return tuple(one for one in approvals(delivery) if one in meant)


def _approvals(placement: Placement, bundle: Digest) -> set[str]:
    """Return what approves the prune of a Bundle in one cluster: the word for everywhere, and the one for there alone."""
    metadata = placement.cluster.metadata
    return {bundle, f"{bundle}@{metadata.namespace}/{metadata.name}"}


def _spec(delivery: Kustomization, by_agent: tuple[HomeName, ...]) -> DeliverySpec:
    spec = delivery.spec
    return DeliverySpec(
        interval_s=spec.interval.total_seconds(),
        retry_interval_s=spec.retry_after.total_seconds(),
        timeout_s=spec.effective_timeout.total_seconds(),
        prune=spec.prune,
        deletion_policy=spec.deletion_policy,
        force=spec.force,
        suspend=spec.suspend,
        wait=spec.wait,
        health_checks=tuple(
            HealthCheck(
                ref=ObjectRef(group_of(one.api_version), one.kind, one.namespace, one.name),
                version=version_of(one.api_version),
            )
            for one in spec.health_checks
        ),
        depends_on=by_agent,
    )


def _prune_limit(fleet: Fleet | None) -> PruneLimit:
    """Say a Fleet's limit as the agent reads it: a share of at least so many, or a number, which is any share of one more."""
    if fleet is None:
        return PruneLimit()
    limit = fleet.prune_limit
    if limit.objects is not None:
        return PruneLimit(percent=0.0, at_least=limit.objects + 1)
    return PruneLimit(percent=float(limit.percent or 0), at_least=LEAST_PRUNE)
