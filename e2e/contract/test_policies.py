"""The roles and bindings that in-memory clusters begin with are those of a real one."""

from collections.abc import Iterator

import pytest

from e2e.controlplane.policies import TARGET, policies_of, written
from e2e.planes.plane import Plane


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with Plane("policies", tmp_path_factory.mktemp("planes")) as plane:
        yield plane


def test_the_default_policies_are_what_a_plane_begins_with(plane: Plane) -> None:
    assert written(policies_of(plane)) == TARGET.read_text(), (
        "write it again: python -m e2e.controlplane.policies"
    )
