"""The schema of built-in kinds, reduced from what a running plane says of itself.

python -m e2e.controlplane.schema        # writes hub/sandbox/schema/builtin.json from a plane of its own
"""

import json
from pathlib import Path
from typing import Any

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from hub.sandbox.schema import reduce_documents

FILE = Path(__file__).parents[2] / "hub" / "sandbox" / "schema" / "builtin.json"


def documents(plane: Plane) -> list[dict[str, Any]]:
    """Return the OpenAPI v3 documents of a plane, one per group and version."""
    index = json.loads(plane.kubectl("get", "--raw", "/openapi/v3"))
    urls = (entry["serverRelativeURL"] for _, entry in sorted(index["paths"].items()))
    return [json.loads(plane.kubectl("get", "--raw", url)) for url in urls]


def text(schema: dict[str, Any]) -> str:
    """Return a reduced schema as the file has it: a type or kind per line, so that differences can be read."""
    parts = []
    for section, values in sorted(schema.items()):
        lines = (
            f"{json.dumps(name)}:{json.dumps(value, separators=(',', ':'), sort_keys=True)}"
            for name, value in sorted(values.items())
        )
        parts.append(f"{json.dumps(section)}:{{\n" + ",\n".join(lines) + "\n}")
    return "{" + ",\n".join(parts) + "}\n"


def main() -> None:
    """Write the file."""
    with memory_folder() as folder, Plane("schema", folder) as plane:
        FILE.write_text(text(reduce_documents(documents(plane))))


if __name__ == "__main__":
    main()
