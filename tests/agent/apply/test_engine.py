"""What a convergence writes, in which order, and what stops it."""

import json

import pytest

from agent.apply.convergence import PRUNE_FAILED, RECONCILIATION_FAILED, Action
from agent.kube.api import Object
from agent.kube.discovery import Discovery
from agent.kube.resources import CUSTOM_RESOURCE_DEFINITIONS, NAMESPACES
from agent.model.content import Manifest
from hub.sandbox.calls import Call
from hub.sandbox.refusals import Refused, answer_of, internal_error
from hub.sandbox.wire import Answer
from tests.agent.apply.cluster import (
    CONFIG_MAPS,
    OWNER,
    Delivery,
    actions,
    definition,
    manifest,
    names_of,
)
from tests.fakes.clock import in_virtual_time
from tests.fakes.cluster import Undisturbed
from tests.fakes.contract import API_SERVICES, NOWHERE

HEAD = {"apiVersion": "v1", "kind": "ConfigMap"}


def deployment(app: str, **marks: str) -> Manifest:
    labels = {"app": app}
    containers = [{"name": "app", "image": "app:1"}]
    spec = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
    }
    return manifest("Deployment", "app", api_version="apps/v1", marks=marks or None, spec=spec)


@in_virtual_time
async def test_new_objects_are_tried_and_then_applied_and_nothing_more() -> None:
    delivery = Delivery()
    changes = await delivery.converge(*(manifest(name=f"m{n}", data={"a": "1"}) for n in range(5)))
    assert set(actions(changes).values()) == {Action.CREATED}
    assert (changes.reason, changes.problem) == ("", "")
    assert list(changes.inventory) == [f"default_m{n}__ConfigMap" for n in range(5)]
    assert [call.verb for call in delivery.requests()] == ["apply"] * 10
    assert len(delivery.writes()) == 5


@in_virtual_time
async def test_a_pass_over_what_is_known_makes_no_request() -> None:
    delivery = Delivery()
    wished = (manifest("Namespace", "apps", namespace=""), manifest(data={"a": "1"}))
    await delivery.converge(*wished)
    delivery.forget_requests()
    changes = await delivery.converge(*wished)
    assert delivery.cluster.calls == []
    assert set(actions(changes).values()) == {Action.UNCHANGED}


@in_virtual_time
async def test_a_changed_line_is_one_dry_run_and_one_write() -> None:
    delivery = Delivery()
    other = manifest(name="other", data={"a": "1"})
    await delivery.converge(manifest(data={"a": "1"}), other)
    delivery.forget_requests()
    changes = await delivery.converge(manifest(data={"a": "2"}), other)
    assert actions(changes) == {"one": Action.CONFIGURED, "other": Action.UNCHANGED}
    assert [(call.verb, call.is_dry_run) for call in delivery.requests()] == [
        ("apply", True),
        ("apply", False),
    ]


@in_virtual_time
async def test_what_others_write_beside_ours_makes_no_request() -> None:
    delivery = Delivery()
    wished = manifest(data={"a": "1"})
    await delivery.converge(wished)
    patch = {"metadata": {"annotations": {"theirs": "1"}}, "data": {"b": "theirs"}}
    delivery.cluster.patch(CONFIG_MAPS, "default", "one", patch, manager="controller")
    delivery.forget_requests()
    assert actions(await delivery.converge(wished)) == {"one": Action.UNCHANGED}
    assert actions(await delivery.converge(wished)) == {"one": Action.UNCHANGED}
    assert delivery.cluster.calls == []


@in_virtual_time
async def test_what_a_watch_has_not_seen_yet_is_read() -> None:
    delivery = Delivery()
    wished = manifest(data={"a": "1"})
    await delivery.converge(wished)
    seen = delivery.live(wished.ref, "v1")
    other = manifest(data={"a": "2"})
    await delivery.converge(other)
    delivery.live = lambda ref, version: seen  # type: ignore[method-assign]
    delivery.forget_requests()
    assert actions(await delivery.converge(wished)) == {"one": Action.CONFIGURED}
    assert (await delivery.converge(wished)).changes[0].action is Action.UNCHANGED
    assert delivery.cluster.get(CONFIG_MAPS, "default", "one")["data"] == {"a": "1"}


