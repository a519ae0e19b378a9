"""A delivery and a cluster in memory to converge."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.apply.convergence import Action, ChangeSet, Convergence, Known
from agent.apply.engine import Engine
from agent.apply.server import EngineSettings, Server
from agent.health.assess import assess
from agent.kube.api import Object, Resource
from agent.kube.discovery import Discovery
from agent.kube.errors import NotFound, ServerFailed
from agent.model.content import Manifest
from agent.model.names import HomeName, ObjectRef, group_of
from hub.sandbox.calls import Call
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import Cluster

OWNER = HomeName("Kustomization", "flux-system", "web")
LABELS = {
    "kustomize.toolkit.fluxcd.io/name": OWNER.name,
    "kustomize.toolkit.fluxcd.io/namespace": OWNER.namespace,
}
CONFIG_MAPS = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap", namespaced=True)


def manifest(
    kind: str = "ConfigMap",
    name: str = "one",
    *,
    api_version: str = "v1",
    namespace: str = "default",
    marks: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    metadata: dict[str, Any] = {"name": name, "labels": LABELS}
    if namespace:
        metadata["namespace"] = namespace
    if marks:
        metadata["annotations"] = {f"kustomize.toolkit.fluxcd.io/{key}": text for key, text in marks.items()}
    value = {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}
    ref = ObjectRef(group=group_of(api_version), kind=kind, namespace=namespace, name=name)
    return Manifest.of(value, ref)


def definition() -> Manifest:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return manifest(
        "CustomResourceDefinition",
        "gadgets.example.org",
        api_version="apiextensions.k8s.io/v1",
        namespace="",
        spec={
            "group": "example.org",
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    )


@dataclass
class Notes:
    """A journal that outlives what writes in it, as the desk does."""

    ids: dict[str, str] = field(default_factory=dict)

    async def enter(self, ids: Mapping[str, str]) -> None:
        self.ids.update(ids)

    def is_superseded(self) -> bool:
        return False


class Delivery:
    """One delivery in a cluster; remembers between convergences what the desk and the watches would."""

    def __init__(self, *, user: str = "agent", namespace: str = "") -> None:
        self.cluster = Cluster(FakeClock())
        self.user = user
        self.api = self.cluster.restrict(user, namespace) if namespace else self.cluster.api(user)
        self.discovery = Discovery(self.api, clock=self.cluster.clock)
        self.inventory: Mapping[str, str] = {}
        self.known: Mapping[ObjectRef, Known] = {}
        self.notes = Notes()
        self.kept_elsewhere: frozenset[ObjectRef] = frozenset()

    def live(self, ref: ObjectRef, version: str) -> Object | None:
        """Return what a watch that is up to date would know of an object."""
        resource = self.cluster.find_kind(f"{ref.group}/{version}".lstrip("/"), ref.kind)
        try:
            return self.cluster.get(resource, ref.namespace, ref.name) if resource else None
        except (NotFound, ServerFailed):
            return None

    def was_cut_short(self, ref: ObjectRef) -> bool:
        """Tell that nobody saw a Job go."""
        return False

    def engine(self) -> Engine:
        clock = self.cluster.clock
        return Engine(
            Server(
                api=self.api,
                resolver=self.discovery,
                watched=self,
                assess=assess,
                settings=EngineSettings(),
                clock=clock,
            )
        )

    async def converge(self, *manifests: Manifest, **wishes: Any) -> ChangeSet:
        """Converge and save what came of it, by the rules of the desk."""
        task = Convergence(
            owner=OWNER,
            manifests=manifests,
            inventory=self.inventory,
            ahead=dict(self.notes.ids),
            known=self.known,
            kept_elsewhere=self.kept_elsewhere,
            **{"prune": True, **wishes},
        )
        changes = await self.engine().converge(task, self.notes)
        self.inventory, self.known = changes.inventory, changes.known
        if not changes.problem:
            self.notes.ids.clear()
        return changes

    def put(self, one: Manifest, *, manager: str = "somebody", **labels: str) -> None:
        """Have an object there that another made."""
        value = json.loads(one.body)
        value["metadata"]["labels"] = labels
        self.cluster.create(CONFIG_MAPS, one.ref.namespace, value, manager=manager)

    def names(self) -> set[str]:
        """Return the names of the ConfigMaps in the default namespace."""
        return {one["metadata"]["name"] for one in self.cluster.list(CONFIG_MAPS, "default").items}

    def writes(self) -> list[Call]:
        return [call for call in self.cluster.writes if call.user == self.user]

    def requests(self) -> list[Call]:
        """Return the requests for objects; discovery is asked once for many."""
        return [call for call in self.cluster.calls if call.user == self.user and call.resource]

    def forget_requests(self) -> None:
        self.cluster.calls.clear()


def actions(changes: ChangeSet) -> dict[str, Action]:
    """Return what became of each object, by name."""
    return {change.ref.name: change.action for change in changes.changes}


def names_of(ids: Iterable[str]) -> set[str]:
    """Return the names in inventory ids."""
    return {id_.split("_")[1] for id_ in ids}
