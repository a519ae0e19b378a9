import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.kit.errors import Stalled, Transient
from agent.kit.reconcile import Again, Done
from agent.kit.telemetry import Telemetry
from hub.artifacts.contents import Contents, TreeDigest
from hub.artifacts.storage import ArtifactStorage
from hub.model.annotations import RECONCILE_REQUESTED_AT as REQUESTED_AT
from hub.model.annotations import TRACEPARENT
from hub.model.events import Severity
from hub.model.gitrepository import GitRepository
from hub.model.source import TREE_DIGEST
from hub.sources.controller import SourceReconciler, SourceSettings
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.intent import intent_of
from hub.sources.kinds.git import GitFetcher, GitRepositories
from hub.sources.shelf import Shelf
from hub.sources.workers import Workers
from tests.fakes.spans import Spans
from tests.hub.sources.fakes import START, MemoryStore, Middle, ScriptedRemote, StillClock
from tests.hub.sources.git_server import GitServer, Repository

NETWORK = FetchFailure(
    FailureKind.NETWORK, "unable to list remote for 'https://example.com/app.git': no route to host"
)
ASKED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
PREFIX = "failed to checkout and determine revision: "


def resource(**spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "GitRepository",
        "metadata": {
            "name": "app",
            "namespace": "apps",
            "uid": "u-1",
            "generation": 1,
            "finalizers": ["finalizers.fluxcd.io"],
        },
        "spec": {"url": "https://example.com/app.git", "interval": "1m", "ref": {"branch": "main"}, **spec},
        "status": {"observedGeneration": -1},
    }


class World:
    """A reconciler with everything around it."""

    def __init__(self, root: Path, given: dict[str, Any]) -> None:
        self.store = MemoryStore(GitRepository.parse, given)
        self.remote = ScriptedRemote()
        self.clock = StillClock()
        self.spans = Spans()
        self.telemetry = Telemetry()
        self.root = root
        self.contents = Contents(root)
        self.shelf = Shelf(ArtifactStorage(root), self.contents, address="hub.cartwheel:8080")
        self.reconciler = self.with_fetcher(self.remote)

    def with_fetcher(self, fetcher: Any) -> SourceReconciler[GitRepository]:
        return SourceReconciler(
            GitRepositories(fetcher, self.store),
            store=self.store,
            shelf=self.shelf,
            clock=self.clock,
            randomness=Middle(),
            settings=SourceSettings(interval_scale=0.5),
            telemetry=self.telemetry,
        )

    async def reconcile(self) -> Again | Done:
        self.clock.at += timedelta(minutes=1)
        return await self.reconciler.reconcile("apps", "app")

    async def fails(self, error: type[Exception] = Transient) -> None:
        with pytest.raises(error):
            await self.reconcile()

    async def quietly(self) -> tuple[int, int]:
        """Reconcile once more; return how much was written and told."""
        writes, told = self.store.writes, len(self.store.events)
        await self.reconcile()
        return self.store.writes - writes, len(self.store.events) - told

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.reason, event.message) for event in self.store.events]

    def file(self) -> Path:
        return self.root / str(self.store.status["artifact"]["path"])

    def names(self) -> set[str]:
        return {path.name for path in (self.root / "gitrepository/apps/app").glob("*.tar.gz")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "store", resource())


@pytest.fixture
def traced(world: World) -> World:
    world.telemetry = Telemetry(world.spans.tracer(world.clock))
    world.reconciler = world.with_fetcher(world.remote)
    return world


async def test_an_object_that_is_gone_is_done(world: World) -> None:
    world.store.held = None
    assert await world.reconcile() == Done()


async def test_the_finalizer_comes_first(world: World) -> None:
    assert world.store.held is not None
    world.store.held["metadata"]["finalizers"] = ["other"]
    assert await world.reconcile() == Again(after_s=0)
    assert world.store.held["metadata"]["finalizers"] == ["other", "finalizers.fluxcd.io"]
    assert world.remote.requests == []


