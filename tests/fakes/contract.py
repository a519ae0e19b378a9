"""What Cartwheel relies on of an API server, as one suite: it runs on the one in memory and on a real one, so that the former tells the truth.

A subclass brings the fixture `world`; every test gets a namespace of its own.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from agent.kube.api import Api, Applied, Change, Object, PatchType, Propagation, Resource, WatchEvent
from agent.kube.discovery import Discovery
from agent.kube.errors import (
    AlreadyExists,
    ApiUnavailable,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServerFailed,
    UnknownKind,
)
from agent.kube.resources import (
    CONFIG_MAPS,
    CUSTOM_RESOURCE_DEFINITIONS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
)

WIDGETS = Resource(group="contract.test", version="v1", plural="widgets", kind="Widget", namespaced=True)
API_SERVICES = Resource(
    group="apiregistration.k8s.io", version="v1", plural="apiservices", kind="APIService", namespaced=False
)
CLUSTER_ROLES = Resource(
    group="rbac.authorization.k8s.io",
    version="v1",
    plural="clusterroles",
    kind="ClusterRole",
    namespaced=False,
)
NOWHERE: Object = {
    "apiVersion": "apiregistration.k8s.io/v1",
    "kind": "APIService",
    "metadata": {"name": "v1.nowhere.test"},
    "spec": {
        "group": "nowhere.test",
        "version": "v1",
        "groupPriorityMinimum": 100,
        "versionPriority": 10,
        "insecureSkipTLSVerify": True,
        "service": {"name": "nobody", "namespace": "default", "port": 443},
    },
}
PATIENCE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A server, seen by someone who may do everything and by someone who may only work in the namespace."""

    api: Api
    restricted: Api
    namespace: str
    discovery: Discovery

    async def apply(
        self, manager: str, value: Object, *, resource: Resource = CONFIG_MAPS, **more: Any
    ) -> Applied:
        """Apply as a manager."""
        name = value["metadata"]["name"]
        body = json.dumps(value).encode()
        return await self.api.apply(resource, self.namespace, name, body, field_manager=manager, **more)

    async def create(
        self, value: Object, *, resource: Resource = CONFIG_MAPS, manager: str = "creator"
    ) -> Object:
        """Create in the namespace."""
        return await self.api.create(resource, self.namespace, value, field_manager=manager)

    async def get(self, name: str, *, resource: Resource = CONFIG_MAPS) -> Object:
        """Read from the namespace."""
        return await self.api.get(resource, self.namespace, name)

    async def merge(
        self, name: str, patch: Object, *, resource: Resource = CONFIG_MAPS, **more: Any
    ) -> Object:
        """Merge-patch in the namespace."""
        arguments = {"kind": PatchType.MERGE, "field_manager": "patcher"} | more
        return await self.api.patch(resource, self.namespace, name, patch, **arguments)

    async def exists(self, name: str, *, resource: Resource = CONFIG_MAPS) -> bool:
        """Tell whether an object is there."""
        try:
            await self.get(name, resource=resource)
        except NotFound:
            return False
        return True

    async def until_gone(self, name: str, *, resource: Resource = CONFIG_MAPS) -> None:
        """Wait until an object is gone."""
        async with asyncio.timeout(60):
            while await self.exists(name, resource=resource):
                await asyncio.sleep(0.1)

    async def with_widgets(self) -> None:
        """Have the kind Widget served."""
        body = json.dumps(WIDGET_DEFINITION).encode()
        name = WIDGET_DEFINITION["metadata"]["name"]
        await self.api.apply(CUSTOM_RESOURCE_DEFINITIONS, "", name, body, field_manager="contract")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self.discovery.forget()
                try:
                    assert await self.discovery.resolve("contract.test", "v1", "Widget") == WIDGETS
                    await self.api.list(WIDGETS, self.namespace)
                    return
                except (UnknownKind, NotFound):
                    await asyncio.sleep(0.1)


def config_map(name: str = "settings", **data: str) -> Object:
    """Return a ConfigMap. Without data it has no such field: the server drops empty ones."""
    value: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    return value | ({"data": data} if data else {})


