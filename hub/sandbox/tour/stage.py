"""What the tour is played on: clusters that can be looked into, a shell with `hub` and git, and a clone of the repository."""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent.kit.clock import SystemClock
from hub.sandbox.tour.screen import Screen
from hub.sandbox.tour.shell import Shell

Object = Mapping[str, Any]
FLUX = "flux-system"
CLOCK = SystemClock()
_NEVER = threading.Event()


class Clusters(Protocol):
    """The clusters by name, as somebody with all rights sees and changes them."""

    def get(self, cluster: str, kind: str, name: str, namespace: str) -> Object | None:
        """Return an object, None when it is not there."""
        ...

    def apply(self, cluster: str, text: str) -> None:
        """Apply YAML."""
        ...

    def scale(self, cluster: str, name: str, namespace: str, replicas: int) -> None:
        """Scale a Deployment."""
        ...

    def delete(self, cluster: str, kind: str, name: str, namespace: str) -> None:
        """Delete an object."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything is up. `regions` are the workload clusters, `install` brings hub and agents (None: they are there), `network` cuts a
    cluster off and mends it (None: it cannot)."""

    screen: Screen
    shell: Shell
    clusters: Clusters
    management: str
    regions: Mapping[str, str]
    install: Callable[[], None] | None = None
    network: Callable[[str, str], None] | None = None

    @property
    def work(self) -> Path:
        """Return the clone that the tour commits in."""
        return self.shell.folder / "shop"

    def kubectl(self, command: str, otherwise: Callable[[], None]) -> None:
        """Run a kubectl command; where there is no kubectl, show it and do the same."""
        if shutil.which("kubectl", path=self.shell.path):
            self.shell.run(f"kubectl {command}")
            return
        self.screen.command(f"kubectl {command}")
        self.screen.note("there is no kubectl here: done without it")
        otherwise()

    def ready(self, name: str) -> tuple[str, str, str]:
        """Return status, reason and message of a Kustomization's Ready condition, empty texts when there is none."""
        return self.condition(name, "Ready")

    def condition(self, name: str, type_: str) -> tuple[str, str, str]:
        """Return status, reason and message of a Kustomization's condition, empty texts when there is none."""
        found = self.clusters.get(self.management, "kustomization", name, FLUX) or {}
        for one in (found.get("status") or {}).get("conditions") or ():
            if one["type"] == type_:
                return one["status"], one["reason"], one["message"]
        return "", "", ""

    def is_ready(self, name: str, revision: str = "") -> bool:
        """Tell whether a Kustomization is Ready, at a revision that ends so."""
        found = self.clusters.get(self.management, "kustomization", name, FLUX) or {}
        applied = str((found.get("status") or {}).get("lastAppliedRevision", ""))
        return self.ready(name)[0] == "True" and applied.endswith(revision)

    def until(
        self, holds: Callable[[], bool], tell: Callable[[], str] = lambda: "", timeout_s: float = 30.0
    ) -> None:
        """Wait until something holds. Raises AssertionError with what `tell` says."""
        end_s = CLOCK.monotonic_s() + timeout_s
        while not holds():
            if CLOCK.monotonic_s() > end_s:
                raise AssertionError(f"not within {timeout_s:g} s: {tell()}")
            _NEVER.wait(0.05)
