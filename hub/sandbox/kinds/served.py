"""Which kinds a server serves now: the built-in ones, those that definitions add, and groups that another server is asked for.

State: what was added to the built-in kinds, which all servers share.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from hub.sandbox.kinds.catalogue import Served, built_in

KindId = tuple[str, str, str]
"""Group, version and plural."""
GroupVersion = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group with its versions, the preferred one first."""

    name: str
    versions: tuple[str, ...]


class Kinds:
    """The kinds of one server."""

    def __init__(self) -> None:
        self._custom: dict[KindId, Served] = {}
        self._remote: set[GroupVersion] = set()

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
        versions: dict[str, list[str]] = {}
        for group, version, *_ in (*self._custom, *self._remote):
            known = versions.setdefault(group, [])
            if version not in known:
                known.append(version)
        custom = [
            Group(name=name, versions=tuple(sorted(found, key=rank)))
            for name, found in sorted(versions.items())
        ]
        return (*_built_in_groups(), *custom)

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

    def set_remote(self, remote: Iterable[GroupVersion]) -> None:
        """Have another server asked for these, and for no others."""
        self._remote = set(remote)

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