@in_virtual_time
async def test_drift_is_put_back_and_names_fields_and_who_changed_them() -> None:
    delivery = Delivery()
    wished = manifest(data={"a": "1"})
    await delivery.converge(wished)
    patch = {"data": {"a": "2", "b": "theirs"}}
    delivery.cluster.patch(CONFIG_MAPS, "default", "one", patch, manager="kubectl-edit")
    changes = await delivery.converge(wished)
    assert changes.changes[0].fields == ("data.a",)
    assert changes.changes[0].managers == ("kubectl-edit",)
    live = delivery.cluster.get(CONFIG_MAPS, "default", "one")
    assert live["data"] == {"a": "1", "b": "theirs"}


@in_virtual_time
async def test_what_is_gone_from_the_cluster_is_made_anew() -> None:
    delivery = Delivery()
    await delivery.converge(manifest())
    delivery.cluster.delete(CONFIG_MAPS, "default", "one")
    assert actions(await delivery.converge(manifest())) == {"one": Action.CREATED}


@in_virtual_time
async def test_objects_in_a_namespace_and_of_a_kind_that_come_with_them() -> None:
    delivery = Delivery()
    gadget = manifest("Gadget", "g", api_version="example.org/v1", namespace="apps")
    changes = await delivery.converge(gadget, manifest("Namespace", "apps", namespace=""), definition())
    assert changes.problem == ""
    assert [call.resource for call in delivery.writes()] == [
        "customresourcedefinitions",
        "namespaces",
        "gadgets",
    ]


@in_virtual_time
async def test_a_namespace_that_never_becomes_active_holds_back_what_follows() -> None:
    delivery = Delivery()
    namespace = manifest("Namespace", "apps", namespace="")
    await delivery.converge(namespace)
    inside = manifest(name="kept", namespace="apps")
    delivery.cluster.create(
        CONFIG_MAPS, "apps", {"metadata": {"name": "stays", "finalizers": ["x/y"]}} | HEAD, manager="somebody"
    )
    delivery.cluster.delete(NAMESPACES, "", "apps")
    # Each pass waits, also one that finds the namespace as the last one left it.
    for _ in range(2):
        changes = await delivery.converge(namespace, inside)
        assert actions(changes)["kept"] is Action.HELD_BACK
        assert changes.problem == "timeout waiting for: [Namespace/apps status: 'Terminating']"


@in_virtual_time
async def test_one_invalid_object_stops_its_stage_before_the_first_write() -> None:
    delivery = Delivery()
    await delivery.converge(deployment("a"))
    delivery.forget_requests()
    changes = await delivery.converge(deployment("b"), manifest())
    assert delivery.writes() == []
    assert actions(changes) == {"app": Action.FAILED, "one": Action.HELD_BACK}
    assert changes.reason == RECONCILIATION_FAILED
    assert changes.problem.startswith("Deployment/default/app dry-run failed (Invalid): ")
    held = next(change for change in changes.changes if change.action is Action.HELD_BACK)
    assert held.message == "held back by Deployment/default/app"


@in_virtual_time
async def test_nothing_is_deleted_while_a_stage_is_stopped() -> None:
    delivery = Delivery()
    await delivery.converge(deployment("a"), manifest(name="old"))
    changes = await delivery.converge(deployment("b"))
    assert "old" in delivery.names()
    assert names_of(changes.inventory) == {"app", "old"}


@in_virtual_time
async def test_forbidden_and_unknown_objects_do_not_hold_back_the_others() -> None:
    delivery = Delivery(namespace="default")
    changes = await delivery.converge(
        manifest(),
        manifest(name="far", namespace="kube-system"),
        manifest("Gadget", "strange", api_version="example.org/v1"),
    )
    assert actions(changes) == {
        "one": Action.CREATED,
        "far": Action.FAILED,
        "strange": Action.FAILED,
    }
    assert "ConfigMap/kube-system/far dry-run failed (Forbidden)" in changes.problem
    assert "Gadget/default/strange dry-run failed (UnknownKind)" in changes.problem
    assert names_of(changes.inventory) == {"one"}