async def test_what_is_fetched_is_stored_and_told(world: World) -> None:
    assert await world.reconcile() == Again(after_s=30.0)
    commit = "1" * 40
    status = world.store.status
    artifact = status["artifact"]
    assert artifact == {
        "path": f"gitrepository/apps/app/{commit}.tar.gz",
        "url": f"http://hub.cartwheel:8080/gitrepository/apps/app/{commit}.tar.gz",
        "revision": f"main@sha1:{commit}",
        "digest": artifact["digest"],
        "lastUpdateTime": "2026-01-31T09:01:00Z",
        "size": world.file().stat().st_size,
        "metadata": {TREE_DIGEST: artifact["metadata"][TREE_DIGEST]},
    }
    tree = world.contents.tree(TreeDigest(artifact["metadata"][TREE_DIGEST]))
    assert tree is not None
    assert dict(tree) == {"a.yaml": b"a: 1\n"}
    message = f"stored artifact for revision 'main@sha1:{commit}'"
    assert status["observedGeneration"] == 1
    assert [(one["type"], one["status"], one["reason"], one["message"]) for one in status["conditions"]] == [
        ("Ready", "True", "Succeeded", message),
        ("ArtifactInStorage", "True", "Succeeded", message),
    ]
    assert world.told == [("NewArtifact", "stored artifact for commit 'Say hello'")]
    assert world.store.events[0].metadata == {
        "source.toolkit.fluxcd.io/revision": artifact["revision"],
        "source.toolkit.fluxcd.io/digest": artifact["digest"],
    }


async def test_a_poll_without_news_writes_and_tells_nothing(world: World) -> None:
    await world.reconcile()
    assert await world.quietly() == (0, 0)
    assert world.remote.requests[-1].known == f"main@sha1:{'1' * 40}"


async def test_a_new_commit_replaces_the_artifact_and_the_one_before_stays_for_a_while(world: World) -> None:
    await world.reconcile()
    for digit in "234":
        world.remote.commit, world.remote.files = digit * 40, {"a.yaml": digit.encode()}
        await world.reconcile()
    assert world.store.status["artifact"]["revision"] == f"main@sha1:{'4' * 40}"
    assert [reason for reason, _ in world.told] == ["NewArtifact"] * 4
    # Files carry the machine's time; make them old.
    for path in (world.root / "gitrepository/apps/app").iterdir():
        old = START.timestamp() - 3600
        os.utime(path, (old + int(path.name[0]), old + int(path.name[0])))
    await world.reconcile()
    assert world.names() == {f"{'3' * 40}.tar.gz", f"{'4' * 40}.tar.gz"}
    assert world.told[-1] == ("GarbageCollectionSucceeded", "garbage collected 2 artifacts")


async def test_an_empty_commit_moves_the_revision_without_an_event(world: World) -> None:
    await world.reconcile()
    tree = world.store.status["artifact"]["metadata"][TREE_DIGEST]
    world.remote.commit = "2" * 40
    assert await world.quietly() == (1, 0)
    artifact = world.store.status["artifact"]
    assert (artifact["revision"], artifact["metadata"][TREE_DIGEST]) == (f"main@sha1:{'2' * 40}", tree)


async def test_a_failed_fetch_keeps_the_artifact_and_is_told_once(world: World) -> None:
    await world.reconcile()
    artifact = world.store.status["artifact"]
    world.store.change(timeout="20s")
    world.remote.failure = NETWORK
    await world.fails()
    message = PREFIX + str(NETWORK)
    assert world.store.status["artifact"] == artifact
    assert world.store.status["observedGeneration"] == 1
    assert world.store.condition("Ready") == ("False", "GitOperationFailed", message)
    assert world.store.condition("FetchFailed") == ("True", "GitOperationFailed", message)
    assert world.store.condition("Reconciling") == (
        "True",
        "ProgressingWithRetry",
        "processing object: new generation 1 -> 2",
    )
    assert world.told[-1] == ("GitOperationFailed", message)
    assert world.store.events[-1].severity is Severity.ERROR


async def test_the_same_failure_again_is_neither_written_nor_told(world: World) -> None:
    await world.reconcile()
    world.remote.failure = NETWORK
    await world.fails()
    status, told = dict(world.store.status), len(world.told)
    await world.fails()
    assert world.store.status == status
    assert len(world.told) == told


async def test_a_new_spec_that_keeps_failing_is_written_once(world: World) -> None:
    world.remote.failure = NETWORK
    await world.fails()
    status, writes = dict(world.store.status), world.store.writes
    await world.fails()
    assert (world.store.status, world.store.writes) == (status, writes)
    world.store.change(timeout="20s")
    await world.fails()
    assert world.store.writes > writes


