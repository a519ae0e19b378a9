"""What the reconciler of sources works with, in memory: an API server, a remote and a clock that stands still."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Generic

from hub.model.annotations import FINALIZER
from hub.model.events import Event
from hub.model.source import SourceStatus
from hub.model.value import raw
from hub.sources.failure import FetchFailure
from hub.sources.fetch import Fetched, GitRequest, Limits, Unchanged
from hub.sources.kind import S
from hub.sources.pack import SourceFile, pack

START = datetime(2026, 1, 31, 9, 0, 0, tzinfo=UTC)


class StillClock:
    """A clock that moves only when it is told to."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        return self.at

    def monotonic_s(self) -> float:
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


class Middle:
    """Always the middle of a range."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


@dataclass
class MemoryStore(Generic[S]):
    """One source as an API server holds it, and what was written."""

    parse: Callable[[Mapping[str, object]], S]
    held: dict[str, Any] | None
    secrets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    accounts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    writes: int = 0

    async def source(self, namespace: str, name: str) -> S | None:
        return None if self.held is None else self.parse(self.held)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.secrets.get(f"{namespace}/{name}")

    async def pull_secrets(self, namespace: str, service_account: str) -> tuple[str, ...] | None:
        return self.accounts.get(f"{namespace}/{service_account}")

    async def put_status(self, source: S, status: SourceStatus) -> S:
        assert self.held is not None
        assert self.parse(self.held).status == source.status, "a conflict"
        self.held["status"] = raw(status)
        self.writes += 1
        return self.parse(self.held)

    async def put_finalizer(self, source: S, *, present: bool) -> None:
        assert self.held is not None
        others = [name for name in source.metadata.finalizers if name != FINALIZER]
        self.held["metadata"]["finalizers"] = [*others, FINALIZER] if present else others
        self.writes += 1

    async def record(self, event: Event) -> None:
        self.events.append(event)

    def change(self, **spec: object) -> None:
        """Change the spec as a person does."""
        assert self.held is not None
        self.held["spec"] |= spec
        self.held["metadata"]["generation"] += 1

    def request(self, token: str) -> None:
        assert self.held is not None
        self.held["metadata"].setdefault("annotations", {})["reconcile.fluxcd.io/requestedAt"] = token

    @property
    def status(self) -> dict[str, Any]:
        assert self.held is not None
        found: dict[str, Any] = self.held["status"]
        return found

    def condition(self, type_: str) -> tuple[str, str, str] | None:
        for found in self.status.get("conditions", []):
            if found["type"] == type_:
                return found["status"], found["reason"], found["message"]
        return None


@dataclass
class ScriptedRemote:
    """A remote whose branch main is at `commit` with `files`, or that fails."""

    commit: str = "1" * 40
    files: dict[str, bytes] = field(default_factory=lambda: {"a.yaml": b"a: 1\n"})
    message: str = "Say hello\n"
    failure: FetchFailure | Exception | None = None
    requests: list[GitRequest] = field(default_factory=list)

    async def fetch(self, request: GitRequest, folder: Path) -> Fetched | Unchanged:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        revision = f"main@sha1:{self.commit}"
        if request.known == revision:
            return Unchanged(revision=revision)
        files = [
            SourceFile(path=path, is_executable=False, size=partial(len, data), read=partial(bytes, data))
            for path, data in self.files.items()
        ]
        packed = pack(files, folder, ignored=None, limits=Limits())
        return Fetched(revision=revision, name=self.commit, message=self.message, packed=packed)
