"""What every bench stands on: one plane with the hub and its agent installed as a user does, and the load delivered by them.

State: whether the load is there. Benches run one after the other and leave the load as it is, so that the next one need not make it anew.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from agent.kit.clock import SystemClock, SystemRandomness
from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kube.access import from_kubeconfig
from agent.kube.api import PatchType, Resource
from agent.kube.client import Client
from agent.kube.errors import AlreadyExists
from agent.kube.resources import CONFIG_MAPS, NAMESPACES
from agent.kube.transport import HttpTransport
from agent.kube.watch import Follower, Mirror
from e2e.bench import load
from e2e.bench.figure import say
from e2e.bench.processes import cpu_s, tree
from e2e.planes.plane import AuditEntry, Plane
from e2e.scenarios.fleet import Fleet
from e2e.servers.git_http import GitHttp
from hub.model import annotations
from hub.model.kinds import Kind
from hub.resources import resource_of

PLACE = "bench"
SYSTEM = "cartwheel-system"
FIELD_MANAGER = "bench"
_BUSY = 0.2
_SETTLE_S = 60.0
_TIMEOUT_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is done: Kustomizations, pushes, and seconds of looking on while nothing happens."""

    deliveries: int = 200
    pushes: int = 50
    quiet_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """When the load was pushed, when the last Kustomization was Ready with it, and the CPU seconds between, by program."""

    began: datetime
    ended: datetime
    cpu: dict[str, float] = field(default_factory=dict)


class _Followed(Mirror):
    """A mirror that tells when something in it changed, and when it is complete."""

    def __init__(self, news: asyncio.Event) -> None:
        super().__init__(lambda *_: news.set())
        self._news = news

    def listed(self) -> None:
        super().listed()
        self._news.set()


