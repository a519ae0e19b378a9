"""Git over SSH against OpenSSH: a host is believed only by its key, a user only by its own."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.model.gitrepository import GitRef
from hub.sources.credentials import auth_options
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import Fetched, GitRequest, Unchanged
from hub.sources.kinds.git import GitFetcher
from hub.sources.workers import Workers
from tests.hub.sources.git_server import Repository

HOST_KEYS = ("ed25519", "ecdsa", "rsa")


@dataclass
class Server:
    folder: Path
    port: int
    repository: Repository

    @property
    def url(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.repository.path}"

    def key(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def known(self, name: str, *, host: str = "") -> bytes:
        kind, key, *_ = (self.folder / f"{name}.pub").read_text().split()
        return f"{host or f'[127.0.0.1]:{self.port}'} {kind} {key}\n".encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("ssh")
    for name, kind in (
        *((f"host_{kind}", kind) for kind in HOST_KEYS),
        ("ada", "ed25519"),
        ("ada_rsa", "rsa"),
    ):
        make_key(folder / name, kind)
    make_key(folder / "locked", "ed25519", passphrase="open sesame")
    make_key(folder / "stranger", "ed25519")
    allowed = b"".join((folder / f"{name}.pub").read_bytes() for name in ("ada", "ada_rsa", "locked"))
    (folder / "authorized_keys").write_bytes(allowed)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nAuthorizedKeysFile {folder}/authorized_keys\n"
        + "".join(f"HostKey {folder}/host_{kind}\n" for kind in HOST_KEYS)
        + "PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    if os.geteuid() == 0:
        # Where sshd locks itself up before it knows its client; the package makes it only when the service starts.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    process = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port)
        yield Server(folder=folder, port=port, repository=Repository(folder / "app.git"))
    finally:
        process.terminate()
        process.wait()


def make_key(path: Path, kind: str, *, passphrase: str = "") -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(path)], check=True)


def wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("sshd does not answer")


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    found = Workers(parallel=1)
    yield found
    await found.close()


async def fetch(
    workers: Workers, server: Server, folder: Path, *, known: str = "", **data: bytes
) -> Fetched | Unchanged:
    given = {"identity": server.key("ada"), "known_hosts": server.known("host_ed25519")} | data
    request = GitRequest(
        url=server.url,
        ref=GitRef(branch="main"),
        auth=auth_options(server.url, given),
        timeout_s=20,
        known=known,
    )
    folder.mkdir(exist_ok=True)
    return await GitFetcher(workers).fetch(request, folder)


@pytest.mark.parametrize("kind", HOST_KEYS)
async def test_a_host_is_believed_by_any_of_its_keys(
    workers: Workers, server: Server, tmp_path: Path, kind: str
) -> None:
    commit = server.repository.commit({"a.yaml": kind.encode()})
    found = await fetch(workers, server, tmp_path, known_hosts=server.known(f"host_{kind}"))
    assert isinstance(found, Fetched)
    assert found.revision == f"main@sha1:{commit}"


async def test_what_is_known_is_not_fetched(workers: Workers, server: Server, tmp_path: Path) -> None:
    known = f"main@sha1:{server.repository.commit({'a.yaml': b''})}"
    assert await fetch(workers, server, tmp_path, known=known) == Unchanged(revision=known)


@pytest.mark.parametrize("wrong", ["another key", "another host", "nothing", "revoked"])
async def test_a_host_that_is_not_known_is_refused(
    workers: Workers, server: Server, tmp_path: Path, wrong: str
) -> None:
    server.repository.commit({"a.yaml": b""})
    address = f"[127.0.0.1]:{server.port}"
    known = {
        "another key": server.known("stranger", host=address),
        "another host": server.known("host_ed25519", host="example.com"),
        "nothing": b"# nobody\n",
        "revoked": b"@revoked " + server.known("host_ed25519"),
    }
    # A host that was believed before is not believed by the same process now.
    await fetch(workers, server, tmp_path / "before")
    with pytest.raises(FetchFailure, match="known_hosts") as caught:
        await fetch(workers, server, tmp_path / "after", known_hosts=known[wrong])
    assert caught.value.kind is FailureKind.HOST_KEY


async def test_hashed_names_are_read(workers: Workers, server: Server, tmp_path: Path) -> None:
    server.repository.commit({"a.yaml": b""})
    file = tmp_path / "known"
    file.write_bytes(server.known("host_ed25519"))
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert file.read_bytes().startswith(b"|1|")
    assert isinstance(await fetch(workers, server, tmp_path / "f", known_hosts=file.read_bytes()), Fetched)


@pytest.mark.parametrize(("identity", "password"), [("ada_rsa", b""), ("locked", b"open sesame")])
async def test_keys_of_all_kinds_open_the_door(
    workers: Workers, server: Server, tmp_path: Path, identity: str, password: bytes
) -> None:
    server.repository.commit({"a.yaml": b""})
    found = await fetch(workers, server, tmp_path, identity=server.key(identity), password=password)
    assert isinstance(found, Fetched)


@pytest.mark.parametrize(
    ("identity", "password"), [("stranger", b""), ("locked", b"canary"), ("sshd_config", b"")]
)
async def test_other_keys_do_not(
    workers: Workers, server: Server, tmp_path: Path, identity: str, password: bytes
) -> None:
    with pytest.raises(FetchFailure) as caught:
        await fetch(workers, server, tmp_path, identity=server.key(identity), password=password)
    assert caught.value.kind is FailureKind.AUTHENTICATION
    assert "canary" not in str(caught.value)
