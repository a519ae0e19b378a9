"""What an apply needs of the cluster it works in: seams and waiting times; no state of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from agent.kit.clock import Clock
from agent.kube.api import Api, Object, Resource
from agent.kube.errors import UnknownKind
from agent.model.health import Health
from agent.model.names import ObjectRef

FIELD_MANAGER = "kustomize-controller"
Assess = Callable[[Object, datetime], Health]


class Journal(Protocol):
    """Where ids are entered before their first write, and where a newer wish is seen."""

    async def enter(self, ids: Mapping[str, str]) -> None:
        """Return when these ids are durably noted."""
        ...

    def is_superseded(self) -> bool:
        """Tell whether something else is wished by now; the rest of the convergence is in vain."""
        ...


class Resolver(Protocol):
    """Which kinds the server serves."""

    async def resolve(self, group: str, version: str, kind: str) -> Resource:
        """Return a kind. Raises UnknownKind, ApiError."""
        ...

    async def preferred(self, group: str, kind: str) -> Resource:
        """Return a kind in the version that the server prefers. Raises UnknownKind only when no version serves it, ApiError."""
        ...

    async def still_serves(self, resource: Resource) -> bool:
        """Ask whether a kind is served as it is known. Raises ApiUnavailable, ApiError."""
        ...

    async def is_defined(self, group: str, kind: str) -> bool:
        """Tell whether a CustomResourceDefinition defines a kind, in whatever versions it is served. Raises ApiError."""
        ...

    async def namespaced(self) -> Sequence[Resource]:
        """Return all kinds in namespaces whose objects can be listed and deleted. Raises ApiError, also when it cannot tell all."""
        ...

    async def check(self, resource: Resource) -> None:
        """Ask whether what serves a kind answers. Raises ApiUnavailable, ApiError."""
        ...

    def forget(self) -> None:
        """Ask the server anew from now on."""
        ...


class Watched(Protocol):
    """What watches know."""

    def live(self, ref: ObjectRef, version: str) -> Object | None:
        """Return an object as last seen, None when nothing is known of it."""
        ...

    def was_cut_short(self, ref: ObjectRef) -> bool:
        """Tell whether a Job was seen to go before it had ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Times in seconds; `dry_runs` is how many go on at once, `early_kinds` are applied before the other kinds without a stage."""

    stage_timeout_s: float = 60.0
    stage_poll_s: float = 2.0
    dry_runs: int = 4
    early_kinds: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One cluster's API server and what is known of it."""

    api: Api
    resolver: Resolver
    watched: Watched
    assess: Assess
    settings: EngineSettings
    clock: Clock

    async def resource_of(self, ref: ObjectRef, version: str) -> Resource:
        """Return an object's kind, in another version when the one it was applied in is served no more. Raises UnknownKind, ApiError."""
        try:
            return await self.resolver.resolve(ref.group, version, ref.kind)
        except UnknownKind:
            return await self.resolver.preferred(ref.group, ref.kind)


def version_of(value: Object) -> str:
    """Return an object's resourceVersion, empty when it has none."""
    return str((value.get("metadata") or {}).get("resourceVersion", ""))