def deployment(*containers: Object, **spec: Any) -> Object:
    """Return a Deployment with these containers."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": list(containers)}}
    whole = {"selector": {"matchLabels": {"app": "web"}}, "template": template} | spec
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": whole}


def widget(**spec: Any) -> Object:
    """Return an object of the kind that the suite defines."""
    return {"apiVersion": "contract.test/v1", "kind": "Widget", "metadata": {"name": "one"}, "spec": spec}


_FREE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
WIDGET_DEFINITION: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.contract.test"},
    "spec": {
        "group": "contract.test",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "properties": {"spec": _FREE, "status": _FREE}}
                },
            }
        ],
    },
}


def managers(value: Object) -> set[tuple[str, str]]:
    """Return who owns something of an object, and how."""
    return {(one["manager"], one["operation"]) for one in value["metadata"].get("managedFields", ())}


def owned(value: Object, manager: str) -> Any:
    """Return what a manager owns of an object, as fieldsV1."""
    return next(one["fieldsV1"] for one in value["metadata"]["managedFields"] if one["manager"] == manager)


async def changes(stream: AsyncIterator[WatchEvent], count: int) -> list[tuple[Change, str]]:
    """Return the next changes of a watch, bookmarks left out."""
    found: list[tuple[Change, str]] = []
    async with asyncio.timeout(PATIENCE_S):
        async for event in stream:
            if event.change is not Change.BOOKMARK:
                found.append((event.change, event.object["metadata"]["name"]))
            if len(found) == count:
                break
    return found


async def _until_routed(api: Api, path: str) -> None:
    """Wait until a server knows of an APIService: it hears of one a moment after it is stored, and until then finds no such group."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await api.read(path)
            except NotFound:
                await asyncio.sleep(0.05)
            except ServerFailed:
                return


