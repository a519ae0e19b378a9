"""Strategic merge patches: every directive, the order of merged lists, and the texts of refusals."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sandbox.patches import PatchError, strategic
from hub.sandbox.schema import Type, builtin


def type_of(group: str, kind: str) -> Type:
    found = builtin().type_of(group, "v1", kind)
    assert found is not None
    return found


POD = type_of("", "Pod")
DEPLOYMENT = type_of("apps", "Deployment")
SERVICE = type_of("", "Service")


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def named(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def finalizers(*names: str) -> dict[str, Any]:
    return {"metadata": {"finalizers": list(names)}}


CASES = [
    pytest.param({"a": 1}, {}, {"a": 1}, id="an empty patch"),
    pytest.param(
        pod(hostname="a"), {"spec": {"hostname": "b"}}, pod(hostname="b"), id="a scalar is replaced"
    ),
    pytest.param(pod(hostname="a"), {"spec": {"hostname": None}}, pod(), id="null removes"),
    pytest.param(
        pod(),
        {"spec": {"securityContext": {"runAsUser": None}}},
        pod(securityContext={}),
        id="nulls of what is new go",
    ),
    pytest.param(
        pod({"name": "a", "image": "1"}, {"name": "b"}),
        {"spec": {"containers": [{"name": "a", "image": "2"}]}},
        pod({"name": "a", "image": "2"}, {"name": "b"}),
        id="an item is merged by its key",
    ),
    pytest.param(
        pod(*named("a", "b")),
        {"spec": {"containers": named("c")}},
        pod(*named("c", "a", "b")),
        id="a new item comes first",
    ),
    pytest.param(
        pod(*named("a", "b")),
        {"spec": {"containers": named("c", "a")}},
        pod(*named("c", "a", "b")),
        id="the patch's order stands",
    ),
    pytest.param(
        pod(*named("a", "b", "c")),
        {"spec": {"containers": [{"name": "b", "$patch": "delete"}]}},
        pod(*named("a", "c")),
        id="$patch: delete of an item",
    ),
    pytest.param(
        pod(*named("a", "b")),
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "x"}]}},
        pod(*named("x")),
        id="$patch: replace of a list",
    ),
    pytest.param(
        pod(securityContext={"runAsUser": 1}),
        {"spec": {"securityContext": {"$patch": "replace", "runAsGroup": 2}}},
        pod(securityContext={"runAsGroup": 2}),
        id="$patch: replace of a map",
    ),
    pytest.param(
        pod(securityContext={"runAsUser": 1}),
        {"spec": {"securityContext": {"$patch": "delete"}}},
        pod(securityContext={}),
        id="$patch: delete of a map",
    ),
    pytest.param(
        pod(), {"spec": {"affinity": {"$patch": "delete"}}}, pod(), id="$patch: delete of what is not there"
    ),
    pytest.param(
        pod(),
        {"spec": {"volumes": [{"name": "v", "$patch": "delete"}, {"name": "w"}]}},
        pod(volumes=named("w")),
        id="directives of a new list direct nothing",
    ),
    pytest.param(
        pod(volumes=[{"name": "v", "emptyDir": {}}]),
        {
            "spec": {
                "volumes": [{"name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"}}]
            }
        },
        pod(volumes=[{"name": "v", "configMap": {"name": "c"}}]),
        id="$retainKeys drops what it does not name",
    ),
    pytest.param(
        pod(*named("a", "b", "c")),
        {"spec": {"$setElementOrder/containers": named("c", "a")}},
        pod(*named("b", "c", "a")),
        id="$setElementOrder alone",
    ),
    pytest.param(
        pod(*named("a", "b")),
        {"spec": {"$setElementOrder/containers": named("b", "x", "a"), "containers": named("x")}},
        pod(*named("b", "x", "a")),
        id="$setElementOrder with a patch",
    ),
    pytest.param(
        pod(*named("a", "b", "c")),
        {
            "spec": {
                "$setElementOrder/containers": named("x", "a"),
                "containers": [{"name": "c", "$patch": "delete"}, *named("x")],
            }
        },
        pod(*named("b", "x", "a")),
        id="$setElementOrder where a new item comes for a deleted one",
    ),
    pytest.param(
        {"spec": {}},
        {"spec": {"$setElementOrder/containers": named("b", "x"), "containers": named("x", "b")[::-1]}},
        {"spec": {"containers": named("b", "x")}},
        id="$setElementOrder of a new list",
    ),
    pytest.param(
        finalizers("a", "b"), finalizers("c"), finalizers("c", "a", "b"), id="a list of texts is united"
    ),
    pytest.param(finalizers("a", "b"), finalizers("b"), finalizers("a", "b"), id="each text stands once"),
    pytest.param(
        finalizers("a", "b"),
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        finalizers("b"),
        id="$deleteFromPrimitiveList",
    ),
    pytest.param(
        {"metadata": {}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}},
        {"metadata": {}},
        id="$deleteFromPrimitiveList of what is not there",
    ),
    pytest.param(
        finalizers("a", "b", "c"),
        {
            "metadata": {
                "$setElementOrder/finalizers": ["c", "a"],
                "$deleteFromPrimitiveList/finalizers": ["b"],
            }
        },
        finalizers("c", "a"),
        id="order and deletion of texts",
    ),
    pytest.param(
        pod({"name": "a", "args": ["1", "2"]}),
        {"spec": {"containers": [{"name": "a", "args": ["3"]}]}},
        pod({"name": "a", "args": ["3"]}),
        id="a list without strategy is replaced",
    ),
    pytest.param(
        pod({"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y"}]}),
        {"spec": {"containers": [{"name": "a", "env": [{"name": "X", "$patch": "delete"}, {"name": "Z"}]}]}},
        pod({"name": "a", "env": [{"name": "Z"}, {"name": "Y"}]}),
        id="lists in items",
    ),
    pytest.param(
        {"metadata": {"labels": {"a": "1", "b": "2"}}},
        {"metadata": {"labels": {"a": None, "c": "3"}}},
        {"metadata": {"labels": {"b": "2", "c": "3"}}},
        id="free maps",
    ),
]


@pytest.mark.parametrize(("value", "patch", "expected"), CASES)
def test_a_patch_is_merged_by_what_fields_are(value: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy((value, patch))

    assert strategic(value, patch, POD) == expected
    assert (value, patch) == before


def test_retained_keys_decide_about_a_deployments_strategy() -> None:
    value = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}

    assert strategic(value, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_ports_of_a_service_are_told_apart_by_their_number_alone() -> None:
    value = {"spec": {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 80}]}}
    patch = {"spec": {"ports": [{"port": 53, "protocol": "TCP"}, {"port": 80, "$patch": "delete"}]}}

    assert strategic(value, patch, SERVICE) == {"spec": {"ports": [{"port": 53, "protocol": "TCP"}]}}


@pytest.mark.parametrize(
    ("value", "patch", "code", "text"),
    [
        pytest.param(
            pod(*named("a")),
            {"spec": {"containers": [{"image": "x"}]}},
            500,
            "map: map[image:x] does not contain declared merge key: name",
            id="an item without its key",
        ),
        pytest.param(
            pod(*named("a")),
            {"spec": {"containers": [{"$patch": "delete"}]}},
            500,
            "map: map[$patch:delete] does not contain declared merge key: name",
            id="a deletion without the key",
        ),
        pytest.param(
            pod(*named("a")),
            {"spec": {"containers": [{"$patch": "merge"}]}},
            500,
            "merging lists cannot yet be specified in the patch",
            id="$patch: merge in a list",
        ),
        pytest.param(
            pod(*named("a")),
            {"spec": {"containers": [{"$patch": "bogus", "name": "a"}]}},
            500,
            "unknown patch type: bogus in map: map[$patch:bogus name:a]",
            id="an unknown directive in a list",
        ),
        pytest.param(
            pod(),
            {"spec": {"$patch": "bogus"}},
            500,
            "unknown patch type: bogus in map: map[$patch:bogus]",
            id="an unknown directive in a map",
        ),
        pytest.param(
            pod(volumes=[{"name": "v"}]),
            {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"], "emptyDir": {}}]}},
            400,
            "invalid patch format of retainKeys",
            id="a patch beyond $retainKeys",
        ),
        pytest.param(
            pod(),
            {"spec": {"$retainKeys": "x"}},
            400,
            "invalid patch format of retainKeys",
            id="$retainKeys is no list",
        ),
        pytest.param(
            finalizers("a"),
            {"metadata": {"$deleteFromPrimitiveList": ["a"]}},
            400,
            "invalid patch format of primitive list",
            id="a deletion from no list",
        ),
        pytest.param(
            finalizers("a"),
            {"metadata": {"$setElementOrder": ["a"]}},
            400,
            "invalid patch format of setElementOrder list",
            id="an order of no list",
        ),
        pytest.param(
            pod(*named("a")),
            {"spec": {"$setElementOrder/containers": named("a"), "containers": named("b")}},
            500,
            "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
            id="an item that the order lacks",
        ),
        pytest.param(
            {"spec": {"bogus": {"a": 1}}},
            {"spec": {"bogus": {"a": 2}}},
            500,
            'unable to find api field in struct PodSpec for the json field "bogus"',
            id="a field that nobody declared",
        ),
        pytest.param(
            finalizers("a"),
            {"metadata": {"finalizers": [1]}},
            500,
            "list element types are not identical: [[a] [1]]",
            id="a number among texts",
        ),
        pytest.param(
            finalizers("a"),
            {"metadata": {"finalizers": [["a"]]}},
            500,
            "list element types are not identical: [[a] [[a]]]",
            id="a list among texts",
        ),
        pytest.param(
            pod(*named("a")),
            {"spec": {"$setElementOrder/containers": ["a"]}},
            500,
            "value for key 0 is not a map",
            id="an order of texts",
        ),
        pytest.param(
            {"metadata": {"finalizers": []}},
            {"metadata": {"finalizers": [["a"]]}},
            422,
            "lists of lists are not supported",
            id="a list in a list",
        ),
        pytest.param(
            pod(),
            {"spec": {"$setElementOrder/containers": "a"}},
            500,
            "expected a []interface {}, but received a string",
            id="an order that is no list",
        ),
    ],
)
def test_what_cannot_be_merged_is_refused_in_the_servers_words(
    value: Any, patch: Any, code: int, text: str
) -> None:
    with pytest.raises(PatchError) as refused:
        strategic(value, patch, POD)

    assert (refused.value.code, str(refused.value)) == (code, text)


CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd"), "image": st.sampled_from("xyz")}),
    max_size=4,
    unique_by=lambda one: one["name"],
)


def difference(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the patch that kubectl makes of two lists of containers."""
    kept = {one["name"] for one in after}
    changed: list[dict[str, Any]] = [one for one in after if one not in before]
    gone = [{"name": one["name"], "$patch": "delete"} for one in before if one["name"] not in kept]
    return {
        "spec": {
            "$setElementOrder/containers": [{"name": one["name"]} for one in after],
            "containers": changed + gone,
        }
    }


@given(before=CONTAINERS.filter(len), after=CONTAINERS)
def test_a_computed_difference_makes_one_list_the_other_and_is_idempotent(before: Any, after: Any) -> None:
    patch = difference(before, after)
    if not after and not patch["spec"]["containers"]:
        return

    once = strategic(pod(*before), patch, POD)

    assert once["spec"]["containers"] == after
    if after:
        assert strategic(once, patch, POD) == once
