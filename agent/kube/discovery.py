"""Which kinds a server serves. State: what it said, per group and version, until it is asked anew.

A miss asks anew, at most once per `fresh_s`, unless `forget` was called because something new is known to be served. That a kind is not
served is said only by a server that could have said so: a group whose own server is away raises ApiUnavailable.
"""

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec

from agent.kit.clock import Clock
from agent.kube.api import Api, Resource, is_segment
from agent.kube.errors import ApiUnavailable, NotFound, ServerFailed, UnknownKind
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS


class Discovery:
    """The kinds of one server."""

    def __init__(self, api: Api, *, clock: Clock, fresh_s: float = 10.0) -> None:
        self._api = api
        self._clock = clock
        self._fresh_s = fresh_s
        self._kinds: dict[tuple[str, str], dict[str, Resource]] = {}
        self._asked_s: dict[tuple[str, str], float] = {}
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """Ask anew from now on, because a kind may have been added."""
        self._asked_s.clear()

    async def resolve(self, group: str, version: str, kind: str) -> Resource:
        """Return a kind. Raises UnknownKind when the server does not serve it, ApiUnavailable and other ApiErrors when it cannot say."""
        found = self._kinds.get((group, version), {}).get(kind)
        # A manifest says group and version; as parts of a path they must not lead elsewhere.
        if found is None and all(is_segment(part) for part in (group or "api", version)):
            await self._ask(group, version)
            found = self._kinds.get((group, version), {}).get(kind)
        if found is None:
            api_version = f"{group}/{version}" if group else version
            raise UnknownKind(f'no matches for kind "{kind}" in version "{api_version}"')
        return found

    async def preferred(self, group: str, kind: str) -> Resource:
        """Return a kind in the version that the server prefers. Raises UnknownKind when none of its versions serves it, ApiError."""
        if not group or not is_segment(group):
            return await self.resolve(group, "v1", kind)
        try:
            said = _read(await self._api.read(f"/apis/{group}"))
        except NotFound as problem:
            raise UnknownKind(f'no matches for kind "{kind}" in group "{group}"') from problem
        first = (said.get("preferredVersion") or {}).get("version", "")
        versions = [first, *(one["version"] for one in said.get("versions") or ())]
        for version in versions:
            try:
                return await self.resolve(group, version, kind)
            except UnknownKind:
                continue
        raise UnknownKind(f'no matches for kind "{kind}" in group "{group}"')

    async def still_serves(self, resource: Resource) -> bool:
        """Ask whether a kind is served as it is known: what is not found may be so for want of its kind. Raises ApiUnavailable, ApiError."""
        key = (resource.group, resource.version)
        try:
            self._kinds[key] = _kinds(*key, _read(await self._read_version(*key)))
        except NotFound:
            self._kinds[key] = {}
        self._asked_s[key] = self._clock.monotonic_s()
        return self._kinds[key].get(resource.kind) == resource

    async def namespaced(self) -> tuple[Resource, ...]:
        """Return all kinds in namespaces whose objects can be listed and deleted, each in one version; asked anew each time.

        Raises ApiUnavailable and other ApiErrors when the server of any group cannot say.
        """
        groups = _read(await self._api.read("/apis")).get("groups") or ()
        versions = [("", "v1"), *((one["name"], one["preferredVersion"]["version"]) for one in groups)]
        found: list[Resource] = []
        for group, version in versions:
            try:
                said = _read(await self._read_version(group, version))
            except NotFound:
                # It went since the groups were told.
                continue
            removable = [one for one in said.get("resources") or () if {"list", "delete"} <= {*one["verbs"]}]
            kinds = _kinds(group, version, {"resources": removable}).values()
            found += (one for one in kinds if one.namespaced)
        return tuple(found)

    async def is_defined(self, group: str, kind: str) -> bool:
        """Tell whether a CustomResourceDefinition defines a kind, served or not. Raises ApiError."""
        listing = await self._api.metadata(CUSTOM_RESOURCE_DEFINITIONS)
        names = [str(one["metadata"]["name"]) for one in listing.items]
        for name in names:
            if name.partition(".")[2] != group:
                continue
            spec = (await self._api.get(CUSTOM_RESOURCE_DEFINITIONS, "", name)).get("spec") or {}
            if (spec.get("names") or {}).get("kind") == kind:
                return True
        return False

    async def check(self, resource: Resource) -> None:
        """Ask whether what serves a kind answers. Raises ApiUnavailable, ApiError."""
        await self._read_version(resource.group, resource.version)

    async def version(self) -> str:
        """Return the server's version, such as v1.36.3."""
        return str(_read(await self._api.read("/version")).get("gitVersion", ""))

    async def _ask(self, group: str, version: str) -> None:
        async with self._lock:
            key = (group, version)
            if self._clock.monotonic_s() - self._asked_s.get(key, float("-inf")) < self._fresh_s:
                return
            try:
                data = await self._read_version(group, version)
            except NotFound:
                self._kinds[key] = {}
            else:
                self._kinds[key] = _kinds(group, version, _read(data))
            self._asked_s[key] = self._clock.monotonic_s()

    async def _read_version(self, group: str, version: str) -> bytes:
        try:
            return await self._api.read(f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ServerFailed as problem:
            if problem.status != HTTPStatus.SERVICE_UNAVAILABLE or not group:
                raise
            message = f"the server of the API {group}/{version} does not answer: {problem}"
            raise ApiUnavailable(message) from problem


def _kinds(group: str, version: str, said: dict[str, Any]) -> dict[str, Resource]:
    return {
        one["kind"]: Resource(
            group=group,
            version=version,
            plural=one["name"],
            kind=one["kind"],
            namespaced=bool(one["namespaced"]),
        )
        for one in said.get("resources") or ()
        if "/" not in one["name"]
    }


def _read(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as problem:
        raise ServerFailed(
            f"discovery answered no object: {problem}", status=200, reason="Malformed"
        ) from problem
