"""What a person needs to type commands against planes: one kubeconfig with a context for each, and the planes' own kubectl."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from e2e import tools
from e2e.planes.plane import Plane


def write_kubeconfig(file: Path, planes: Mapping[str, Plane], *, current: str = "") -> None:
    """Write a kubeconfig with a context for each plane, by these names."""
    merged: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": current,
        "clusters": [],
        "users": [],
        "contexts": [],
    }
    for name, plane in planes.items():
        found = json.loads(plane.kubeconfig().read_text())
        for part in ("clusters", "users", "contexts"):
            merged[part].append({**found[part][0], "name": name})
        merged["contexts"][-1]["context"] = {"cluster": name, "user": name}
    file.write_text(json.dumps(merged))
    file.chmod(0o600)


def write_program(file: Path, text: str) -> None:
    """Write a shell script that can be run."""
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def write_kubectl(folder: Path) -> None:
    """Put the planes' kubectl into a folder of programs."""
    write_program(folder / "kubectl", f'exec {tools.path("controlplane")} kubectl "$@"')
