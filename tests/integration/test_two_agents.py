"""Two agents of two clusters live in one process, and neither notices the other."""

from pathlib import Path

from agent.kube.resources import CONFIG_MAPS
from tests.integration.fleet import Program, fleet


def texts(program: Program) -> dict[str, str]:
    found = program.cluster.list(CONFIG_MAPS, "default").items
    return {one["metadata"]["name"]: one["data"]["text"] for one in found}


def drift(program: Program) -> None:
    live = program.cluster.get(CONFIG_MAPS, "default", "a")
    live["data"]["text"] = "by hand"
    program.cluster.replace(CONFIG_MAPS, "default", live, manager="kubectl-edit")


def work(program: Program) -> list[str]:
    """Return what the agent asked of its API server about other things than its lease."""
    calls = [one for one in program.cluster.calls if one.user == "agent" and one.resource != "leases"]
    return [f"{one.verb} {one.resource} {one.name}" for one in calls]


async def test_what_happens_to_one_agent_and_its_cluster_is_nothing_to_the_other(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        east, west = found.add("east"), found.add("west")
        found.deliver(path="./app", targetNamespace="default")
        text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: one}\n"
        made = found.repository.commit({"app/a.yaml": text})
        await found.until(lambda: found.is_applied(made))
        assert texts(east) == texts(west) == {"a": "one"}
        west.cluster.calls.clear()

        drift(east)
        await found.until(lambda: texts(east) == {"a": "one"})
        await found.until(lambda: east.count("cartwheel_drift_total", event="corrected") == 1)
        assert (work(west), west.count("cartwheel_drift_total", event="corrected")) == ([], 0)

        await east.stop()
        drift(east)
        drift(west)
        await found.until(lambda: texts(west) == {"a": "one"})
        assert texts(east) == {"a": "by hand"}
        await found.until(lambda: found.hub.count("cartwheel_agents_connected") == 1)
