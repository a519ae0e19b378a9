"""Reduces a plane's discovery to what the in-memory API servers serve: `python -m e2e.controlplane.catalogue` writes it anew."""

import json
from pathlib import Path
from typing import Any

from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane

TARGET = Path(__file__).parents[2] / "hub" / "sandbox" / "kinds" / "catalogue.json"
_AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_OTHER_VERSIONS = frozenset({("autoscaling", "v1")})


def catalogue_of(plane: Plane) -> list[dict[str, Any]]:
    """Return the built-in groups in the server's order, each in one version, with their resources."""
    documents = (json.loads(plane.read(path, accept=_AGGREGATED)) for path in ("/api", "/apis"))
    return [
        {
            "group": group["metadata"].get("name", ""),
            "version": version["version"],
            "resources": _resources(plane, group["metadata"].get("name", ""), version),
        }
        for document in documents
        for group in document["items"]
        for version in group["versions"]
        if (group["metadata"].get("name"), version["version"]) not in _OTHER_VERSIONS
    ]


def written(catalogue: list[dict[str, Any]]) -> str:
    """Return the text of the file."""
    return json.dumps(catalogue, indent=1) + "\n"


def _resources(plane: Plane, group: str, version: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the resources of a version; in which version each is stored only the old form of discovery tells, by a hash."""
    path = f"/apis/{group}/{version['version']}" if group else f"/api/{version['version']}"
    old = json.loads(plane.read(path))["resources"]
    hashes = {one["name"]: one.get("storageVersionHash", "") for one in old}
    return [_resource(one, hashes[one["resource"]]) for one in version["resources"]]


def _resource(raw: dict[str, Any], storage_hash: str) -> dict[str, Any]:
    return {
        "plural": raw["resource"],
        "singular": raw["singularResource"],
        "kind": raw["responseKind"]["kind"],
        "namespaced": raw["scope"] == "Namespaced",
        "verbs": raw["verbs"],
        "short_names": raw.get("shortNames", []),
        "categories": raw.get("categories", []),
        "storage_hash": storage_hash,
        "subresources": [_subresource(one) for one in raw.get("subresources", ())],
    }


def _subresource(raw: dict[str, Any]) -> dict[str, Any]:
    kind = raw["responseKind"]
    return {
        "name": raw["subresource"],
        "group": kind["group"],
        "version": kind["version"],
        "kind": kind["kind"],
        "verbs": raw["verbs"],
    }


def main() -> None:
    """Write the catalogue of a plane that is started for it."""
    with memory_folder() as folder, Plane("catalogue", folder) as plane:
        TARGET.write_text(written(catalogue_of(plane)))


if __name__ == "__main__":
    main()
