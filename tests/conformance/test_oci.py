"""Which artifact an OCIRepository asks for."""

from typing import Any

import pytest

from hub.model.ocirepository import LayerSelector, OciRepository
from hub.sources.oci import reference
from hub.sources.oci.reference import InvalidReference, InvalidUrl, Pinned
from tests.conformance import support


class Unknown(Exception):
    """A tag that is not there."""


def resolved(row: dict[str, Any]) -> tuple[str, Pinned]:
    """The whole name and the manifest that a row's reference stands for."""
    spec = {"url": row["url"], "interval": "1m", "ref": row["reference"]}
    ref = OciRepository.parse({"metadata": {"name": "a"}, "spec": spec}).spec.ref
    repository = reference.repository_of(row["url"])
    if digest := reference.digest_of(ref):
        return f"{repository}@{digest}", Pinned(digest=digest)
    selector = LayerSelector(media_type=row.get("layer_media_type", ""))
    tag = reference.best_tag(ref, row["tags"], selector) if ref.semver else reference.tag_of(ref)
    known = row["tags"]
    if isinstance(known, dict) and tag not in known:
        raise Unknown(tag)
    return f"{repository}:{tag}", Pinned(digest=known[tag] if isinstance(known, dict) else "", tag=tag)


@pytest.mark.parametrize("row", support.cases("git/oci_ref.json"))
def test_a_reference_stands_for_an_artifact(row: dict[str, Any]) -> None:
    if row.get("error"):
        with pytest.raises((InvalidUrl, InvalidReference, Unknown)):
            resolved(row)
        return
    name, pinned = resolved(row)
    match row["op"]:
        case "reference":
            assert name in row.get("accept_any_of", [row["expected"]])
        case "revision":
            assert pinned.revision == row["expected"]
        case other:
            raise AssertionError(f"unknown op {other}")
