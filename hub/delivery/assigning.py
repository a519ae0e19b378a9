"""From a delivery and its Bundle to the assignment that an agent gets. Pure. Orders are stamped where assignments are sent."""

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
from agent.model.content import Bundle
from agent.model.names import Digest, HomeName, ObjectRef, group_of, version_of
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
    bundle: Bundle,
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
        bundle=bundle.ref,
        source=source_name(delivery),
        spec=_spec(delivery, by_agent),
        prune_limit=_prune_limit(fleet),
        tokens=tokens(delivery, placement, bundle.digest),
    )
    return Assigned(assignment=assignment, bundle=bundle, revision=revision, traceparent=traceparent)


def tokens(delivery: Kustomization, placement: Placement, bundle: Digest) -> dict[str, str]:
    """Return the requests that are open for the delivery there; an approval is for one Bundle, in every cluster or in one."""
    approved = {one.strip() for one in delivery.metadata.annotations.get(names.APPROVE_PRUNE, "").split(",")}
    metadata = placement.cluster.metadata
    here = {bundle, f"{bundle}@{metadata.namespace}/{metadata.name}"}
    found = {
        RECONCILE: delivery.metadata.requested_at,
        RECONCILE_CLUSTER: placement.cluster.metadata.requested_at,
        APPROVE_PRUNE: bundle if approved & here else None,
    }
    return {name: text for name, text in found.items() if text}


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
