"""The Git servers are real: the git command clones, lists and pushes, with and without credentials, and sees each way to fail."""

import os
import subprocess
from pathlib import Path

import pytest

from e2e.servers.certificates import Authority
from e2e.servers.git_http import Basic, Bearer, GitHttp, Mode
from e2e.servers.git_ssh import GitSsh, make_key
from e2e.servers.repository import Repository


def git(*arguments: str, timeout_s: float = 20, **environment: str) -> str:
    """Run git as a client that asks nobody. Raises RuntimeError with what it says."""
    done = subprocess.run(
        ["git", *arguments],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_TERMINAL_PROMPT": "0", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout_s,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def test_commits_add_change_and_delete(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "fleet.git")
    first = repository.commit({"apps/web.yaml": "a: 1\n", "apps/old.yaml": "b: 1\n"}, "Begin", tag="v1.0.0")
    second = repository.commit({"apps/web.yaml": "a: 2\n", "apps/old.yaml": None, "raw": b"\0\xff"}, "Go on")
    other = repository.commit({"apart": "x"}, branch="other")

    assert repository.git("rev-parse", f"{second}^") == first
    assert repository.git("rev-parse", "v1.0.0") == first
    assert repository.git("ls-tree", "-r", "--name-only", second).split() == ["apps/web.yaml", "raw"]
    assert repository.git("show", f"{second}:apps/web.yaml") == "a: 2"
    assert repository.git("ls-tree", "--name-only", other) == "apart"


def test_http_clones_pushes_and_counts_listings(tmp_path: Path) -> None:
    with GitHttp(tmp_path / "root") as server:
        repository = server.repository("fleet.git")
        revision = repository.commit({"file": "text\n"})
        work = str(tmp_path / "work")

        assert git("ls-remote", server.url("fleet.git"), "refs/heads/main").split()[0] == revision
        assert server.listings == 1
        git("clone", "--quiet", "--depth=1", server.url("fleet.git"), work)
        assert (tmp_path / "work" / "file").read_text() == "text\n"
        assert server.listings == 2

        author = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")
        git(*author, "-C", work, "commit", "--quiet", "--allow-empty", "-m", "Pushed")
        git("-C", work, "push", "--quiet", "origin", "main")
        assert repository.git("log", "-1", "--format=%s") == "Pushed"
        with pytest.raises(RuntimeError, match="not found"):
            git("ls-remote", server.url("none.git"))


def test_https_is_trusted_by_its_authority_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with GitHttp(tmp_path / "root", tls=authority) as server:
        revision = server.repository("fleet.git").commit({"file": "text"})

        assert revision in git("ls-remote", server.url("fleet.git"), GIT_SSL_CAINFO=str(authority.ca))
        with pytest.raises(RuntimeError, match="certificate"):
            git("ls-remote", server.url("fleet.git"))


def test_http_demands_a_password(tmp_path: Path) -> None:
    with GitHttp(tmp_path / "root", credentials=Basic("ada", "s3cret")) as server:
        revision = server.repository("fleet.git").commit({"file": "text"})
        url = server.url("fleet.git")

        assert revision in git("ls-remote", url.replace("//", "//ada:s3cret@"))
        for wrong in (url, url.replace("//", "//ada:guess@")):
            with pytest.raises(RuntimeError, match=r"Authentication failed|could not read Username"):
                git("ls-remote", wrong)


def test_http_demands_a_token(tmp_path: Path) -> None:
    with GitHttp(tmp_path / "root", credentials=Bearer("t0ken")) as server:
        revision = server.repository("fleet.git").commit({"file": "text"})
        url = server.url("fleet.git")

        header = ("-c", "http.extraHeader=Authorization: Bearer t0ken")
        assert revision in git(*header, "ls-remote", url)
        with pytest.raises(RuntimeError, match="could not read Username"):
            git("ls-remote", url)


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Mode.REFUSE, "Empty reply"),
        (Mode.ERROR, "500"),
        (Mode.GARBAGE, r"not valid|protocol error|invalid"),
    ],
)
def test_http_fails_on_demand_and_recovers(tmp_path: Path, mode: Mode, says: str) -> None:
    with GitHttp(tmp_path / "root") as server:
        revision = server.repository("fleet.git").commit({"file": "text"})

        server.mode = mode
        with pytest.raises(RuntimeError, match=says):
            git("ls-remote", server.url("fleet.git"))
        server.mode = Mode.SERVE

        assert revision in git("ls-remote", server.url("fleet.git"))


def test_http_hangs_on_demand(tmp_path: Path) -> None:
    with GitHttp(tmp_path / "root") as server:
        server.repository("fleet.git").commit({"file": "text"})
        server.mode = Mode.HANG

        with pytest.raises(subprocess.TimeoutExpired):
            git("ls-remote", server.url("fleet.git"), timeout_s=1)


def test_http_that_is_stopped_refuses_and_comes_back_at_its_port(tmp_path: Path) -> None:
    with GitHttp(tmp_path / "root") as server:
        revision = server.repository("fleet.git").commit({"file": "text"})
        server.stop()
        with pytest.raises(RuntimeError, match="connect"):
            git("ls-remote", server.url("fleet.git"))
        server.start()

        assert revision in git("ls-remote", server.url("fleet.git"))


def ssh(identity: Path, known_hosts: Path) -> str:
    return (
        f"ssh -F /dev/null -i {identity} -o IdentitiesOnly=yes -o BatchMode=yes "
        f"-o StrictHostKeyChecking=yes -o UserKnownHostsFile={known_hosts}"
    )


def test_ssh_serves_its_root_to_its_key_alone(tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    outside = Repository(tmp_path / "outside.git")
    outside.commit({"file": "text"})
    with GitSsh(tmp_path / "root", tmp_path / "ssh") as server:
        revision = server.repository("fleet.git").commit({"file": "text\n"})
        known.write_text(server.known_hosts)
        command = ssh(server.identity, known)

        git("clone", "--quiet", server.url("fleet.git"), str(tmp_path / "work"), GIT_SSH_COMMAND=command)
        assert git("-C", str(tmp_path / "work"), "rev-parse", "HEAD").strip() == revision
        for path in ("../outside.git", "/etc"):
            with pytest.raises(RuntimeError, match="served"):
                git("ls-remote", server.url(path), GIT_SSH_COMMAND=command)
        stranger = make_key(tmp_path / "stranger")
        with pytest.raises(RuntimeError, match="Permission denied"):
            git("ls-remote", server.url("fleet.git"), GIT_SSH_COMMAND=ssh(stranger, known))
        known.write_text("")
        with pytest.raises(RuntimeError, match="Host key verification failed"):
            git("ls-remote", server.url("fleet.git"), GIT_SSH_COMMAND=command)
