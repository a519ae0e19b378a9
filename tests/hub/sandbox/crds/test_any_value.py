"""Whatever a client sends is read or refused, and reading what was read changes nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sandbox.crds.kind import CustomKind, custom_kind
from hub.sandbox.refusals import Refused

_TOLD = json.loads(Path(__file__).with_name("answers.json").read_text())["definitions"]
_KINDS = [custom_kind(_TOLD[name], "v1") for name in ("Nasty", "Ruled")]
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
)
_FIELDS = sorted({name for kind in _KINDS for name in kind.schema["properties"]["spec"]["properties"]})
_NAMES = st.sampled_from([*_FIELDS, "x", "k", "a", "apiVersion", "kind", "metadata", "labels"])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.resource.kind)
@given(spec=_VALUES | st.dictionaries(st.sampled_from(_FIELDS), _VALUES, max_size=4), old=_VALUES)
def test_any_value_is_judged(kind: CustomKind, spec: Any, old: Any) -> None:
    try:
        first, second = (_read(kind, one) for one in (spec, old))
    except Refused:
        return
    assert kind.read(first).item == first
    kind.faults_of_new(first)
    kind.faults_of_update(kind.prepare_update(first, second), second)


def _read(kind: CustomKind, spec: Any) -> Any:
    api_version = f"{kind.resource.group}/v1"
    item = {"apiVersion": api_version, "kind": kind.resource.kind, "metadata": {"name": "r"}, "spec": spec}
    return kind.prepare_new(kind.read(item).item)
