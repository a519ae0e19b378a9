"""From Kustomizations to wishes: what is assigned, what is kept while something hinders, and what leaves."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
import yaml

from agent.kit.reconcile import Backoff
from agent.kit.tasks import Tasks
from agent.kit.telemetry import Telemetry
from agent.model.assignment import Hold, HoldReason, Tombstone
from agent.model.names import ClusterId, HomeName, timestamp
from agent.model.report import Report, Stage
from hub.artifacts.blobs import Blobs
from hub.artifacts.contents import TreeDigest
from hub.build.files import Files
from hub.build.render import BuildRequest, Rendered
from hub.build.sops.tree import plain
from hub.delivery.controller import Controller
from hub.delivery.settings import DeliverySettings, SopsSettings
from hub.model.cluster import ClusterName
from hub.model.kinds import Kind
from hub.model.standing import Standing
from hub.model.wish import Assigned, Boards, Presence, Wish
from hub.store import Store
from tests.hub.build.sops.sealing import Sealing, identity
from tests.hub.hand import START, Hand, Middle, at_once, settle
from tests.hub.management import Management
from tests.hub.model.samples import fleet, kustomization

HOME = HomeName(kind="Kustomization", namespace="apps", name="webapp")
FLEET = {"fleet.cartwheel.dev/fleet": "prod"}
PROD: Any = {"tier": "prod"}

T = TypeVar("T")


class Documents:
    """A renderer that gives every document of a directory as it is."""

    async def build(self, request: BuildRequest) -> list[Rendered]:
        texts = [
            text
            for name, data in sorted(request.files.items())
            if name.startswith(request.path.removeprefix(".")) and "kustomization" not in name
            for text in data.decode().split("---\n")
        ]
        return [Rendered(text=text, object=yaml.safe_load(text)) for text in texts]


@dataclass
class Rig:
    """A hub's delivery stage over an API server in memory."""

    api: Management = field(init=False)
    boards: Boards = field(default_factory=Boards)
    blobs: Blobs = field(default_factory=Blobs)
    clock: Hand = field(default_factory=Hand)
    trees: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    telemetry: Telemetry = field(default_factory=Telemetry)
    controller: Controller = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        self.api = Management(self.clock)

    sops: SopsSettings = field(default_factory=SopsSettings)
    offloaded: int = 0

    async def offload(self, work: Callable[[], T], /) -> T:
        """Do what takes long in turn, and count it."""
        self.offloaded += 1
        return await at_once(work)

    def opened(self, digest: TreeDigest) -> Files | None:
        return None

    def tree(self, digest: TreeDigest) -> Files | None:
        return Files(self.trees[digest]) if digest in self.trees else None

    def commit(
        self, revision: str, *, traceparent: str = "", kind: Kind = Kind.GIT_REPOSITORY, **files: str
    ) -> None:
        """Have the source at a revision with these files (`a__b` is `a/b.yaml`), and the trace that its fetch began."""
        tree = {f"{name.replace('__', '/')}.yaml": text.encode() for name, text in files.items()}
        digest = "sha256:" + hashlib.sha256(repr(sorted(tree.items())).encode()).hexdigest()
        self.trees[digest] = tree
        artifact = {
            "path": "p",
            "url": "u",
            "revision": revision,
            "digest": digest,
            "lastUpdateTime": "2026-01-01T00:00:00Z",
            "metadata": {
                "fleet.cartwheel.dev/tree-digest": digest,
                "fleet.cartwheel.dev/traceparent": traceparent,
            },
        }
        spec = {"url": "https://example.com/webapp", "interval": "1m"}
        if kind is Kind.OCI_REPOSITORY:
            spec["url"] = "oci://example.com/webapp"
        self.api.put_resource(kind, "webapp", spec, status={"artifact": artifact})

    def deliver(self, name: str = "webapp", *, spec: dict[str, Any] | None = None, **metadata: Any) -> None:
        given = {"finalizers": ["finalizers.fluxcd.io"]} | metadata
        self.api.put_resource(Kind.KUSTOMIZATION, name, kustomization(**(spec or {})), **given)

    def cluster(self, name: str, *, spec: dict[str, Any] | None = None, **labels: str) -> None:
        self.api.put_resource(Kind.CLUSTER, name, {"id": f"id-of-{name}"} | (spec or {}), labels=labels)

    def relabel(self, plural: str, name: str, **metadata: Any) -> None:
        value = self.api.get_now(plural, name)
        self.api.put(plural, {**value, "metadata": {**value["metadata"], **metadata}})

    def delete(self, name: str = "webapp") -> None:
        self.relabel("kustomizations", name, deletionTimestamp=timestamp(self.clock.now()))

    def wish(self, cluster: str, home: HomeName = HOME) -> Wish | None:
        return self.boards.wishes.get((ClusterId(f"id-of-{cluster}"), home))

    def assigned(self, cluster: str) -> Assigned:
        found = self.wish(cluster)
        assert isinstance(found, Assigned)
        return found

    def standing(self, name: str = "webapp") -> Standing:
        found = self.boards.standings.get(("Kustomization", "apps", name))
        assert found is not None
        return found

    def connect(self, cluster: str, *, desk: Collection[tuple[HomeName, str]] = frozenset()) -> None:
        now = self.clock.now()
        presence = Presence(connected=True, since=now, last_seen=now, term=1, desk=frozenset(desk))
        self.boards.presence.put(ClusterId(f"id-of-{cluster}"), presence)

    def disconnect(self, cluster: str) -> None:
        id_ = ClusterId(f"id-of-{cluster}")
        before = self.boards.presence.get(id_)
        assert before is not None
        self.boards.presence.put(id_, replace(before, connected=False))

    def report(self, cluster: str, stage: Stage, uid: str = "uid-webapp", home: HomeName = HOME) -> None:
        gone = Report.gone(ClusterId(f"id-of-{cluster}"), home, uid, as_of=self.clock.now())
        values = {name: getattr(gone, name) for name in gone.__dataclass_fields__} | {"stage": stage}
        self.boards.reports.put((gone.cluster, home), Report(**values))

    def cluster_status(self, name: str) -> dict[str, Any]:
        status: dict[str, Any] = self.api.status("clusters", name)
        return status

    def is_there(self, name: str = "webapp") -> bool:
        return self.api.find("kustomizations", "apps", name) is not None


