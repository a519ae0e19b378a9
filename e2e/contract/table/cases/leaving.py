"""How objects go: finalizers, preconditions, what belongs to them in all three ways, collections and namespaces."""

from typing import Any

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    case,
    create,
    delete,
    get,
    json_patch,
    patch,
    until,
    until_code,
    update,
)

_A, _B, _OWNER = "configmaps/a", "configmaps/b", "configmaps/owner"
_HELD = {"metadata": {"finalizers": ["t.test/a"]}}
_SELF = "/api/v1/namespaces/NS"


def _owned(name: str, *, blocks: bool = True, owner: str = "owner", number: int = 0, **metadata: Any) -> Step:
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner,
        "uid": f"<{number}.metadata.uid>",
        "blockOwnerDeletion": blocks,
    }
    return create(f"configmaps/{name}", {"metadata": {"ownerReferences": [reference], **metadata}})


def _gone(on: str) -> Step:
    return until_code(get(on), 404)


# Once this is through, the collector of a real cluster knows what was made before it.
def _noticed(number: int) -> tuple[Step, ...]:
    return (
        create("configmaps/sign"),
        _owned("signed", owner="sign", number=number),
        delete("configmaps/sign"),
        _gone("configmaps/signed"),
    )


def _leaves(on: str) -> Step:
    return until(get(on), lambda code, value: code == 200 and "deletionTimestamp" in value["metadata"])


def _has_no_owner(code: int, value: Any) -> bool:
    return code == 200 and not value["metadata"].get("ownerReferences")


