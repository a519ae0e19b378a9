"""A fleet in a box as a process of its own: `python -m hub.sandbox FOLDER`.

FOLDER has plan.json, which says what is to be in the box, and gets the kubeconfig and the Git repositories. When everything is connected a
line of JSON says where things are. Lines on standard input cut and mend clusters (`cut NAME`, `mend NAME`); its end ends the box.
"""

import asyncio
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent.kit.clock import SystemClock
from hub.model.installation import CLUSTERS_NAMESPACE
from hub.resources import CLUSTERS
from hub.sandbox.box import Box, Plan, box
from hub.sandbox.git import serving_git

_CONNECTED_S = 30.0
_LOOK_S = 0.05


class Written(msgspec.Struct):
    """The form of plan.json; see `hub.sandbox.box.Plan`."""

    render: str
    workloads: dict[str, dict[str, str]]
    hub_rights: list[dict[str, Any]]
    agent_rights: list[dict[str, Any]]
    environment: dict[str, str] = {}


async def run(folder: Path) -> None:
    """Run a box until standard input ends."""
    clock = SystemClock()
    written = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Written)
    plan = Plan(
        folder=folder,
        render=Path(written.render),
        workloads=written.workloads,
        hub_rights=written.hub_rights,
        agent_rights=written.agent_rights,
        environment=written.environment,
    )
    (folder / "git").mkdir(exist_ok=True)
    async with serving_git(folder / "git") as git, box(plan, clock=clock) as fleet:
        async with asyncio.timeout(_CONNECTED_S):
            while not await _all_connected(fleet):
                await clock.sleep(_LOOK_S)
        _say({"git": git, "kubeconfig": str(fleet.kubeconfig)})
        await _obey(fleet)


async def _all_connected(fleet: Box) -> bool:
    found = (await fleet.management.api.list(CLUSTERS, CLUSTERS_NAMESPACE)).items
    connected = [one for one in found if _is_connected(one)]
    return len(connected) == len(fleet.members)


def _is_connected(cluster: Mapping[str, Any]) -> bool:
    conditions = (cluster.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Connected" and one["status"] == "True" for one in conditions)


async def _obey(fleet: Box) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        match line.decode().split():
            case ["cut", name] if name in fleet.wires:
                fleet.cut(name)
            case ["mend", name] if name in fleet.wires:
                fleet.mend(name)
            case words:
                _say({"error": f"not understood: {' '.join(words)}"})
                continue
        _say({"done": line.decode().strip()})


def _say(value: Mapping[str, str]) -> None:
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    logging.basicConfig(filename=Path(sys.argv[1]) / "log", level="INFO")
    asyncio.run(run(Path(sys.argv[1])))
