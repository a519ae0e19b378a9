"""A fleet that comes into being: all agents enrol at once, and are then given everything."""

from e2e.bench import load as names
from e2e.bench.figure import Figure, say
from e2e.bench.fleet.ground import FleetGround, Mark
from e2e.bench.processes import rss_mb, tree


async def measure(ground: FleetGround) -> list[Figure]:
    """Let all agents enrol, then deliver fifty objects to each."""
    name, count = ground.size.name, ground.size.clusters
    await ground.build()
    await ground.settled()
    empty_mb = rss_mb([ground.hub.pid])
    farm_mb = rss_mb(farm.pid for farm in ground.farms)
    say(f"enrolling {count} agents")
    mark = Mark(ground)
    await ground.ask("start")
    await ground.until(lambda: ground.management.connected() == count, "enrolled")
    enrolled = mark.used()
    await ground.settled()
    connected_mb = rss_mb([ground.hub.pid])
    agents_mb = rss_mb(farm.pid for farm in ground.farms)
    say("delivering fifty objects to each")
    mark = Mark(ground)
    commit = await ground.create_load()
    await ground.until(lambda: ground.management.is_ready(names.name(0), commit), "delivered")
    delivered = mark.used()
    await ground.settled()
    full_mb = rss_mb(farm.pid for farm in ground.farms)
    return [
        Figure(name=f"{name}.enrol.seconds", value=enrolled.wall_s, unit="s"),
        Figure(
            name=f"{name}.enrol.cpu.hub", value=enrolled.cpu["hub"] / count * 1000, unit="CPU ms per agent"
        ),
        Figure(
            name=f"{name}.enrol.cpu.farm", value=enrolled.cpu["farm"] / count * 1000, unit="CPU ms per agent"
        ),
        Figure(name=f"{name}.enrol.writes", value=enrolled.writes.total() / count, unit="writes per agent"),
        Figure(
            name=f"{name}.enrol.hub_rss", value=(connected_mb - empty_mb) / count * 1000, unit="kB per agent"
        ),
        Figure(name=f"{name}.memory.agent", value=(agents_mb - farm_mb) / count, unit="MB per agent"),
        Figure(
            name=f"{name}.memory.delivered",
            value=(full_mb - agents_mb) / count,
            unit="MB per cluster of 50 objects",
        ),
        Figure(name=f"{name}.deliver.seconds", value=delivered.wall_s, unit="s"),
        Figure(name=f"{name}.deliver.cpu.hub", value=delivered.cpu["hub"], unit="CPU s"),
        Figure(name=f"{name}.deliver.cpu.farm", value=delivered.cpu["farm"], unit="CPU s"),
        Figure(name=f"{name}.memory.hub", value=rss_mb([ground.hub.pid]), unit="MB"),
        Figure(name=f"{name}.memory.hub_children", value=rss_mb(tree(ground.hub.pid)[1:]), unit="MB"),
    ]
