"""The harness's own way to an API server: as root, over JSON, independent of the client that it tests."""

import json
import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

Object = dict[str, Any]
_PATCH = {"Content-Type": "application/merge-patch+json"}


class DoorShut(Exception):
    """The API server is away or refused; `status` is its code, 0 when there was no answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Door:
    """Requests to one API server. All raise DoorShut."""

    def __init__(self, server: str, token: str, ca: Path, *, timeout_s: float = 5.0) -> None:
        self._session = aiohttp.ClientSession(
            server,
            headers={"Authorization": f"Bearer {token}"},
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(ca))),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, path: str) -> Object:
        return await self._send("GET", path)

    async def items(self, path: str) -> list[Object]:
        found: list[Object] = (await self._send("GET", path))["items"]
        return found

    async def create(self, path: str, value: Object) -> Object:
        return await self._send("POST", path, value)

    async def merge(self, path: str, value: Object) -> Object:
        return await self._send("PATCH", path, value, _PATCH)

    async def remove(self, path: str, uid: str) -> None:
        """Delete an object at once, and only that very one."""
        await self._send("DELETE", path, {"gracePeriodSeconds": 0, "preconditions": {"uid": uid}})

    async def _send(
        self, verb: str, path: str, value: Object | None = None, headers: dict[str, str] | None = None
    ) -> Object:
        body = None if value is None else json.dumps(value)
        sent = {"Content-Type": "application/json"} | (headers or {})
        try:
            async with self._session.request(verb, path, data=body, headers=sent) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as problem:
            raise DoorShut(f"{verb} {path}: {problem!r}") from problem
        if answer.status >= 400:
            raise DoorShut(f"{verb} {path}: {content.decode(errors='replace')[:300]}", answer.status)
        found: Object = json.loads(content)
        return found