async def test_recovery_is_told(world: World) -> None:
    await world.reconcile()
    world.remote.failure = NETWORK
    await world.fails()
    world.remote.failure = None
    await world.reconcile()
    assert world.told[-1][0] == "Succeeded"
    assert [one["type"] for one in world.store.status["conditions"]] == ["Ready", "ArtifactInStorage"]


@pytest.mark.parametrize(
    ("kind", "reason", "error"),
    [
        (FailureKind.EMPTY_REPOSITORY, "EmptyGitRepository", Transient),
        (FailureKind.AUTHENTICATION, "GitOperationFailed", Transient),
        (FailureKind.INVALID_CREDENTIALS, "AuthenticationFailed", Transient),
        (FailureKind.INVALID_URL, "URLInvalid", Stalled),
    ],
)
async def test_failures_have_the_reasons_that_people_know(
    world: World, kind: FailureKind, reason: str, error: type[Exception]
) -> None:
    world.remote.failure = FetchFailure(kind, "no")
    await world.fails(error)
    ready = world.store.condition("Ready")
    assert ready is not None
    assert ready[:2] == ("False", reason)
    assert (world.store.condition("Stalled") is not None) == (error is Stalled)


async def test_a_request_is_handled_and_answered(world: World) -> None:
    await world.reconcile()
    world.store.request("now-1")
    await world.reconcile()
    assert world.store.status["lastHandledReconcileAt"] == "now-1"
    assert world.told[-1] == (
        "GitOperationSucceeded",
        f"no changes since last reconciliation: observed revision 'main@sha1:{'1' * 40}'",
    )
    assert world.store.events[-1].severity is Severity.TRACE
    assert await world.quietly() == (0, 0)


async def test_a_request_is_handled_by_a_failure_too(world: World) -> None:
    world.remote.failure = NETWORK
    await world.fails()
    world.store.request("now-1")
    await world.fails()
    assert world.store.status["lastHandledReconcileAt"] == "now-1"
    assert [reason for reason, _ in world.told] == ["GitOperationFailed"] * 2


async def test_a_suspended_source_rests_but_sees_requests(world: World) -> None:
    await world.reconcile()
    world.store.change(suspend=True)
    world.store.request("now-1")
    assert await world.reconcile() == Done()
    assert len(world.remote.requests) == 1
    assert world.store.status["observedGeneration"] == 2
    assert world.store.status["lastHandledReconcileAt"] == "now-1"
    assert world.file().exists()


async def test_a_refused_field_stalls_and_what_there_is_stays(world: World) -> None:
    await world.reconcile()
    world.store.change(recurseSubmodules=True)
    await world.fails(Stalled)
    assert len(world.remote.requests) == 1
    for type_, status in (("Ready", "False"), ("Stalled", "True")):
        found = world.store.condition(type_)
        assert found is not None
        assert found[:2] == (status, "UnsupportedField")
        assert "spec.recurseSubmodules = true" in found[2]
    assert world.store.condition("Reconciling") is None
    assert world.store.status["observedGeneration"] == 2
    assert world.file().exists()
    writes = world.store.writes
    await world.fails(Stalled)
    assert world.store.writes == writes
    world.store.change(recurseSubmodules=False)
    await world.reconcile()
    ready = world.store.condition("Ready")
    assert ready is not None
    assert ready[0] == "True"
    assert world.store.condition("Stalled") is None


@pytest.mark.parametrize(
    ("url", "secret", "text"),
    [
        (
            "https://example.com/app.git",
            None,
            "failed to get secret 'apps/git': failed to get secret 'apps/git': ",
        ),
        ("https://example.com/app.git", {"password": b"canary"}, "'password' requires 'username' to be set"),
        ("https://example.com/app.git", {"tls.crt": b"c", "tls.key": b"canary"}, "client certificates"),
        ("ssh://git@example.com/app.git", {}, "'identity' is required"),
        ("ssh://git@example.com/app.git", {"identity": b"canary"}, "'known_hosts' is required"),
    ],
)
async def test_unusable_credentials_are_named_and_not_shown(
    world: World, url: str, secret: dict[str, bytes] | None, text: str
) -> None:
    world.store.change(url=url, secretRef={"name": "git"})
    if secret is not None:
        world.store.secrets["apps/git"] = secret
    await world.fails()
    ready = world.store.condition("Ready")
    assert ready is not None
    assert ready[:2] == ("False", "AuthenticationFailed")
    assert text in ready[2]
    assert "canary" not in str(world.store.held) + str(world.told)


