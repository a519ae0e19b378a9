"""What an agent finds that comes back after its certificate has ended: its place again, or the word that its cluster was removed."""

import asyncio
import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

from agent.kube.resources import CONFIG_MAPS, SECRETS
from agent.link.identity import SECRET, Credentials
from hub.gateway.ca import Authority
from hub.model.installation import CA_SECRET, CLUSTERS_NAMESPACE, NAMESPACE
from hub.model.kinds import Kind
from hub.resources import CLUSTERS
from tests.integration.fleet import Fleet, Program, fleet


def let_end(found: Fleet, program: Program) -> None:
    """Have the certificate of an agent that was stopped ended an hour ago."""
    identity = program.cluster.get(SECRETS, NAMESPACE, SECRET)
    parts = {name: base64.b64decode(text) for name, text in identity["data"].items()}
    ca = found.management.get(SECRETS, NAMESPACE, CA_SECRET)["data"]
    authority = Authority(found.certificate, base64.b64decode(ca["ca.key"]))
    mine = Credentials(key=parts["tls.key"], certificate=parts["tls.crt"])
    issued = authority.issue_agent(
        mine.request(),
        mine.cluster,
        now=found.clock.now() - timedelta(hours=2),
        lifetime=timedelta(hours=1),
    )
    identity["data"]["tls.crt"] = base64.b64encode(issued.certificate).decode()
    program.cluster.replace(SECRETS, NAMESPACE, identity, manager="time")


def text(program: Program) -> str:
    return str(program.cluster.get(CONFIG_MAPS, "default", "a")["data"]["text"])


def drift(program: Program) -> None:
    live = program.cluster.get(CONFIG_MAPS, "default", "a")
    live["data"]["text"] = "by hand"
    program.cluster.replace(CONFIG_MAPS, "default", live, manager="kubectl-edit")


async def delivered(found: Fleet) -> Program:
    """Return an agent that has what is delivered, and was stopped."""
    agent = found.add("west")
    found.deliver(path="./app", targetNamespace="default")
    manifest = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {text: one}\n"
    made = found.repository.commit({"app/a.yaml": manifest})
    await found.until(lambda: found.is_applied(made))
    await agent.stop()
    await found.until(lambda: found.hub.count("cartwheel_agents_connected") == 0)
    return agent


def forget(found: Fleet) -> dict[str, Any]:
    """Remove the cluster without waiting for its agent, and return it as it was."""
    before: dict[str, Any] = found.management.get(CLUSTERS, CLUSTERS_NAMESPACE, "west")
    found.annotate(Kind.CLUSTER, {"fleet.cartwheel.dev/remove": "forget"}, "west")
    found.management.delete(CLUSTERS, CLUSTERS_NAMESPACE, "west")
    return before


def is_there(found: Fleet) -> bool:
    return any(one["metadata"]["name"] == "west" for one in found.management.list(CLUSTERS, "").items)


def bring_back(found: Fleet, before: dict[str, Any]) -> None:
    """Have the Cluster there again, as from a backup."""
    metadata = {name: before["metadata"][name] for name in ("name", "namespace", "labels")}
    made = found.management.create(
        CLUSTERS, CLUSTERS_NAMESPACE, {**before, "metadata": metadata}, manager="backup"
    )
    value = {**made, "status": before["status"]}
    found.management.replace(CLUSTERS, CLUSTERS_NAMESPACE, value, manager="backup", subresource="status")


async def test_an_agent_whose_certificate_ended_has_its_place_again(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        stopped = await delivered(found)
        let_end(found, stopped)
        agent = found.another_agent("west")
        await found.until(lambda: found.hub.count("cartwheel_agents_connected") == 1)
        drift(agent)
        await found.until(lambda: text(agent) == "one")
        assert (await agent.ask("/readyz"))[0] == 200


async def test_an_agent_whose_cluster_was_removed_guards_no_more_until_that_is_back(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        stopped = await delivered(found)
        let_end(found, stopped)
        before = forget(found)
        await found.until(lambda: not is_there(found))
        agent = found.another_agent("west")
        async with asyncio.timeout(20):
            while "was removed from the fleet" not in (await agent.ask("/readyz"))[1]:
                await asyncio.sleep(0.05)
        drift(agent)
        await asyncio.sleep(1.0)
        assert text(agent) == "by hand"
        bring_back(found, before)
        await found.until(lambda: text(agent) == "one")
        assert (await agent.ask("/readyz"))[0] == 200
