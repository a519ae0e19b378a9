"""What is known of the kinds of a group that another server answers for, as its APIService tells and as it told itself. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import msgspec

from agent.kube.api import Object

KIND = ("apiregistration.k8s.io", "apiservices")


class _Listed(msgspec.Struct, rename="camel"):
    """An entry of an APIResourceList."""

    name: str
    kind: str
    namespaced: bool
    singular_name: str = ""
    verbs: list[str] = []
    group: str = ""
    version: str = ""
    short_names: list[str] = []
    categories: list[str] = []


class _List(msgspec.Struct):
    resources: list[_Listed] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteGroup:
    """A group in one version. `kinds` are as aggregated discovery tells of them, None before the server has told."""

    priority: int
    version_priority: int
    kinds: Sequence[Object] | None = None
    is_fresh: bool = False

    @classmethod
    def of(cls, spec: Object) -> Self:
        """Read an APIService's spec."""
        return cls(priority=spec["groupPriorityMinimum"], version_priority=spec["versionPriority"])

    @staticmethod
    def kinds_in(data: bytes) -> tuple[Object, ...]:
        """Read an APIResourceList. Raises msgspec.MsgspecError."""
        listed = msgspec.json.decode(data, type=_List).resources
        return tuple(_kind(one, listed) for one in listed if "/" not in one.name)

    def told(self, version: str) -> Object:
        """Return what aggregated discovery tells of it."""
        kinds = {} if self.kinds is None else {"resources": list(self.kinds)}
        return {"version": version, **kinds, "freshness": "Current" if self.is_fresh else "Stale"}


def _kind(one: _Listed, listed: Iterable[_Listed]) -> Object:
    subresources = [
        {
            "subresource": other.name.partition("/")[2],
            "responseKind": _response_kind(other),
            "verbs": other.verbs,
        }
        for other in listed
        if other.name.startswith(f"{one.name}/")
    ]
    rest = {"shortNames": one.short_names, "categories": one.categories, "subresources": subresources}
    return {
        "resource": one.name,
        "responseKind": _response_kind(one),
        "scope": "Namespaced" if one.namespaced else "Cluster",
        "singularResource": one.singular_name,
        "verbs": one.verbs,
        **{name: values for name, values in rest.items() if values},
    }


def _response_kind(one: _Listed) -> Object:
    return {"group": one.group, "version": one.version, "kind": one.kind}
