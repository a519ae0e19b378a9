"""What hub and agents count is what happened, and nothing of it grows with the number of objects."""

import re
from pathlib import Path

from agent.kube.resources import CONFIG_MAPS
from hub.model.kinds import Kind
from hub.resources import resource_of
from tests.integration.fleet import Fleet, fleet

DELIVERY = 'kind="Kustomization",name="app",namespace="flux-system"'
SOURCE = 'kind="GitRepository",name="app",namespace="flux-system"'


def config_map(name: str, text: str) -> bytes:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{text: {text}}}\n".encode()


async def commit(found: Fleet, **texts: str) -> None:
    """Have ConfigMaps in the repository, and wait until they are applied in every cluster."""
    files = {f"app/{name}.yaml": config_map(name, text) for name, text in texts.items()}
    made = found.repository.commit(files)
    await found.until(lambda: found.is_applied(made))


async def test_what_hub_and_agent_count_is_what_happened(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        east, west = found.add("east"), found.add("west")
        found.deliver(path="./app", targetNamespace="default")
        await commit(found, a="one", b="one", c="one")
        await commit(found, a="two", b="one")
        live = east.cluster.get(CONFIG_MAPS, "default", "a")
        live["data"]["text"] = "by hand"
        east.cluster.replace(CONFIG_MAPS, "default", live, manager="kubectl-edit")
        await found.until(lambda: east.cluster.get(CONFIG_MAPS, "default", "a")["data"]["text"] == "two")
        await found.until(lambda: found.spans.of("report"))

        hub = await found.hub.scrape()
        assert hub["cartwheel_agents_connected"] == hub["cartwheel_sessions"] == 2
        assert hub["cartwheel_sessions_begun_total"] == 2
        assert hub['cartwheel_assignments_total{event="sent"}'] == 4
        assert hub['cartwheel_assignments_total{event="acknowledged"}'] == 4
        assert hub['cartwheel_assignments_total{event="refused"}'] == 0
        assert hub['cartwheel_builds_total{result="run"}'] == 2
        assert hub['cartwheel_builds_total{result="shared"}'] == 2
        assert hub['cartwheel_builds_total{result="failed"}'] == 0
        assert hub['cartwheel_fetches_total{result="new"}'] == 2
        assert hub['cartwheel_link_sent_bytes_total{call="session"}'] > 1000
        assert hub['cartwheel_loop_results_total{loop="deliveries",result="defect"}'] == 0
        assert hub['cartwheel_loop_duration_seconds_count{loop="deliveries"}'] > 1
        assert hub['cartwheel_loop_queue_depth{loop="deliveries"}'] == 0
        assert hub[f"gotk_reconcile_duration_seconds_count{{{DELIVERY}}}"] > 1
        assert hub[f"gotk_reconcile_duration_seconds_count{{{SOURCE}}}"] >= 2
        assert hub['controller_runtime_reconcile_total{controller="kustomization",result="success"}'] > 0
        assert hub['controller_runtime_reconcile_errors_total{controller="gitrepository"}'] == 0
        assert hub[f'gotk_reconcile_condition{{{DELIVERY},status="True",type="Ready"}}'] == 1
        assert hub[f"gotk_suspend_status{{{SOURCE}}}"] == 0

        agent = await east.scrape()
        assert agent["cartwheel_hub_connected"] == 1
        assert agent['cartwheel_objects_total{action="created"}'] == 3
        assert agent['cartwheel_objects_total{action="configured"}'] == 2
        assert agent['cartwheel_objects_total{action="deleted"}'] == 1
        assert agent['cartwheel_objects_total{action="failed"}'] == 0
        assert agent['cartwheel_objects_total{action="unchanged"}'] >= 1
        assert agent['cartwheel_drift_total{event="detected"}'] == 1
        assert agent['cartwheel_drift_total{event="corrected"}'] == 1
        assert agent['cartwheel_desk_writes_total{part="term"}'] == 1
        assert 4 <= agent['cartwheel_desk_writes_total{part="head"}'] <= 8
        assert agent['cartwheel_loop_results_total{loop="reconcile",result="again"}'] >= 2
        assert (await west.scrape())['cartwheel_drift_total{event="detected"}'] == 0


async def test_flux_s_dashboards_find_each_resource_while_it_is_there_and_nothing_else_names_objects(
    tmp_path: Path,
) -> None:
    async with fleet(tmp_path) as found:
        east = found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        await commit(found, a="one")
        samples = await found.hub.scrape()
        revision = found.status(Kind.KUSTOMIZATION)["lastAppliedRevision"]
        state = ['ready="True"', 'suspended="false"']
        assert_info(
            samples,
            *('customresource_group="kustomize.toolkit.fluxcd.io"', 'customresource_kind="Kustomization"'),
            *(
                'exported_namespace="flux-system"',
                'name="app"',
                f'revision="{revision}"',
                'source_name="app"',
            ),
            *state,
        )
        url = f'url="{found.server.url("app.git")}"'
        assert_info(samples, 'customresource_kind="GitRepository"', url, f'revision="{revision}"', *state)
        for name in (*samples, *await east.scrape()):
            if not name.startswith("gotk_"):
                assert not re.search(r'"[^"]*(\bapp\b|\ba\b|east|flux-system|main@)[^"]*"', name), name
        for kind in (Kind.KUSTOMIZATION, Kind.GIT_REPOSITORY):
            found.management.delete(resource_of(kind), "flux-system", "app")
        await found.until(
            lambda: (
                not any(
                    found.management.list(resource_of(kind)).items
                    for kind in (Kind.KUSTOMIZATION, Kind.GIT_REPOSITORY)
                )
            )
        )
        assert [one for one in await found.hub.scrape() if 'name="app"' in one] == []


async def test_a_quiet_time_counts_nothing_but_polls(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        east = found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        await commit(found, a="one")
        await found.until(lambda: found.spans.of("report"))
        before, polls = await east.scrape(), found.hub.count("cartwheel_fetches_total", result="unchanged")
        await found.until(lambda: found.hub.count("cartwheel_fetches_total", result="unchanged") >= polls + 2)
        after = await east.scrape()
        counts = [name for name in after if name.startswith("cartwheel_") and "loop" not in name]
        assert {name: after[name] for name in counts} == {name: before[name] for name in counts}


def assert_info(samples: dict[str, float], *facts: str) -> None:
    """Hold that one resource's info says all of that."""
    infos = [one for one in samples if one.startswith("gotk_resource_info")]
    assert [one for one in infos if all(fact in one for fact in facts)], infos
