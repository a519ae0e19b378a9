"""The schema and the columns that in-memory API servers have are those of a real kube-apiserver."""

from e2e.controlplane import columns
from e2e.controlplane.schema import FILE, documents, text
from e2e.planes.plane import Plane
from hub.sandbox.schema import reduce_documents


def test_the_built_in_schema_is_what_a_plane_says_of_itself(plane: Plane) -> None:
    assert text(reduce_documents(documents(plane))) == FILE.read_text(), (
        "write it again: python -m e2e.controlplane.schema"
    )


def test_the_columns_of_built_in_kinds_are_those_of_a_plane(plane: Plane) -> None:
    assert columns.text(columns.columns_of(plane)) == columns.FILE.read_text(), (
        "write it again: python -m e2e.controlplane.columns"
    )
