"""A prune is weighed by what it takes along: a namespace by what is in it, a kind by its objects, a delivery by what it would delete."""

import asyncio
from typing import Any

import pytest

from agent.kube.resources import LEASES, SECRETS, SERVICE_ACCOUNTS
from agent.model.assignment import PruneLimit
from agent.model.content import Manifest
from agent.model.names import ObjectRef, group_of
from agent.model.report import Stage
from hub.sandbox.calls import Call
from hub.sandbox.faults import none
from hub.sandbox.refusals import Refused, answer_of
from tests.agent.apply.cluster import CONFIG_MAPS
from tests.agent.rig import LABELS, Rig
from tests.agent.wishes import OTHER, config_map
from tests.fakes.clock import in_virtual_time

FLUX = "kustomize.toolkit.fluxcd.io/v1"
OURS = "fleet.cartwheel.dev/v1alpha1"


OWNER = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": "u", "controller": True}
FREE = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}


def thing(kind: str, name: str, api_version: str = "v1", namespace: str = "", **body: Any) -> Manifest:
    """Return an object of the delivery WEB."""
    metadata: dict[str, Any] = {"name": name, "labels": LABELS, **body.pop("metadata", {})}
    if namespace:
        metadata["namespace"] = namespace
    value = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
    return Manifest.of(value, ObjectRef(group_of(api_version), kind, namespace, name))


def definition(kind: str, api_version: str, *, is_namespaced: bool = True) -> Manifest:
    group, _, version = api_version.partition("/")
    plural = f"{kind.lower()}s"
    return thing(
        "CustomResourceDefinition",
        f"{plural}.{group}",
        "apiextensions.k8s.io/v1",
        spec={
            "group": group,
            "scope": "Namespaced" if is_namespaced else "Cluster",
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": True, "storage": True, "schema": FREE}],
        },
    )


def kustomization(name: str, entries: int, *, placed: str = "", **spec: Any) -> Manifest:
    annotations = {"metadata": {"annotations": {"fleet.cartwheel.dev/placed": placed}}} if placed else {}
    inventory = {"entries": [{"id": f"a_{name}{number}__ConfigMap", "v": "v1"} for number in range(entries)]}
    whole = {"prune": True, **spec}
    status = {"inventory": inventory}
    return thing("Kustomization", name, FLUX, "apps", spec=whole, status=status, **annotations)


def fill(rig: Rig, namespace: str, count: int, **metadata: Any) -> None:
    """Have ConfigMaps of somebody else in a namespace."""
    for number in range(count):
        name = {"name": f"theirs-{number}", **metadata}
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name}
        rig.cluster.create(CONFIG_MAPS, namespace, value)


def exists(rig: Rig, one: Manifest) -> bool:
    resource = rig.resource(one.ref)
    return any(
        live["metadata"]["name"] == one.ref.name
        for live in rig.cluster.list(resource, one.ref.namespace).items
    )


SHOP = thing("Namespace", "shop")
REST = [config_map("a"), config_map("b")]


@in_virtual_time
async def test_a_namespace_weighs_what_others_have_in_it_until_its_prune_is_approved() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP, *REST])
        await asyncio.sleep(1)
        fill(rig, "shop", 12)
        held = await rig.assign(REST)
        await asyncio.sleep(1)
        assert exists(rig, SHOP)
        assert rig.report().prune_held == ("_shop__Namespace",)
        assert rig.report().prune_words == ("Namespace/shop with 12 objects in it",)
        await rig.assign(REST, tokens={"approve-prune": held.assignment.bundle.digest})
        await asyncio.sleep(1)
        assert not exists(rig, SHOP)
        assert (rig.report().prune_held, rig.report().prune_words) == ((), ())


@in_virtual_time
async def test_a_namespace_in_which_only_a_few_objects_are_goes() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP, *REST])
        await asyncio.sleep(1)
        fill(rig, "shop", 8)
        await rig.assign(REST)
        await asyncio.sleep(1)
        assert not exists(rig, SHOP)
        assert rig.report().stage is Stage.READY


@in_virtual_time
async def test_what_the_cluster_makes_itself_and_what_is_on_the_desk_weighs_nothing() -> None:
    rig = Rig()
    mine = [thing("ConfigMap", f"mine-{number}", namespace="shop") for number in range(3)]
    async with rig.running():
        await rig.assign([SHOP, *mine, *REST])
        await asyncio.sleep(1)
        fill(rig, "shop", 12, ownerReferences=[OWNER])
        for resource, name in ((SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")):
            value = {"apiVersion": "v1", "kind": resource.kind, "metadata": {"name": name}}
            rig.cluster.create(resource, "shop", value, manager="kube-controller-manager")
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lease"}}
        rig.cluster.create(LEASES, "shop", lease)
        # One object more than the four that leave would be too many.
        await rig.assign(REST, prune_limit=PruneLimit(percent=0.0, at_least=5))
        await asyncio.sleep(1)
        assert not exists(rig, SHOP)


@in_virtual_time
async def test_nothing_is_weighed_while_nothing_weighty_leaves() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP, *REST, config_map("c")])
        await asyncio.sleep(1)
        rig.cluster.calls.clear()
        await rig.assign([SHOP, *REST])
        await asyncio.sleep(1)
        assert "c" not in rig.names()
        assert [one.resource for one in rig.cluster.calls if one.verb == "list" or not one.resource] == []