_FINALIZERS = (
    case(
        "an object waits for its finalizer",
        create(_A, _HELD),
        delete(_A),
        delete(_A),
        patch(_A, {"data": {"x": "1"}}),
        patch(_A, {"metadata": {"finalizers": None}}),
        get(_A),
    ),
    case(
        "finalizers of what leaves are only taken away",
        create(_A, _HELD),
        delete(_A),
        patch(_A, {"metadata": {"finalizers": ["t.test/a", "t.test/b"]}}),
        json_patch(_A, {"op": "add", "path": "/metadata/finalizers/-", "value": "t.test/c"}),
        update(_A, {}),
        get(_A),
    ),
    case(
        "an apply to what leaves",
        apply(_A, _HELD),
        delete(_A),
        apply(_A, {**_HELD, "data": {"x": "1"}}),
        apply(_A, {}),
        apply(_A, {}),
        get(_A),
    ),
    case(
        "a name is taken while its object leaves",
        create(_A, _HELD),
        delete(_A),
        create(_A),
        json_patch(_A, {"op": "remove", "path": "/metadata/finalizers/0"}),
        create(_A),
    ),
    case(
        "a deletion is not taken back",
        create(_A, _HELD),
        delete(_A),
        json_patch(_A, {"op": "remove", "path": "/metadata/deletionTimestamp"}),
        patch(_A, {"metadata": {"deletionGracePeriodSeconds": None}}),
        get(_A),
    ),
    case(
        "nobody creates what already leaves",
        create(
            _A, {"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}}
        ),
        delete(_A),
    ),
    case(
        "a custom kind waits for its finalizer",
        create("widgets/a", _HELD),
        delete("widgets/a"),
        patch("widgets/a/status", {"metadata": {"finalizers": None}, "status": {"phase": "x"}}),
        patch("widgets/a", {"metadata": {"finalizers": None}}),
        get("widgets/a"),
    ),
)
_OPTIONS = (
    case(
        "preconditions",
        create(_A),
        delete(_A, {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}}),
        delete(_A, {"preconditions": {"resourceVersion": "1"}}),
        delete(
            _A,
            {"preconditions": {"uid": "<0.metadata.uid>", "resourceVersion": "<0.metadata.resourceVersion>"}},
        ),
    ),
    case(
        "a precondition by an old version",
        create(_A),
        patch(_A, {"data": {"x": "1"}}),
        delete(_A, {"preconditions": {"resourceVersion": "<0.metadata.resourceVersion>"}}),
        get(_A),
    ),
    case(
        "what is not there is not deleted",
        delete(_A),
        delete("widgets/a"),
        delete("configmaps/a", {"preconditions": {"uid": "x"}}),
    ),
    case(
        "dry deletions",
        create(_A, _HELD),
        create(_B),
        delete(_A, dryRun="All"),
        delete(_B, {"dryRun": ["All"]}),
        delete("configmaps", dryRun="All"),
        get("configmaps"),
    ),
    case(
        "options that may not be",
        create(_A),
        delete(_A, {"propagationPolicy": "Nonsense"}),
        delete(_A, {"propagationPolicy": "Orphan", "orphanDependents": True}),
        delete(_A, {"gracePeriodSeconds": -1}),
        delete(_A, {"kind": "Nonsense"}),
    ),
    case(
        "kinds that answer with what they were",
        create("services/a", {"spec": {"clusterIP": "None", "ports": [{"port": 80}]}}),
        delete("services/a"),
        create("serviceaccounts/a"),
        delete("serviceaccounts/a"),
        create("secrets/a"),
        delete("secrets/a"),
        create(
            "podtemplates/a",
            {"template": {"metadata": {}, "spec": {"containers": [{"name": "c", "image": "i"}]}}},
        ),
        delete("podtemplates/a"),
        create("widgets/a"),
        delete("widgets/a"),
    ),
    case(
        "a collection",
        create(_A),
        create(_B, _HELD),
        create("configmaps/c", {"metadata": {"labels": {"l": "1"}}}),
        delete("configmaps", labelSelector="l=1"),
        get("configmaps"),
        delete("configmaps"),
        get("configmaps"),
    ),
    case(
        "a collection by name",
        create(_A),
        create(_B),
        delete("configmaps", fieldSelector="metadata.name=a"),
        get("configmaps"),
    ),
    case(
        "a collection with preconditions",
        create(_A),
        delete("configmaps", {"preconditions": {"uid": "11111111-2222-3333-4444-555555555555"}}),
        get("configmaps"),
    ),
    case(
        "finalizers that a dry deletion would add",
        create("configmaps/c", _HELD),
        delete("configmaps/c", {"propagationPolicy": "Foreground"}, dryRun="All"),
        delete("configmaps/c", {"propagationPolicy": "Orphan"}, dryRun="All"),
        delete("configmaps/c", {"propagationPolicy": "Background"}, dryRun="All"),
    ),
)
# What belongs to what, and namespaces, controllers of a real cluster see to: these are waited for.
_BELONGING = (
    case(
        "background takes dependents along",
        create(_OWNER),
        _owned("a"),
        _owned("b", blocks=False),
        delete(_OWNER, {"propagationPolicy": "Background"}),
        _gone(_A),
        _gone(_B),
        needs_controllers=True,
    ),
    case(
        "without a word dependents go along",
        create(_OWNER),
        _owned("a"),
        delete(_OWNER),
        _gone(_A),
        needs_controllers=True,
    ),
    case(
        "foreground takes dependents first",
        create(_OWNER),
        _owned("a"),
        _owned("b"),
        delete(_OWNER, {"propagationPolicy": "Foreground"}),
        _gone(_A),
        _gone(_B),
        _gone(_OWNER),
        needs_controllers=True,
    ),
    case(
        "foreground waits for what blocks it",
        create(_OWNER),
        _owned("a", finalizers=["t.test/a"]),
        *_noticed(2),
        delete(_OWNER, {"propagationPolicy": "Foreground"}),
        until(get(_A), lambda code, value: code == 200 and "deletionTimestamp" in value["metadata"]),
        get(_OWNER),
        patch(_A, {"metadata": {"finalizers": None}}),
        _gone(_A),
        _gone(_OWNER),
        needs_controllers=True,
    ),
    case(
        "foreground does not wait for what does not block it",
        create(_OWNER),
        _owned("a", blocks=False, finalizers=["t.test/a"]),
        *_noticed(2),
        delete(_OWNER, {"propagationPolicy": "Foreground"}),
        _gone(_OWNER),
        _leaves(_A),
        patch(_A, {"metadata": {"finalizers": None}}),
        _gone(_A),
        needs_controllers=True,
    ),
    case(
        "orphans stay and forget their owner",
        create(_OWNER),
        _owned("a"),
        *_noticed(2),
        delete(_OWNER, {"propagationPolicy": "Orphan"}),
        _gone(_OWNER),
        until(get(_A), _has_no_owner),
        needs_controllers=True,
    ),
    case(
        "an owner with a finalizer of its own and orphans",
        create(_OWNER, _HELD),
        _owned("a"),
        *_noticed(2),
        delete(_OWNER, {"propagationPolicy": "Orphan"}),
        until(get(_A), _has_no_owner),
        until(
            get(_OWNER), lambda code, value: code == 200 and value["metadata"]["finalizers"] == ["t.test/a"]
        ),
        patch(_OWNER, {"metadata": {"finalizers": None}}),
        _gone(_OWNER),
        needs_controllers=True,
    ),
    case(
        "with another owner it stays",
        create(_OWNER),
        create("configmaps/other"),
        create(
            _A,
            {
                "metadata": {
                    "ownerReferences": [
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "<0.metadata.uid>"},
                        {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "<1.metadata.uid>"},
                    ]
                }
            },
        ),
        delete(_OWNER),
        _gone(_OWNER),
        until(get(_A), lambda code, value: code == 200 and len(value["metadata"]["ownerReferences"]) == 1),
        needs_controllers=True,
    ),
    case(
        "a chain goes to its end",
        create(_OWNER),
        _owned("a"),
        _owned("b", owner="a", number=1),
        delete(_OWNER),
        _gone(_A),
        _gone(_B),
        needs_controllers=True,
    ),
)
_NAMESPACES = (
    case(
        "a namespace that leaves takes nothing in and goes with its content",
        create(_A, _HELD),
        create("secrets/s"),
        Step(method="DELETE", on=_SELF),
        _gone("secrets/s"),
        _leaves(_A),
        create(_B),
        patch(_A, {"data": {"x": "1"}}),
        patch(_A, {"metadata": {"finalizers": None}}),
        until_code(Step(method="GET", on=_SELF), 404),
        create(_B),
        needs_controllers=True,
    ),
    case(
        "an empty namespace goes",
        create(_A),
        Step(method="DELETE", on=_SELF),
        until_code(Step(method="GET", on=_SELF), 404),
        get("configmaps"),
        needs_controllers=True,
    ),
    case(
        "a namespace as an object",
        Step(
            method="PATCH",
            on=_SELF,
            body={"metadata": {"labels": {"l": "1"}}},
            media_type="application/merge-patch+json",
            query={"fieldManager": "editor"},
        ),
        Step(
            method="PATCH",
            on=_SELF,
            body={"spec": {"finalizers": []}},
            media_type="application/merge-patch+json",
        ),
        Step(
            method="PUT",
            on=f"{_SELF}/finalize",
            body={
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": "NS"},
                "spec": {"finalizers": ["kubernetes", "t.test/a"]},
            },
        ),
        Step(
            method="POST",
            on="/api/v1/namespaces",
            body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "NS"}},
        ),
    ),
)

CASES: tuple[Case, ...] = (*_FINALIZERS, *_OPTIONS, *_BELONGING, *_NAMESPACES)