@asynccontextmanager
async def running(rig: Rig) -> AsyncIterator[Rig]:
    store = Store(rig.api, clock=rig.clock, randomness=Middle(), backoff=Backoff())
    rig.store = store
    rig.controller = Controller(
        DeliverySettings(
            management=ClusterName(namespace="apps", name="management"),
            backoff=Backoff(),
            tools={"kustomize": "5"},
            sops=rig.sops,
        ),
        store=store,
        boards=rig.boards,
        blobs=rig.blobs,
        renderer=Documents(),
        trees=rig,
        clock=rig.clock,
        randomness=Middle(),
        telemetry=rig.telemetry,
        offload=rig.offload,
    )
    async with Tasks() as tasks:
        tasks.start(store.run(), name="store")
        tasks.start(rig.controller.run(), name="controller")
        await rig.clock.pass_(0.1)
        yield rig


def config_map(name: str, **data: str) -> str:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": "apps"},
            "data": data,
        }
    )


def one_cluster() -> Rig:
    rig = Rig()
    rig.cluster("management")
    rig.commit("main@sha1:1", a=config_map("a"), b=config_map("b"))
    return rig


def prod_fleet(**spec: Any) -> Rig:
    rig = Rig()
    rig.api.put_resource(Kind.FLEET, "prod", fleet(**spec))
    for name in ("eu-1", "us-1", "ap-1"):
        rig.cluster(name, **PROD)
    rig.commit("main@sha1:1", a=config_map("a"))
    return rig


async def test_reading_preparing_and_substituting_do_not_hold_up_the_event_loop() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.assigned("management")
        assert rig.offloaded == 3


async def test_whoever_claims_another_clusters_identity_sends_nothing_there() -> None:
    rig = one_cluster()
    rig.api.put_resource(
        Kind.CLUSTER, "prod", {"id": "id-of-prod"}, namespace="others", uid="uid-of-the-other"
    )
    rig.api.put_resource(Kind.FLEET, "mine", fleet())
    rig.deliver(labels={"fleet.cartwheel.dev/fleet": "mine"})
    async with running(rig):
        rig.cluster("prod", **PROD)
        await rig.clock.pass_(60)
        assert not isinstance(rig.wish("prod"), Assigned)
        assert "another Cluster has the id of Cluster prod" in str(rig.standing().targets)
        # Alone with its identity it is served like any other.
        rig.api.remove("clusters", "others", "prod")
        await rig.clock.pass_(60)
        rig.assigned("prod")


