"""Who owns which field after which writes, and who is refused."""

import json
from typing import Any

from e2e.contract.table.case import (
    Case,
    apply,
    case,
    create,
    data,
    delete,
    json_patch,
    meta,
    patch,
    spec,
    strategic,
    update,
)

_CM, _WIDGET = "configmaps/a", "widgets/a"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def _noted(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an object as kubectl's client-side apply creates it."""
    configured = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": spec}
    return {"metadata": {"annotations": {_LAST_APPLIED: json.dumps(configured) + "\n", **more}}, "data": spec}


_TWO = (
    case("two appliers of different fields", apply(_CM, data(x="1")), apply(_CM, data(y="2"), by="two")),
    case("two appliers of one value share it", apply(_CM, data(x="1")), apply(_CM, data(x="1"), by="two")),
    case("another value conflicts", apply(_CM, data(x="1")), apply(_CM, data(x="2"), by="two")),
    case(
        "force takes the field over",
        apply(_CM, data(x="1", y="1")),
        apply(_CM, data(x="2"), by="two", force=True),
    ),
    case(
        "who lost a field by force and applies it again conflicts",
        apply(_CM, data(x="1")),
        apply(_CM, data(x="2"), by="two", force=True),
        apply(_CM, data(x="1")),
        apply(_CM, data(x="2")),
    ),
    case(
        "many fields conflict with many managers",
        apply(_CM, data(x="1", y="1")),
        apply(_CM, data(z="1"), by="two"),
        patch(_CM, data(w="1"), by="three"),
        apply(_CM, data(w="9", x="9", y="9", z="9"), by="four"),
    ),
    case("a field not applied again is removed", apply(_CM, data(x="1", y="1")), apply(_CM, data(x="1"))),
    case(
        "a shared field stays when one owner drops it",
        apply(_CM, data(x="1")),
        apply(_CM, data(x="1"), by="two"),
        apply(_CM, {}),
        apply(_CM, {}, by="two"),
    ),
    case(
        "the last field takes its map along",
        apply(_CM, data(x="1")),
        apply(_CM, {}),
        apply(_CM, data(x="2")),
    ),
    case("an apply again changes nothing", apply(_CM, data(x="1")), apply(_CM, data(x="1"))),
    case("an empty apply owns nothing", apply(_CM, {}), apply(_CM, {}, by="two")),
    case(
        "force without a conflict shares",
        apply(_CM, data(x="1")),
        apply(_CM, data(x="1"), by="two", force=True),
    ),
    case(
        "labels and annotations are owned key by key",
        apply(_CM, meta(labels={"x": "1"}, annotations={"n/x": "1"})),
        apply(_CM, meta(labels={"y": "1"}, annotations={"n/y": "1"}), by="two"),
        apply(_CM, meta(labels={"x": "2"}), by="two"),
        apply(_CM, {}),
    ),
    case(
        "finalizers are owned one by one",
        apply(_CM, meta(finalizers=["t.test/a"])),
        apply(_CM, meta(finalizers=["t.test/b"]), by="two"),
        apply(_CM, {}),
        apply(_CM, {}, by="two"),
    ),
    case(
        "owner references are owned by uid",
        create("configmaps/owner", {}),
        apply(
            _CM,
            meta(
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
        apply(_CM, data(x="1", y="1")),
        update(_CM, data(x="2", y="1")),
    ),
    case(
        "an applier conflicts with an update",
        apply(_CM, data(x="1")),
        update(_CM, data(x="2")),
        apply(_CM, data(x="1")),
        apply(_CM, data(x="1"), force=True),
    ),
    case(
        "an update that removes an applied field",
        apply(_CM, data(x="1", y="1")),
        update(_CM, data(x="1")),
        apply(_CM, data(x="1", y="1")),
    ),
    case(
        "a field of an update survives applies",
        apply(_CM, data(x="1")),
        patch(_CM, data(y="1")),
        apply(_CM, data(x="2")),
        apply(_CM, {}),
    ),
    case(
        "the same manager by apply and update",
        apply(_CM, data(x="1")),
        update(_CM, data(x="2", y="1"), by="one"),
        apply(_CM, data(x="3")),
        apply(_CM, data(x="3"), force=True),
    ),
    case(
        "create then apply by another",
        create(_CM, data(x="1", y="1")),
        apply(_CM, data(x="1")),
        apply(_CM, data(x="2")),
        apply(_CM, data(x="2"), force=True),
    ),
    case(
        "a patch by each form has an owner",
        create(_CM, data(x="1")),
        patch(_CM, data(a="1"), by="merger"),
        strategic(_CM, data(b="1"), by="strategist"),
        json_patch(_CM, {"op": "add", "path": "/data/c", "value": "1"}, by="operator"),
    ),
    case(
        "a patch to the same value owns nothing",
        create(_CM, data(x="1")),
        patch(_CM, data(x="1"), by="merger"),
        update(_CM, data(x="1"), by="putter"),
    ),
    case(
        "an update that removes all data",
        create(_CM, data(x="1")),
        update(_CM, {}),
        update(_CM, data(x="1"), by="two"),
    ),
    case(
        "without a manager the user agent is named",
        create(_CM, data(x="1"), by=""),
        patch(_CM, data(x="2"), by=""),
    ),
    case("an apply without a manager is refused", apply(_CM, data(x="1"), by="")),
    case(
        "a manager with a name that is too long",
        apply(_CM, data(x="1"), by="m" * 129),
        create(_CM, {}, by="m" * 128),
    ),
    case("a manager with a name that is not printed", create(_CM, {}, by="a\tb"), apply(_CM, {}, by="a\nb")),
    case(
        "force is for applies only",
        create(_CM, data(x="1"), force="true"),
        patch(_CM, data(x="2"), force="true"),
        patch(_CM, data(x="3"), force="false"),
        update(_CM, data(x="4"), force="true"),
    ),
    case(
        "eleven updaters are folded into ten",
        create(_CM, data(x="0"), by="m00"),
        *(patch(_CM, data(**{f"k{number}": "1"}), by=f"m{number:02}") for number in range(1, 13)),
        apply(_CM, data(k1="9")),
    ),
    case(
        "appliers are never folded",
        *(apply(_CM, data(**{f"k{number}": "1"}), by=f"m{number:02}") for number in range(12)),
        patch(_CM, data(z="1")),
    ),
    case(
        "one manager for several versions of writes",
        create(_CM, data(x="1"), by="same"),
        patch(_CM, data(y="1"), by="same"),
        patch(_CM, data(x=None), by="same"),
        patch(_CM, data(y=None), by="same"),
    ),
)
_BOOKS = (
    case(
        "managedFields are emptied by a patch",
        apply(_CM, data(x="1")),
        patch(_CM, meta(managedFields=[{}])),
        apply(_CM, data(x="2"), by="two"),
    ),
    case(
        "managedFields are emptied by an update",
        apply(_CM, data(x="1")),
        update(_CM, {**data(x="1"), **meta(managedFields=[{}])}),
        apply(_CM, data(y="2"), by="two"),
        apply(_CM, data(x="2"), by="two"),
    ),
    case(
        "an empty list of managers is as none",
        apply(_CM, data(x="1")),
        update(_CM, {**data(x="1"), **meta(managedFields=[])}),
        patch(_CM, meta(managedFields=None)),
    ),
    case(
        "managedFields that are not understood",
        apply(_CM, data(x="1")),
        update(_CM, {**data(x="2"), **meta(managedFields=[{"manager": "m", "operation": "Nonsense"}])}),
        update(
            _CM,
            {
                **data(x="3"),
                **meta(
                    managedFields=[
                        {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "Other"}
                    ]
                ),
            },
        ),
    ),
    case(
        "a manager is written by hand",
        create(_CM, data(x="1")),
        patch(
            _CM,
            meta(
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
        apply(_CM, data(x="1")),
        json_patch(_CM, {"op": "replace", "path": "/metadata/managedFields/0/manager", "value": "two"}),
        apply(_CM, data(x="2"), by="two"),
        apply(_CM, data(x="3"), by="one"),
    ),
    case(
        "an apply that brings managers is refused",
        apply(_CM, {**data(x="1"), **meta(managedFields=[{"manager": "m", "operation": "Apply"}])}),
    ),
    case(
        "an apply that brings no managers in a list",
        apply(_CM, {**data(x="1"), **meta(managedFields=[])}),
    ),
    case(
        "creating with managers of one's own",
        create(
            _CM,
            {
                **data(x="1", y="1"),
                **meta(
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
        apply(_CM, data(x="2")),
    ),
    case(
        "what was never tracked belongs to before-first-apply",
        create(_CM, data(x="1", y="1")),
        patch(_CM, meta(managedFields=[{}])),
        apply(_CM, data(x="2")),
        apply(_CM, data(x="2"), force=True),
        apply(_CM, data(y="1")),
    ),
)
_IDENTITY = (
    case(
        "an apply creates without a version", apply(_CM, data(x="1")), apply(_CM, meta(resourceVersion="1"))
    ),
    case(
        "an apply with the newest version",
        apply(_CM, data(x="1")),
        apply(_CM, {**data(x="2"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
        apply(_CM, {**data(x="3"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
    ),
    case(
        "an apply with a version of what is not there",
        apply(_CM, {**data(x="1"), **meta(resourceVersion="1")}),
    ),
    case("a create with a version is refused", create(_CM, meta(resourceVersion="1"))),
    case("a create with version 0 is refused", create(_CM, meta(resourceVersion="0"))),
    case(
        "an apply with a uid of what is not there",
        apply(_CM, meta(uid="11111111-2222-3333-4444-555555555555")),
    ),
    case(
        "an apply with another uid",
        apply(_CM, data(x="1")),
        apply(_CM, {**data(x="2"), **meta(uid="11111111-2222-3333-4444-555555555555")}),
        apply(_CM, {**data(x="2"), **meta(uid="<0.metadata.uid>")}),
    ),
    case(
        "updates with the right and another uid",
        create(_CM, data(x="1")),
        update(_CM, {**data(x="2"), **meta(uid="<0.metadata.uid>")}),
        update(_CM, {**data(x="3"), **meta(uid="11111111-2222-3333-4444-555555555555")}),
        patch(_CM, meta(uid="11111111-2222-3333-4444-555555555555")),
    ),
    case(
        "updates over an old version, none and 0",
        create(_CM, data(x="1")),
        update(_CM, data(x="2")),
        update(_CM, {**data(x="3"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
        update(_CM, {**data(x="3"), **meta(resourceVersion="0")}),
        update(_CM, {**data(x="4"), **meta(resourceVersion="x")}),
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
        create(_WIDGET, spec(size=1)),
        update(_WIDGET, spec(size=2)),
        update(_WIDGET, {**spec(size=3), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
    ),
    case(
        "patches with an old and the newest version",
        create(_CM, data(x="1")),
        patch(_CM, {**data(x="2"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
        patch(_CM, {**data(x="3"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
        strategic(_CM, {**data(x="3"), **meta(resourceVersion="<0.metadata.resourceVersion>")}),
        json_patch(_CM, {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"}),
    ),
    case("an object is created twice", create(_CM, data(x="1")), create(_CM, data(x="2"))),
    case(
        "names that do not agree",
        update(_CM, meta(name="b")),
        apply(_CM, meta(name="b")),
        create(_CM, data(x="1")),
        update(_CM, meta(name="b")),
        patch(_CM, meta(name="b")),
        apply(_CM, meta(name="b")),
    ),
    case(
        "namespaces that do not agree",
        create(_CM, meta(namespace="other")),
        create(_CM, data(x="1")),
        update(_CM, meta(namespace="other")),
        patch(_CM, meta(namespace="other")),
        apply(_CM, meta(namespace="other")),
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
    case("a dry apply of a new object", apply(_CM, data(x="1"), dry=True)),
    case("a dry create leaves nothing", create(_CM, data(x="1"), dry=True), create(_CM, data(x="1"))),
    case(
        "dry writes of what is there",
        create(_CM, data(x="1")),
        apply(_CM, data(y="1"), dry=True),
        apply(_CM, data(x="2"), dry=True),
        apply(_CM, data(x="2"), dry=True, force=True),
        patch(_CM, data(x="3"), dry=True),
        update(_CM, data(x="4"), dry=True),
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
        apply(_CM, data(x="2"), by="kubectl"),
        apply(_CM, data(x="2"), by="kubectl"),
    ),
    case(
        "another manager conflicts with client side apply",
        create(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
        apply(_CM, data(x="2"), by="flux"),
        apply(_CM, data(x="2"), by="flux", force=True),
        apply(_CM, {}, by="flux"),
    ),
    case(
        "the annotation of client side apply follows kubectl's server side one",
        create(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
        apply(_CM, {**data(x="1", z="1"), **meta(labels={"l": "1"})}, by="kubectl"),
        patch(_CM, _noted({"x": "1"}), by="kubectl-client-side-apply"),
    ),
    case(
        "an edit after client side apply",
        create(_CM, _noted({"x": "1", "y": "1"}), by="kubectl-client-side-apply"),
        patch(_CM, data(x="5"), by="kubectl-edit"),
        apply(_CM, data(x="1"), by="kubectl"),
        apply(_CM, data(x="1"), by="kubectl", force=True),
    ),
    case(
        "an annotation that is no configuration",
        create(
            _CM,
            {**data(x="1"), **meta(annotations={_LAST_APPLIED: "nonsense"})},
            by="kubectl-client-side-apply",
        ),
        apply(_CM, data(x="2"), by="kubectl"),
    ),
)
CASES: tuple[Case, ...] = (
    *_TWO,
    *_MIXES,
    *_BOOKS,
    *_IDENTITY,
    *_DRY,
    *_CLIENT_SIDE,
)