@in_virtual_time
async def test_nothing_is_deleted_while_an_object_is_refused() -> None:
    delivery = Delivery(namespace="default")
    await delivery.converge(manifest(name="old"))
    changes = await delivery.converge(manifest(name="old", namespace="kube-system"))
    assert actions(changes) == {"old": Action.FAILED}
    assert "old" in delivery.names()
    assert list(changes.inventory) == ["default_old__ConfigMap"]


@in_virtual_time
async def test_a_stopped_stage_still_names_what_is_forbidden() -> None:
    delivery = Delivery(namespace="default")
    await delivery.converge(deployment("a"))
    changes = await delivery.converge(deployment("b"), manifest(name="far", namespace="kube-system"))
    assert "Deployment/default/app" in changes.problem
    assert "ConfigMap/kube-system/far" in changes.problem


@in_virtual_time
async def test_a_missing_namespace_is_told_as_not_found() -> None:
    changes = await Delivery().converge(manifest(namespace="absent"))
    assert changes.problem == 'ConfigMap/absent/one not found: namespaces "absent" not found'


@in_virtual_time
async def test_an_immutable_change_makes_the_object_anew_when_forced() -> None:
    for marks, wishes in (({"force": "Enabled"}, {}), ({}, {"force": True})):
        delivery = Delivery()
        await delivery.converge(deployment("a"))
        changes = await delivery.converge(deployment("b", **marks), **wishes)
        assert actions(changes) == {"app": Action.CREATED}
        assert [call.verb for call in delivery.writes()] == ["apply", "delete", "apply"]


BAD_PORT = {"field": "spec.ports[0].port", "message": "Invalid value: 99999", "reason": "FieldValueInvalid"}
TAKEN = {"field": "spec.ports[0].nodePort", "message": "port is taken", "reason": "FieldValueInvalid"}
IMMUTABLE = {"field": "spec.selector", "message": "field is immutable", "reason": "FieldValueInvalid"}


class _Refuses(Undisturbed):
    """What is tried is refused: as a change of the object that is there, and as a new object of any name."""

    def __init__(self, change: Refused, new: Refused | None) -> None:
        self._change = change
        self._new = new

    async def before(self, call: Call) -> Answer | None:
        refusal = self._change if call.name == "app" else self._new
        return answer_of(refusal) if call.is_dry_run and refusal is not None else None


def _invalid(*causes: dict[str, str]) -> Refused:
    return Refused(422, "Invalid", "it is invalid", {"causes": causes})


@pytest.mark.parametrize(
    ("change", "new", "is_made_anew"),
    [
        pytest.param(_invalid(IMMUTABLE), None, True, id="immutable"),
        pytest.param(_invalid(IMMUTABLE), _invalid(TAKEN), True, id="the old one is in the way of a trial"),
        pytest.param(_invalid(BAD_PORT), _invalid(BAD_PORT), False, id="broken"),
        pytest.param(_invalid(IMMUTABLE, BAD_PORT), _invalid(BAD_PORT), False, id="immutable and broken"),
        pytest.param(_invalid(), _invalid(), False, id="refused without a cause"),
        pytest.param(Refused(409, "Conflict", "modified"), None, False, id="conflict"),
    ],
)
def test_force_deletes_nothing_in_whose_place_no_new_object_could_be(
    change: Refused, new: Refused | None, is_made_anew: bool
) -> None:
    @in_virtual_time
    async def run() -> None:
        delivery = Delivery()
        await delivery.converge(deployment("a"))
        delivery.cluster.interference = _Refuses(change, new)
        changes = await delivery.converge(deployment("b"), force=True)
        deployments = delivery.cluster.kind("apps/v1", "Deployment")
        assert delivery.cluster.get(deployments, "default", "app")
        assert [call.verb for call in delivery.writes()] == ["apply", "delete", "apply"][
            : 3 if is_made_anew else 1
        ]
        assert actions(changes) == {"app": Action.CREATED if is_made_anew else Action.FAILED}

    run()


