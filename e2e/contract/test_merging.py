"""A real kube-apiserver merges as what tests of the in-memory servers have recorded of it."""

from e2e.contract.merging import FILE, recorded
from e2e.planes.plane import Plane


def test_the_record_is_what_a_plane_answers(plane: Plane) -> None:
    assert list(recorded(plane)) == FILE.read_text().splitlines(), (
        "write it again: python -m e2e.contract.merging"
    )