async def test_credentials_reach_the_fetch_and_nothing_else(world: World) -> None:
    world.store.change(secretRef={"name": "git"})
    world.store.secrets["apps/git"] = {"username": b"ada", "password": b"canary"}
    await world.reconcile()
    (request,) = world.remote.requests
    assert (request.auth.username, request.auth.password) == ("ada", "canary")
    assert "canary" not in repr(request) + str(world.store.held) + str(world.store.events)


async def test_a_deleted_source_takes_its_artifacts_along(world: World) -> None:
    await world.reconcile()
    file = world.file()
    assert world.store.held is not None
    world.store.held["metadata"] |= {
        "deletionTimestamp": "2026-01-31T09:00:00Z",
        "finalizers": ["other", "finalizers.fluxcd.io"],
    }
    assert await world.reconcile() == Done()
    assert not file.exists()
    assert world.store.held["metadata"]["finalizers"] == ["other"]
    assert world.told[-1][0] == "GarbageCollectionSucceeded"
    assert await world.quietly() == (0, 0)


async def test_files_that_were_lost_are_made_again_without_a_word(world: World) -> None:
    await world.reconcile()
    world.file().unlink()
    assert await world.quietly() == (0, 0)
    assert world.remote.requests[-1].known == ""
    assert world.file().exists()


async def test_a_lost_tree_is_made_again(world: World) -> None:
    await world.reconcile()
    for file in (world.root / "trees").iterdir():
        file.unlink()
    assert await world.quietly() == (0, 0)
    assert (
        world.contents.tree(TreeDigest(world.store.status["artifact"]["metadata"][TREE_DIGEST])) is not None
    )


async def test_a_damaged_archive_is_told_and_made_again(world: World) -> None:
    await world.reconcile()
    whole = world.file().read_bytes()
    world.file().write_bytes(whole[:-1])
    await world.reconcile()
    assert "ArtifactVerificationFailed" in [reason for reason, _ in world.told]
    assert world.file().read_bytes() == whole


async def test_without_disk_and_remote_the_status_still_names_the_artifact(world: World) -> None:
    await world.reconcile()
    artifact = world.store.status["artifact"]
    world.file().unlink()
    world.remote.failure = NETWORK
    await world.fails()
    assert world.store.status["artifact"] == artifact
    assert world.store.condition("ArtifactInStorage") is None


async def test_a_changed_ignore_makes_the_artifact_anew(world: World) -> None:
    await world.reconcile()
    world.store.change(ignore="/b\n")
    world.remote.files = {"c.yaml": b""}
    await world.reconcile()
    assert (world.remote.requests[-1].known, world.remote.requests[-1].ignore) == ("", "/b\n")
    assert world.store.status["observedIgnore"] == "/b\n"
    assert world.told[-1][0] == "NewArtifact"
    assert await world.quietly() == (0, 0)


async def test_a_full_disk_is_a_storage_failure(world: World) -> None:
    world.remote.failure = OSError(28, "No space left on device")
    await world.fails()
    expected = (
        "True",
        "ArchiveOperationFailed",
        "unable to archive artifact to storage: No space left on device",
    )
    assert world.store.condition("StorageOperationFailed") == expected


async def test_all_builds_of_a_source_share_one_opened_tree(world: World) -> None:
    await world.reconcile()
    first = TreeDigest(world.store.status["artifact"]["metadata"][TREE_DIGEST])
    assert world.shelf.tree(first) is world.shelf.tree(first) is not None
    world.remote.commit, world.remote.files = "2" * 40, {"a.yaml": b"2"}
    await world.reconcile()
    second = TreeDigest(world.store.status["artifact"]["metadata"][TREE_DIGEST])
    opened = world.shelf.tree(second)
    assert opened is not None
    assert dict(opened) == {"a.yaml": b"2"}


