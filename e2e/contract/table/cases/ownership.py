"""Who owns which field after which writes, and who is refused."""

import json
from typing import Any

from e2e.contract.table.case import (
    APPLY,
    GROUP,
    Case,
    Step,
    apply,
    case,
    create,
    delete,
    get,
    json_patch,
    patch,
    path_of,
    strategic,
    update,
)

_CM, _WIDGET, _DEPLOY = "configmaps/a", "widgets/a", "deployments/a"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_POD = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
_DEPLOYMENT: dict[str, Any] = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _POD}}


def _data(**data: Any) -> dict[str, Any]:
    return {"data": data}


def _spec(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def _meta(**metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata}


def _yaml(text: str) -> Step:
    return Step(method="PATCH", on=path_of(_CM), body=text, query={"fieldManager": "one"}, media_type=APPLY)


def _noted(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an object as kubectl's client-side apply creates it."""
    configured = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": spec}
    return {"metadata": {"annotations": {_LAST_APPLIED: json.dumps(configured) + "\n", **more}}, "data": spec}


_TWO = (
    case("two appliers of different fields", apply(_CM, _data(x="1")), apply(_CM, _data(y="2"), by="two")),
    case("two appliers of one value share it", apply(_CM, _data(x="1")), apply(_CM, _data(x="1"), by="two")),
    case("another value conflicts", apply(_CM, _data(x="1")), apply(_CM, _data(x="2"), by="two")),
    case(
        "force takes the field over",
        apply(_CM, _data(x="1", y="1")),
        apply(_CM, _data(x="2"), by="two", force=True),
    ),
    case(
        "who lost a field by force and applies it again conflicts",
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="2"), by="two", force=True),
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="2")),
    ),
    case(
        "many fields conflict with many managers",
        apply(_CM, _data(x="1", y="1")),
        apply(_CM, _data(z="1"), by="two"),
        patch(_CM, _data(w="1"), by="three"),
        apply(_CM, _data(w="9", x="9", y="9", z="9"), by="four"),
    ),
    case("a field not applied again is removed", apply(_CM, _data(x="1", y="1")), apply(_CM, _data(x="1"))),
    case(
        "a shared field stays when one owner drops it",
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="1"), by="two"),
        apply(_CM, {}),
        apply(_CM, {}, by="two"),
    ),
    case(
        "the last field takes its map along",
        apply(_CM, _data(x="1")),
        apply(_CM, {}),
        apply(_CM, _data(x="2")),
    ),
    case("an apply again changes nothing", apply(_CM, _data(x="1")), apply(_CM, _data(x="1"))),
    case("an empty apply owns nothing", apply(_CM, {}), apply(_CM, {}, by="two")),
    case(
        "force without a conflict shares",
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="1"), by="two", force=True),
    ),
    case(
        "labels and annotations are owned key by key",
        apply(_CM, _meta(labels={"x": "1"}, annotations={"n/x": "1"})),
        apply(_CM, _meta(labels={"y": "1"}, annotations={"n/y": "1"}), by="two"),
        apply(_CM, _meta(labels={"x": "2"}), by="two"),
        apply(_CM, {}),
    ),
    case(
        "finalizers are owned one by one",
        apply(_CM, _meta(finalizers=["t.test/a"])),
        apply(_CM, _meta(finalizers=["t.test/b"]), by="two"),
        apply(_CM, {}),
        apply(_CM, {}, by="two"),
    ),
    case(
        "owner references are owned by uid",
        create("configmaps/owner", {}),
        apply(
            _CM,
            _meta(
                ownerReferences=[
                    {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "<0.metadata.uid>"}
                ]
            ),
        ),
        apply(_CM, {}, by="two"),
        apply(_CM, {}),
    ),
)
_MIXES = (
    case(
        "an update takes over what it changes",
        apply(_CM, _data(x="1", y="1")),
        update(_CM, _data(x="2", y="1")),
    ),
    case(
        "an applier conflicts with an update",
        apply(_CM, _data(x="1")),
        update(_CM, _data(x="2")),
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="1"), force=True),
    ),
    case(
        "an update that removes an applied field",
        apply(_CM, _data(x="1", y="1")),
        update(_CM, _data(x="1")),
        apply(_CM, _data(x="1", y="1")),
    ),
    case(
        "a field of an update survives applies",
        apply(_CM, _data(x="1")),
        patch(_CM, _data(y="1")),
        apply(_CM, _data(x="2")),
        apply(_CM, {}),
    ),
    case(
        "the same manager by apply and update",
        apply(_CM, _data(x="1")),
        update(_CM, _data(x="2", y="1"), by="one"),
        apply(_CM, _data(x="3")),
        apply(_CM, _data(x="3"), force=True),
    ),
    case(
        "create then apply by another",
        create(_CM, _data(x="1", y="1")),
        apply(_CM, _data(x="1")),
        apply(_CM, _data(x="2")),
        apply(_CM, _data(x="2"), force=True),
    ),
    case(
        "a patch by each form has an owner",
        create(_CM, _data(x="1")),
        patch(_CM, _data(a="1"), by="merger"),
        strategic(_CM, _data(b="1"), by="strategist"),
        json_patch(_CM, {"op": "add", "path": "/data/c", "value": "1"}, by="operator"),
    ),
    case(
        "a patch to the same value owns nothing",
        create(_CM, _data(x="1")),
        patch(_CM, _data(x="1"), by="merger"),
        update(_CM, _data(x="1"), by="putter"),
    ),
    case(
        "an update that removes all data",
        create(_CM, _data(x="1")),
        update(_CM, {}),
        update(_CM, _data(x="1"), by="two"),
    ),
    case(
        "without a manager the user agent is named",
        create(_CM, _data(x="1"), by=""),
        patch(_CM, _data(x="2"), by=""),
    ),
    case("an apply without a manager is refused", apply(_CM, _data(x="1"), by="")),
    case(
        "a manager with a name that is too long",
        apply(_CM, _data(x="1"), by="m" * 129),
        create(_CM, {}, by="m" * 128),
    ),
    case("a manager with a name that is not printed", create(_CM, {}, by="a\tb"), apply(_CM, {}, by="a\nb")),
    case(
        "force is for applies only",
        create(_CM, _data(x="1"), force="true"),
        patch(_CM, _data(x="2"), force="true"),
        patch(_CM, _data(x="3"), force="false"),
        update(_CM, _data(x="4"), force="true"),
    ),
    case(
        "eleven updaters are folded into ten",
        create(_CM, _data(x="0"), by="m00"),
        *(patch(_CM, _data(**{f"k{number}": "1"}), by=f"m{number:02}") for number in range(1, 13)),
        apply(_CM, _data(k1="9")),
    ),
    case(
        "appliers are never folded",
        *(apply(_CM, _data(**{f"k{number}": "1"}), by=f"m{number:02}") for number in range(12)),
        patch(_CM, _data(z="1")),
    ),
    case(
        "one manager for several versions of writes",
        create(_CM, _data(x="1"), by="same"),
        patch(_CM, _data(y="1"), by="same"),
        patch(_CM, _data(x=None), by="same"),
        patch(_CM, _data(y=None), by="same"),
    ),
)
_BOOKS = (
    case(
        "managedFields are emptied by a patch",
        apply(_CM, _data(x="1")),
        patch(_CM, _meta(managedFields=[{}])),
        apply(_CM, _data(x="2"), by="two"),
    ),
    case(
        "managedFields are emptied by an update",
        apply(_CM, _data(x="1")),
        update(_CM, {**_data(x="1"), **_meta(managedFields=[{}])}),
        apply(_CM, _data(y="2"), by="two"),
        apply(_CM, _data(x="2"), by="two"),
    ),
    case(
        "an empty list of managers is as none",
        apply(_CM, _data(x="1")),
        update(_CM, {**_data(x="1"), **_meta(managedFields=[])}),
        patch(_CM, _meta(managedFields=None)),
    ),
    case(
        "managedFields that are not understood",
        apply(_CM, _data(x="1")),
        update(_CM, {**_data(x="2"), **_meta(managedFields=[{"manager": "m", "operation": "Nonsense"}])}),
        update(
            _CM,
            {
                **_data(x="3"),
                **_meta(
                    managedFields=[
                        {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "Other"}
                    ]
                ),
            },
        ),
    ),
    case(
        "a manager is written by hand",
        create(_CM, _data(x="1")),
        patch(
            _CM,
            _meta(
                managedFields=[
                    {
                        "manager": "hand",
                        "operation": "Apply",
                        "apiVersion": "v1",
                        "fieldsType": "FieldsV1",
                        "fieldsV1": {"f:data": {"f:x": {}}},
                    }
                ]
            ),
        ),
        apply(_CM, {}, by="hand"),
    ),
    case(
        "a manager is renamed by a json patch",
        apply(_CM, _data(x="1")),
        json_patch(_CM, {"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "two"}),
        apply(_CM, _data(x="2"), by="two"),
        apply(_CM, _data(x="3"), by="one"),
    ),
    case(
        "an apply that brings managers is refused",
        apply(_CM, {**_data(x="1"), **_meta(managedFields=[{"manager": "m", "operation": "Apply"}])}),
    ),
    case(
        "an apply that brings no managers in a list",
        apply(_CM, {**_data(x="1"), **_meta(managedFields=[])}),
    ),
    case(
        "creating with managers of one's own",
        create(
            _CM,
            {
                **_data(x="1", y="1"),
                **_meta(
                    managedFields=[
                        {
                            "manager": "hand",
                            "operation": "Apply",
                            "apiVersion": "v1",
                            "fieldsType": "FieldsV1",
                            "fieldsV1": {"f:data": {"f:x": {}}},
                        }
                    ]
                ),
            },
        ),
        apply(_CM, _data(x="2")),
    ),
    case(
        "what was never tracked belongs to before-first-apply",
        create(_CM, _data(x="1", y="1")),
        patch(_CM, _meta(managedFields=[{}])),
        apply(_CM, _data(x="2")),
        apply(_CM, _data(x="2"), force=True),
        apply(_CM, _data(y="1")),
    ),
)
_IDENTITY = (
    case(
        "an apply creates without a version", apply(_CM, _data(x="1")), apply(_CM, _meta(resourceVersion="1"))
    ),
    case(
        "an apply with the newest version",
        apply(_CM, _data(x="1")),
        apply(_CM, {**_data(x="2"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
        apply(_CM, {**_data(x="3"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
    ),
    case(
        "an apply with a version of what is not there",
        apply(_CM, {**_data(x="1"), **_meta(resourceVersion="1")}),
    ),
    case("a create with a version is refused", create(_CM, _meta(resourceVersion="1"))),
    case("a create with version 0 is refused", create(_CM, _meta(resourceVersion="0"))),
    case(
        "an apply with a uid of what is not there",
        apply(_CM, _meta(uid="11111111-2222-3333-4444-555555555555")),
    ),
    case(
        "an apply with another uid",
        apply(_CM, _data(x="1")),
        apply(_CM, {**_data(x="2"), **_meta(uid="11111111-2222-3333-4444-555555555555")}),
        apply(_CM, {**_data(x="2"), **_meta(uid="<0.metadata.uid>")}),
    ),
    case(
        "updates with the right and another uid",
        create(_CM, _data(x="1")),
        update(_CM, {**_data(x="2"), **_meta(uid="<0.metadata.uid>")}),
        update(_CM, {**_data(x="3"), **_meta(uid="11111111-2222-3333-4444-555555555555")}),
        patch(_CM, _meta(uid="11111111-2222-3333-4444-555555555555")),
    ),
    case(
        "updates over an old version, none and 0",
        create(_CM, _data(x="1")),
        update(_CM, _data(x="2")),
        update(_CM, {**_data(x="3"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
        update(_CM, {**_data(x="3"), **_meta(resourceVersion="0")}),
        update(_CM, {**_data(x="4"), **_meta(resourceVersion="x")}),
    ),
    *(
        case(
            f"{plural} are not replaced without their version",
            create(f"{plural}/a", body),
            update(f"{plural}/a", body),
            update(
                f"{plural}/a",
                {
                    **body,
                    "metadata": {"labels": {"l": "1"}, "resourceVersion": "<0.metadata.resourceVersion>"},
                },
            ),
        )
        for plural, body in (
            ("leases", {"spec": {"holderIdentity": "h"}}),
            ("poddisruptionbudgets", {"spec": {"minAvailable": 1}}),
            (
                "persistentvolumeclaims",
                {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}},
            ),
        )
    ),
    case(
        "a custom kind is not replaced without its version",
        create(_WIDGET, _spec(size=1)),
        update(_WIDGET, _spec(size=2)),
        update(_WIDGET, {**_spec(size=3), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
    ),
    case(
        "patches with an old and the newest version",
        create(_CM, _data(x="1")),
        patch(_CM, {**_data(x="2"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
        patch(_CM, {**_data(x="3"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
        strategic(_CM, {**_data(x="3"), **_meta(resourceVersion="<0.metadata.resourceVersion>")}),
        json_patch(_CM, {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}),
    ),
    case("an object is created twice", create(_CM, _data(x="1")), create(_CM, _data(x="2"))),
    case(
        "names that do not agree",
        update(_CM, _meta(name="b")),
        apply(_CM, _meta(name="b")),
        create(_CM, _data(x="1")),
        update(_CM, _meta(name="b")),
        patch(_CM, _meta(name="b")),
        apply(_CM, _meta(name="b")),
    ),
    case(
        "namespaces that do not agree",
        create(_CM, _meta(namespace="other")),
        create(_CM, _data(x="1")),
        update(_CM, _meta(namespace="other")),
        patch(_CM, _meta(namespace="other")),
        apply(_CM, _meta(namespace="other")),
    ),
    case(
        "what is not there is not changed",
        update(_CM, {}),
        patch(_CM, {}),
        json_patch(_CM),
        strategic(_CM, {}),
    ),
)
_DRY = (
    case("a dry apply of a new object", apply(_CM, _data(x="1"), dry=True)),
    case("a dry create leaves nothing", create(_CM, _data(x="1"), dry=True), create(_CM, _data(x="1"))),
    case(
        "dry writes of what is there",
        create(_CM, _data(x="1")),
        apply(_CM, _data(y="1"), dry=True),
        apply(_CM, _data(x="2"), dry=True),
        apply(_CM, _data(x="2"), dry=True, force=True),
        patch(_CM, _data(x="3"), dry=True),
        update(_CM, _data(x="4"), dry=True),
        delete(_CM, dryRun="All"),
        delete(_CM, {"dryRun": ["All"]}),
    ),
    case(
        "dry means all or nothing",
        create(_CM, {}, dryRun="Some"),
        apply(_CM, {}, dryRun=""),
        delete(_CM, dryRun="Some"),
        delete(_CM, {"dryRun": ["Some"]}),
    ),
)
_CLIENT_SIDE = (
    case(
        "the upgrade from client side apply",
        create(_CM, _noted({"x": "1", "y": "1"}), by="kubectl-client-side-apply"),
        apply(_CM, _data(x="2"), by="kubectl"),
        apply(_CM, _data(x="2"), by="kubectl"),
    ),
    case(
        "another manager conflicts with client side apply",
        create(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
        apply(_CM, _data(x="2"), by="flux"),
        apply(_CM, _data(x="2"), by="flux", force=True),
        apply(_CM, {}, by="flux"),
    ),
    case(
        "the annotation of client side apply follows kubectl's server side one",
        create(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
        apply(_CM, {**_data(x="1", z="1"), **_meta(labels={"l": "1"})}, by="kubectl"),
        patch(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
    ),
    case(
        "an edit after client side apply",
        create(_CM, _noted({"x": "1", "y": "1"}), by="kubectl-client-side-apply"),
        patch(_CM, _data(x="5"), by="kubectl-edit"),
        apply(_CM, _data(x="1"), by="kubectl"),
        apply(_CM, _data(x="1"), by="kubectl", force=True),
    ),
    case(
        "an annotation that is no configuration",
        create(
            _CM,
            {**_data(x="1"), **_meta(annotations={_LAST_APPLIED: "nonsense"})},
            by="kubectl-client-side-apply",
        ),
        apply(_CM, _data(x="2"), by="kubectl"),
    ),
)
_SUBRESOURCES = (
    case(
        "a status has entries of its own",
        apply(_WIDGET, _spec(size=1)),
        apply("widgets/a/status", {"status": {"phase": "x"}}, by="one"),
        patch("widgets/a/status", {"status": {"replicas": 2}, "spec": {"size": 9}}, by="two"),
        apply("widgets/a/status", {"status": {"phase": "y"}}, by="two"),
        apply("widgets/a/status", {"status": {"phase": "y"}}, by="two", force=True),
        apply(_WIDGET, {"spec": {"size": 2}, "status": {"phase": "z"}}),
    ),
    case(
        "the status of a built-in kind",
        apply(_DEPLOY, _DEPLOYMENT),
        patch("deployments/a/status", {"status": {"replicas": 2}, "spec": {"replicas": 9}}, by="two"),
        apply("deployments/a/status", {"status": {"replicas": 3}}, by="three"),
        apply("deployments/a/status", {"status": {"replicas": 3}}, by="three", force=True),
        update(_DEPLOY, {**_DEPLOYMENT, "status": {"replicas": 7}}),
    ),
    case(
        "a scale takes over the replicas",
        apply(_DEPLOY, {"spec": {**_DEPLOYMENT["spec"], "replicas": 1}}),
        patch("deployments/a/scale", _spec(replicas=3), by="scaler"),
        apply(_DEPLOY, {"spec": {**_DEPLOYMENT["spec"], "replicas": 1}}),
        apply(_DEPLOY, _DEPLOYMENT),
        patch("deployments/a/scale", _spec(replicas=4), by="scaler"),
    ),
    case(
        "a scale of a custom kind",
        apply(_WIDGET, _spec(replicas=2)),
        patch("widgets/a/scale", _spec(replicas=3), by="scaler"),
        apply(_WIDGET, _spec(replicas=2)),
        apply(_WIDGET, _spec(replicas=2), force=True),
    ),
    case(
        "an apply to a status of what is not there",
        apply("widgets/a/status", {"status": {"phase": "x"}}),
        patch("widgets/a/status", {"status": {"phase": "x"}}),
    ),
    case(
        "labels are not written with the status of a custom kind",
        create(_WIDGET, _spec(size=1)),
        patch("widgets/a/status", {"metadata": {"labels": {"x": "1"}}, "status": {"phase": "a"}}, by="two"),
        apply(
            "widgets/a/status",
            {"metadata": {"labels": {"y": "1"}}, "status": {"phase": "b"}},
            by="three",
            force=True,
        ),
    ),
)
_STRUCTURES = (
    case(
        "a set is owned value by value",
        apply(_WIDGET, _spec(tags=["a", "b"])),
        apply(_WIDGET, _spec(tags=["b", "c"]), by="two"),
        apply(_WIDGET, _spec(tags=["a"])),
        apply(_WIDGET, _spec(tags=["c"]), by="two"),
    ),
    case(
        "a set with a value twice",
        apply(_WIDGET, _spec(tags=["a", "a"])),
        create(_WIDGET, _spec(tags=["a", "a"])),
    ),
    case(
        "an atomic list is owned whole",
        apply(_WIDGET, _spec(args=["a"])),
        apply(_WIDGET, _spec(args=["a", "b"]), by="two"),
        apply(_WIDGET, _spec(args=["a", "b"]), by="two", force=True),
    ),
    case(
        "an atomic map is owned whole",
        apply(_WIDGET, _spec(whole={"a": "1"})),
        apply(_WIDGET, _spec(whole={"b": "1"}), by="two"),
        apply(_WIDGET, _spec(whole={"b": "1"}), by="two", force=True),
    ),
    case(
        "items are owned by their keys, defaults included",
        apply(_WIDGET, _spec(items=[{"name": "a", "size": 1}, {"name": "b"}])),
        apply(_WIDGET, _spec(items=[{"name": "a", "proto": "UDP"}, {"name": "b", "size": 2}]), by="two"),
        apply(_WIDGET, _spec(items=[{"name": "b"}])),
        apply(_WIDGET, _spec(items=[])),
        apply(_WIDGET, _spec(), by="two"),
    ),
    case(
        "an item twice",
        apply(_WIDGET, _spec(items=[{"name": "a"}, {"name": "a", "proto": "TCP"}])),
        create(_WIDGET, _spec(items=[{"name": "a"}, {"name": "a"}])),
    ),
    case(
        "free content is owned field by field",
        apply(_WIDGET, _spec(free={"a": {"b": 1}, "l": [1]})),
        apply(_WIDGET, _spec(free={"a": {"c": 1}}), by="two"),
        apply(_WIDGET, _spec(free={"a": {"b": 2}}), by="two"),
        apply(_WIDGET, _spec(free={"l": [1, 2]}), by="two"),
        apply(_WIDGET, _spec(free={})),
    ),
    case(
        "a whole part is taken away under another's fields",
        apply(_WIDGET, _spec(nested={"x": "1", "y": {"z": 1}})),
        apply(_WIDGET, _spec(nested={"y": {"z": 1}}), by="two"),
        apply(_WIDGET, _spec()),
        patch(_WIDGET, _spec(nested=None), by="three"),
        apply(_WIDGET, _spec(nested={"x": "2"}), by="two"),
    ),
    case(
        "null in an apply",
        apply(_WIDGET, _spec(name="x", size=1)),
        apply(_WIDGET, _spec(name=None, size=1)),
        apply(_CM, _data(x=None)),
        apply(_WIDGET, _spec(nested=None), by="two"),
        apply(_WIDGET, _spec(items=None), by="two"),
    ),
    case(
        "fields that no schema knows",
        apply(_CM, {"data": {"x": "1"}, "bogus": 1}),
        apply(_WIDGET, _spec(bogus=1)),
        apply(_WIDGET, _spec(size=1, bogus=1), fieldValidation="Ignore"),
        apply(_WIDGET, _spec(size=1, bogus=1), fieldValidation="Warn"),
        apply(_WIDGET, _spec(size=1, bogus=1), fieldValidation="Strict"),
        create("widgets/b", _spec(bogus=1)),
        create("widgets/b", _spec(bogus=1), fieldValidation="Strict"),
        create("configmaps/b", {"bogus": {"a": 1}}),
        create("configmaps/c", {"bogus": {"a": 1}}, fieldValidation="Strict"),
        create("configmaps/c", {}, fieldValidation="Sloppy"),
    ),
    case(
        "values of a wrong type in an apply",
        apply(_WIDGET, _spec(size="x")),
        apply(_CM, {"data": "x"}),
        apply(_CM, {"data": {"x": 1}}),
        apply(_WIDGET, _spec(items={"a": 1})),
        apply(_DEPLOY, _spec(replicas="x")),
    ),
    case(
        "an apply in another version of the kind",
        apply(_CM, {"apiVersion": "v2"}),
        apply(_CM, {"kind": "Secret"}),
        apply(_WIDGET, {"apiVersion": f"{GROUP}/v2"}),
        apply(_WIDGET, {"apiVersion": "other.test/v1"}),
    ),
    case(
        "defaults of a custom kind are nobody's",
        apply(_WIDGET, _spec(size=1)),
        apply(_WIDGET, _spec(replicas=2, mode="Off"), by="two"),
        apply(_WIDGET, {}, by="two"),
    ),
    case(
        "containers are owned by name, their ports by port and protocol",
        apply(_DEPLOY, _DEPLOYMENT),
        apply(
            _DEPLOY,
            {
                "spec": {
                    "template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}
                }
            },
            by="two",
        ),
        apply(
            _DEPLOY,
            {"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}},
            by="three",
        ),
        apply(
            _DEPLOY,
            {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "z"}]}}}},
            by="three",
        ),
        apply(_DEPLOY, {}, by="two"),
        get("deployments"),
    ),
    case(
        "an apply in YAML",
        _yaml("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  x: '1'\n"),
        _yaml("- a\n"),
        _yaml(""),
    ),
)

CASES: tuple[Case, ...] = (
    *_TWO,
    *_MIXES,
    *_BOOKS,
    *_IDENTITY,
    *_DRY,
    *_CLIENT_SIDE,
    *_SUBRESOURCES,
    *_STRUCTURES,
)
