"""Probes say what is true of a hub and an agent, and one that is asked to stop ends its work and gives way at once."""

import asyncio
import time
from pathlib import Path

from agent.kube.resources import CONFIG_MAPS, LEASES
from hub.model.installation import NAMESPACE
from hub.model.kinds import Kind
from hub.sandbox.calls import Call
from tests.integration.fleet import LEASE_S, Fleet, Program, fleet


def config_map(name: str) -> bytes:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n".encode()


def applies_config_map(call: Call) -> bool:
    return call.resource == "configmaps" and call.verb == "apply"


async def is_ready(program: Program) -> bool:
    return (await program.ask("/readyz"))[0] == 200


async def until_ready(program: Program, found: Fleet) -> None:
    async with asyncio.timeout(20):
        while not await is_ready(program):
            await asyncio.sleep(0.02)


def holder(program: Program) -> str:
    found: str = program.cluster.get(LEASES, NAMESPACE, "cartwheel")["spec"]["holderIdentity"]
    return found


async def test_of_two_hubs_the_one_that_leads_is_ready_and_the_other_takes_over_at_once(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as found:
        await until_ready(found.hub, found)
        second = found.another_hub()
        await asyncio.sleep(0.5)
        assert await second.ask("/readyz") == (503, "hub-0 leads\n")
        assert (await second.ask("/healthz"))[0] == 200
        found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        made = found.repository.commit({"app/a.yaml": config_map("a")})
        await found.until(lambda: found.is_applied(made))

        found.server.delay_s = 0.3
        found.annotate(Kind.GIT_REPOSITORY, {"reconcile.fluxcd.io/requestedAt": "now"})
        made = found.repository.commit({"app/b.yaml": config_map("b")})
        polls = len(found.server.requests)
        await found.until(lambda: len(found.server.requests) > polls)
        began_s = time.monotonic()
        await found.hub.stop()
        # The fetch that went on has ended and is told of.
        assert found.status(Kind.GIT_REPOSITORY)["artifact"]["revision"].endswith(made)
        assert holder(found.hub) in ("", "hub-1")
        await until_ready(second, found)
        assert time.monotonic() - began_s < LEASE_S / 2
        await found.until(lambda: found.is_applied(made))


async def test_of_two_agents_the_one_that_acts_is_ready_and_the_other_takes_over_at_once(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as found:
        first = found.add("east")
        await until_ready(first, found)
        second = found.another_agent("east")
        await asyncio.sleep(0.5)
        assert await second.ask("/readyz") == (503, "agent-east-0 is the acting agent\n")
        found.deliver(path="./app", targetNamespace="default")
        first.cluster.network.latency_s = lambda call: 0.1 if applies_config_map(call) else 0.0
        made = found.repository.commit({f"app/{name}.yaml": config_map(name) for name in "abcdef"})
        await found.until(lambda: first.cluster.list(CONFIG_MAPS, "default").items)
        began_s = time.monotonic()
        await first.stop()
        # The apply that went on has ended: every object is there, and the desk says so.
        assert len(first.cluster.list(CONFIG_MAPS, "default").items) == 6
        assert holder(first) in ("", "agent-east-1")
        await until_ready(second, found)
        assert time.monotonic() - began_s < LEASE_S / 2
        await found.until(lambda: found.is_applied(made))
        assert second.count("cartwheel_objects_total", action="created") == 0


async def test_an_agent_that_the_hub_has_not_let_in_yet_is_not_ready_but_well(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        await found.hub.stop()
        east = found.add("east")
        await asyncio.sleep(0.5)
        assert await east.ask("/readyz") == (503, "not enrolled\n")
        assert (await east.ask("/healthz"))[0] == 200


async def test_a_hub_whose_api_server_does_not_answer_is_not_ready(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        await found.hub.stop()
        found.management.network.hangs = lambda call: call.verb == "list"
        second = found.another_hub()
        await asyncio.sleep(1)
        assert await second.ask("/readyz") == (503, "listing its resources\n")


async def test_a_stuck_worker_makes_an_agent_unwell_and_the_hub_believes_it_no_more(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        east = found.add("east")
        east.cluster.network.hangs = applies_config_map
        found.deliver(path="./app", targetNamespace="default")
        found.repository.commit({"app/a.yaml": config_map("a")})
        await found.until(lambda: found.hub.count("cartwheel_agents_connected") == 1)
        async with asyncio.timeout(20):
            while (await east.ask("/healthz"))[0] == 200:
                await asyncio.sleep(0.05)
        assert "loop reconcile has not moved" in (await east.ask("/healthz"))[1]
        await found.until(lambda: found.hub.count("cartwheel_agents_connected") == 0)
