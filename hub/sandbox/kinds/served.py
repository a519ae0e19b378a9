"""Which kinds a server serves now: the built-in ones, those that definitions add, and groups that another server is asked for.

State: what was added to the built-in kinds, which all servers share.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from agent.kube.api import Object
from hub.sandbox.kinds.catalogue import Served, built_in
from hub.sandbox.kinds.remote import RemoteGroup

KindId = tuple[str, str, str]
"""Group, version and plural."""
GroupVersion = tuple[str, str]
_CUSTOM_PRIORITY, _CUSTOM_VERSION = 1000, 100
"""What the groups of definitions ask for, and the versions in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group with its versions, the preferred one first."""

    name: str
    versions: tuple[str, ...]


class Kinds:
    """The kinds of one server."""

    def __init__(self) -> None:
        self._custom: dict[KindId, Served] = {}
        self._remote: dict[GroupVersion, RemoteGroup] = {}

    def find(self, group: str, version: str, plural: str) -> Served | None:
        """Return a kind, None when it is not served."""
        key = (group, version, plural)
        return _built_in_by_id().get(key) or self._custom.get(key)

    def any_of(self, group: str, plural: str) -> Served | None:
        """Return a kind in any version, None when it is served in none."""
        versions = self.versions(group) if group else ("v1",)
        found = (self.find(group, version, plural) for version in versions)
        return next((one for one in found if one is not None), None)

    def of(self, group: str, version: str) -> tuple[Served, ...]:
        """Return the kinds of a group in a version, in discovery's order."""
        custom = [one for key, one in self._custom.items() if key[:2] == (group, version)]
        return _built_in_by_version().get((group, version), ()) + tuple(
            sorted(custom, key=lambda one: one.resource.plural)
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return all groups but the core, in discovery's order."""
        versions: dict[str, set[str]] = {}
        for group, version, *_ in (*self._custom, *self._remote):
            versions.setdefault(group, set()).add(version)
        added = sorted(versions.items(), key=lambda one: (-self._priority(*one), one[0]))
        ordered = [Group(name=name, versions=self._ordered(name, found)) for name, found in added]
        return (*_built_in_groups(), *ordered)

    def versions(self, group: str) -> tuple[str, ...]:
        """Return the versions of a group, the preferred one first; none when it is not served."""
        return next((one.versions for one in self.groups if one.name == group), ())

    def add(self, served: Iterable[Served]) -> None:
        """Serve custom kinds from now on."""
        for one in served:
            self._custom[one.resource.group, one.resource.version, one.resource.plural] = one

    def is_remote(self, group: str, version: str) -> bool:
        """Tell whether another server is asked for a group in a version."""
        return (group, version) in self._remote

    def remote(self, group: str, version: str) -> RemoteGroup | None:
        """Return what is known of a group in a version that another server is asked for, None when none is."""
        return self._remote.get((group, version))

    def set_remote(self, remote: Mapping[GroupVersion, RemoteGroup]) -> None:
        """Have another server asked for these, and for no others."""
        known = self._remote
        self._remote = {
            key: replace(one, kinds=known[key].kinds, is_fresh=known[key].is_fresh) if key in known else one
            for key, one in remote.items()
        }

    def note_remote(self, key: GroupVersion, kinds: Sequence[Object] | None) -> None:
        """Note which kinds another server has, None when it does not say: then what it said last is told on, as stale."""
        if known := self._remote.get(key):
            told = known.kinds if kinds is None else kinds
            self._remote[key] = replace(known, kinds=told, is_fresh=kinds is not None)

    def _priority(self, group: str, versions: Iterable[str]) -> int:
        """Return how far in front a group stands: the highest number that any of its versions asks for."""
        remote = (self._remote.get((group, one)) for one in versions)
        return max(_CUSTOM_PRIORITY if one is None else one.priority for one in remote)

    def _ordered(self, group: str, versions: Iterable[str]) -> tuple[str, ...]:
        """Return versions by the numbers that they ask for, the highest first, then by their names."""
        numbers = {
            one: known.version_priority for (name, one), known in self._remote.items() if name == group
        }
        return tuple(sorted(versions, key=lambda one: (-numbers.get(one, _CUSTOM_VERSION), rank(one))))

    def remove(self, group: str, plural: str) -> None:
        """Serve a custom kind no more, in no version."""
        self._custom = {key: one for key, one in self._custom.items() if (key[0], key[2]) != (group, plural)}


def rank(version: str) -> tuple[int, int, int, str]:
    """Return where a version stands: stable ones first, then beta, then alpha, the highest number before the others."""
    found = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if found is None:
        return (3, 0, 0, version)
    stage = {None: 0, "beta": 1, "alpha": 2}[found[2]]
    return (stage, -int(found[1]), -int(found[3] or 0), "")


@cache
def _built_in_by_id() -> Mapping[KindId, Served]:
    return {(one.resource.group, one.resource.version, one.resource.plural): one for one in built_in()}


@cache
def _built_in_by_version() -> Mapping[GroupVersion, tuple[Served, ...]]:
    found: dict[GroupVersion, list[Served]] = {}
    for one in built_in():
        found.setdefault((one.resource.group, one.resource.version), []).append(one)
    return {key: tuple(kinds) for key, kinds in found.items()}


@cache
def _built_in_groups() -> tuple[Group, ...]:
    return tuple(Group(name=name, versions=(version,)) for name, version in _built_in_by_version() if name)
