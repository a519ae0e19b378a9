from typing import Any

import pytest

from agent.kit.tracing import Traceparent
from hub.cli.views import GIT_REPOSITORIES, KUSTOMIZATIONS, View
from hub.model.annotations import RECONCILE_REQUESTED_AT, TRACEPARENT
from tests.hub.cli.support import SPECS, World, artifact, condition, written

SOURCE = GIT_REPOSITORIES.resource
DELIVERY = KUSTOMIZATIONS.resource


def resource(view: View, name: str = "web", **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "flux-system", "generation": 1}
    return {"kind": view.kind.value, "metadata": metadata, "spec": SPECS[view.kind] | spec, "status": {}}


@pytest.fixture
def world() -> World:
    world = World()
    world.management.put(SOURCE, resource(GIT_REPOSITORIES))
    world.management.put(DELIVERY, resource(KUSTOMIZATIONS))
    return world


def hub_answers(world: World, ready: str = "True", message: str = "fine", **status: Any) -> None:
    """Let the hub handle every request to reconcile."""

    def act() -> None:
        for kind, done in (
            (SOURCE, {"artifact": artifact("main@sha1:abc")}),
            (DELIVERY, {"lastAppliedRevision": "main@sha1:abc"}),
        ):
            for one in world.management.all(kind):
                asked = one["metadata"].get("annotations", {}).get(RECONCILE_REQUESTED_AT)
                if asked is None or one["spec"].get("suspend"):
                    continue
                handled = {"lastHandledReconcileAt": asked, "observedGeneration": 1}
                one["status"] = one.get("status", {}) | handled | status | done
                world.management.put(kind, condition(one, "Ready", ready, message))

    world.clock.meanwhile.append(act)


def test_a_source_is_fetched_now_and_told_as_flux_does(world: World) -> None:
    hub_answers(world)
    result = world.run("reconcile", "source", "git", "web")
    assert result.stderr.splitlines() == [
        "► annotating GitRepository web in flux-system namespace",
        "✔ GitRepository annotated",
        "◎ waiting for GitRepository reconciliation",
        "✔ fetched revision main@sha1:abc",
    ]


def test_a_request_takes_the_trace_along_that_the_command_is_a_step_of(world: World) -> None:
    hub_answers(world)
    world.traceparent = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    world.run("reconcile", "source", "git", "web")
    found = world.management.live(SOURCE, "flux-system", "web")
    assert found is not None
    annotations = found["metadata"]["annotations"]
    asked = annotations[RECONCILE_REQUESTED_AT]
    assert annotations[TRACEPARENT] == f"{world.traceparent}@{asked}"


def test_with_source_comes_the_source_first(world: World) -> None:
    hub_answers(world)
    result = world.run("reconcile", "ks", "web", "--with-source")
    assert result.exit_code == 0, result.output
    assert [line for line in result.stderr.splitlines() if "revision" in line] == [
        "✔ fetched revision main@sha1:abc",
        "✔ applied revision main@sha1:abc",
    ]


def test_an_old_success_is_no_answer(world: World) -> None:
    with world.management.editing(SOURCE, "flux-system", "web") as one:
        one["status"] = {"lastHandledReconcileAt": "before", "observedGeneration": 1}
        condition(one, "Ready", "True")
    result = world.run("reconcile", "source", "git", "web", "--timeout", "20s")
    assert result.exit_code == 1
    assert "timeout waiting for GitRepository flux-system/web" in result.stderr
    assert "hub check" in result.stderr


@pytest.mark.parametrize(
    ("type_", "reason"), [("Stalled", "InvalidURL"), ("Reconciling", "ProgressingWithRetry"), (None, "")]
)
def test_a_failure_is_told_with_its_message(world: World, type_: str | None, reason: str) -> None:
    hub_answers(world, ready="False", message="no such branch")
    if type_:
        with world.management.editing(SOURCE, "flux-system", "web") as one:
            condition(one, type_, "True", "again", reason)
    result = world.run("reconcile", "source", "git", "web")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "✗ GitRepository reconciliation failed: 'no such branch'"
    assert world.clock.slept_s < 10


