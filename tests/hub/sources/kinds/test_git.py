"""Fetching from a real Git server, in real processes."""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import random
import signal
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.artifacts.archive import EXECUTABLE_MODE
from hub.artifacts.contents import Contents, Tree
from hub.artifacts.staging import move_into_place
from hub.model.gitrepository import GitRef
from hub.sources.credentials import auth_options
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import ARCHIVE_FILE, TREE_FILE, Fetched, GitRequest, Limits, Unchanged
from hub.sources.kinds.git import GitFetcher
from hub.sources.workers import Workers
from tests.hub.sources.git_server import GitServer, Repository

FILES = {
    "app/deployment.yaml": b"kind: Deployment\n",
    "run.sh": b"#!/bin/sh\n",
    ".github/ci.yml": b"on: push\n",
}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "served" / "app.git")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "served") as running:
        yield running


def children() -> list[Path]:
    """The fetching processes that this one has."""
    found = []
    for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split():
        with contextlib.suppress(OSError):
            if b"fetch_worker" in (Path("/proc") / pid / "cmdline").read_bytes():
                found.append(Path("/proc") / pid)
    return found


class Client:
    """Fetches into a new folder each time."""

    def __init__(self, folder: Path, server: GitServer) -> None:
        self.folder = folder
        self.server = server
        self.url = server.url("app.git")
        self.workers = Workers(parallel=1)
        self.fetches = 0

    async def fetch(
        self, ref: GitRef, *, data: dict[str, bytes] | None = None, **more: object
    ) -> Fetched | Unchanged:
        self.fetches += 1
        target = self.folder / f"fetch-{self.fetches}"
        target.mkdir(parents=True, exist_ok=True)
        self.server.requests.clear()
        self.server.credentials_seen.clear()
        options = {"timeout_s": 10.0, "auth": auth_options(self.url, data or {})} | more
        return await GitFetcher(self.workers).fetch(
            GitRequest(url=self.url, ref=ref, **options),  # type: ignore[arg-type]
            target,
        )

    async def fetched(self, ref: GitRef, **more: object) -> Fetched:
        found = await self.fetch(ref, **more)  # type: ignore[arg-type]
        assert isinstance(found, Fetched)
        return found

    async def failure(self, ref: GitRef, **more: object) -> FetchFailure:
        with pytest.raises(FetchFailure) as caught:
            await self.fetch(ref, **more)  # type: ignore[arg-type]
        return caught.value

    def tree(self, found: Fetched) -> Tree:
        contents = Contents(self.folder)
        target = self.folder / "trees" / f"{found.packed.tree.removeprefix('sha256:')}.tree"
        move_into_place(self.folder / f"fetch-{self.fetches}" / TREE_FILE, target)
        tree = contents.tree(found.packed.tree)
        assert tree is not None
        return tree


@pytest.fixture
async def client(tmp_path: Path, server: GitServer) -> AsyncIterator[Client]:
    found = Client(tmp_path / "fetched", server)
    yield found
    await found.workers.close()


MAIN = GitRef(branch="main")


async def test_a_branch_is_fetched_without_what_is_ignored(client: Client, repository: Repository) -> None:
    commit = repository.commit(FILES, message="Say hello\n\nAt length.", modes={"run.sh": "100755"})
    found = await client.fetched(MAIN)
    assert found.revision == f"main@sha1:{commit}"
    assert (found.name, found.message) == (commit, "Say hello\n\nAt length.\n")
    tree = client.tree(found)
    assert dict(tree) == {path: data for path, data in FILES.items() if path != ".github/ci.yml"}
    assert [path for path, entry in tree.entries.items() if entry.is_executable] == ["run.sh"]
    archive = client.folder / "fetch-1" / ARCHIVE_FILE
    assert archive.stat().st_size == found.packed.archive_size
    with tarfile.open(archive) as opened:
        assert opened.getmember("run.sh").mode == EXECUTABLE_MODE


async def test_links_and_submodules_are_left_out(client: Client, repository: Repository) -> None:
    repository.commit({"a": b"a", "link": b"/etc/passwd"}, modes={"link": "120000"})
    assert dict(client.tree(await client.fetched(MAIN))) == {"a": b"a"}


async def test_patterns_of_the_author_are_heeded(client: Client, repository: Repository) -> None:
    repository.commit({".sourceignore": b"/a\n", "a": b"", "b": b"", "c": b""})
    assert set(client.tree(await client.fetched(MAIN, ignore="/b\n"))) == {".sourceignore", "c"}


