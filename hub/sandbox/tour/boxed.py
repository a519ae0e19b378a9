"""The tour's stage in a box: clusters in memory, hub and agents in one process beside this one."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.model.installation import MANAGEMENT_CLUSTER
from hub.sandbox.tour.contents import REPOSITORY, resources
from hub.sandbox.tour.hand import Hand
from hub.sandbox.tour.screen import Screen
from hub.sandbox.tour.shell import Shell
from hub.sandbox.tour.stage import CLOCK, Stage

REGIONS: Mapping[str, str] = {"eu-1": "eu", "eu-2": "eu", "us-1": "us"}
_MEMORY = Path("/dev/shm")  # noqa: S108  (a folder of this user's own is made in it)
_END_S = 10.0
Rights = Sequence[Mapping[str, Any]]


class BoxFailed(RuntimeError):
    """The process of the box ended; the text has the end of its log."""


class _Process:
    """The process of a box: says one line for each that it is told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hub.sandbox", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def hear(self) -> dict[str, str]:
        """Return what it says next. Raises BoxFailed."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            log = (self._folder / "log").read_text().splitlines()[-10:]
            raise BoxFailed("the clusters in memory have ended:\n" + "\n".join(log))
        found: dict[str, str] = json.loads(line)
        return found

    def tell(self, verb: str, name: str) -> None:
        """Have it do something, and wait until it has."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{verb} {name}\n")
        self._process.stdin.flush()
        self.hear()

    def end(self) -> None:
        """Let it end, and see to it that it does."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def boxed_stage(screen: Screen, *, render: Path, hub_rights: Rights, agent_rights: Rights) -> Iterator[Stage]:
    """Set everything up, and take all of it down at the end."""
    home = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"cartwheel-{os.getpid()}-", dir=home) as name:
        folder = Path(name)
        plan = {
            "render": str(render),
            "workloads": {one: {"region": region} for one, region in REGIONS.items()},
            "hub_rights": hub_rights,
            "agent_rights": agent_rights,
        }
        (folder / "plan.json").write_text(json.dumps(plan))
        screen.note(f"starting {1 + len(REGIONS)} clusters in memory, a hub and {1 + len(REGIONS)} agents")
        began = CLOCK.monotonic_s()
        process = _Process(folder)
        try:
            told = process.hear()
            screen.done(f"all agents are connected, after {CLOCK.monotonic_s() - began:.1f} s")
            shell = Shell(screen, folder)
            (shell.programs / "hub").symlink_to(Path(sys.executable).parent / "hub")
            fill(shell, told["git"])
            yield Stage(
                screen=screen,
                shell=shell,
                clusters=Hand(shell.kubeconfig),
                management=MANAGEMENT_CLUSTER,
                regions=REGIONS,
                network=process.tell,
            )
        finally:
            screen.set_apart()
            screen.note("taking everything down")
            process.end()


def fill(shell: Shell, address: str) -> None:
    """Make the repository, a clone to work in, and the file with the resources."""
    bare, clone = shell.folder / "git" / "shop", shell.folder / "shop"
    url = f"{address}/shop"
    _git(shell, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    _git(shell, "clone", "--quiet", str(bare), str(clone))
    for key, text in (("user.name", "Ada Example"), ("user.email", "ada@example.com")):
        _git(shell, "-C", str(clone), "config", key, text)
    for path, text in REPOSITORY.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text)
    _git(shell, "-C", str(clone), "add", "--all")
    _git(shell, "-C", str(clone), "commit", "--quiet", "-m", "Open the shop")
    _git(shell, "-C", str(clone), "push", "--quiet", "origin", "HEAD:main")
    _git(shell, "-C", str(clone), "remote", "set-url", "origin", url)
    (shell.folder / "shop.yaml").write_text(resources(url))


def _git(shell: Shell, *arguments: str) -> None:
    environment = {"PATH": shell.path, "HOME": str(shell.folder), "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *arguments], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoxFailed(f"git {' '.join(arguments)}: {done.stderr.strip()}")