def test_work_in_progress_is_waited_for(world: World) -> None:
    hub_answers(world)

    def fetch_for_a_while() -> None:
        status = "True" if world.clock.slept_s < 30 else "False"
        with world.management.editing(SOURCE, "flux-system", "web") as one:
            condition(one, "Reconciling", status, "fetching", "Progressing")

    world.clock.meanwhile.append(fetch_for_a_while)
    result = world.run("reconcile", "source", "git", "web")
    assert result.exit_code == 0, result.output
    assert world.clock.slept_s >= 30


def test_a_suspended_resource_is_not_reconciled(world: World) -> None:
    world.run("suspend", "source", "git", "web")
    result = world.run("reconcile", "source", "git", "web")
    assert result.exit_code == 1
    assert "resource is suspended" in result.stderr
    assert "hub resume source git web" in result.stderr


def test_suspending_is_told_as_flux_does_and_a_missing_name_is_passed_over(world: World) -> None:
    result = world.run("suspend", "kustomization", "foo", "web")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "✗ Kustomization foo not found in flux-system namespace",
        "► suspending kustomization web in flux-system namespace",
        "✔ kustomization suspended",
    ]
    found = world.management.live(DELIVERY, "flux-system", "web")
    assert found is not None
    assert found["spec"]["suspend"] is True


def test_resuming_takes_the_field_away_and_waits_for_the_one(world: World) -> None:
    world.run("suspend", "ks", "web")
    with world.management.editing(DELIVERY, "flux-system", "web") as found:
        found["status"] = {"observedGeneration": 9, "lastAppliedRevision": "main@sha1:abc"}
        condition(found, "Ready", "True")
    result = world.run("resume", "ks", "web")
    assert result.stderr.splitlines() == [
        "► resuming kustomization web in flux-system namespace",
        "✔ kustomization resumed",
        "◎ waiting for Kustomization reconciliation",
        "✔ applied revision main@sha1:abc",
        "✔ Kustomization web reconciliation completed",
    ]
    after = world.management.live(DELIVERY, "flux-system", "web")
    assert after is not None
    assert "suspend" not in after["spec"]


def test_all_of_a_namespace_are_suspended(world: World) -> None:
    world.management.put(SOURCE, resource(GIT_REPOSITORIES, "other"))
    world.run("suspend", "source", "git", "--all")
    suspended = [
        one["spec"]["suspend"]
        for (_, plural, _, _), one in world.management.objects.items()
        if plural == SOURCE.plural
    ]
    assert suspended == [True, True]


@pytest.mark.parametrize("arguments", [(), ("web", "--all")])
def test_it_must_be_clear_what_is_suspended(world: World, arguments: tuple[str, ...]) -> None:
    result = world.run("suspend", "ks", *arguments)
    assert result.exit_code == 1
    assert "--all" in result.stderr
    assert written(world.management) == []


@pytest.mark.parametrize(
    "arguments", [("reconcile", "source", "git", "nope"), ("reconcile", "ks", "nope", "--with-source")]
)
def test_what_is_not_there_is_named(world: World, arguments: tuple[str, ...]) -> None:
    result = world.run(*arguments)
    assert result.exit_code == 1
    assert "'nope' not found in \"flux-system\" namespace" in result.stderr


def test_a_source_of_a_kind_that_is_not_served_is_named(world: World) -> None:
    with world.management.editing(DELIVERY, "flux-system", "web") as found:
        found["spec"]["sourceRef"]["kind"] = "Bucket"
    result = world.run("reconcile", "ks", "web", "--with-source")
    assert result.exit_code == 1
    assert "takes its objects from a Bucket" in result.stderr