@in_virtual_time
async def test_opted_out_objects_are_left_as_they_are() -> None:
    for key, value in (("reconcile", "disabled"), ("ssa", "ignore"), ("ssa", "IfNotPresent")):
        delivery = Delivery()
        delivery.put(manifest(data={"a": "theirs"}))
        wished = manifest(marks={key: value}, data={"a": "ours"})
        assert actions(await delivery.converge(wished)) == {"one": Action.SKIPPED}
        assert delivery.writes() == []


@in_virtual_time
async def test_an_object_that_is_opted_out_later_is_left_from_then_on() -> None:
    delivery = Delivery()
    await delivery.converge(manifest(data={"a": "1"}))
    mark = {"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}}
    delivery.cluster.patch(CONFIG_MAPS, "default", "one", mark)
    assert actions(await delivery.converge(manifest(data={"a": "1"}))) == {"one": Action.SKIPPED}
    assert actions(await delivery.converge(manifest(data={"a": "2"}))) == {"one": Action.SKIPPED}


@in_virtual_time
async def test_what_is_wanted_only_if_absent_is_created() -> None:
    delivery = Delivery()
    assert actions(await delivery.converge(manifest(marks={"ssa": "IfNotPresent"}))) == {
        "one": Action.CREATED
    }


@in_virtual_time
async def test_an_opted_out_live_object_does_not_stop_its_stage() -> None:
    delivery = Delivery()
    await delivery.converge(deployment("a"))
    live = delivery.cluster.kind("apps/v1", "Deployment")
    patch = {"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}}
    delivery.cluster.patch(live, "default", "app", patch)
    delivery.inventory = {}
    changes = await delivery.converge(deployment("b"), manifest())
    assert actions(changes) == {"app": Action.SKIPPED, "one": Action.CREATED}


@in_virtual_time
async def test_what_left_is_deleted_in_reverse_order_after_the_apply() -> None:
    delivery = Delivery()
    await delivery.converge(manifest(name="a"), manifest(name="b"), manifest("Secret", "c"))
    delivery.forget_requests()
    changes = await delivery.converge(manifest(name="new"))
    assert [(call.verb, call.name) for call in delivery.writes()] == [
        ("apply", "new"),
        ("delete", "c"),
        ("delete", "b"),
        ("delete", "a"),
    ]
    assert names_of(changes.inventory) == {"new"}


@in_virtual_time
async def test_opted_out_and_foreign_objects_leave_the_inventory_but_not_the_cluster() -> None:
    delivery = Delivery()
    await delivery.converge(manifest(name="optout", marks={"prune": "disabled"}), manifest(name="moved"))
    delivery.put(manifest(name="foreign"), app="x")
    delivery.inventory = {**delivery.inventory, "default_foreign__ConfigMap": "v1"}
    delivery.kept_elsewhere = frozenset({manifest(name="moved").ref})
    changes = await delivery.converge()
    assert set(actions(changes).values()) == {Action.SKIPPED}
    assert delivery.names() >= {"optout", "moved", "foreign"}
    assert names_of(changes.inventory) == {"moved"}, "until the other has taken it over"
    assert changes.problem == ""


@in_virtual_time
async def test_another_namespace_on_what_is_in_none_is_no_reason_to_delete_it() -> None:
    delivery = Delivery()
    group = "rbac.authorization.k8s.io"
    for namespace in ("a", "b"):
        role = manifest("ClusterRole", "reader", api_version=f"{group}/v1", namespace=namespace, rules=[])
        changes = await delivery.converge(role)
    assert names_of(changes.inventory) == {"reader"}
    assert next(iter(changes.inventory)).startswith("b_")
    roles = delivery.cluster.kind(f"{group}/v1", "ClusterRole")
    assert delivery.cluster.get(roles, "", "reader")


@in_virtual_time
async def test_a_namespace_and_a_kind_stay_while_something_wished_is_of_them() -> None:
    delivery = Delivery()
    namespace = manifest("Namespace", "apps", namespace="")
    gadget = manifest("Gadget", "g", api_version="example.org/v1", namespace="apps")
    await delivery.converge(namespace, definition(), gadget)
    changes = await delivery.converge(gadget)
    assert (changes.problem, actions(changes)["g"]) == ("", Action.UNCHANGED)
    assert names_of(changes.inventory) == {"apps", "gadgets.example.org", "g"}
    gadgets = delivery.cluster.kind("example.org/v1", "Gadget")
    assert delivery.cluster.get(gadgets, "apps", "g")
    changes = await delivery.converge()
    assert changes.inventory == {}


def gadget(name: str = "g") -> Manifest:
    return manifest("Gadget", name, api_version="example.org/v1")


def service_of_gadgets() -> Object:
    """Return what has the kind served by a server that is away."""
    served = {"group": "example.org", "version": "v1"}
    return {**NOWHERE, "metadata": {"name": "v1.example.org"}, "spec": {**NOWHERE["spec"], **served}}


@in_virtual_time
async def test_what_an_unavailable_api_serves_stays_held_until_it_can_be_deleted() -> None:
    delivery = Delivery()
    await delivery.converge(definition(), gadget(), manifest(name="a"))
    delivery.cluster.create(API_SERVICES, "", service_of_gadgets())
    changes = await delivery.converge(definition())
    assert changes.reason == PRUNE_FAILED
    where = "/apis/example.org/v1/namespaces/default/gadgets/g"
    assert f"Gadget/default/g delete failed: GET {where}: service unavailable" in changes.problem
    assert names_of(changes.inventory) == {"gadgets.example.org", "g"}
    assert "a" not in delivery.names()
    delivery.cluster.delete(API_SERVICES, "", "v1.example.org")
    changes = await delivery.converge(definition())
    assert (changes.problem, actions(changes)["g"]) == ("", Action.DELETED)
    assert [call.name for call in delivery.writes() if call.verb == "delete"] == ["a", "g"]


@in_virtual_time
async def test_what_went_with_its_kind_leaves() -> None:
    delivery = Delivery()
    await delivery.converge(definition(), gadget())
    delivery.cluster.delete(CUSTOM_RESOURCE_DEFINITIONS, "", "gadgets.example.org")
    changes = await delivery.converge()
    assert (changes.problem, changes.inventory) == ("", {})


def serve(delivery: Delivery, *, is_served: bool) -> None:
    """Have all versions of a kind served, or none."""
    value = delivery.cluster.get(CUSTOM_RESOURCE_DEFINITIONS, "", "gadgets.example.org")
    value["spec"]["versions"][0]["served"] = is_served
    delivery.cluster.replace(CUSTOM_RESOURCE_DEFINITIONS, "", value)


@pytest.mark.parametrize("knows_kind", [True, False], ids=["as it was known", "asked anew"])
def test_what_is_of_a_kind_that_serves_no_version_is_not_taken_for_gone(knows_kind: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        delivery = Delivery()
        theirs = json.loads(definition().body)
        delivery.cluster.create(CUSTOM_RESOURCE_DEFINITIONS, "", theirs)
        await delivery.converge(gadget(), manifest(name="a"))
        serve(delivery, is_served=False)
        if not knows_kind:
            delivery.discovery = Discovery(delivery.api, clock=delivery.cluster.clock)
        changes = await delivery.converge()
        assert names_of(changes.inventory) == {"g"}
        assert changes.reason == PRUNE_FAILED
        assert (
            "Gadget/default/g delete failed: its kind is defined, but no version of it is served"
            in changes.problem
        )
        assert "a" not in delivery.names()
        serve(delivery, is_served=True)
        await delivery.cluster.clock.sleep(11)
        changes = await delivery.converge()
        assert (changes.problem, actions(changes)["g"]) == ("", Action.DELETED)
        assert [call.name for call in delivery.writes() if call.verb == "delete"] == ["a", "g"]

    run()


@pytest.mark.parametrize("is_new", [True, False])
def test_an_unavailable_api_does_not_hold_back_the_others(is_new: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        delivery = Delivery()
        await delivery.converge(definition(), *([] if is_new else [gadget()]))
        delivery.cluster.create(API_SERVICES, "", service_of_gadgets())
        changes = await delivery.converge(definition(), gadget(), manifest(name="a"))
        assert "a" in delivery.names()
        assert actions(changes)["g"] is Action.FAILED
        assert (
            "Gadget/default/g dry-run failed (ServiceUnavailable): the server of the API" in changes.problem
        )

    run()


@in_virtual_time
async def test_a_webhook_that_is_down_is_told_of_the_object_and_stops_the_stage() -> None:
    delivery = Delivery()
    delivery.cluster.interference = _WebhookDown()
    changes = await delivery.converge(manifest(name="a"), deployment("a"))
    assert actions(changes) == {"a": Action.HELD_BACK, "app": Action.FAILED}
    where = "/apis/apps/v1/namespaces/default/deployments/app"
    said = f"dry-run failed (InternalError): PATCH {where}: Internal error occurred: failed calling webhook"
    assert changes.problem.startswith(f"Deployment/default/app {said}")


class _WebhookDown(Undisturbed):
    async def before(self, call: Call) -> Answer | None:
        why = 'failed calling webhook "validate.example.org": connection refused'
        return answer_of(internal_error(why)) if call.resource == "deployments" else None


@in_virtual_time
async def test_a_held_prune_applies_and_deletes_nothing() -> None:
    delivery = Delivery()
    await delivery.converge(manifest(name="old"))
    changes = await delivery.converge(manifest(name="new"), prune_held=True)
    assert delivery.names() >= {"old", "new"}
    assert names_of(changes.inventory) == {"old", "new"}


@in_virtual_time
async def test_without_prune_what_left_is_forgotten() -> None:
    delivery = Delivery()
    await delivery.converge(manifest(name="old"))
    changes = await delivery.converge(prune=False)
    assert "old" in delivery.names()
    assert changes.inventory == {}


@in_virtual_time
async def test_an_object_that_cannot_be_deleted_stays_in_the_inventory_and_the_others_go() -> None:
    delivery = Delivery(namespace="default")
    await delivery.converge(manifest(name="a"), manifest(name="b"))
    delivery.inventory = {**delivery.inventory, "kube-system_far__ConfigMap": "v1"}
    changes = await delivery.converge()
    assert changes.reason == PRUNE_FAILED
    assert changes.problem.startswith("delete failed, errors: ConfigMap/kube-system/far delete failed: ")
    assert names_of(changes.inventory) == {"far"}
    assert not {"a", "b"} & delivery.names()


@in_virtual_time
async def test_removing_a_delivery_deletes_what_it_owns() -> None:
    delivery = Delivery()
    await delivery.converge(manifest())
    delivery.put(manifest(name="foreign"))
    held = {**delivery.inventory, "default_foreign__ConfigMap": "v1"}
    changes = await delivery.engine().remove(OWNER, held, frozenset(), delivery.notes)
    assert actions(changes) == {"one": Action.DELETED, "foreign": Action.SKIPPED}


class _GivesAway(Undisturbed):
    """Somebody gives an object to another owner just before it is deleted, so many times as told."""

    def __init__(self, delivery: Delivery, times: int, owner: str) -> None:
        self._delivery = delivery
        self._left = times
        self._owner = owner

    async def before(self, call: Call) -> None:
        if call.verb == "delete" and self._left:
            self._left -= 1
            live = self._delivery.cluster.get(CONFIG_MAPS, "default", "one")
            live["metadata"]["labels"]["kustomize.toolkit.fluxcd.io/name"] = self._owner
            live["data"] = {"changed": str(self._left)}
            self._delivery.cluster.replace(CONFIG_MAPS, "default", live, manager="other")


@pytest.mark.parametrize(
    ("times", "owner", "is_left"), [(1, "another", True), (2, "web", False), (3, "web", True)]
)
def test_an_object_is_deleted_only_as_it_was_judged(times: int, owner: str, is_left: bool) -> None:
    @in_virtual_time
    async def run() -> None:
        delivery = Delivery()
        await delivery.converge(manifest(name="one"))
        delivery.cluster.interference = _GivesAway(delivery, times, owner)
        changes = await delivery.converge()
        assert ("one" in delivery.names()) is is_left
        assert (changes.inventory != {}) is (is_left and owner == "web")

    run()
