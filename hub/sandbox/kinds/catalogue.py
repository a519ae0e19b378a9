"""The built-in resources, as a real server's discovery names them (`python -m e2e.controlplane.catalogue` writes the file)."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from agent.kube.api import Resource

_FILE = Path(__file__).with_name("catalogue.json")


class Subresource(msgspec.Struct, frozen=True):
    """A part of an object with a path of its own; group and version are empty where they are the object's."""

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@cache
def built_in() -> tuple["Served", ...]:
    """Return all built-in resources in discovery's order."""
    groups = msgspec.json.decode(_FILE.read_bytes(), type=tuple[_Group, ...])
    return tuple(served for group in groups for served in group.served())


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One resource in one version, with all that discovery tells of it. `storage_hash` names the version in which it is stored."""

    resource: Resource
    singular: str
    verbs: tuple[str, ...]
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    storage_hash: str = ""
    subresources: tuple[Subresource, ...] = ()
    is_custom: bool = False

    def subresource(self, name: str) -> Subresource | None:
        """Return a subresource, None when there is no such."""
        return next((one for one in self.subresources if one.name == name), None)


class _Entry(msgspec.Struct, frozen=True):
    plural: str
    singular: str
    kind: str
    namespaced: bool
    verbs: tuple[str, ...]
    short_names: tuple[str, ...]
    categories: tuple[str, ...]
    storage_hash: str
    subresources: tuple[Subresource, ...]


class _Group(msgspec.Struct, frozen=True):
    group: str
    version: str
    resources: tuple[_Entry, ...]

    def served(self) -> Iterator[Served]:
        for one in self.resources:
            yield Served(
                resource=Resource(
                    group=self.group,
                    version=self.version,
                    plural=one.plural,
                    kind=one.kind,
                    namespaced=one.namespaced,
                ),
                singular=one.singular,
                verbs=one.verbs,
                short_names=one.short_names,
                categories=one.categories,
                storage_hash=one.storage_hash,
                subresources=one.subresources,
            )
