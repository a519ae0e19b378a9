"""The columns of built-in kinds, reduced from the tables of a running plane: names, types, formats, priorities, no prose.

python -m e2e.controlplane.columns        # writes hub/sandbox/tables/columns.json from a plane of its own
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from hub.sandbox.kinds.catalogue import Served, built_in

FILE = Path(__file__).parents[2] / "hub" / "sandbox" / "tables" / "columns.json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_DEFAULT = ["Name", "Created At"]
# Only an object shows the columns of a Scale.
_SCALED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "columns", "namespace": "default"},
    "spec": {
        "replicas": 0,
        "selector": {"matchLabels": {"app": "columns"}},
        "template": {
            "metadata": {"labels": {"app": "columns"}},
            "spec": {"containers": [{"name": "one", "image": "none"}]},
        },
    },
}
_SCALE = "/apis/apps/v1/namespaces/default/deployments/columns/scale"

Columns = dict[str, list[list[str | int]]]


def columns_of(plane: Plane) -> Columns:
    """Return, by group/plural, the columns of the kinds that have more to show than the default."""
    plane.kubectl("apply", "-f", "-", input=json.dumps(_SCALED))
    found = {"autoscaling/scales": _columns(plane, _SCALE)}
    found |= {f"{one.resource.group}/{one.resource.plural}": _columns(plane, _path(one)) for one in _listed()}
    return {name: one for name, one in found.items() if [column[0] for column in one] != _DEFAULT}


def text(columns: Columns) -> str:
    """Return the text of the file, a kind per line."""
    lines = (
        f"{json.dumps(name)}:{json.dumps(one, separators=(',', ':'))}"
        for name, one in sorted(columns.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _listed() -> Iterator[Served]:
    yield from (one for one in built_in() if "list" in one.verbs)


def _path(served: Served) -> str:
    resource = served.resource
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    return f"{root}/{resource.plural}?limit=1"


def _columns(plane: Plane, path: str) -> list[list[str | int]]:
    table = json.loads(plane.read(path, accept=TABLE))
    return [
        [one[key] for key in ("name", "type", "format", "priority")] for one in table["columnDefinitions"]
    ]


def main() -> None:
    """Write the file."""
    with memory_folder() as folder, Plane("columns", folder) as plane:
        FILE.write_text(text(columns_of(plane)))


if __name__ == "__main__":
    main()