class ApiServerContract:
    """The behaviours."""

    async def test_a_created_object_has_identity_and_a_taken_name_is_refused(self, world: World) -> None:
        made = await world.create(config_map(a="1"))
        assert made["metadata"]["uid"]
        assert made["metadata"]["creationTimestamp"].endswith("Z")
        assert made["kind"] == "ConfigMap"
        assert await world.get("settings") == made
        with pytest.raises(AlreadyExists):
            await world.create(config_map())

    async def test_a_name_is_generated_where_only_its_beginning_is_given(self, world: World) -> None:
        value = config_map()
        value["metadata"] = {"generateName": "settings-"}
        made = await world.create(value)
        assert made["metadata"]["name"].startswith("settings-")
        assert len(made["metadata"]["name"]) == len("settings-") + 5

    async def test_what_is_not_there_is_not_found(self, world: World) -> None:
        with pytest.raises(NotFound, match="absent"):
            await world.get("absent")
        with pytest.raises(NotFound):
            await world.merge("absent", {"data": {"a": "1"}})
        with pytest.raises(NotFound):
            await world.api.delete(CONFIG_MAPS, world.namespace, "absent")

    async def test_a_namespace_has_to_exist_first(self, world: World) -> None:
        with pytest.raises(NotFound, match="nowhere"):
            await world.api.create(CONFIG_MAPS, "nowhere", config_map(), field_manager="creator")
        with pytest.raises(NotFound, match="nowhere"):
            await world.api.apply(
                CONFIG_MAPS, "nowhere", "settings", json.dumps(config_map()).encode(), field_manager="applier"
            )

    async def test_a_replacement_over_an_old_version_conflicts(self, world: World) -> None:
        first = await world.create(config_map(a="1"))
        await world.merge("settings", {"data": {"a": "2"}})
        with pytest.raises(Conflict):
            await world.api.replace(CONFIG_MAPS, world.namespace, first, field_manager="late")
        assert (await world.get("settings"))["data"] == {"a": "2"}

    async def test_a_merge_patch_with_an_old_version_conflicts(self, world: World) -> None:
        first = await world.create(config_map(a="1"))
        version = first["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version}, "data": {"a": "2"}}
        await world.merge("settings", patch)
        with pytest.raises(Conflict):
            await world.merge("settings", patch | {"data": {"a": "3"}})

    async def test_a_merge_patch_removes_by_null(self, world: World) -> None:
        await world.create(config_map(a="1", b="2"))
        after = await world.merge("settings", {"data": {"a": None, "c": "3"}})
        assert after["data"] == {"b": "2", "c": "3"}

    async def test_a_json_patch_acts_only_when_its_tests_hold(self, world: World) -> None:
        await world.create(config_map(a="1"))

        async def patch(expected: str) -> Object:
            steps = [
                {"op": "test", "path": "/data/a", "value": expected},
                {"op": "replace", "path": "/data/a", "value": "9"},
                {"op": "add", "path": "/metadata/labels", "value": {"x": "y"}},
            ]
            return await world.api.patch(
                CONFIG_MAPS, world.namespace, "settings", steps, kind=PatchType.JSON, field_manager="patcher"
            )

        with pytest.raises(Invalid):
            await patch("other")
        after = await patch("1")
        assert (after["data"], after["metadata"]["labels"]) == ({"a": "9"}, {"x": "y"})

    async def test_a_patch_that_changes_nothing_leaves_the_version(self, world: World) -> None:
        first = await world.create(config_map(a="1"))
        assert (await world.merge("settings", {"data": {"a": "1"}}))["metadata"] == first["metadata"]

    async def test_an_immutable_field_is_refused(self, world: World) -> None:
        value = deployment({"name": "web", "image": "web:1"})
        await world.apply("applier", value, resource=DEPLOYMENTS)
        changed = deployment({"name": "web", "image": "web:1"})
        changed["spec"]["selector"] = {"matchLabels": {"app": "web", "tier": "x"}}
        changed["spec"]["template"]["metadata"]["labels"]["tier"] = "x"
        with pytest.raises(Invalid, match="immutable") as refusal:
            await world.apply("applier", changed, resource=DEPLOYMENTS)
        assert refusal.value.causes[0]["field"] == "spec.selector"

    async def test_an_apply_says_whether_it_created(self, world: World) -> None:
        first = await world.apply("applier", config_map(a="1"))
        second = await world.apply("applier", config_map(a="2"))
        assert (first.created, second.created) == (True, False)
        assert second.object["data"] == {"a": "2"}
        assert managers(second.object) == {("applier", "Apply")}
        assert owned(second.object, "applier") == {"f:data": {"f:a": {}}}

    async def test_the_same_apply_again_changes_nothing(self, world: World) -> None:
        value = config_map(a="1")
        value["metadata"]["labels"] = {"app": "web"}
        first = await world.apply("applier", value)
        second = await world.apply("applier", value)
        assert second.object["metadata"] == first.object["metadata"]

    async def test_an_apply_gives_up_what_it_no_longer_names(self, world: World) -> None:
        await world.apply("applier", config_map(a="1", b="2"))
        after = await world.apply("applier", config_map(a="1"))
        assert after.object["data"] == {"a": "1"}

    async def test_what_another_manager_owns_too_stays(self, world: World) -> None:
        await world.apply("applier", config_map(a="1", b="2"))
        await world.apply("other", config_map(b="2"))
        after = await world.apply("applier", config_map(a="1"))
        assert after.object["data"] == {"a": "1", "b": "2"}
        assert owned(after.object, "other") == {"f:data": {"f:b": {}}}

    async def test_the_last_owner_takes_the_map_along(self, world: World) -> None:
        await world.apply("applier", config_map(a="1"))
        after = await world.apply("applier", config_map())
        assert "data" not in after.object

    async def test_applying_what_another_set_differently_conflicts_unless_forced(self, world: World) -> None:
        await world.apply("first", config_map(a="1"))
        with pytest.raises(Conflict, match="first") as refusal:
            await world.apply("second", config_map(a="2"), force=False)
        assert [cause["field"] for cause in refusal.value.causes] == [".data.a"]
        after = await world.apply("second", config_map(a="2"))
        assert after.object["data"] == {"a": "2"}
        assert managers(after.object) == {("second", "Apply")}

    async def test_an_update_takes_ownership_of_what_it_changes(self, world: World) -> None:
        await world.apply("applier", config_map(a="1", b="2"))
        after = await world.merge("settings", {"data": {"a": "9"}}, field_manager="kubectl-edit")
        assert owned(after, "applier") == {"f:data": {"f:b": {}}}
        assert owned(after, "kubectl-edit") == {"f:data": {"f:a": {}}}
        again = await world.apply("applier", config_map(a="1", b="2"))
        assert again.object["data"] == {"a": "1", "b": "2"}
        assert managers(again.object) == {("applier", "Apply")}

    async def test_a_field_added_by_an_update_survives_applies_without_it(self, world: World) -> None:
        await world.apply("applier", config_map(a="1"))
        await world.merge("settings", {"data": {"extra": "x"}}, field_manager="someone")
        after = await world.apply("applier", config_map(a="2"))
        assert after.object["data"] == {"a": "2", "extra": "x"}

    async def test_taking_over_managed_fields_by_patch_makes_applies_own_everything(
        self, world: World
    ) -> None:
        made = await world.create(config_map(a="1", b="2"), manager="kubectl-create")
        entry = made["metadata"]["managedFields"][0]
        steps = [
            {
                "op": "replace",
                "path": "/metadata/managedFields",
                "value": [entry | {"manager": "applier", "operation": "Apply"}],
            }
        ]
        await world.api.patch(
            CONFIG_MAPS, world.namespace, "settings", steps, kind=PatchType.JSON, field_manager="applier"
        )
        after = await world.apply("applier", config_map(a="1"))
        assert after.object["data"] == {"a": "1"}
        assert managers(after.object) == {("applier", "Apply")}

    async def test_list_items_are_told_apart_by_their_keys(self, world: World) -> None:
        first = {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}]}
        side = {"name": "side", "image": "side:1"}
        await world.apply("applier", deployment(first, side), resource=DEPLOYMENTS)
        patch = deployment({"name": "web", "env": [{"name": "B", "value": "2"}]})
        del patch["spec"]["selector"], patch["spec"]["template"]["metadata"]
        await world.apply("other", patch, resource=DEPLOYMENTS)
        after = await world.apply("applier", deployment(first | {"image": "web:2"}), resource=DEPLOYMENTS)
        containers = after.object["spec"]["template"]["spec"]["containers"]
        assert [one["name"] for one in containers] == ["web"]
        assert containers[0]["image"] == "web:2"
        assert {one["name"]: one["value"] for one in containers[0]["env"]} == {"A": "1", "B": "2"}

    async def test_an_item_goes_with_its_only_owner_and_stays_with_another(self, world: World) -> None:
        web, side = {"name": "web", "image": "web:1"}, {"name": "side", "image": "side:1"}
        third = {"name": "third", "image": "third:1"}
        await world.apply("applier", deployment(web, side, third), resource=DEPLOYMENTS)
        patch = deployment({"name": "side", "image": "side:1"})
        del patch["spec"]["selector"], patch["spec"]["template"]["metadata"]
        await world.apply("other", patch, resource=DEPLOYMENTS)
        after = await world.apply("applier", deployment(web), resource=DEPLOYMENTS)
        names = [one["name"] for one in after.object["spec"]["template"]["spec"]["containers"]]
        assert sorted(names) == ["side", "web"]

    async def test_applied_items_keep_the_order_of_the_manifest(self, world: World) -> None:
        a, b, c = ({"name": name, "image": f"{name}:1"} for name in "abc")
        await world.apply("applier", deployment(c, a), resource=DEPLOYMENTS)
        after = await world.apply("applier", deployment(a, b, c), resource=DEPLOYMENTS)
        names = [one["name"] for one in after.object["spec"]["template"]["spec"]["containers"]]
        assert names == ["a", "b", "c"]

    async def test_what_was_never_tracked_belongs_to_nobody_one_can_take_it_from(self, world: World) -> None:
        made = await world.create(config_map(a="1", b="2"))
        steps = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
        after = await world.api.patch(
            CONFIG_MAPS, world.namespace, "settings", steps, kind=PatchType.JSON, field_manager="x"
        )
        assert managers(made)
        assert not managers(after)
        with pytest.raises(Conflict, match="before-first-apply"):
            await world.apply("applier", config_map(a="9"), force=False)
        taken = await world.apply("applier", config_map(a="9"))
        assert taken.object["data"] == {"a": "9", "b": "2"}
        assert managers(taken.object) == {("applier", "Apply"), ("before-first-apply", "Update")}

    async def test_sharing_a_field_is_a_change_of_owners(self, world: World) -> None:
        first = await world.apply("first", config_map(a="1"))
        second = await world.apply("second", config_map(a="1"), force=False)
        assert managers(second.object) == {("first", "Apply"), ("second", "Apply")}
        assert second.object["metadata"]["resourceVersion"] != first.object["metadata"]["resourceVersion"]

    async def test_taking_a_field_away_by_an_update_ends_its_ownership(self, world: World) -> None:
        await world.apply("applier", config_map(a="1", b="2"))
        after = await world.merge("settings", {"data": {"a": None}})
        assert owned(after, "applier") == {"f:data": {"f:b": {}}}
        again = await world.apply("applier", config_map(a="1", b="2"))
        assert again.object["data"] == {"a": "1", "b": "2"}

    async def test_labels_and_finalizers_are_owned_one_by_one(self, world: World) -> None:
        value, other = config_map(), config_map()
        value["metadata"] |= {"labels": {"a": "1"}, "finalizers": ["contract.test/a"]}
        other["metadata"] |= {"labels": {"b": "2"}, "finalizers": ["contract.test/b"]}
        await world.apply("first", value)
        after = await world.apply("second", other, force=False)
        assert after.object["metadata"]["labels"] == {"a": "1", "b": "2"}
        assert set(after.object["metadata"]["finalizers"]) == {"contract.test/a", "contract.test/b"}
        after = await world.apply("first", config_map())
        assert after.object["metadata"]["labels"] == {"b": "2"}
        assert after.object["metadata"]["finalizers"] == ["contract.test/b"]
        await world.merge("settings", {"metadata": {"finalizers": None}})

    async def test_a_dry_run_of_what_is_already_so_keeps_the_version(self, world: World) -> None:
        made = await world.apply("applier", config_map(a="1"))
        told = await world.apply("applier", config_map(a="1"), dry_run=True)
        assert told.object == made.object

    async def test_the_owner_of_created_fields_is_the_creator(self, world: World) -> None:
        value = config_map(a="1")
        value["metadata"]["labels"] = {"x": "y"}
        made = await world.create(value)
        assert managers(made) == {("creator", "Update")}
        assert owned(made, "creator") == {
            "f:data": {".": {}, "f:a": {}},
            "f:metadata": {"f:labels": {".": {}, "f:x": {}}},
        }

    async def test_a_dry_run_tells_and_keeps_nothing(self, world: World) -> None:
        told = await world.apply("applier", config_map(a="1"), dry_run=True)
        assert told.created
        assert told.object["data"] == {"a": "1"}
        assert not await world.exists("settings")
        made = await world.apply("applier", config_map(a="1"))
        told = await world.apply("applier", config_map(a="2"), dry_run=True)
        assert (told.created, told.object["data"]) == (False, {"a": "2"})
        assert await world.get("settings") == made.object

    async def test_an_apply_that_names_managed_fields_or_another_name_is_refused(self, world: World) -> None:
        made = await world.apply("applier", config_map(a="1"))
        with pytest.raises(BadRequest, match="managedFields"):
            await world.apply("applier", made.object)
        body = json.dumps(config_map("other")).encode()
        with pytest.raises(BadRequest):
            await world.api.apply(CONFIG_MAPS, world.namespace, "settings", body, field_manager="applier")

    async def test_what_is_in_no_namespace_may_be_applied_as_if_it_were_in_one(self, world: World) -> None:
        for place in ("there", "elsewhere"):
            role: Object = {
                "apiVersion": CLUSTER_ROLES.api_version,
                "kind": "ClusterRole",
                "metadata": {"name": world.namespace, "namespace": place, "labels": {"place": place}},
                "rules": [],
            }
            applied = await world.apply("m", role, resource=CLUSTER_ROLES)
            assert "namespace" not in applied.object["metadata"]
            assert applied.object["metadata"]["labels"] == {"place": place}
        await world.api.delete(CLUSTER_ROLES, "", world.namespace)

    async def test_an_apply_with_an_old_version_conflicts(self, world: World) -> None:
        first = await world.apply("applier", config_map(a="1"))
        await world.apply("applier", config_map(a="2"))
        late = config_map(a="3")
        late["metadata"]["resourceVersion"] = first.object["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            await world.apply("applier", late)
        assert (await world.get("settings"))["data"] == {"a": "2"}

    async def test_a_write_under_a_foreign_uid_is_refused(self, world: World) -> None:
        foreign, absent = config_map(a="3"), config_map("absent")
        foreign["metadata"]["uid"] = absent["metadata"]["uid"] = "b9bb1f6a-0000-4000-8000-000000000000"
        await world.create(config_map(a="1"))
        with pytest.raises(Invalid, match=r"metadata\.uid"):
            await world.apply("applier", foreign)
        with pytest.raises(Invalid, match=r"metadata\.uid"):
            await world.merge("settings", foreign)
        with pytest.raises(Conflict):
            await world.api.replace(CONFIG_MAPS, world.namespace, foreign, field_manager="writer")
        with pytest.raises(Conflict):
            await world.apply("applier", absent)
        assert (await world.get("settings"))["data"] == {"a": "1"}

    async def test_secrets_take_plain_texts(self, world: World) -> None:
        value = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "key"},
            "stringData": {"a": "text"},
        }
        made = await world.create(value, resource=SECRETS)
        assert made["data"] == {"a": "dGV4dA=="}
        assert "stringData" not in made

    async def test_status_is_written_through_its_own_door(self, world: World) -> None:
        await world.with_widgets()
        made = await world.create(widget(size=1) | {"status": {"ready": True}}, resource=WIDGETS)
        assert "status" not in made
        after = await world.merge(
            "one", {"spec": {"size": 2}, "status": {"ready": True}}, resource=WIDGETS, subresource="status"
        )
        assert (after["spec"], after["status"]) == ({"size": 1}, {"ready": True})
        after = await world.merge("one", {"spec": {"size": 3}, "status": {"ready": False}}, resource=WIDGETS)
        assert (after["spec"], after["status"]) == ({"size": 3}, {"ready": True})

    async def test_a_generation_counts_changes_of_the_spec_alone(self, world: World) -> None:
        await world.with_widgets()
        made = await world.create(widget(size=1), resource=WIDGETS)
        labelled = await world.merge("one", {"metadata": {"labels": {"a": "b"}}}, resource=WIDGETS)
        reported = await world.merge("one", {"status": {"x": 1}}, resource=WIDGETS, subresource="status")
        grown = await world.merge("one", {"spec": {"size": 2}}, resource=WIDGETS)
        generations = [value["metadata"]["generation"] for value in (made, labelled, reported, grown)]
        assert generations == [1, 1, 1, 2]

    async def test_a_status_applied_is_owned_apart_from_the_spec(self, world: World) -> None:
        await world.with_widgets()
        await world.apply("applier", widget(size=1), resource=WIDGETS)
        status = {name: widget()[name] for name in ("apiVersion", "kind", "metadata")} | {
            "status": {"ready": True}
        }
        after = await world.apply("applier", status, resource=WIDGETS, subresource="status")
        assert (after.object["spec"], after.object["status"]) == ({"size": 1}, {"ready": True})
        again = await world.apply("applier", widget(size=2), resource=WIDGETS)
        assert again.object["status"] == {"ready": True}

    async def test_a_custom_object_is_replaced_only_over_a_known_version(self, world: World) -> None:
        await world.with_widgets()
        await world.create(widget(size=1), resource=WIDGETS)
        with pytest.raises(Invalid, match="resourceVersion"):
            await world.api.replace(WIDGETS, world.namespace, widget(size=2), field_manager="writer")

    async def test_lists_in_custom_objects_are_owned_as_a_whole(self, world: World) -> None:
        await world.with_widgets()
        await world.apply("first", widget(parts=[{"name": "a"}, {"name": "b"}]), resource=WIDGETS)
        after = await world.apply("second", widget(parts=[{"name": "c"}]), resource=WIDGETS)
        assert after.object["spec"]["parts"] == [{"name": "c"}]

    async def test_deleting_waits_for_finalizers(self, world: World) -> None:
        value = config_map()
        value["metadata"]["finalizers"] = ["contract.test/hold"]
        await world.create(value)
        await world.api.delete(CONFIG_MAPS, world.namespace, "settings")
        held = await world.get("settings")
        assert held["metadata"]["deletionTimestamp"]
        with pytest.raises(Invalid):
            await world.merge(
                "settings", {"metadata": {"finalizers": ["contract.test/hold", "contract.test/b"]}}
            )
        await world.merge("settings", {"metadata": {"finalizers": None}})
        assert not await world.exists("settings")

    async def test_deleting_under_another_uid_or_version_conflicts(self, world: World) -> None:
        made = await world.create(config_map(a="1"))
        await world.merge("settings", {"data": {"a": "2"}})
        with pytest.raises(Conflict):
            await world.api.delete(CONFIG_MAPS, world.namespace, "settings", uid="another")
        old = made["metadata"]["resourceVersion"]
        with pytest.raises(Conflict):
            await world.api.delete(CONFIG_MAPS, world.namespace, "settings", resource_version=old)
        await world.api.delete(CONFIG_MAPS, world.namespace, "settings", uid=made["metadata"]["uid"])
        assert not await world.exists("settings")

    async def test_dependents_go_with_their_owner_unless_orphaned(self, world: World) -> None:
        for name, propagation in (("a", Propagation.BACKGROUND), ("b", Propagation.ORPHAN)):
            owner = await world.create(config_map(name))
            dependent = config_map(f"{name}-dependent")
            reference = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": name,
                "uid": owner["metadata"]["uid"],
            }
            dependent["metadata"]["ownerReferences"] = [reference]
            await world.create(dependent)
            await world.api.delete(CONFIG_MAPS, world.namespace, name, propagation=propagation)
        await world.until_gone("a-dependent")
        await world.until_gone("b")
        assert not (await world.get("b-dependent"))["metadata"].get("ownerReferences")

    async def test_a_namespace_takes_its_content_along(self, world: World) -> None:
        value = config_map()
        value["metadata"]["finalizers"] = ["contract.test/hold"]
        await world.create(value)
        await world.create(config_map("plain"))
        await world.api.delete(NAMESPACES, "", world.namespace)
        await world.until_gone("plain")
        leaving = await world.api.get(NAMESPACES, "", world.namespace)
        assert leaving["status"]["phase"] == "Terminating"
        with pytest.raises(Forbidden):
            await world.create(config_map("late"))
        await world.merge("settings", {"metadata": {"finalizers": None}})
        async with asyncio.timeout(60):
            while True:
                try:
                    await world.api.get(NAMESPACES, "", world.namespace)
                except NotFound:
                    break
                await asyncio.sleep(0.1)

    async def test_a_list_is_narrowed_by_labels_and_fields(self, world: World) -> None:
        for name, labels in (("a", {"tier": "x", "n": "1"}), ("b", {"tier": "y"}), ("c", {})):
            value = config_map(name)
            value["metadata"]["labels"] = labels
            await world.create(value)

        async def names(**selectors: str) -> list[str]:
            listing = await world.api.list(CONFIG_MAPS, world.namespace, **selectors)
            found = [one["metadata"]["name"] for one in listing.items]
            return [name for name in found if name != "kube-root-ca.crt"]

        assert await names(label_selector="tier=x") == ["a"]
        assert await names(label_selector="tier!=x,tier") == ["b"]
        assert await names(label_selector="tier in (x, y)") == ["a", "b"]
        assert await names(label_selector="!tier") == ["c"]
        assert await names(label_selector="tier notin (x)") == ["b", "c"]
        assert await names(field_selector="metadata.name=b") == ["b"]
        assert await names(field_selector="metadata.name!=b") == ["a", "c"]

    async def test_listed_objects_say_what_they_are(self, world: World) -> None:
        await world.create(config_map())
        listing = await world.api.list(CONFIG_MAPS, world.namespace)
        assert {(one["apiVersion"], one["kind"]) for one in listing.items} == {("v1", "ConfigMap")}
        assert int(listing.resource_version) > 0

    async def test_of_objects_the_metadata_alone_may_be_read(self, world: World) -> None:
        made = await world.create(config_map(text="one"))
        listing = await world.api.metadata(CONFIG_MAPS, world.namespace)
        (found,) = [one for one in listing.items if one["metadata"]["name"] == made["metadata"]["name"]]
        assert found["metadata"]["uid"] == made["metadata"]["uid"]
        assert "data" not in found

    async def test_discovery_says_what_may_be_done_with_a_kind(self, world: World) -> None:
        said = json.loads(await world.api.read("/api/v1"))
        (found,) = [one for one in said["resources"] if one["name"] == "configmaps"]
        assert {"list", "delete"} <= {*found["verbs"]}

    async def test_a_watch_tells_what_happened_after_a_version_in_order(self, world: World) -> None:
        listing = await world.api.list(LEASES, world.namespace)
        lease: Object = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {}}
        for name in ("a", "b"):
            await world.create(lease | {"metadata": {"name": name}}, resource=LEASES)
        await world.merge("a", {"spec": {"holderIdentity": "x"}}, resource=LEASES)
        await world.api.delete(LEASES, world.namespace, "a")
        stream = world.api.watch(LEASES, world.namespace, resource_version=listing.resource_version)
        assert await changes(stream, 4) == [
            (Change.ADDED, "a"),
            (Change.ADDED, "b"),
            (Change.MODIFIED, "a"),
            (Change.DELETED, "a"),
        ]

    async def test_what_stops_being_selected_is_deleted_to_a_watch(self, world: World) -> None:
        listing = await world.api.list(CONFIG_MAPS, world.namespace)
        await world.create(config_map())
        for tier in ("x", "y"):
            await world.merge("settings", {"metadata": {"labels": {"tier": tier}}})
        stream = world.api.watch(
            CONFIG_MAPS, world.namespace, resource_version=listing.resource_version, label_selector="tier=x"
        )
        assert await changes(stream, 2) == [(Change.ADDED, "settings"), (Change.DELETED, "settings")]

    async def test_a_watch_without_a_version_begins_with_what_is_there(self, world: World) -> None:
        await world.create(config_map())
        stream = world.api.watch(
            CONFIG_MAPS, world.namespace, resource_version="", field_selector="metadata.name=settings"
        )
        assert await changes(stream, 1) == [(Change.ADDED, "settings")]

    async def test_the_end_of_an_object_has_a_version_of_its_own(self, world: World) -> None:
        made = await world.create(config_map(a="1"))
        version = made["metadata"]["resourceVersion"]
        await world.api.delete(CONFIG_MAPS, world.namespace, "settings")
        async with asyncio.timeout(PATIENCE_S):
            async for event in world.api.watch(CONFIG_MAPS, world.namespace, resource_version=version):
                if event.object["metadata"].get("name") == "settings":
                    break
        assert event.change is Change.DELETED
        assert int(event.object["metadata"]["resourceVersion"]) > int(version)
        assert event.object["data"] == {"a": "1"}

    async def test_somebody_restricted_is_refused_elsewhere(self, world: World) -> None:
        await world.restricted.create(CONFIG_MAPS, world.namespace, config_map(), field_manager="creator")
        with pytest.raises(Forbidden):
            await world.restricted.list(CONFIG_MAPS, "kube-system")
        with pytest.raises(Forbidden):
            await world.restricted.list(CONFIG_MAPS)
        with pytest.raises(Forbidden):
            await world.restricted.get(NAMESPACES, "", "kube-system")
        own = await world.restricted.get(NAMESPACES, "", world.namespace)
        assert own["status"]["phase"] == "Active"

    async def test_kinds_are_discovered_when_they_are_defined(self, world: World) -> None:
        assert await world.discovery.resolve("apps", "v1", "Deployment") == DEPLOYMENTS
        assert await world.discovery.resolve("", "v1", "ConfigMap") == CONFIG_MAPS
        assert await world.discovery.preferred("coordination.k8s.io", "Lease") == LEASES
        with pytest.raises(UnknownKind, match="Nothing"):
            await world.discovery.resolve("apps", "v1", "Nothing")
        with pytest.raises(UnknownKind, match=r"absent\.test"):
            await world.discovery.resolve("absent.test", "v1", "Thing")
        await world.with_widgets()
        assert await world.discovery.preferred("contract.test", "Widget") == WIDGETS
        assert (await world.discovery.version()).startswith("v1.")

    async def test_a_group_whose_server_is_away_is_not_one_that_does_not_exist(self, world: World) -> None:
        await world.api.create(API_SERVICES, "", NOWHERE, field_manager="creator")
        await _until_routed(world.api, "/apis/nowhere.test/v1")
        with pytest.raises(ApiUnavailable, match=r"nowhere\.test/v1 does not answer"):
            await world.discovery.resolve("nowhere.test", "v1", "Thing")
        with pytest.raises(ApiUnavailable):
            await world.discovery.preferred("nowhere.test", "Thing")
        things = Resource(group="nowhere.test", version="v1", plural="things", kind="Thing", namespaced=True)
        with pytest.raises(ServerFailed) as refused:
            await world.api.get(things, world.namespace, "one")
        assert refused.value.status == 503
        await world.api.delete(API_SERVICES, "", "v1.nowhere.test")
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await world.discovery.preferred("nowhere.test", "Thing")
                except ApiUnavailable:
                    await asyncio.sleep(0.1)
                except UnknownKind:
                    break
