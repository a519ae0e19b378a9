"""What a watch tells: from a version, with initial events and bookmarks, by selectors, of one object, as a table. Each lasts a second."""

from typing import Any

from e2e.contract.table.case import (
    Case,
    Step,
    apply,
    case,
    create,
    delete,
    get,
    patch,
    update,
    watch,
)

_A, _B = "configmaps/a", "configmaps/b"
_SINCE = "<0.metadata.resourceVersion>"
_PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
_INITIAL = {
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "allowWatchBookmarks": "true",
}


def _data(**data: str) -> dict[str, Any]:
    return {"data": data}


def _labels(**labels: Any) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


_LIFE: tuple[Step, ...] = (
    create(_A, _data(x="1")),
    patch(_A, _data(x="2")),
    create(_B, {**_data(x="1"), **_labels(l="1")}),
    delete(_A),
    patch(_B, _labels(l="2")),
)
_SIGHT: tuple[Step, ...] = (
    create(_A, _labels(l="1")),
    patch(_A, _labels(l="2")),
    patch(_A, _data(x="1")),
    patch(_A, _labels(l="1")),
    patch(_A, _data(x="2")),
    patch(_A, _labels(l=None)),
    patch(_A, _labels(l="1")),
    delete(_A),
)
_WIDGETS: tuple[Step, ...] = (
    create("widgets/a", {"spec": {"name": "x"}}),
    create("widgets/b", {"spec": {"name": "y"}}),
    patch("widgets/a", {"spec": {"name": "y"}}),
    patch("widgets/a", {"spec": {"name": "x"}}),
    delete("widgets/b"),
)

