"""Gathers the rules of ClusterRoles into those that select them, as a cluster's controller does. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.workloads import selects


def aggregated(cluster_roles: Iterable[Object]) -> Iterator[Object]:
    """Yield each ClusterRole whose rules are not what it gathers, with these; again until nothing is yielded changes."""
    found = {role["metadata"]["name"]: role for role in cluster_roles}
    changed: dict[str, Object] = {}
    # A role may gather another that gathers: each round reaches one further, at most as many as there are roles.
    for _ in found:
        moved = False
        for name in sorted(found):
            role = found[name]
            if not _selectors(role):
                continue
            rules = _gathered(role, found)
            if rules != list(role.get("rules") or ()):
                found[name] = changed[name] = {**role, "rules": rules}
                moved = True
        if not moved:
            break
    yield from changed.values()


def _selectors(role: Object) -> list[Object]:
    return list((role.get("aggregationRule") or {}).get("clusterRoleSelectors") or ())


def _gathered(role: Object, cluster_roles: Mapping[str, Object]) -> list[Any]:
    rules: list[Any] = []
    own = role["metadata"]["name"]
    for selector in _selectors(role):
        for name in sorted(cluster_roles):
            labels = cluster_roles[name]["metadata"].get("labels") or {}
            if name == own or not selects(selector, labels):
                continue
            rules += [rule for rule in cluster_roles[name].get("rules") or () if rule not in rules]
    return rules
