"""A fleet that is as whole as it can be: hub and agents on API servers in memory, through the client of production, builds by the real renderer.

Builds happen outside virtual time: while one runs, the world stands still.
"""

import asyncio
import json
import threading
from collections.abc import Mapping
from functools import cache

from agent.kube.api import Api
from hub.build.render import BuildRequest, Rendered, RenderLimits, RenderPool
from tests.hub.build.adapter import renderer
from tests.simulation import served
from tests.simulation.api import Network, SimulatedApi
from tests.simulation.fleet import FleetStorm, FleetWorld
from tests.simulation.management import Table, config_map
from tests.simulation.place import Place
from tests.simulation.served import ServedCluster


class Renderers:
    """The renderers of a test process, on a loop and a time of their own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._pool = asyncio.run_coroutine_threadsafe(self._begun(), self._loop).result()

    async def _begun(self) -> RenderPool:
        return RenderPool(renderer(), 1, RenderLimits(time_s=300))

    def build(self, request: BuildRequest) -> list[Rendered]:
        """Build, and return only then."""
        return asyncio.run_coroutine_threadsafe(self._pool.build(request), self._loop).result()


@cache
def _renderers() -> Renderers:
    return Renderers()


class Trees(Table):
    """Trees of manifests, which the renderer builds."""

    def files(self, folder: Mapping[str, str] | str) -> Mapping[str, bytes]:
        if isinstance(folder, str):
            return {"kustomization.yaml": b"resources: [nowhere.yaml]\n"}
        manifests = {
            f"{name}.yaml": json.dumps(config_map(name, text)).encode() for name, text in folder.items()
        }
        return manifests | {"README.md": b"What is here.\n"}

    async def build(self, request: BuildRequest) -> list[Rendered]:
        return _renderers().build(request)


class WholeWorld(FleetWorld):
    """Servers in memory instead of dicts."""

    def workload_cluster(self, name: str) -> ServedCluster:
        return served.workload(name, self.clock)

    def management_cluster(self) -> ServedCluster:
        return served.management("management", self.clock)

    def table(self) -> Table:
        return Trees()

    def api(self, place: Place, user: str, network: Network) -> Api:
        cluster = place.cluster
        assert isinstance(cluster, ServedCluster)
        return SimulatedApi(cluster.door(), user, network, watching=cluster.watching(user))


class WholeStorm(FleetStorm):
    """What befalls such a fleet."""

    async def _begin(self) -> None:
        for place in self.world.places:
            assert isinstance(place.cluster, ServedCluster)
            place.cluster.add_namespaces()
        await super()._begin()

    def new_world(self, seed: int) -> FleetWorld:
        return WholeWorld(seed)