_VERSIONS = (
    case("a watch from a version tells what came after it", *_LIFE, watch("configmaps", _SINCE)),
    case("a watch from the middle", *_LIFE, watch("configmaps", "<2.metadata.resourceVersion>")),
    case(
        "a watch from the newest version tells nothing",
        *_LIFE,
        watch("configmaps", "<4.metadata.resourceVersion>"),
    ),
    case("a watch without a version begins with what is there", *_LIFE, watch("configmaps")),
    case(
        "a watch from a version that is no number",
        create(_A),
        watch("configmaps", "x"),
        watch("configmaps", "-1"),
    ),
    case(
        "a watch from the version of a list",
        create(_A),
        get("configmaps"),
        create(_B),
        watch("configmaps", "<1.metadata.resourceVersion>"),
    ),
    case(
        "a write that changes nothing is not told",
        create(_A, _data(x="1")),
        patch(_A, _data(x="1")),
        update(_A, _data(x="1")),
        apply(_A, _data(x="1"), by="maker"),
        watch("configmaps", _SINCE),
    ),
    case(
        "dry writes are not told",
        create(_A, _data(x="1")),
        patch(_A, _data(x="2"), dry=True),
        create(_B, dry=True),
        delete(_A, dryRun="All"),
        watch("configmaps", _SINCE),
    ),
    case(
        "refused writes are not told",
        create(_A, _data(x="1")),
        create(_A),
        patch(_A, {"data": {"x y": "1"}}),
        watch("configmaps", _SINCE),
    ),
)
_BEGINNINGS = (
    case("initial events end with a bookmark", create(_A), create(_B), watch("configmaps", **_INITIAL)),
    case(
        "initial events without bookmarks",
        create(_A),
        watch("configmaps", sendInitialEvents="true", resourceVersionMatch="NotOlderThan"),
    ),
    case("initial events of nothing", create(_A), watch("secrets", **_INITIAL)),
    case(
        "initial events that are not wanted",
        create(_A),
        create(_B),
        watch("configmaps", _SINCE, sendInitialEvents="false", resourceVersionMatch="NotOlderThan"),
        watch("configmaps", sendInitialEvents="false", resourceVersionMatch="NotOlderThan"),
    ),
    case("initial events from a version", create(_A), create(_B), watch("configmaps", _SINCE, **_INITIAL)),
    case(
        "initial events of a selection",
        create(_A, _labels(l="1")),
        create(_B),
        watch("configmaps", labelSelector="l=1", **_INITIAL),
    ),
    case("initial events of partial objects", create(_A), watch("configmaps", accept=_PARTIAL, **_INITIAL)),
    case(
        "initial events without a match of versions",
        create(_A),
        watch("configmaps", sendInitialEvents="true"),
        watch("configmaps", sendInitialEvents="true", resourceVersionMatch="Exact"),
    ),
    case(
        "a match of versions without initial events",
        create(_A),
        watch("configmaps", _SINCE, resourceVersionMatch="NotOlderThan"),
        watch("configmaps", _SINCE, resourceVersionMatch="Exact"),
    ),
    case("bookmarks alone", create(_A), watch("configmaps", _SINCE, allowWatchBookmarks="true")),
)
_SELECTIONS = (
    case(
        "by labels an object comes into sight and goes out of it",
        *_SIGHT,
        watch("configmaps", _SINCE, labelSelector="l=1"),
    ),
    case("by labels that are not equal", *_SIGHT, watch("configmaps", _SINCE, labelSelector="l!=1")),
    case("by a set of labels", *_SIGHT, watch("configmaps", _SINCE, labelSelector="l in (2,3)")),
    case("by a label that is there", *_SIGHT, watch("configmaps", _SINCE, labelSelector="l")),
    case("by a label that is not there", *_SIGHT, watch("configmaps", _SINCE, labelSelector="!l")),
    case("the beginning of a selection", *_SIGHT[:4], watch("configmaps", labelSelector="l=1")),
    case("by name", *_LIFE, watch("configmaps", _SINCE, fieldSelector="metadata.name=b")),
    case("by another name", *_LIFE, watch("configmaps", _SINCE, fieldSelector="metadata.name!=b")),
    case(
        "by a field that cannot be selected",
        create(_A),
        watch("configmaps", _SINCE, fieldSelector="data.x=1"),
        get("configmaps", fieldSelector="data.x=1"),
    ),
    case(
        "by a selector that cannot be read",
        create(_A),
        watch("configmaps", labelSelector="l in"),
        get("configmaps", labelSelector="=x"),
        get("configmaps", fieldSelector="metadata.name"),
    ),
    case(
        "by a field of a custom kind",
        *_WIDGETS,
        watch("widgets", _SINCE, fieldSelector="spec.name=x"),
        get("widgets", fieldSelector="spec.name=y"),
    ),
    case(
        "by the type of a secret",
        create("secrets/a", {"type": "t.test/x"}),
        create("secrets/b"),
        delete("secrets/a"),
        watch("secrets", _SINCE, fieldSelector="type=Opaque"),
        get("secrets", fieldSelector="type=t.test/x"),
    ),
    case("one object alone", *_LIFE, watch(_A, _SINCE), watch(_B, _SINCE), watch(_B)),
    case("one object that is not there", create(_A), watch("configmaps/zz", _SINCE)),
    case(
        "by label and field",
        *_LIFE,
        watch("configmaps", _SINCE, labelSelector="l=2", fieldSelector="metadata.name=b"),
    ),
)
_FORMS = (
    case(
        "metadata alone",
        *_LIFE,
        watch("configmaps", _SINCE, accept=_PARTIAL),
        watch("configmaps", accept=_PARTIAL),
    ),
    case(
        "rows of a table", *_WIDGETS, watch("widgets", _SINCE, accept=_TABLE), get("widgets", accept=_TABLE)
    ),
    case(
        "rows of a table with whole objects",
        *_WIDGETS[:2],
        watch("widgets", accept=_TABLE, includeObject="Object"),
        get("widgets", accept=_TABLE, includeObject="None"),
    ),
    case("a custom kind", *_WIDGETS, watch("widgets", _SINCE)),
    case(
        "statuses of a custom kind",
        create("widgets/a", {"spec": {"size": 1}}),
        patch("widgets/a/status", {"status": {"phase": "x"}}),
        patch("widgets/a/scale", {"spec": {"replicas": 3}}),
        watch("widgets", _SINCE),
    ),
    case(
        "the old path of a watch",
        *_LIFE,
        Step(
            method="GET",
            on="/api/v1/watch/namespaces/NS/configmaps",
            query={"watch": "true", "timeoutSeconds": "1", "resourceVersion": _SINCE},
        ),
    ),
)
_ENDINGS = (
    case(
        "a deletion that waits for a finalizer",
        create(_A, {"metadata": {"finalizers": ["t.test/a"]}}),
        delete(_A),
        patch(_A, _data(x="1")),
        patch(_A, {"metadata": {"finalizers": None}}),
        watch("configmaps", _SINCE),
    ),
    case(
        "a collection is deleted",
        create(_A, _labels(l="1")),
        create(_B, _labels(l="1")),
        create("configmaps/c"),
        delete("configmaps", labelSelector="l=1"),
        watch("configmaps", _SINCE),
    ),
    case(
        "an object is made anew",
        create(_A, _data(x="1")),
        delete(_A),
        create(_A, _data(x="2")),
        watch("configmaps", _SINCE),
    ),
    case(
        "every namespace",
        create(_A, _labels(t="NS")),
        patch(_A, _data(x="1")),
        delete(_A),
        Step(
            method="GET",
            on="/api/v1/configmaps",
            query={
                "watch": "true",
                "timeoutSeconds": "1",
                "resourceVersion": _SINCE,
                "labelSelector": "t=NS",
            },
        ),
    ),
    case(
        "a kind without namespaces",
        create("gadgets/NS", {**_labels(t="NS"), "spec": {"size": 1}}),
        patch("gadgets/NS", {"spec": {"size": 2}}),
        delete("gadgets/NS"),
        watch("gadgets", _SINCE, labelSelector="t=NS"),
    ),
    case(
        "a kind that is not served",
        Step(method="GET", on="/apis/nowhere.test/v1/things", query={"watch": "true", "timeoutSeconds": "1"}),
    ),
)

CASES: tuple[Case, ...] = (*_VERSIONS, *_BEGINNINGS, *_SELECTIONS, *_FORMS, *_ENDINGS)
