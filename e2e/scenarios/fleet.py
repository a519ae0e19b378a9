"""A fleet as its user makes it: hub and agents installed by the commands, on real planes, with times divided by ten."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from e2e.planes.plane import Plane
from e2e.planes.ports import free_address

HUB = Path(sys.executable).parent / "hub"
USERS = "system:serviceaccount:cartwheel-system:"
FAST = ("--env", "CARTWHEEL_TIME_SCALE=0.1")
SYSTEM = "cartwheel-system"
HUB_POD = "app.kubernetes.io/name=cartwheel-hub"
AGENT = "app.kubernetes.io/name=cartwheel-agent"


class Fleet:
    """A management plane with its hub, and the workload planes that were added to it."""

    def __init__(self, management: Plane, *, settings: tuple[str, ...] = FAST, **workloads: Plane) -> None:
        self.management = management
        self.settings = settings
        self.workloads = workloads

    def install(self) -> None:
        """Install the hub, and add every workload cluster under its name, labelled `tier=prod`."""
        address = free_address()
        self.hub("install", "--expose", "NodePort", "--address", address, *self.settings, "--timeout", "90s")
        for name in self.workloads:
            self.add(name)

    def add(self, name: str) -> None:
        """Add a workload cluster, or what is missing of it."""
        self.hub(
            "cluster",
            "add",
            name,
            *self._to(name),
            "--label",
            "tier=prod",
            *self.settings,
            "--timeout",
            "90s",
        )

    def remove(self, name: str, *options: str) -> str:
        """Remove a workload cluster, its agent included."""
        return self.hub("cluster", "remove", name, *self._to(name), *options)

    def _to(self, name: str) -> tuple[str, ...]:
        plane = self.workloads[name]
        return "--cluster-kubeconfig", str(plane.kubeconfig()), "--context", plane.name

    def hub(self, *arguments: str, check: bool = True) -> str:
        """Run the `hub` command and return what it prints."""
        command = [str(HUB), "--kubeconfig", str(self.management.kubeconfig()), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
        if check and done.returncode:
            raise AssertionError(f"hub {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}\n{self.logs()}")
        return done.stdout

    def scale(self, plane: Plane, selector: str, replicas: int) -> None:
        """Kill the Pods of the hub or of an agent, and have so many new ones, with empty disks, started at once."""
        name = selector.partition("=")[2]
        plane.kubectl("scale", "deployment", name, "--replicas=0", "-n", SYSTEM)
        plane.kubectl("delete", "pods", "-l", selector, "--grace-period=0", "--force", "-n", SYSTEM)
        if replicas:
            plane.kubectl("scale", "deployment", name, f"--replicas={replicas}", "-n", SYSTEM)

    def apply(self, text: str) -> None:
        """`kubectl apply` to the management cluster."""
        self.management.kubectl("apply", "-f", "-", input=text)

    def ready(self, name: str) -> tuple[str, str, str]:
        """Return status, reason and message of a Kustomization's Ready condition, empty texts when there is none."""
        return self.condition("kustomization", name, "Ready")

    def condition(self, kind: str, name: str, type_: str) -> tuple[str, str, str]:
        """Return status, reason and message of a condition, empty texts when there is none."""
        value = self.management.get(kind, name, "-n", "flux-system") or {}
        for one in (value.get("status") or {}).get("conditions") or ():
            if one["type"] == type_:
                return one["status"], one["reason"], one["message"]
        return "", "", ""

    def until_ready(self, *names: str, revision: str = "") -> None:
        """Wait until Kustomizations are Ready, at a revision when one is given."""

        def are_there() -> bool:
            return all(self.is_ready(name, revision) for name in names)

        self.until(are_there, lambda: str({name: self.ready(name) for name in names}))

    def is_ready(self, name: str, revision: str = "") -> bool:
        """Tell whether a Kustomization is Ready, at a revision that ends so."""
        value = self.management.get("kustomization", name, "-n", "flux-system") or {}
        applied = (value.get("status") or {}).get("lastAppliedRevision", "")
        return self.ready(name)[0] == "True" and applied.endswith(revision)

    def until(
        self, holds: Callable[[], Any], tell: Callable[[], str] = lambda: "", timeout_s: float = 30.0
    ) -> None:
        """Wait until something holds, or fail with what `tell` says and the logs."""
        end = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout_s:g} s: {tell()}\n{self.logs()}")
            time.sleep(0.1)

    def until_quiet(self, for_s: float = 3.0, timeout_s: float = 60.0) -> datetime:
        """Wait until hub and agents have written nothing for a time; return when that began."""
        planes = (self.management, *self.workloads.values())
        began = datetime.now(UTC)

        def last() -> datetime:
            ours = (one.time for plane in planes for one in plane.audit(began) if USERS in one.user)
            return max(ours, default=began)

        self.until(
            lambda: datetime.now(UTC) - last() >= timedelta(seconds=for_s),
            lambda: f"written last at {last()}",
            timeout_s,
        )
        return last()

    def logs(self) -> str:
        """Return the ends of the logs of hub and agents."""
        parts = []
        for plane in (self.management, *self.workloads.values()):
            for prefix in ("cartwheel-hub", "cartwheel-agent"):
                lines = plane.pods.logs("cartwheel-system", prefix).splitlines()[-15:]
                parts.append("\n".join((f"== {plane.name} {prefix}", *lines)))
        return "\n".join(parts)


def config_map(name: str, namespace: str, **data: str) -> str:
    """Return a manifest."""
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def namespace_manifest(name: str) -> str:
    """Return a manifest."""
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def deployment(name: str, namespace: str, image: str = "web:1") -> str:
    """Return a manifest of two replicas."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": image}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": namespace}
    return json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
