"""The management cluster of a simulated fleet: sources, deliveries, Clusters and a Fleet as objects in a dict, and what people do there.

Commits are a table of what each delivery's folder holds; the renderer reads it from there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.kube.api import Object
from agent.kube.resources import NAMESPACES
from agent.model.content import canonical, digest_of
from agent.model.names import HomeName
from hub.artifacts.contents import TreeDigest
from hub.build.errors import BuildFailed
from hub.build.files import Files
from hub.build.render import BuildRequest, Rendered
from hub.model import annotations as names
from hub.model.kinds import TYPES, Kind
from hub.model.source import TREE_DIGEST
from hub.resources import resource_of
from tests.simulation.cluster import copied
from tests.simulation.ground import Ground
from tests.simulation.place import APPS, Place, fingerprint

LIMIT = 2
"""So many objects may leave a delivery at once without a person's word."""
STATUS = ("kustomizations", "gitrepositories", "clusters", "fleets", "rollouts")
_FILE = "objects.json"
_BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Commit:
    """What each delivery's folder holds: texts by name, None when the folder is missing, or a word for what cannot be built."""

    number: int
    folders: Mapping[HomeName, Mapping[str, str] | str | None]

    @property
    def revision(self) -> str:
        return f"main@sha1:{self.number}"

    def objects(self, home: HomeName) -> Mapping[str, str] | None:
        """Return what a build of the folder gives, None when it fails."""
        found = self.folders[home]
        return found if isinstance(found, Mapping) else None


class Table:
    """Trees, and what is built from them, without a process."""

    def __init__(self) -> None:
        self._trees: dict[str, Files] = {}
        self.is_lost = False
        """Whether the disk with the trees is away."""

    def put(self, commit: Commit) -> str:
        """Keep the tree of a commit; return its digest."""
        files: dict[str, bytes] = {"README": str(commit.number).encode()}
        for home, folder in commit.folders.items():
            if folder is not None:
                files.update({f"{home.name}/{name}": data for name, data in self.files(folder).items()})
        digest = digest_of(canonical({name: data.decode() for name, data in files.items()}))
        self._trees[digest] = Files(files)
        return digest

    def files(self, folder: Mapping[str, str] | str) -> Mapping[str, bytes]:
        """Return the files of a folder."""
        return {_FILE: json.dumps(folder).encode(), "kustomization.yaml": b"resources: []\n"}

    def opened(self, digest: TreeDigest) -> Files | None:
        return None if self.is_lost else self._trees.get(digest)

    def tree(self, digest: TreeDigest) -> Files | None:
        return self.opened(digest)

    async def build(self, request: BuildRequest) -> list[Rendered]:
        """Render one folder: `renderer.build`."""
        data = request.files.get(f"{request.path}/{_FILE}")
        if data is None:
            raise BuildFailed("the few files do not hold the objects")
        folder = json.loads(data)
        if folder == _BROKEN:
            raise BuildFailed("accumulating resources: it is broken")
        objects = [config_map(name, text) for name, text in folder.items()]
        return [Rendered(text=json.dumps(one), object=one) for one in objects]


def config_map(name: str, text: str) -> Object:
    """Return an object of a folder."""
    metadata = {"name": name, "namespace": APPS}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}


