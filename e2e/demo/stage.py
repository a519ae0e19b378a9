"""The tour's stage on three real planes, with a Git server and a folder from which a person can type commands against them."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from e2e.planes.contexts import write_kubeconfig, write_kubectl
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from e2e.planes.ports import NODE_PORTS
from e2e.servers.git_http import GitHttp
from hub.sandbox.ports import free_port
from hub.sandbox.tour.contents import REPOSITORY, resources
from hub.sandbox.tour.screen import Screen
from hub.sandbox.tour.shell import Shell
from hub.sandbox.tour.stage import CLOCK, Stage

MANAGEMENT = "mgmt"
REGIONS: Mapping[str, str] = {"eu-1": "eu", "us-1": "us"}


class Planes:
    """Real planes, seen and changed by kubectl."""

    def __init__(self, planes: Mapping[str, Plane]) -> None:
        self._planes = planes

    def get(self, cluster: str, kind: str, name: str, namespace: str) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._planes[cluster].get(kind, name, "-n", namespace)
        return found

    def apply(self, cluster: str, text: str) -> None:
        self._planes[cluster].kubectl("apply", "-f", "-", input=text)

    def scale(self, cluster: str, name: str, namespace: str, replicas: int) -> None:
        self._planes[cluster].kubectl("scale", "deployment", name, f"--replicas={replicas}", "-n", namespace)

    def delete(self, cluster: str, kind: str, name: str, namespace: str) -> None:
        self._planes[cluster].kubectl("delete", kind, name, "-n", namespace)


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
        try:
            yield Stage(
                screen=screen,
                shell=shell,
                clusters=Planes(planes),
                management=MANAGEMENT,
                regions=REGIONS,
                install=lambda: _install(shell),
            )
        finally:
            screen.set_apart()
            screen.note("taking everything down")


def _install(shell: Shell) -> None:
    """Install the hub and add the clusters, by the commands that a user types."""
    shell.run(f"hub install --address 127.0.0.1:{free_port(NODE_PORTS)}")
    for name, region in REGIONS.items():
        shell.run(f"hub cluster add {name} --context {name} --label region={region}")


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
    began = CLOCK.monotonic_s()
    yield
    screen.done(f"after {CLOCK.monotonic_s() - began:.1f} s")
