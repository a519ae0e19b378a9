"""A Candidate changes with every input that is equal for all clusters, and with nothing else."""

from typing import Any

import pytest

from hub.delivery.candidate import candidate_of
from hub.model.source import Artifact
from tests.hub.delivery.samples import delivery, in_fleet, prod

ARTIFACT = {
    "path": "gitrepository/apps/webapp/1.tar.gz",
    "url": "http://hub/1.tar.gz",
    "revision": "main@sha1:abc",
    "digest": "sha256:archive",
    "last_update_time": "2026-01-01T00:00:00Z",
    "metadata": {"fleet.cartwheel.dev/tree-digest": "sha256:tree"},
}


def digest(given: Any = None, *, artifact: dict[str, Any] | None = None, **more: Any) -> str:
    inputs: dict[str, Any] = {"config_maps": {}, "fleet": None, "tools": {"kustomize": "5.8"}} | more
    return candidate_of(given or delivery(), Artifact(**(ARTIFACT | (artifact or {}))), **inputs).digest


@pytest.mark.parametrize(
    "changed",
    [
        {"artifact": {"revision": "main@sha1:def"}},
        {"artifact": {"metadata": {"fleet.cartwheel.dev/tree-digest": "sha256:other"}}},
        {"given": delivery(spec={"path": "./other"})},
        {"config_maps": {"vars": {"A": "1"}}},
        {"fleet": prod(overrides=[{"substitute": {"A": "1"}}])},
        {"tools": {"kustomize": "5.9"}},
    ],
    ids=["revision", "tree", "spec", "config map", "override", "tool"],
)
def test_it_changes_with(changed: dict[str, Any]) -> None:
    assert digest(**changed) != digest()


@pytest.mark.parametrize(
    "changed",
    [
        {"artifact": {"digest": "sha256:packed-by-another-zlib", "url": "http://elsewhere"}},
        {"given": delivery(spec={"interval": "1h"})},
        {"given": delivery(spec={"suspend": True})},
        {"given": delivery(annotations={"reconcile.fluxcd.io/requestedAt": "now"})},
        {
            "fleet": prod(
                overrides=[{"deliveries": [{"kind": "Kustomization", "name": "x"}], "substitute": {"A": "1"}}]
            )
        },
    ],
    ids=["archive", "interval", "suspend", "a request", "another delivery's override"],
)
def test_it_does_not_change_with(changed: dict[str, Any]) -> None:
    assert digest(**changed) == digest()


def test_a_config_map_counts_by_its_content_whatever_the_order() -> None:
    one, other = {"A": "1", "B": "2"}, {"B": "2", "A": "1"}
    assert digest(in_fleet(), config_maps={"v": one}) == digest(in_fleet(), config_maps={"v": other})
