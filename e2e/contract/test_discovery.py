"""The servers in memory serve what a real one does, and tell of it in the same words."""

import json
from typing import Any

import pytest

from agent.kube.api import Object
from e2e.controlplane.catalogue import TARGET, catalogue_of, written
from e2e.planes.plane import Plane
from hub.sandbox.discovery import AGGREGATED, discovery
from hub.sandbox.kinds.served import Kinds

OTHER_VERSIONS = {"autoscaling": "v1"}
"""What the servers in memory leave out: a built-in group has one version there."""


def asked(plane: Plane, path: str, accept: str = "application/json") -> Any:
    return json.loads(plane.read(path, accept=accept))


def test_the_catalogue_is_what_a_real_server_tells(plane: Plane) -> None:
    assert written(catalogue_of(plane)) == TARGET.read_text()


def test_every_version_is_described_as_by_a_real_server(plane: Plane) -> None:
    kinds = Kinds()
    versions = [
        ("/api", "v1"),
        *((f"/apis/{one.name}", version) for one in kinds.groups for version in one.versions),
    ]
    for root, version in versions:
        assert discovery(kinds, f"{root}/{version}") == asked(plane, f"{root}/{version}")


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_all_groups_are_described_at_once_as_by_a_real_server(plane: Plane, path: str) -> None:
    def of_one_version(document: Object) -> list[Object]:
        return [
            {
                **group,
                "versions": [
                    one
                    for one in group["versions"]
                    if OTHER_VERSIONS.get(group["metadata"].get("name", "")) != one["version"]
                ],
            }
            for group in document["items"]
        ]

    mine = discovery(Kinds(), path, is_aggregated=True)
    assert mine is not None
    assert of_one_version(mine) == of_one_version(asked(plane, path, AGGREGATED))