async def test_equal_files_give_equal_digests(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    one = await client.fetched(MAIN)
    repository.commit(FILES, message="Nothing new")
    other = await client.fetched(MAIN)
    assert one.name != other.name
    assert one.packed == other.packed


async def test_what_is_known_costs_one_request(client: Client, repository: Repository) -> None:
    known = f"main@sha1:{repository.commit(FILES)}"
    assert await client.fetch(MAIN, known=known) == Unchanged(revision=known)
    assert len(client.server.requests) == 1


async def test_every_form_of_reference_finds_its_commit(client: Client, repository: Repository) -> None:
    first = repository.commit({"n": b"1"})
    repository.git("tag", "-a", "v1.0.0", "-m", "one", first)
    second = repository.commit({"n": b"2"})
    repository.git("tag", "v1.1.0", second)
    repository.git("update-ref", "refs/pull/7/head", first)
    third = repository.commit({"n": b"3"})
    wanted = {
        GitRef(tag="v1.0.0"): f"v1.0.0@sha1:{first}",
        GitRef(semver=">=1.0.0"): f"v1.1.0@sha1:{second}",
        GitRef(semver="<1.1.0"): f"v1.0.0@sha1:{first}",
        GitRef(name="refs/pull/7/head"): f"refs/pull/7/head@sha1:{first}",
        GitRef(name="refs/tags/v1.0.0^{}"): f"refs/tags/v1.0.0^{{}}@sha1:{first}",
        GitRef(commit=first): f"sha1:{first}",
        GitRef(commit=second, branch="main"): f"main@sha1:{second}",
        GitRef(branch="main"): f"main@sha1:{third}",
    }
    found = {ref: (await client.fetched(ref)).revision for ref in wanted}
    assert found == wanted


async def test_a_commit_deep_in_a_history_is_found(client: Client, repository: Repository) -> None:
    commits = [repository.commit({"n": str(number).encode()}) for number in range(4)]
    found = await client.fetched(GitRef(commit=commits[1]))
    assert dict(client.tree(found)) == {"n": b"1"}


async def test_a_commit_outside_the_branch_is_refused(client: Client, repository: Repository) -> None:
    repository.commit({"n": b"1"})
    other = repository.commit({"n": b"2"}, branch="other")
    failure = await client.failure(GitRef(commit=other, branch="main"))
    assert failure.kind is FailureKind.REFERENCE_NOT_FOUND


async def test_of_equal_versions_the_newest_commit_wins(client: Client, repository: Repository) -> None:
    repository.git("tag", "1.0.0+b", repository.commit({"n": b"1"}))
    newest = repository.commit({"n": b"2"})
    repository.git("tag", "1.0.0+a", newest)
    assert (await client.fetched(GitRef(semver="1.0.0"))).revision == f"1.0.0+a@sha1:{newest}"


@pytest.mark.parametrize(
    ("ref", "kind"),
    [
        (GitRef(branch="gone"), FailureKind.REFERENCE_NOT_FOUND),
        (GitRef(tag="gone"), FailureKind.REFERENCE_NOT_FOUND),
        (GitRef(name="refs/heads/gone"), FailureKind.REFERENCE_NOT_FOUND),
        (GitRef(semver="9.x"), FailureKind.REFERENCE_NOT_FOUND),
        (GitRef(commit="0" * 40), FailureKind.REFERENCE_NOT_FOUND),
        (GitRef(), FailureKind.REFERENCE_NOT_FOUND),
    ],
)
async def test_what_the_remote_does_not_have_is_named(
    client: Client, repository: Repository, ref: GitRef, kind: FailureKind
) -> None:
    repository.commit(FILES)
    assert (await client.failure(ref)).kind is kind


async def test_an_empty_repository_is_told_from_a_missing_one(client: Client, repository: Repository) -> None:
    assert (await client.failure(MAIN)).kind is FailureKind.EMPTY_REPOSITORY
    client.url = client.server.url("gone.git")
    failure = await client.failure(MAIN)
    assert failure.kind is FailureKind.REPOSITORY_NOT_FOUND
    assert "git repository: '" in str(failure)


async def test_basic_credentials_open_the_door(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    client.server.demand_basic("ada", "schlüssel")
    data = {"username": b"ada", "password": "schlüssel".encode()}
    assert isinstance(await client.fetch(MAIN, data=data), Fetched)
    assert (await client.failure(MAIN)).kind is FailureKind.AUTHENTICATION
    refused = await client.failure(MAIN, data=data | {"password": b"canary-wrong"})
    assert refused.kind is FailureKind.AUTHENTICATION
    assert "canary" not in str(refused)


async def test_a_token_opens_the_door(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    client.server.authorization = "Bearer canary"
    assert isinstance(await client.fetch(MAIN, data={"bearerToken": b"canary"}), Fetched)
    refused = await client.failure(MAIN, data={"bearerToken": b"canary-wrong"})
    assert refused.kind is FailureKind.AUTHENTICATION
    assert "canary" not in str(refused)


@pytest.mark.parametrize("data", [{"bearerToken": b"canary"}, {"username": b"ada", "password": b"canary"}])
async def test_credentials_do_not_follow_to_another_host(
    client: Client, repository: Repository, data: dict[str, bytes]
) -> None:
    repository.commit(FILES)
    with GitServer(repository.path.parent) as other:
        client.server.redirect_to = f"http://localhost:{other.address.rpartition(':')[2]}"
        failure = await client.failure(MAIN, data=data)
        assert "redirects to another host" in str(failure)
        assert other.credentials_seen == []
        # Who has none may follow.
        assert isinstance(await client.fetch(MAIN), Fetched)


@pytest.mark.parametrize("data", [{"bearerToken": b"canary"}, {"username": b"ada", "password": b"canary"}])
async def test_a_server_may_correct_the_path(
    client: Client, repository: Repository, data: dict[str, bytes]
) -> None:
    repository.commit(FILES)
    client.server.adds_suffix = True
    client.server.authorization = "Bearer canary"
    if "username" in data:
        client.server.demand_basic("ada", "canary")
    client.url = client.server.url("app")
    assert isinstance(await client.fetch(MAIN, data=data), Fetched)


async def test_credentials_are_in_no_argument_and_no_environment(
    client: Client, repository: Repository
) -> None:
    repository.commit(FILES)
    client.server.delay_s = 0.3
    fetching = asyncio.ensure_future(client.fetch(MAIN, data={"bearerToken": b"canary"}))
    while not client.server.credentials_seen:
        await asyncio.sleep(0.02)
    (child,) = children()
    shown = (child / "cmdline").read_bytes() + (child / "environ").read_bytes()
    assert b"fetch_worker" in shown
    assert b"canary" not in shown
    assert isinstance(await fetching, Fetched)


async def test_a_cancelled_fetch_leaves_no_process(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    client.server.delay_s = 5
    fetching = asyncio.ensure_future(client.fetch(MAIN))
    while not children():
        await asyncio.sleep(0.02)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert children() == []


async def test_a_process_that_dies_is_told_and_replaced(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    client.server.delay_s = 0.3
    fetching = asyncio.ensure_future(client.failure(MAIN))
    while not client.server.credentials_seen:
        await asyncio.sleep(0.02)
    os.kill(int(children()[0].name), signal.SIGKILL)
    assert (await fetching).kind is FailureKind.CRASHED
    client.server.delay_s = 0
    assert isinstance(await client.fetch(MAIN), Fetched)


async def test_a_folder_that_cannot_be_written_is_told(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    (client.folder / "fetch-1" / TREE_FILE).mkdir(parents=True)
    assert (await client.failure(MAIN)).kind is FailureKind.STORAGE


async def test_a_server_that_hangs_is_given_up(client: Client, repository: Repository) -> None:
    repository.commit(FILES)
    client.server.delay_s = 5
    failure = await client.failure(MAIN, timeout_s=0.5)
    assert failure.kind in (FailureKind.TIMEOUT, FailureKind.NETWORK)
    client.server.delay_s = 0
    assert isinstance(await client.fetch(MAIN), Fetched)


@pytest.mark.parametrize(
    "limits", [Limits(received_bytes=1000), Limits(content_bytes=1000), Limits(files=1)], ids=str
)
async def test_too_large_a_repository_is_refused(
    client: Client, repository: Repository, limits: Limits
) -> None:
    repository.commit({"a": random.Random(1).randbytes(200_000), "b": b""})
    assert (await client.failure(MAIN, limits=limits)).kind is FailureKind.TOO_LARGE


async def test_a_repository_that_unpacks_to_more_memory_than_allowed_is_refused(
    client: Client, repository: Repository
) -> None:
    repository.commit({"small": b"x", "bomb": bytes(64 << 20)})
    refused = await client.failure(MAIN, timeout_s=60.0, limits=Limits(memory_bytes=48 << 20))
    assert (refused.kind, "bytes of memory" in str(refused)) == (FailureKind.TOO_LARGE, True)


@pytest.mark.parametrize("url", ["file:///etc", "ext::sh -c id", "git://127.0.0.1/x", "/etc", "http:///x"])
async def test_other_transports_are_refused(client: Client, repository: Repository, url: str) -> None:
    auth = auth_options(client.url, {})
    request = GitRequest(url=url, ref=MAIN, auth=auth, timeout_s=5)
    with pytest.raises(FetchFailure) as caught:
        await GitFetcher(client.workers).fetch(request, client.folder)
    assert caught.value.kind is FailureKind.INVALID_URL


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "git")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "tls.crt", tmp_path / "tls.key"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return files


async def test_only_a_trusted_authority_is_believed(
    tmp_path: Path, repository: Repository, authority: tuple[Path, Path]
) -> None:
    repository.commit(FILES)
    with GitServer(repository.path.parent, certificate=authority) as server:
        client = Client(tmp_path / "fetched", server)
        trusted = {"ca.crt": authority[0].read_bytes()}
        assert isinstance(await client.fetch(MAIN, data=trusted), Fetched)
        # The authority of one source is not that of the next.
        assert (await client.failure(MAIN)).kind is FailureKind.CERTIFICATE
        broken = await client.failure(MAIN, data={"ca.crt": b"none"})
        assert broken.kind is FailureKind.INVALID_CREDENTIALS
        await client.workers.close()