class Ground:
    """A plane, a Git server, a hub and an agent. Use it as a context."""

    def __init__(self, plane: Plane, git: GitHttp, size: Size) -> None:
        self.plane = plane
        self.size = size
        self.repository = git.repository(load.SOURCE)
        self.url = git.url(load.SOURCE)
        self.client = Client(
            HttpTransport(from_kubeconfig(str(plane.kubeconfig()))), clock=SystemClock(), user_agent="bench"
        )
        self.pids = {
            "hub": plane.pods.pid(SYSTEM, "app.kubernetes.io/name=cartwheel-hub"),
            "agent": plane.pods.pid(SYSTEM, "app.kubernetes.io/name=cartwheel-agent"),
            "apiserver": plane.pid("kube-apiserver"),
        }
        self._news = asyncio.Event()
        self.deliveries = _Followed(self._news)
        self.settings = _Followed(self._news)
        self._tasks = Tasks()
        self._delivered: Delivered | None = None

    async def __aenter__(self) -> Self:
        await self.namespace(PLACE)
        self._follow(resource_of(Kind.KUSTOMIZATION), self.deliveries)
        self._follow(CONFIG_MAPS, self.settings, PLACE)
        await self.until(lambda: self.deliveries.is_complete and self.settings.is_complete)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        await self.client.close()

    async def delivered(self) -> Delivered:
        """Have the load delivered, once, and return how that went."""
        if self._delivered is None:
            self._delivered = await self._deliver()
        return self._delivered

    async def _deliver(self) -> Delivered:
        """All Kustomizations are there and Ready, of empty folders; then one push brings every object, which is the beginning."""
        size = self.size.deliveries
        say(f"creating {size} Kustomizations")
        empty = self.repository.commit(
            {f"{load.folder(number)}/README.md": "Nothing yet.\n" for number in range(size)}, "Begin"
        )
        await self.create(Kind.GIT_REPOSITORY, load.git_repository(load.SOURCE, self.url))
        for number in range(size):
            await self.create(Kind.KUSTOMIZATION, load.kustomization(number, load.SOURCE))
        await self.until(lambda: self.count_ready(empty) == size)
        await self.settled()
        say(f"delivering {size * load.OBJECTS} objects")
        files: dict[str, str | bytes | None] = {}
        for number in range(size):
            files |= load.files(number, PLACE)
        commit = self.repository.commit(files, "Add everything")
        before, began = self.cpu(), datetime.now(UTC)
        await self.fetch_now("add everything")
        await self.until(lambda: self.count_ready(commit) == size)
        ended, after = datetime.now(UTC), self.cpu()
        return Delivered(
            began=began, ended=ended, cpu={name: after[name] - used for name, used in before.items()}
        )

    async def fetch_now(self, token: str) -> None:
        """Say that there is something to fetch, as a webhook does."""
        asked = {"metadata": {"annotations": {annotations.RECONCILE_REQUESTED_AT: token}}}
        await self.merge(Kind.GIT_REPOSITORY, load.SOURCE, asked)

    def count_ready(self, commit: str) -> int:
        """Return how many Kustomizations are Ready at a commit."""
        return sum(
            _ready(one).get("status") == "True" and one["status"]["lastAppliedRevision"].endswith(commit)
            for one in self.deliveries.objects.values()
        )

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds used so far, by program."""
        return {name: cpu_s(tree(pid)) for name, pid in self.pids.items()}

    def audit(self, who: str, since: datetime) -> list[AuditEntry]:
        """Return the requests of `hub` or `agent` since a time, watches and Leases left out."""
        user = f"system:serviceaccount:{SYSTEM}:cartwheel-{who}"
        return [one for one in self.plane.audit(since) if one.user == user and one.verb != "watch"]

    async def namespace(self, name: str) -> None:
        """Create a namespace unless it is there."""
        value = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            await self.client.create(NAMESPACES, "", value, field_manager=FIELD_MANAGER)
        except AlreadyExists:
            return

    async def create(self, kind: Kind, value: dict[str, Any]) -> None:
        """Create one resource in the hub's namespace."""
        await self.client.create(resource_of(kind), "flux-system", value, field_manager=FIELD_MANAGER)

    async def merge(self, kind: Kind, name: str, patch: dict[str, Any]) -> None:
        """Change one resource in the hub's namespace."""
        await self.client.patch(
            resource_of(kind), "flux-system", name, patch, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what is watched. Raises RuntimeError with how everything stands."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                while not holds():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as problem:
            raise RuntimeError(f"not within {_TIMEOUT_S:g} s:\n{self._standing()}") from problem

    def _standing(self) -> str:
        """Return how many Kustomizations say what, and the ends of the logs."""
        told = Counter(
            f"{one.get('status')} {one.get('reason')}: {one.get('message')}"
            for one in map(_ready, self.deliveries.objects.values())
        )
        lines = [f"{count} x {text}" for text, count in told.most_common()]
        for who in ("hub", "agent"):
            lines += self.plane.pods.logs(SYSTEM, f"cartwheel-{who}").splitlines()[-20:]
        return "\n".join(lines)

    async def settled(self) -> None:
        """Wait until the programs have little to do: what one bench set off does not count for the next."""
        until = time.monotonic() + _SETTLE_S
        while time.monotonic() < until:
            before = self.cpu()
            await asyncio.sleep(1.0)
            if all(used - before[name] < _BUSY for name, used in self.cpu().items()):
                return

    def _follow(self, resource: Resource, mirror: Mirror, namespace: str = "") -> None:
        follower = Follower(
            self.client,
            resource,
            mirror,
            namespace=namespace,
            clock=SystemClock(),
            randomness=SystemRandomness(),
            backoff=Backoff(first_s=0.1, last_s=1.0),
        )
        self._tasks.start(follower.run(), name=resource.plural)


def install(plane: Plane) -> None:
    """Install hub and agent with their default times."""
    say("installing hub and agent")
    Fleet(plane, settings=()).install()


def _ready(value: dict[str, Any]) -> dict[str, Any]:
    conditions = (value.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one["type"] == "Ready"), {})
