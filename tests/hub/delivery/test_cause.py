"""A build and a wish are steps of the commit that they are for until it is applied, and of no commit afterwards."""

from agent.kit.telemetry import Telemetry
from agent.kit.tracing import NO_TRACE, Step, Traceparent
from hub.model.kinds import Kind
from tests.fakes.spans import Spans
from tests.hub.delivery.test_controller import FLEET, PROD, Rig, config_map, prod_fleet, running
from tests.hub.hand import settle
from tests.hub.model.samples import kustomization

TRACE = Traceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
OTHER_TRACE = Traceparent("00-1bf7651916cd43dd8448eb211c80319c-c7ad6b7169203331-01")


def traced() -> tuple[Rig, Spans]:
    rig, spans = prod_fleet(), Spans()
    rig.telemetry = Telemetry(spans.tracer(rig.clock))
    rig.commit("main@sha1:1", traceparent=TRACE, a=config_map("a"))
    return rig, spans


def applied(rig: Rig, revision: str, **status: str) -> None:
    value = rig.api.get_now("kustomizations", "webapp")
    rig.api.put("kustomizations", {**value, "status": {"lastAppliedRevision": revision, **status}})


async def test_one_build_is_one_step_and_every_cluster_s_wish_follows_from_it() -> None:
    rig, spans = traced()
    rig.deliver(labels=FLEET)
    async with running(rig):
        (told,) = spans.told
        assert (told.step, told.parent) == (Step.BUILD, TRACE.split("-")[2])
        assert {rig.assigned(name).traceparent for name in ("eu-1", "us-1", "ap-1")} == {told.traceparent}


async def test_a_cluster_that_comes_later_continues_the_trace_of_what_it_gets() -> None:
    rig, spans = traced()
    rig.deliver(labels=FLEET)
    async with running(rig):
        applied(rig, "main@sha1:1")
        rig.cluster("new", **PROD)
        await settle()
        assert rig.assigned("new").traceparent == spans.told[0].traceparent
        assert len(spans.told) == 1


async def test_a_build_that_fails_again_and_again_is_one_step_that_failed() -> None:
    rig, spans = traced()
    rig.commit("main@sha1:1", traceparent=TRACE, a="kind: ConfigMap\n")
    rig.deliver(labels=FLEET, spec={"retryInterval": "1m"})
    async with running(rig):
        await rig.clock.pass_(200)
        assert rig.controller.renderings > 2
        assert [one.problem for one in spans.told] == ["BuildFailed"]


async def test_a_hub_that_starts_over_what_is_applied_takes_no_step() -> None:
    rig, spans = traced()
    rig.deliver(labels=FLEET)
    applied(rig, "main@sha1:1")
    async with running(rig):
        assert rig.assigned("eu-1").traceparent == NO_TRACE
        assert spans.told == []


async def test_another_interval_is_no_step_of_the_commit() -> None:
    rig, spans = traced()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        value = rig.api.get_now("kustomizations", "webapp")
        metadata = {**value["metadata"], "generation": 2}
        rig.api.put("kustomizations", {**value, "metadata": metadata, "spec": kustomization(interval="7m")})
        await settle()
        after = rig.assigned("eu-1")
        assert after.assignment.substance != before.assignment.substance
        assert after.traceparent == NO_TRACE
        assert len(spans.told) == 1


async def test_a_request_with_a_trace_is_what_a_wish_follows_from_that_it_alone_changes() -> None:
    rig, _ = traced()
    rig.deliver(labels=FLEET)
    async with running(rig):
        annotations = {
            "reconcile.fluxcd.io/requestedAt": "now",
            "fleet.cartwheel.dev/traceparent": f"{OTHER_TRACE}@now",
        }
        rig.relabel("kustomizations", "webapp", annotations=annotations)
        await settle()
        assert rig.assigned("eu-1").assignment.tokens == {"reconcile": "now"}
        assert rig.assigned("eu-1").traceparent == OTHER_TRACE


async def test_a_new_trace_alone_is_no_new_wish() -> None:
    rig, _ = traced()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        value = rig.api.get_now("gitrepositories", "webapp")
        value["status"]["artifact"]["metadata"]["fleet.cartwheel.dev/traceparent"] = OTHER_TRACE
        rig.api.put_resource(Kind.GIT_REPOSITORY, "webapp", value["spec"], status=value["status"])
        with rig.boards.wishes.reader() as reader:
            await reader.next()
            await settle()
            assert rig.assigned("eu-1") is before
