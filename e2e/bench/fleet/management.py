"""The management cluster of a bench: an API server in memory, in this process, over HTTPS, with what an installation puts there.

State: the server, and the counts of what was written to it.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from agent.kit.clock import SystemClock
from agent.kube.api import Api, Object, PatchType
from agent.kube.client import Client
from e2e.bench.fleet.load import FLUX
from e2e.bench.fleet.programs import Account
from hub.cli.manifests import running_rights
from hub.model import annotations, installation
from hub.model.kinds import TYPES, Kind
from hub.resources import resource_of
from hub.sandbox.box import ADMIN_TOKEN
from hub.sandbox.cluster import admin, new_cluster
from hub.sandbox.http import served
from hub.sandbox.installing import accounts, install_hub, register
from hub.sandbox.local import LocalTransport
from hub.sandbox.server import Server
from hub.sandbox.storage import Change, KindKey
from hub.sandbox.tls import loopback

FIELD_MANAGER = "bench"


class Management:
    """The management cluster, and what its resources say."""

    def __init__(self, server: Server, account: Account, authority: bytes, api: Api) -> None:
        self.account = account
        self.authority = authority
        self.writes: Counter[str] = Counter()
        self._server = server
        self._api = api
        server.storage.follow(self._heard)

    def _heard(self, kind: KindKey, _: Change) -> None:
        self.writes[kind[1]] += 1

    def all(self, kind: Kind) -> Iterable[Object]:
        """Yield the resources of a kind."""
        for _, value in self._server.storage.all((TYPES[kind].group, TYPES[kind].plural)):
            yield value

    def delivery(self, name: str) -> Object:
        """Return a Kustomization. Raises KeyError."""
        kind = TYPES[Kind.KUSTOMIZATION]
        found = self._server.storage.get((kind.group, kind.plural), (FLUX, name))
        if found is None:
            raise KeyError(name)
        return found

    def connected(self) -> int:
        """Return how many Clusters have an agent."""
        return sum(condition(one, "Connected").get("status") == "True" for one in self.all(Kind.CLUSTER))

    def terms(self) -> dict[str, int]:
        """Return the term of each Cluster's last session."""
        return {
            one["metadata"]["name"]: int(one.get("status", {}).get("session", {}).get("term", 0))
            for one in self.all(Kind.CLUSTER)
        }

    def is_ready(self, name: str, commit: str = "") -> bool:
        """Tell whether a Kustomization is Ready, at a commit."""
        value = self.delivery(name)
        applied = str(value.get("status", {}).get("lastAppliedRevision", ""))
        return condition(value, "Ready").get("status") == "True" and applied.endswith(commit)

    def has_seen_all(self) -> bool:
        """Tell whether every Kustomization is Ready as it is now."""
        return all(
            condition(one, "Ready").get("status") == "True"
            and one["status"].get("observedGeneration") == one["metadata"]["generation"]
            for one in self.all(Kind.KUSTOMIZATION)
        )

    async def add(self, name: str, labels: Mapping[str, str]) -> str:
        """Register a cluster; return its join token."""
        return await register(self._api, name, labels, clock=SystemClock())

    async def create(self, value: Object) -> None:
        """Create a resource of the hub's."""
        await self._api.create(resource_of(Kind(value["kind"])), FLUX, value, field_manager=FIELD_MANAGER)

    async def merge(self, kind: Kind, name: str, patch: Object) -> None:
        """Change a resource of the hub's."""
        await self._api.patch(
            resource_of(kind), FLUX, name, patch, kind=PatchType.MERGE, field_manager=FIELD_MANAGER
        )

    async def fetch_now(self, source: str, token: str) -> None:
        """Say that there is something to fetch, as a webhook does."""
        asked = {"metadata": {"annotations": {annotations.RECONCILE_REQUESTED_AT: token}}}
        await self.merge(Kind.GIT_REPOSITORY, source, asked)


@asynccontextmanager
async def managing(folder: Path) -> AsyncIterator[Management]:
    """Serve a management cluster that is ready for a hub until the end of the block."""
    clock = SystemClock()
    certificate = loopback(clock.now())
    server = new_cluster(clock, {ADMIN_TOKEN: admin(), **accounts()})
    api = Client(LocalTransport(server, ADMIN_TOKEN), clock=clock)
    authority = await install_hub(api, running_rights()[0], clock=clock)
    async with served(server, certificate.context) as address:
        account = Account.make(
            folder / "account", address=address, token=installation.HUB, authority=certificate.ca
        )
        yield Management(server, account, authority, api)


def condition(value: Object, type_: str) -> Mapping[str, Any]:
    """Return a condition of a resource, empty when it has none of the type."""
    found = (value.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one["type"] == type_), {})
