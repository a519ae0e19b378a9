"""What the tour is played on: three real planes, a Git server, and a folder from which a person can type commands against them."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from e2e.demo.contents import REPOSITORY, resources
from e2e.demo.screen import Screen
from e2e.demo.shell import Shell
from e2e.planes.contexts import write_kubeconfig, write_kubectl
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from e2e.planes.ports import NODE_PORTS, free_port
from e2e.scenarios.fleet import Fleet
from e2e.servers.git_http import GitHttp

MANAGEMENT = "mgmt"
REGIONS = {"eu-1": "eu", "us-1": "us"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything is up; `work` is the clone of the repository that the tour commits in."""

    screen: Screen
    shell: Shell
    fleet: Fleet

    @property
    def work(self) -> Path:
        return self.shell.folder / "shop"

    def plane(self, name: str) -> Plane:
        return self.fleet.workloads[name]

    def install(self) -> None:
        """Install the hub and add both clusters, by the commands that a user types."""
        address = f"127.0.0.1:{free_port(NODE_PORTS)}"
        self.shell.run(f"hub install --address {address}")
        for name, region in REGIONS.items():
            self.shell.run(f"hub cluster add {name} --context {name} --label region={region}")


@contextmanager
def stage(screen: Screen) -> Iterator[Stage]:
    """Set everything up, and take all of it down at the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(memory_folder())
        planes = {name: Plane(name, folder / "planes") for name in (MANAGEMENT, *REGIONS)}
        with _timed(screen, "starting three real control planes (about 10 seconds)"):
            for plane in planes.values():
                stack.callback(plane.stop)
                plane.begin()
            for plane in planes.values():
                plane.finish()
        shell = Shell(screen, folder)
        write_kubectl(shell.programs)
        (shell.programs / "hub").symlink_to(Path(sys.executable).parent / "hub")
        write_kubeconfig(shell.kubeconfig, planes, current=MANAGEMENT)
        with _timed(screen, "starting a Git server with a repository"):
            git = stack.enter_context(GitHttp(folder / "git"))
            _fill(shell, git)
        workloads = {name: planes[name] for name in REGIONS}
        try:
            yield Stage(screen=screen, shell=shell, fleet=Fleet(planes[MANAGEMENT], settings=(), **workloads))
        finally:
            screen.set_apart()
            screen.note("taking everything down")


def _fill(shell: Shell, git: GitHttp) -> None:
    """Make the repository, a clone to work in, and the file with the resources."""
    repository = git.repository("shop")
    repository.commit(dict(REPOSITORY), "Open the shop")
    clone = shell.folder / "shop"
    repository.git("clone", "--quiet", git.url("shop"), str(clone))
    for key, text in (("user.name", "Ada Example"), ("user.email", "ada@example.com")):
        repository.git("-C", str(clone), "config", key, text)
    (shell.folder / "shop.yaml").write_text(resources(git.url("shop")))


@contextmanager
def _timed(screen: Screen, text: str) -> Iterator[None]:
    screen.note(text)
    began = time.monotonic()
    yield
    screen.done(f"after {time.monotonic() - began:.1f} s")