@in_virtual_time
async def test_a_namespace_that_another_delivery_needs_is_not_weighed_since_it_is_kept() -> None:
    rig = Rig()
    theirs = thing("ConfigMap", "inside", namespace="shop")
    async with rig.running():
        await rig.assign([SHOP, *REST])
        await rig.assign([theirs], home=OTHER)
        await asyncio.sleep(1)
        fill(rig, "shop", 12)
        await rig.assign(REST)
        await asyncio.sleep(1)
        assert exists(rig, SHOP)
        assert rig.report().prune_held == ()


@in_virtual_time
async def test_a_kind_weighs_its_objects() -> None:
    rig = Rig()
    kind = definition("Gadget", "example.org/v1")
    async with rig.running():
        await rig.assign([kind, *REST])
        await asyncio.sleep(1)
        gadgets = rig.resource(ObjectRef("example.org", "Gadget", "", ""))
        for number in range(11):
            value = {"apiVersion": "example.org/v1", "kind": "Gadget", "metadata": {"name": f"g{number}"}}
            rig.cluster.create(gadgets, "apps", value)
        await rig.assign(REST)
        await asyncio.sleep(1)
        assert exists(rig, kind)
        assert rig.report().prune_words == (
            "CustomResourceDefinition/gadgets.example.org with 11 objects of its kind",
        )


def _deliveries(rig: Rig) -> list[Manifest]:
    """Return the kinds of deliveries and clusters, and a Fleet of three."""
    fleet = thing("Fleet", "prod", OURS, "apps", status={"clusters": {"matched": 3}})
    return [
        definition("Kustomization", FLUX),
        definition("Fleet", OURS),
        definition("Cluster", OURS),
        fleet,
        *REST,
    ]


@pytest.mark.parametrize(
    ("leaves", "words"),
    [
        (kustomization("child", 20), "Kustomization/apps/child with 20 objects"),
        (
            kustomization("child", 7, placed="fleet/prod"),
            "Kustomization/apps/child with 21 objects in 3 clusters",
        ),
        (kustomization("child", 20, prune=False, deletionPolicy="Delete"), "with 20 objects"),
        (kustomization("child", 20, suspend=True), ""),
        (kustomization("child", 20, prune=False), ""),
        (kustomization("child", 20, deletionPolicy="Orphan"), ""),
        (kustomization("child", 7, placed="cluster/apps.eu"), ""),
        (
            thing("Cluster", "eu", OURS, "apps", status={"counts": {"assigned": 30}}),
            "Cluster/apps/eu with 30 deliveries",
        ),
        (
            thing("Fleet", "all", OURS, "apps", status={"clusters": {"matched": 30}}),
            "Fleet/apps/all with 30 clusters",
        ),
    ],
    ids=["prunes", "in three", "deletes", "suspended", "keeps", "orphans", "in one", "cluster", "fleet"],
)
def test_a_delivery_weighs_what_it_would_delete_and_a_cluster_and_a_fleet_what_they_have(
    leaves: Manifest, words: str
) -> None:
    @in_virtual_time
    async def run() -> None:
        rig = Rig()
        rest = _deliveries(rig)
        async with rig.running():
            await rig.assign([*rest, leaves])
            await asyncio.sleep(1)
            await rig.assign(rest)
            await asyncio.sleep(1)
            assert exists(rig, leaves) == bool(words)
            assert words in "".join(rig.report().prune_words)

    run()


@in_virtual_time
async def test_one_of_ten_equal_deliveries_is_a_tenth() -> None:
    rig = Rig()
    children = [kustomization(f"child-{number}", 20) for number in range(10)]
    rest = [*_deliveries(rig), *children[1:]]
    async with rig.running():
        await rig.assign([*rest, children[0]])
        await asyncio.sleep(1)
        await rig.assign(rest)
        await asyncio.sleep(1)
        assert not exists(rig, children[0])
        kept = [*_deliveries(rig), *children[7:]]
        await rig.assign(kept)
        await asyncio.sleep(1)
        assert exists(rig, children[1])
        assert len(rig.report().prune_words) == 6


def _secrets_of_shop(call: Call) -> bool:
    return (call.verb, call.resource, call.namespace) == ("list", SECRETS.plural, "shop")


@in_virtual_time
async def test_what_cannot_be_weighed_is_held_and_an_approval_lets_it_go() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP, *REST])
        await asyncio.sleep(1)
        refusal = answer_of(Refused(403, "Forbidden", "secrets is forbidden"))
        rig.network.refuses = lambda call: refusal if _secrets_of_shop(call) else None
        held = await rig.assign(REST)
        await asyncio.sleep(1)
        assert exists(rig, SHOP)
        assert rig.report().prune_words == (
            "Namespace/shop, of which cannot be read what goes with it: GET /api/v1/namespaces/shop/secrets: secrets is forbidden",
        )
        await rig.assign(REST, tokens={"approve-prune": held.assignment.bundle.digest})
        await asyncio.sleep(1)
        assert not exists(rig, SHOP)


@in_virtual_time
async def test_nothing_is_deleted_while_the_server_does_not_answer_what_it_would_take_along() -> None:
    rig = Rig()
    async with rig.running():
        await rig.assign([SHOP, *REST])
        await asyncio.sleep(1)
        rig.network.cuts = _secrets_of_shop
        await rig.assign([config_map("a", "two"), config_map("b")])
        await asyncio.sleep(5)
        assert exists(rig, SHOP)
        assert rig.report().stage is Stage.FAILED
        rig.network.cuts = none
        await asyncio.sleep(10)
        assert not exists(rig, SHOP)