@dataclass
class Management:
    """The management cluster and its Git repository."""

    cluster: Ground
    table: Table = field(default_factory=Table)
    commits: list[Commit] = field(default_factory=list)
    asked: int = 0

    def begin(self, places: list[Place]) -> None:
        """Have a namespace, a source, a Fleet, and a Cluster for each place."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": APPS}}
        self.cluster.create(NAMESPACES, "", namespace, manager="people")
        self._create(
            Kind.GIT_REPOSITORY, "repo", {"url": "https://git.example.org/app.git", "interval": "1m"}
        )
        selector = {"matchLabels": {"tier": "prod"}}
        self._create(
            Kind.FLEET, "prod", {"clusterSelector": selector, "onLeave": "Keep", "pruneLimit": LIMIT}
        )
        for place in places:
            self._create(Kind.CLUSTER, place.id, {"id": place.id}, labels={"tier": "prod"})
            self.register(place)

    def register(self, place: Place) -> None:
        """Have the key of a place registered."""
        certificate = {"keyFingerprint": fingerprint(place.key), "notAfter": "2036-01-01T00:00:00Z"}
        self._patch(Kind.CLUSTER, place.id, {"status": {"certificate": certificate}}, "status")

    def registered(self, place: Place) -> str:
        """Return the registered fingerprint."""
        status = self.get(Kind.CLUSTER, place.id).get("status") or {}
        return str((status.get("certificate") or {}).get("keyFingerprint", ""))

    def term(self, place: Place) -> int:
        status = self.get(Kind.CLUSTER, place.id).get("status") or {}
        return int((status.get("session") or {}).get("term", 0))

    def fetch(self) -> None:
        """Have the source at the newest commit."""
        commit = self.commits[-1]
        tree = self.table.put(commit)
        artifact = {
            "path": f"app/{commit.number}.tar.gz",
            "url": f"http://hub/app/{commit.number}.tar.gz",
            "revision": commit.revision,
            "digest": digest_of(commit.revision.encode()),
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "metadata": {TREE_DIGEST: tree},
        }
        self._patch(Kind.GIT_REPOSITORY, "repo", {"status": {"artifact": artifact}}, "status")

    def deliver(self, home: HomeName) -> None:
        """Have a delivery, unless there is one."""
        if self.find(Kind.KUSTOMIZATION, home.name) is None:
            spec = {
                "interval": "10m",
                "retryInterval": "5s",
                "path": f"./{home.name}",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": "repo"},
            }
            self._create(Kind.KUSTOMIZATION, home.name, spec, labels={names.FLEET: "prod"})

    def delete(self, home: HomeName) -> str:
        """Delete a delivery; return its UID, empty when there is none."""
        found = self.find(Kind.KUSTOMIZATION, home.name)
        if found is None:
            return ""
        self.cluster.delete(resource_of(Kind.KUSTOMIZATION), APPS, home.name)
        return str(found["metadata"]["uid"])

    def set_spec(self, kind: Kind, name: str, **spec: Any) -> None:
        self._patch(kind, name, {"spec": spec})

    def label(self, place: Place, tier: str) -> None:
        self._patch(Kind.CLUSTER, place.id, {"metadata": {"labels": {"tier": tier}}})

    def annotate(self, home: HomeName, name: str, text: str) -> None:
        if self.find(Kind.KUSTOMIZATION, home.name) is not None:
            self._patch(Kind.KUSTOMIZATION, home.name, {"metadata": {"annotations": {name: text}}})

    def request(self, home: HomeName) -> None:
        """Ask for a reconcile now."""
        self.asked += 1
        self.annotate(home, names.RECONCILE_REQUESTED_AT, str(self.asked))

    def get(self, kind: Kind, name: str) -> Object:
        return self.cluster.objects[(TYPES[kind].plural, APPS, name)]

    def find(self, kind: Kind, name: str) -> Object | None:
        return self.cluster.objects.get((TYPES[kind].plural, APPS, name))

    def uid(self, home: HomeName) -> str:
        """Return the UID of a delivery that stays, empty when there is none."""
        found = self.find(Kind.KUSTOMIZATION, home.name)
        stays = found is not None and "deletionTimestamp" not in found["metadata"]
        return str(found["metadata"]["uid"]) if found is not None and stays else ""

    def is_in_fleet(self, place: Place) -> bool:
        return bool(self.get(Kind.CLUSTER, place.id)["metadata"]["labels"]["tier"] == "prod")

    def _create(self, kind: Kind, name: str, spec: Mapping[str, Any], **metadata: Any) -> None:
        resource = resource_of(kind)
        value = {
            "apiVersion": resource.api_version,
            "kind": str(kind),
            "metadata": {"name": name, **copied(metadata)},
            "spec": dict(spec),
        }
        self.cluster.create(resource, APPS, value, manager="people")

    def _patch(self, kind: Kind, name: str, patch: Object, subresource: str = "") -> None:
        self.cluster.merge(resource_of(kind), APPS, name, patch, manager="people", subresource=subresource)
