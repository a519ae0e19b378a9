"""The roles and bindings that in-memory clusters begin with are those of a real one."""

from e2e.controlplane.policies import TARGET, policies_of, written
from e2e.planes.plane import Plane


def test_the_default_policies_are_what_a_plane_begins_with(plane: Plane) -> None:
    assert written(policies_of(plane)) == TARGET.read_text(), (
        "write it again: python -m e2e.controlplane.policies"
    )