async def test_a_commit_becomes_an_assignment() -> None:
    rig = one_cluster()
    rig.deliver(spec={"wait": True, "timeout": "1m"})
    async with running(rig):
        found = rig.assigned("management")
        assert [entry.ref.name for entry in found.bundle.entries] == ["a", "b"]
        assert found.revision == "main@sha1:1"
        assert (found.assignment.spec.wait, found.assignment.spec.timeout_s) == (True, 60.0)
        assert all(rig.blobs.get(entry.digest) for entry in found.bundle.entries)
        assert rig.standing().attempted == "main@sha1:1"
        assert rig.standing().problem is None


async def test_the_finalizer_is_set_before_anything_is_assigned() -> None:
    rig = one_cluster()
    rig.deliver(finalizers=[])
    async with running(rig):
        assert rig.api.writes == ["patch kustomizations apps/webapp"]
        assert isinstance(rig.wish("management"), Assigned)


async def test_the_next_commit_replaces_the_assignment() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        rig.commit("main@sha1:2", a=config_map("a", x="1"))
        await settle()
        after = rig.assigned("management")
        assert [entry.ref.name for entry in after.bundle.entries] == ["a"]
        assert after.assignment.candidate != before.assignment.candidate


async def test_a_commit_that_changes_nothing_here_asks_for_nothing() -> None:
    rig = one_cluster()
    rig.deliver(spec={"path": "./app"})
    rig.commit("main@sha1:1", app__a=config_map("a"))
    async with running(rig):
        before = rig.assigned("management").assignment.substance
        rig.commit("main@sha1:2", app__a=config_map("a"), other__b=config_map("b"))
        await settle()
        assert rig.assigned("management").assignment.substance == before
        assert rig.assigned("management").revision == "main@sha1:2"
        assert rig.controller.renderings == 1


async def test_three_clusters_without_a_referenced_variable_share_one_build() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        digests = {rig.assigned(name).bundle.digest for name in ("eu-1", "us-1", "ap-1")}
        assert len(digests) == 1
        assert rig.controller.renderings == 1
        annotations = rig.api.get_now("kustomizations", "webapp")["metadata"]["annotations"]
        assert annotations == {"fleet.cartwheel.dev/placed": "fleet/prod"}


async def test_a_changed_cluster_variable_rebuilds_without_running_kustomize() -> None:
    rig = prod_fleet()
    rig.commit("main@sha1:1", a=config_map("a", size="${SIZE}"))
    rig.deliver(labels=FLEET, spec={"postBuild": {"substitute": {"SIZE": "1"}}})
    async with running(rig):
        before = rig.assigned("us-1")
        rig.cluster("eu-1", spec={"variables": {"SIZE": "9"}}, **PROD)
        await settle()
        assert rig.assigned("eu-1").bundle.digest != before.bundle.digest
        assert rig.assigned("us-1") == before
        assert rig.controller.renderings == 1


async def test_a_broken_commit_keeps_what_runs() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        rig.commit("main@sha1:2", a="kind: ConfigMap\n")
        await settle()
        problem = rig.standing().problem
        assert rig.assigned("management") == before
        assert problem is not None
        assert (problem.reason, problem.is_stalled, problem.is_quiet) == ("BuildFailed", False, False)
        rig.commit("main@sha1:3", a=config_map("a"))
        await settle()
        assert rig.standing().problem is None


def encrypted_map(recipient: str, **data: str) -> str:
    clear = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "sealed", "namespace": "apps"}}
    branch = Sealing([recipient]).branch(clear | {"data": data}, clear=tuple(clear))
    return json.dumps(plain(branch))


def key_secret(name: str, identity: str, **metadata: Any) -> dict[str, Any]:
    data = {"a.agekey": base64.b64encode(identity.encode()).decode()}
    return {
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "apps", **metadata}, "data": data,
    }  # fmt: skip


WATCHED = {"reconcile.fluxcd.io/watch": "Enabled"}