async def test_sweeping_spares_what_is_named_and_what_was_stored_lately(world: World) -> None:
    digests = []
    for digit in "123":
        world.remote.commit, world.remote.files = digit * 40, {"a.yaml": digit.encode()}
        await world.reconcile()
        digests.append(TreeDigest(world.store.status["artifact"]["metadata"][TREE_DIGEST]))
    for file in (world.root / "trees").iterdir():
        os.utime(file, (0, 0))
    assert await world.shelf.sweep([digests[2]], now=world.clock.now(), min_age_s=60) == 1
    assert [world.shelf.tree(digest) is not None for digest in digests] == [False, True, True]


async def test_a_commit_begins_a_trace_and_a_poll_does_not(traced: World) -> None:
    await traced.reconcile()
    assert await traced.quietly() == (0, 0)
    traced.file().unlink()
    assert await traced.quietly() == (0, 0)
    (told,) = traced.spans.told
    assert (told.step, told.parent) == ("fetch", "")
    assert traced.store.status["artifact"]["metadata"][TRACEPARENT] == told.traceparent


async def test_a_fetch_that_was_asked_for_by_a_trace_is_a_step_of_it(traced: World) -> None:
    assert traced.store.held is not None
    annotations = {REQUESTED_AT: "now", TRACEPARENT: f"{ASKED}@now"}
    traced.store.held["metadata"]["annotations"] = annotations
    await traced.reconcile()
    traced.remote.commit = "2" * 40
    await traced.reconcile()
    asked, own = traced.spans.told
    assert (asked.trace, asked.parent) == (ASKED.split("-")[1], ASKED.split("-")[2])
    assert (own.parent, own.trace != asked.trace) == ("", True)


async def test_the_trace_of_an_earlier_request_is_not_taken_for_that_of_a_later_one(traced: World) -> None:
    assert traced.store.held is not None
    annotations = {REQUESTED_AT: "later", TRACEPARENT: f"{ASKED}@now"}
    traced.store.held["metadata"]["annotations"] = annotations
    await traced.reconcile()
    assert traced.spans.told[0].parent == ""


def test_intent_is_spec_deletion_and_request() -> None:
    def seen(status: dict[str, Any] | None = None, **metadata: object) -> GitRepository:
        given = resource()
        given["metadata"] |= metadata
        given["status"] |= status or {}
        return GitRepository.parse(given)

    before = intent_of(seen())
    assert before != intent_of(seen(generation=2))
    assert before != intent_of(seen(uid="u-2"))
    assert before != intent_of(seen(deletionTimestamp="2026-01-31T09:00:00Z"))
    assert before != intent_of(seen(annotations={"reconcile.fluxcd.io/requestedAt": "now"}))
    assert before == intent_of(
        seen({"lastHandledReconcileAt": "now"}, resourceVersion="9", labels={"a": "b"})
    )


async def test_a_push_to_a_real_server_arrives(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "served" / "app.git")
    first = repository.commit({"a.yaml": b"a: 1\n"})
    workers = Workers(parallel=1)
    with GitServer(tmp_path / "served") as server:
        world = World(tmp_path / "store", resource(url=server.url("app.git")))
        world.reconciler = world.with_fetcher(GitFetcher(workers))
        await world.reconcile()
        assert world.store.status["artifact"]["revision"] == f"main@sha1:{first}"
        server.requests.clear()
        assert await world.quietly() == (0, 0)
        assert len(server.requests) == 1
        second = repository.commit({"a.yaml": b"a: 2\n"}, message="Raise a")
        await world.reconcile()
        assert world.store.status["artifact"]["revision"] == f"main@sha1:{second}"
        assert world.told[-1] == ("NewArtifact", "stored artifact for commit 'Raise a'")
        assert not list((world.root / ".staging").iterdir())
    await workers.close()


async def test_a_status_that_points_at_what_another_object_stored_does_it_no_harm(tmp_path: Path) -> None:
    world = World(tmp_path, resource())
    await world.reconcile()
    mine = world.store.status["artifact"]["path"]
    theirs = world.root / mine.replace("/apps/", "/others/")
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes((world.root / mine).read_bytes())
    world.store.status["artifact"] |= {
        "path": mine.replace("/apps/", "/others/"),
        "digest": "sha256:" + "0" * 64,
    }
    await world.reconcile()
    assert theirs.exists()
    assert world.store.status["artifact"]["path"] == mine
