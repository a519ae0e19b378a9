"""Leadership by a Lease: of several processes at most one acts, and one that can no longer prove that it may stops by itself.

State: the Lease in the cluster, and when this process last saw it change. Another's lease is over when it has not changed for its
duration by this process's own clock; the times written in it are for people.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent.kit.clock import Clock
from agent.kit.tasks import Tasks
from agent.kube.api import Api, Object
from agent.kube.errors import AlreadyExists, ApiError, Conflict, NotFound, Unreachable
from agent.kube.resources import LEASES

_LOG = logging.getLogger(__name__)
FIELD_MANAGER = "cartwheel-lease"
Asking = Coroutine[Any, Any, Object]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseSettings:
    """Times in seconds: how long a lease lasts, when its holder gives up, how often it is renewed or looked at, and how long a request
    for that may take: shorter than the deadline, so that one that hangs is followed by another in time."""

    duration_s: float = 15.0
    deadline_s: float = 10.0
    retry_s: float = 2.0
    request_s: float = 4.0

    @property
    def whole_seconds(self) -> int:
        """Return what is written as the duration: never less than it is."""
        return math.ceil(self.duration_s)


class Leadership:
    """One process's part in one Lease."""

    def __init__(
        self, api: Api, namespace: str, name: str, identity: str, settings: LeaseSettings, *, clock: Clock
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._settings = settings
        self._clock = clock
        self._seen = ""
        self._seen_s = 0.0
        self._renewed_s = float("-inf")

    @property
    def holds(self) -> bool:
        """Tell whether this process may act now."""
        return self._left_s() > 0

    def _left_s(self) -> float:
        return self._renewed_s + self._settings.deadline_s - self._clock.monotonic_s()

    async def acquire(self, waiting: Callable[[str], None] | None = None) -> None:
        """Wait until this process holds the lease; `waiting` is told who holds it meanwhile."""
        while not await self._try(waiting):
            await self._clock.sleep(self._settings.retry_s)
        _LOG.info("leading", extra={"lease": self._name, "identity": self._identity})

    async def keep(self) -> None:
        """Renew until the lease is lost, then return; the caller must stop acting at once."""
        async with Tasks() as tasks:
            # Renewing goes on beside, because a request that hangs must not keep this process from seeing that its time is over.
            tasks.start(self._renew(), name=f"renew {self._name}")
            while (left_s := self._left_s()) > 0:
                await self._clock.sleep(min(left_s, self._settings.retry_s))
        _LOG.warning("lease lost", extra={"lease": self._name, "identity": self._identity})

    async def _renew(self) -> None:
        while True:
            await self._clock.sleep(self._settings.retry_s)
            await self._try(None)

    async def release(self) -> None:
        """Give the lease back, so that the next need not wait."""
        if not self.holds:
            return
        self._renewed_s = float("-inf")
        try:
            value = await self._get()
            if value["spec"].get("holderIdentity") == self._identity:
                spec = {**value["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
                await self._in_time(self._replace({**value, "spec": spec}))
        except ApiError as problem:
            _LOG.info("lease not released", extra={"lease": self._name, "error": str(problem)})

    async def _try(self, waiting: Callable[[str], None] | None) -> bool:
        asked_s = self._clock.monotonic_s()
        try:
            value = await self._get()
        except NotFound:
            return await self._create(asked_s)
        except ApiError as problem:
            _LOG.warning("lease not read", extra={"lease": self._name, "error": str(problem)})
            return False
        spec = value.get("spec") or {}
        holder = str(spec.get("holderIdentity") or "")
        version = value["metadata"]["resourceVersion"]
        if version != self._seen:
            # As of the answer: a renewal may have come in between while the question was under way.
            self._seen, self._seen_s = version, self._clock.monotonic_s()
        if holder and holder != self._identity:
            lasts_s = float(spec.get("leaseDurationSeconds") or self._settings.duration_s)
            if asked_s - self._seen_s < lasts_s:
                if waiting is not None:
                    waiting(holder)
                # Whoever took it over has it, whatever this process believes.
                self._renewed_s = float("-inf")
                return False
        now = _micro_time(self._clock.now())
        is_new = holder != self._identity
        spec = spec | {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": self._settings.whole_seconds,
            "renewTime": now,
        }
        if is_new:
            spec |= {"acquireTime": now, "leaseTransitions": int(spec.get("leaseTransitions") or 0) + 1}
        return await self._write(self._replace({**value, "spec": spec}), asked_s)

    async def _create(self, asked_s: float) -> bool:
        now = _micro_time(self._clock.now())
        body: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace},
            "spec": {
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._settings.whole_seconds,
                "acquireTime": now,
                "renewTime": now,
                "leaseTransitions": 0,
            },
        }
        return await self._write(
            self._api.create(LEASES, self._namespace, body, field_manager=FIELD_MANAGER), asked_s
        )

    async def _write(self, writing: Asking, asked_s: float) -> bool:
        try:
            written = await self._in_time(writing)
        except (Conflict, AlreadyExists, NotFound):
            return False
        except ApiError as problem:
            _LOG.warning("lease not written", extra={"lease": self._name, "error": str(problem)})
            return False
        self._seen = written["metadata"]["resourceVersion"]
        self._seen_s = self._renewed_s = asked_s
        return True

    async def _get(self) -> Object:
        return await self._in_time(self._api.get(LEASES, self._namespace, self._name))

    async def _in_time(self, asking: Asking) -> Object:
        try:
            async with asyncio.timeout(self._settings.request_s):
                return await asking
        except TimeoutError as problem:
            raise Unreachable(
                f"lease {self._name}: no answer within {self._settings.request_s:g} s"
            ) from problem

    def _replace(self, value: Object) -> Asking:
        return self._api.replace(LEASES, self._namespace, value, field_manager=FIELD_MANAGER)


def _micro_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")
