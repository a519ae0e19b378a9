"""One commit is one trace, from the fetch to the status, through every cluster that it reaches."""

from pathlib import Path

from agent.kit.tracing import Step
from hub.model.kinds import Kind
from tests.fakes.spans import Told
from tests.integration.fleet import Fleet, fleet

SECRET = "correct-horse-battery"


def files(text: str) -> dict[str, bytes]:
    secret = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{password: {SECRET}-{text}}}\n"
    )
    settings = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\ndata: {{text: {text}}}\n"
    return {"app/secret.yaml": secret.encode(), "app/settings.yaml": settings.encode()}


def trace_of(found: Fleet, commit: str) -> list[Told]:
    """Return the steps of the trace that a commit's fetch began."""
    (fetched,) = [one for one in found.spans.of(Step.FETCH) if commit in one.facts["cartwheel.revision"]]
    return [one for one in found.spans.told if one.trace == fetched.trace]


async def commit(found: Fleet, text: str) -> str:
    """Commit, and wait until it is applied in both clusters and told."""
    made = found.repository.commit(files(text))
    await found.until(lambda: found.is_applied(made))
    await found.until(lambda: len([one for one in trace_of(found, made) if one.step == Step.REPORT]) == 2)
    return made


async def test_each_commit_is_one_trace_of_five_steps_through_both_clusters(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        found.add("east")
        found.add("west")
        found.deliver(path="./app", targetNamespace="default")
        first = trace_of(found, await commit(found, "one"))
        second = trace_of(found, await commit(found, "two"))
    assert {one.trace for one in found.spans.told} == {first[0].trace, second[0].trace}
    for told in (first, second):
        assert sorted(one.step for one in told) == sorted(
            [Step.FETCH, Step.BUILD, *[Step.DELIVER, Step.APPLY, Step.REPORT] * 2]
        )
        assert [one.problem for one in told if one.problem] == []
        for one in told:
            assert parent_step(told, one) == PARENTS[Step(one.step)]
        for cluster in {one.facts["cartwheel.cluster"] for one in told if one.step == Step.DELIVER}:
            assert follows(told, Step.REPORT, Step.APPLY, cluster)
            assert follows(told, Step.APPLY, Step.DELIVER, cluster)
    assert SECRET not in repr([one.facts for one in found.spans.told])


async def test_a_trace_alone_sends_nothing_and_saves_nothing(tmp_path: Path) -> None:
    async with fleet(tmp_path) as found:
        east = found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        await commit_to_one(found, "one")
        saved = [call for call in east.cluster.writes if call.name.startswith("cartwheel-head")]
        assert len(found.spans.of(Step.DELIVER)) == 1
        # Another commit, so another trace; nothing in it is for this delivery, not even to be built anew.
        other = found.repository.commit({**files("one"), "README": b"Read me.\n"})
        await found.until(lambda: found.is_applied(other))
        assert [one.step for one in trace_of(found, other)] == [Step.FETCH]
        now = [call for call in east.cluster.writes if call.name.startswith("cartwheel-head")]
        assert now == saved
        assert len(found.spans.of(Step.DELIVER)) == 1


async def test_a_request_with_a_trace_is_a_step_of_that(tmp_path: Path) -> None:
    asked = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with fleet(tmp_path) as found:
        found.add("east")
        found.deliver(path="./app", targetNamespace="default")
        await commit_to_one(found, "one")
        annotations = {
            "reconcile.fluxcd.io/requestedAt": "now",
            "fleet.cartwheel.dev/traceparent": f"{asked}@now",
        }
        found.annotate(Kind.KUSTOMIZATION, annotations)
        await found.until(
            lambda: (
                found.status(Kind.KUSTOMIZATION).get("lastHandledReconcileAt") == "now"
                and len(found.spans.of(Step.REPORT)) == 2
            )
        )
        told = [one for one in found.spans.told if one.trace == asked.split("-")[1]]
        steps = {one.step: one for one in told}
        assert sorted(steps) == sorted([Step.DELIVER, Step.APPLY, Step.REPORT])
        assert steps[Step.DELIVER].parent == asked.split("-")[2]


async def commit_to_one(found: Fleet, text: str) -> str:
    """Commit, and wait until it is applied in the one cluster and told."""
    made = found.repository.commit(files(text))
    await found.until(lambda: found.is_applied(made) and found.spans.of(Step.REPORT))
    return made


PARENTS = {
    Step.FETCH: "",
    Step.BUILD: Step.FETCH,
    Step.DELIVER: Step.BUILD,
    Step.APPLY: Step.DELIVER,
    Step.REPORT: Step.APPLY,
}


def parent_step(told: list[Told], one: Told) -> str:
    """Return the step that one follows from."""
    return next((other.step for other in told if other.id == one.parent), "")


def follows(told: list[Told], step: Step, parent: Step, cluster: str) -> bool:
    """Tell whether in a cluster one step follows from the other of the same cluster."""
    (later,) = [one for one in told if one.step == step and one.facts["cartwheel.cluster"] == cluster]
    (earlier,) = [one for one in told if one.step == parent and one.facts["cartwheel.cluster"] == cluster]
    return later.parent == earlier.id
