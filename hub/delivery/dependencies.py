"""Which of a delivery's dependencies the cluster's own agent judges, and what the hub says of the others. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kube.watch import Key
from agent.model.names import ClusterId, HomeName
from hub.delivery.candidate import source_name
from hub.delivery.placement import Placed, Placement
from hub.model.conditions import READY
from hub.model.kustomization import (
    DEPENDENCY_NOT_PLACED,
    DEPENDENCY_NOT_READY,
    Dependency,
    Kustomization,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Another delivery: as it is, and where it is placed (None when it cannot be placed)."""

    delivery: Kustomization
    placed: Placed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the agent is to wait for; and why the hub waits, with the reason, when it does."""

    by_agent: tuple[HomeName, ...] = ()
    reason: str = ""
    problem: str = ""


def judge(
    delivery: Kustomization, placement: Placement, neighbours: Mapping[Key, Neighbour | None], revision: str
) -> Judgement:
    """Sort the dependencies of a delivery in one cluster; the first that the hub must wait for stops. `revision` is the source's now.

    A neighbour that is None is there and cannot be read.
    """
    by_agent: list[HomeName] = []
    for dependency in delivery.spec.depends_on:
        key = _key(dependency, delivery)
        neighbour = neighbours.get(key)
        name = f"{key[0]}/{key[1]}"
        if neighbour is None:
            why = "cannot be read" if key in neighbours else "not found"
            return Judgement(reason=DEPENDENCY_NOT_READY, problem=f"dependency '{name}' {why}")
        home = _home_in(placement.id, neighbour.placed)
        if home is not None:
            by_agent.append(home)
        elif neighbour.delivery.fleet is not None:
            return Judgement(
                reason=DEPENDENCY_NOT_PLACED,
                problem=f"dependency '{name}' is not placed on cluster {placement.cluster.metadata.name}",
            )
        elif problem := _not_ready(name, neighbour.delivery, delivery, revision):
            return Judgement(reason=DEPENDENCY_NOT_READY, problem=problem)
    return Judgement(by_agent=tuple(by_agent))


def dependencies_of(delivery: Kustomization) -> tuple[Key, ...]:
    """Return what a delivery depends on."""
    return tuple(_key(one, delivery) for one in delivery.spec.depends_on)


def _key(dependency: Dependency, delivery: Kustomization) -> Key:
    return (dependency.namespace or delivery.metadata.namespace, dependency.name)


def _home_in(cluster: ClusterId, placed: Placed | None) -> HomeName | None:
    placements = placed.placements if placed is not None else ()
    return next((one.home for one in placements if one.id == cluster), None)


def _not_ready(name: str, dependency: Kustomization, delivery: Kustomization, revision: str) -> str:
    """Judge by Flux's rules (G.9.3); empty when it is ready."""
    is_current = dependency.status.observed_generation == dependency.metadata.generation
    if not (is_current and dependency.conditions.is_true(READY)):
        return f"dependency '{name}' is not ready"
    if (
        source_name(dependency) == source_name(delivery)
        and dependency.status.last_applied_revision != revision
    ):
        return f"dependency '{name}' revision is not up to date"
    return ""
