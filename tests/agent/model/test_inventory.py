"""Inventory ids name one object each, and read back as the object they were made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.model.inventory import format_id, parse_id
from agent.model.names import ObjectRef

LABEL = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?", fullmatch=True)
REFS = st.builds(
    ObjectRef,
    group=LABEL | st.just(""),
    kind=st.sampled_from(["ConfigMap", "Deployment", "Widget"]),
    namespace=LABEL | st.just(""),
    name=LABEL,
)
ROLES = st.builds(
    ObjectRef,
    group=st.just("rbac.authorization.k8s.io"),
    kind=st.just("ClusterRole"),
    namespace=st.just(""),
    name=st.from_regex(r"[a-z0-9](:?[a-z0-9]){0,5}", fullmatch=True),
)


@given(REFS | ROLES)
def test_an_id_reads_back(ref: ObjectRef) -> None:
    assert parse_id(format_id(ref)) == ref


@pytest.mark.parametrize("text", ["", "_test-name_apps", "no-fields-at-all", "a_b_c_", "a__b_C"])
def test_an_id_of_too_few_fields_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no inventory id"):
        parse_id(text)