async def test_what_is_encrypted_is_delivered_in_the_clear_and_confidential() -> None:
    key, recipient = identity()
    rig = one_cluster()
    rig.commit("main@sha1:1", a=config_map("a"), sealed=encrypted_map(recipient, password="canary-1"))
    rig.api.put("secrets", key_secret("keys", key))
    rig.deliver(spec={"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}})
    async with running(rig):
        found = rig.assigned("management")
        bodies = {one.ref.name: rig.blobs.get(one.digest) for one in found.bundle.entries}
        assert b"canary-1" in (bodies["sealed"] or b"")
        assert found.assignment.confidential == ("apps_sealed__ConfigMap",)
        assert "canary-1" not in repr(found) + repr(rig.standing())


async def test_a_changed_key_decrypts_anew_at_once() -> None:
    key, recipient = identity()
    rig = one_cluster()
    rig.commit("main@sha1:1", a=config_map("a"))
    rig.api.put("secrets", key_secret("keys", identity()[0], labels=WATCHED))
    rig.deliver(spec={"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}})
    async with running(rig):
        before = rig.assigned("management")
        rig.commit("main@sha1:2", a=config_map("a"), sealed=encrypted_map(recipient, password="canary-1"))
        await settle()
        # What runs goes on.
        hold = rig.wish("management")
        assert isinstance(hold, Assigned)
        assert hold.bundle == before.bundle
        problem = rig.standing().problem
        assert problem is not None
        assert problem.reason == "BuildFailed"
        assert "no identity matched any of the recipients" in problem.message
        rig.api.put("secrets", key_secret("keys", key, labels=WATCHED))
        await settle()
        assert rig.standing().problem is None
        assert {one.ref.name for one in rig.assigned("management").bundle.entries} == {"a", "sealed"}


async def test_a_missing_key_secret_fails_the_build() -> None:
    rig = one_cluster()
    rig.deliver(spec={"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}})
    async with running(rig):
        problem = rig.standing().problem
        assert problem is not None
        assert problem.reason == "BuildFailed"
        assert problem.message == "cannot get sops decryption Secret 'apps/keys': secrets \"keys\" not found"


async def test_who_names_no_keys_is_decrypted_with_those_of_all() -> None:
    key, recipient = identity()
    rig = one_cluster()
    rig.sops = SopsSettings(age_secret="apps/of-all")
    rig.commit("main@sha1:1", sealed=encrypted_map(recipient, password="canary-1"))
    rig.api.put("secrets", key_secret("of-all", key))
    rig.deliver(spec={"decryption": {"provider": "sops"}})
    async with running(rig):
        assert rig.assigned("management").assignment.confidential == ("apps_sealed__ConfigMap",)


@pytest.mark.parametrize("requires", [False, True])
async def test_what_was_changed_after_it_was_encrypted_is_an_event_or_refused(requires: bool) -> None:
    key, recipient = identity()
    rig = one_cluster()
    rig.sops = SopsSettings(requires_mac=requires)
    changed = encrypted_map(recipient, password="canary-1").replace('"name": "sealed"', '"name": "other"')
    rig.commit("main@sha1:1", sealed=changed)
    rig.api.put("secrets", key_secret("keys", key))
    rig.deliver(spec={"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}})
    async with running(rig):
        events = [one for one in rig.api.all("events") if one["reason"] == "MACMismatch"]
        problem = rig.standing().problem
        if requires:
            assert problem is not None
            assert "failed to verify sops data integrity: sealed.yaml was changed after it" in problem.message
            assert rig.wish("management") is None or not isinstance(rig.wish("management"), Assigned)
            assert events == []
        else:
            assert problem is None
            (told,) = events
            assert (told["type"], told["involvedObject"]["name"]) == ("Warning", "webapp")
            assert told["message"].startswith("sealed.yaml: changed after being encrypted")


async def test_a_missing_path_keeps_what_runs() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        rig.deliver(spec={"path": "./gone"})
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert problem.reason == "ArtifactFailed"
        assert rig.assigned("management") == before


async def test_a_source_of_another_kind_under_the_same_name_is_another_source() -> None:
    rig = one_cluster()
    rig.deliver(spec={"sourceRef": {"kind": "OCIRepository", "name": "webapp"}})
    async with running(rig):
        problem = rig.standing().problem
        assert problem is not None
        assert problem.message.startswith("OCIRepository apps/webapp not found")
        rig.commit("latest@sha256:1", kind=Kind.OCI_REPOSITORY, c=config_map("c"))
        await settle()
        assert rig.assigned("management").revision == "latest@sha256:1"
        before = rig.assigned("management")
        rig.commit("main@sha1:2", d=config_map("d"))
        await settle()
        assert rig.assigned("management") is before


async def test_of_a_file_that_is_no_archive_nothing_is_built_and_nothing_is_pruned() -> None:
    rig = Rig()
    rig.cluster("management")
    rig.commit("latest@sha256:1", kind=Kind.OCI_REPOSITORY, a=config_map("a"))
    rig.deliver(spec={"sourceRef": {"kind": "OCIRepository", "name": "webapp"}})
    async with running(rig):
        before = rig.assigned("management")
        value = rig.api.get_now("ocirepositories", "webapp")
        value["status"]["artifact"] |= {
            "revision": "latest@sha256:2",
            "digest": "sha256:2",
            "metadata": {"fleet.cartwheel.dev/tree-digest": "none"},
        }
        rig.api.put("ocirepositories", value)
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert (problem.reason, "holds no archive of files" in problem.message) == ("ArtifactFailed", True)
        assert rig.assigned("management") == before


async def test_nothing_built_since_the_start_is_held() -> None:
    rig = one_cluster()
    rig.deliver()
    rig.commit("main@sha1:1", a="kind: ConfigMap\n")
    async with running(rig):
        found = rig.wish("management")
        assert isinstance(found, Hold)
        assert found.reason is HoldReason.BUILD_FAILED


def of_an_earlier_hub(rig: Rig, *, applied: str = "main@sha1:1", seen: int = 1, **metadata: Any) -> None:
    """Have the delivery as a hub left it that saw it ready, and the files of its source on no disk."""
    status = {"observedGeneration": seen, "lastAppliedRevision": applied}
    rig.deliver(status=status, **metadata)
    rig.trees.clear()


async def test_without_the_sources_files_what_was_seen_ready_stands_as_its_agent_says() -> None:
    rig = one_cluster()
    of_an_earlier_hub(rig)
    async with running(rig):
        standing = rig.standing()
        assert standing.problem is None
        (there,) = standing.targets
        assert (there.problem, there.was_applied, there.revision) == (None, True, "main@sha1:1")
        found = rig.wish("management")
        assert isinstance(found, Hold)
        assert found.reason is HoldReason.SOURCE_NOT_READY
        rig.commit("main@sha1:1", a=config_map("a"), b=config_map("b"))
        await rig.clock.pass_(60)
        assert isinstance(rig.wish("management"), Assigned)
        assert not rig.standing().targets[0].was_applied


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"applied": "main@sha1:0"}, id="there is a newer commit"),
        pytest.param({"seen": 0}, id="its spec is newer"),
        pytest.param(
            {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}, id="somebody asks for a reconcile"
        ),
    ],
)
async def test_without_the_sources_files_what_is_to_be_done_is_told_to_wait(given: dict[str, Any]) -> None:
    rig = one_cluster()
    of_an_earlier_hub(rig, **given)
    async with running(rig):
        problem = rig.standing().problem
        assert problem is not None
        assert problem.reason == "ArtifactFailed"


async def test_without_the_sources_files_a_cluster_that_was_behind_or_is_new_waits_for_them() -> None:
    rig = prod_fleet()
    row = {"kind": "Kustomization", "namespace": "apps", "name": "webapp", "state": "Disconnected"}
    behind = {"notInStep": [row | {"since": timestamp(START)}]}
    rig.api.put_resource(Kind.CLUSTER, "us-1", {"id": "id-of-us-1"}, labels=PROD, status=behind)
    of_an_earlier_hub(rig, labels=FLEET)
    async with running(rig):
        rig.connect("ap-1")
        rig.connect("eu-1", desk={(HOME, "uid-webapp")})
        await rig.clock.pass_(60)
        told = {one.cluster.name: one.problem and one.problem.reason for one in rig.standing().targets}
        assert told == {"ap-1": "ArtifactFailed", "eu-1": None, "us-1": "ArtifactFailed"}


async def test_a_missing_source_is_waited_for() -> None:
    rig = one_cluster()
    rig.deliver()
    rig.api.remove("gitrepositories", "apps", "webapp")
    async with running(rig):
        problem = rig.standing().problem
        assert problem is not None
        assert (problem.reason, problem.is_quiet) == ("ArtifactFailed", True)
        rig.commit("main@sha1:1", a=config_map("a"))
        await settle()
        assert isinstance(rig.wish("management"), Assigned)


async def test_a_refused_field_stalls_and_keeps_what_runs() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        rig.deliver(spec={"serviceAccountName": "deployer"})
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert (problem.reason, problem.is_stalled) == ("UnsupportedField", True)
        assert rig.assigned("management") == before


async def test_suspending_stops_the_agents_at_what_they_have() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        rig.deliver(spec={"suspend": True})
        rig.commit("main@sha1:2", a=config_map("changed"))
        await settle()
        after = rig.assigned("management")
        assert after.bundle == before.bundle
        assert after.assignment.spec.suspend


async def test_a_request_to_reconcile_is_passed_on() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.relabel("kustomizations", "webapp", annotations={"reconcile.fluxcd.io/requestedAt": "now"})
        await settle()
        assert rig.assigned("management").assignment.tokens == {"reconcile": "now"}


@pytest.mark.parametrize(("where", "passed"), [("apps/management", True), ("apps/other", False)])
async def test_an_approval_for_one_cluster_is_passed_on_to_it_alone(where: str, passed: bool) -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        digest = rig.assigned("management").bundle.digest
        approval = {"fleet.cartwheel.dev/approve-prune": f"{digest}@{where}"}
        rig.relabel("kustomizations", "webapp", annotations=approval)
        await settle()
        tokens = rig.assigned("management").assignment.tokens
        assert tokens == ({"approve-prune": digest} if passed else {})


async def test_an_approval_is_passed_on_for_its_bundle_alone() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        digest = rig.assigned("management").bundle.digest
        rig.relabel(
            "kustomizations", "webapp", annotations={"fleet.cartwheel.dev/approve-prune": f"x,{digest}"}
        )
        await settle()
        assert rig.assigned("management").assignment.tokens == {"approve-prune": digest}
        rig.commit("main@sha1:2", a=config_map("a"))
        await settle()
        assert rig.assigned("management").assignment.tokens == {}


async def test_an_approval_is_spent_when_another_bundle_follows_and_does_not_count_when_the_first_comes_back() -> (
    None
):
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        first = rig.assigned("management").bundle.digest
        approval = {"fleet.cartwheel.dev/approve-prune": f"{first}@apps/management"}
        rig.relabel("kustomizations", "webapp", annotations=approval)
        await settle()
        assert rig.assigned("management").assignment.tokens != {}
        rig.commit("main@sha1:2", a=config_map("a"))
        await settle()
        rig.commit("main@sha1:3", a=config_map("a"), b=config_map("b"))
        await settle()
        assert rig.assigned("management").bundle.digest == first
        assert rig.assigned("management").assignment.tokens == {}


async def test_a_lost_label_takes_nothing_away() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        rig.relabel("kustomizations", "webapp", labels={})
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert problem.reason == "PlacementLost"
        assert rig.assigned("eu-1") == before


async def test_a_fleet_that_vanished_takes_nothing_away() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        rig.api.remove("fleets", "apps", "prod")
        await settle()
        assert rig.assigned("eu-1") == before


async def test_a_cluster_that_matches_no_more_is_released_until_it_matches_again() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        found = rig.wish("eu-1")
        assert isinstance(found, Hold)
        assert found.reason is HoldReason.RELEASED
        assert [one["name"] for one in rig.cluster_status("eu-1")["released"]] == ["webapp"]
        rig.relabel("clusters", "eu-1", labels=PROD)
        await settle()
        assert isinstance(rig.wish("eu-1"), Assigned)
        assert "released" not in rig.cluster_status("eu-1")


async def test_after_a_restart_what_runs_where_it_is_not_placed_is_released() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    rig.cluster("dev-1")
    async with running(rig):
        rig.report("dev-1", Stage.READY)
        await settle()
        assert [one["name"] for one in rig.cluster_status("dev-1")["released"]] == ["webapp"]


async def test_a_fleet_may_prune_what_leaves_it() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        found = rig.wish("eu-1")
        assert isinstance(found, Tombstone)
        assert found.delete_objects


async def test_a_released_placement_is_pruned_when_a_person_says_so() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.relabel("clusters", "eu-1", labels={})
        await settle()
        since = rig.cluster_status("eu-1")["released"][0]["since"]
        entry = {"fleet.cartwheel.dev/prune-released": f"Kustomization/apps/webapp@{since}"}
        rig.relabel("clusters", "eu-1", annotations=entry)
        await settle()
        assert isinstance(rig.wish("eu-1"), Tombstone)
        assert "released" not in rig.cluster_status("eu-1")


async def test_a_deletion_stores_a_tombstone_and_waits_for_the_connected_agent() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.delete()
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert (found.uid, found.delete_objects) == ("uid-webapp", True)
        assert [one["uid"] for one in rig.cluster_status("management")["tombstones"]] == ["uid-webapp"]
        assert rig.is_there()
        rig.report("management", Stage.GONE)
        await settle()
        assert not rig.is_there()
        assert "tombstones" not in rig.cluster_status("management")
        assert rig.wish("management") is None


async def test_a_deletion_does_not_wait_for_a_cluster_that_is_away() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.delete()
        await settle()
        assert not rig.is_there()
        assert isinstance(rig.wish("management"), Tombstone)
        assert rig.cluster_status("management")["tombstones"]


async def test_the_objects_stay_when_the_policy_says_so() -> None:
    rig = one_cluster()
    rig.deliver(spec={"deletionPolicy": "Orphan"})
    async with running(rig):
        rig.delete()
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert not found.delete_objects


async def test_a_stored_tombstone_is_said_after_a_restart() -> None:
    rig = one_cluster()
    async with running(rig):
        pass
    entry = {
        "kind": "Kustomization",
        "namespace": "apps",
        "name": "webapp",
        "uid": "uid-old",
        "deletionPolicy": "Delete",
        "time": timestamp(START),
    }
    rig.api.put_resource(
        Kind.CLUSTER, "management", {"id": "id-of-management"}, status={"tombstones": [entry]}
    )
    async with running(rig):
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert found.uid == "uid-old"


async def test_a_tombstone_is_never_said_to_a_newer_delivery_of_the_name() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.delete()
        await settle()
        rig.deliver(uid="uid-new")
        await settle()
        assert rig.assigned("management").assignment.uid == "uid-new"
        rig.report("management", Stage.READY, uid="uid-new")
        await settle()
        assert "tombstones" not in rig.cluster_status("management")


async def test_a_tombstone_waits_until_a_delivery_made_with_it_is_on_the_desk() -> None:
    rig = one_cluster()
    rig.deliver()
    other = HomeName(kind="Kustomization", namespace="apps", name="renamed")
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        rig.deliver("renamed", creationTimestamp=timestamp(START))
        rig.delete()
        await settle()
        assert isinstance(rig.wish("management"), Assigned)
        rig.report("management", Stage.READY, uid="uid-renamed", home=other)
        await settle()
        assert isinstance(rig.wish("management"), Tombstone)


async def test_everything_leaves_a_cluster_that_is_removed() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        rig.report("management", Stage.READY)
        annotations = {"fleet.cartwheel.dev/remove": "prune"}
        rig.relabel(
            "clusters",
            "management",
            deletionTimestamp=timestamp(START + timedelta(seconds=1)),
            finalizers=["finalizers.fluxcd.io"],
            annotations=annotations,
        )
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert found.delete_objects


async def test_nothing_is_kept_for_a_cluster_that_is_gone() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.report("eu-1", Stage.READY)
        rig.api.remove("clusters", "apps", "eu-1")
        await settle()
        assert rig.wish("eu-1") is None
        assert isinstance(rig.wish("us-1"), Assigned)
        assert rig.boards.reports.snapshot() == {}


async def test_the_fleet_that_is_left_says_what_becomes_of_the_objects() -> None:
    rig = prod_fleet(onLeave="Prune")
    rig.cluster("dev-1", tier="dev")
    rig.api.put_resource(Kind.FLEET, "dev", {"clusterSelector": {"matchLabels": {"tier": "dev"}}})
    rig.deliver(labels=FLEET)
    async with running(rig):
        rig.relabel("kustomizations", "webapp", labels={"fleet.cartwheel.dev/fleet": "dev"})
        await settle()
        assert isinstance(rig.wish("eu-1"), Tombstone)
        assert isinstance(rig.wish("dev-1"), Assigned)


async def test_a_second_claimant_does_not_disturb_the_first() -> None:
    rig = one_cluster()
    home = {"fleet.cartwheel.dev/home-namespace": "apps"}
    rig.api.put("namespaces", {"metadata": {"name": "team", "labels": home}})
    rig.deliver(creationTimestamp="2026-01-01T00:00:00Z")
    async with running(rig):
        spec = kustomization(sourceRef={"kind": "GitRepository", "name": "webapp", "namespace": "apps"})
        rig.api.put_resource(
            Kind.KUSTOMIZATION,
            "webapp",
            spec,
            namespace="team",
            uid="uid-second",
            creationTimestamp="2026-01-02T00:00:00Z",
        )
        await settle()
        second = rig.boards.standings.get(("Kustomization", "team", "webapp"))
        assert second is not None
        assert second.problem is not None
        assert second.problem.reason == "PlacementConflict"
        assert rig.assigned("management").assignment.uid == "uid-webapp"


async def test_labels_that_collide_as_variables_are_told_once() -> None:
    rig = Rig()
    odd: Any = {"a-b": "1", "a.b": "2"}
    rig.cluster("management", **odd)
    rig.commit("main@sha1:1", a=config_map("a"))
    rig.deliver()
    async with running(rig):
        rig.commit("main@sha1:2", a=config_map("a", x="1"))
        await settle()
        assert [one["reason"] for one in rig.api.all("events")] == ["VariablesCollide"]


async def test_a_dependency_that_is_not_on_the_cluster_is_waited_for() -> None:
    rig = prod_fleet()
    rig.cluster("management")
    rig.deliver("infra", labels=FLEET)
    rig.deliver(spec={"dependsOn": [{"name": "infra"}]})
    async with running(rig):
        (target,) = rig.standing().targets
        assert target.problem is not None
        assert target.problem.reason == "DependencyNotPlaced"
        assert isinstance(rig.wish("management"), Hold)


async def test_a_suspended_cluster_gets_nothing_new() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        rig.cluster("eu-1", spec={"suspend": True}, **PROD)
        rig.commit("main@sha1:2", a=config_map("a", x="2"))
        await settle()
        assert rig.assigned("eu-1") == before
        assert rig.assigned("us-1").revision == "main@sha1:2"


async def test_a_delivery_that_cannot_be_read_keeps_what_runs_until_it_is_corrected() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        with rig.api.older_schema():
            rig.deliver(labels=FLEET, spec={"interval": "soon"})
        rig.commit("main@sha1:2", a=config_map("a", x="2"))
        await settle()
        assert rig.assigned("eu-1") == before
        assert "released" not in (rig.api.get_now("clusters", "eu-1").get("status") or {})
        rig.deliver(labels=FLEET)
        await settle()
        assert rig.assigned("eu-1").revision == "main@sha1:2"


async def test_a_delivery_that_cannot_be_read_after_a_restart_is_not_spoken_of() -> None:
    rig = prod_fleet()
    with rig.api.older_schema():
        rig.deliver(labels=FLEET, spec={"interval": "soon"})
    async with running(rig):
        rig.report("eu-1", Stage.READY)
        await settle()
        assert rig.boards.wishes.snapshot() == {}


async def test_a_source_that_cannot_be_read_keeps_what_runs_and_is_named() -> None:
    rig = one_cluster()
    rig.deliver()
    async with running(rig):
        before = rig.assigned("management")
        good = rig.api.get_now("gitrepositories", "webapp")
        with rig.api.older_schema():
            rig.api.put("gitrepositories", {**good, "spec": {**good["spec"], "timeout": "soon"}})
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert (problem.reason, problem.is_stalled, problem.is_quiet) == ("ArtifactFailed", False, True)
        assert "spec.timeout" in problem.message
        assert rig.assigned("management") == before
        rig.api.put("gitrepositories", good)
        await settle()
        assert rig.standing().problem is None


async def test_a_fleet_that_cannot_be_read_takes_nothing_away() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        with rig.api.older_schema():
            rig.api.put_resource(Kind.FLEET, "prod", fleet(onLeave="Perhaps"))
        await settle()
        problem = rig.standing().problem
        assert problem is not None
        assert (problem.reason, problem.is_stalled) == ("MalformedResource", True)
        assert "spec.onLeave" in problem.message
        assert rig.assigned("eu-1") == before
        rig.delete()
        await settle()
        assert rig.is_there()
        rig.api.put_resource(Kind.FLEET, "prod", fleet())
        await settle()
        assert not rig.is_there()


async def test_a_deletion_waits_for_a_cluster_that_cannot_be_read() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        with rig.api.older_schema():
            rig.cluster("eu-1", spec={"suspend": "perhaps"}, **PROD)
        rig.delete()
        await settle()
        assert rig.is_there()
        rig.cluster("eu-1", **PROD)
        await rig.clock.pass_(31)
        assert not rig.is_there()
        assert rig.cluster_status("eu-1")["tombstones"]


async def test_a_dependency_that_cannot_be_read_is_waited_for() -> None:
    rig = one_cluster()
    with rig.api.older_schema():
        rig.deliver("infra", spec={"interval": "soon"})
    rig.deliver(spec={"dependsOn": [{"name": "infra"}]})
    async with running(rig):
        (target,) = rig.standing().targets
        assert target.problem is not None
        assert target.problem.reason == "DependencyNotReady"
        assert "dependency 'apps/infra' cannot be read" in target.problem.message


async def test_a_cluster_with_a_refused_field_gets_nothing_new_and_keeps_what_runs() -> None:
    rig = prod_fleet()
    rig.deliver(labels=FLEET)
    async with running(rig):
        before = rig.assigned("eu-1")
        rig.cluster("eu-1", spec={"kubeConfig": {"secretRef": {"name": "x"}}}, **PROD)
        rig.commit("main@sha1:2", a=config_map("a", x="2"))
        await settle()
        assert rig.assigned("eu-1") == before
        assert rig.assigned("us-1").revision == "main@sha1:2"
        problems = {one.cluster.name: one.problem for one in rig.standing().targets}
        found = problems["eu-1"]
        assert found is not None
        assert (found.reason, found.is_stalled) == ("UnsupportedField", True)
        assert "Cluster eu-1: spec.kubeConfig" in found.message
