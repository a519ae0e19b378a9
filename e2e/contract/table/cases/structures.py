"""Who owns what in statuses, scales, lists, sets and free content, and of what no schema knows."""

from typing import Any

from e2e.contract.table.case import (
    APPLY,
    GROUP,
    Case,
    Step,
    apply,
    case,
    create,
    data,
    get,
    patch,
    path_of,
    spec,
    update,
)

_CM, _WIDGET, _DEPLOY = "configmaps/a", "widgets/a", "deployments/a"
_POD = {
    "metadata": {"labels": {"a": "b"}},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
_DEPLOYMENT: dict[str, Any] = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": _POD}}


def _yaml(text: str) -> Step:
    return Step(method="PATCH", on=path_of(_CM), body=text, query={"fieldManager": "one"}, media_type=APPLY)


_SUBRESOURCES = (
    case(
        "a status has entries of its own",
        apply(_WIDGET, spec(size=1)),
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
        patch("deployments/a/scale", spec(replicas=3), by="scaler"),
        apply(_DEPLOY, {"spec": {**_DEPLOYMENT["spec"], "replicas": 1}}),
        apply(_DEPLOY, _DEPLOYMENT),
        patch("deployments/a/scale", spec(replicas=4), by="scaler"),
    ),
    case(
        "a scale of a custom kind",
        apply(_WIDGET, spec(replicas=2)),
        patch("widgets/a/scale", spec(replicas=3), by="scaler"),
        apply(_WIDGET, spec(replicas=2)),
        apply(_WIDGET, spec(replicas=2), force=True),
    ),
    case(
        "an apply to a status of what is not there",
        apply("widgets/a/status", {"status": {"phase": "x"}}),
        patch("widgets/a/status", {"status": {"phase": "x"}}),
    ),
    case(
        "labels are not written with the status of a custom kind",
        create(_WIDGET, spec(size=1)),
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
        apply(_WIDGET, spec(tags=["a", "b"])),
        apply(_WIDGET, spec(tags=["b", "c"]), by="two"),
        apply(_WIDGET, spec(tags=["a"])),
        apply(_WIDGET, spec(tags=["c"]), by="two"),
    ),
    case(
        "a set with a value twice",
        apply(_WIDGET, spec(tags=["a", "a"])),
        create(_WIDGET, spec(tags=["a", "a"])),
    ),
    case(
        "an atomic list is owned whole",
        apply(_WIDGET, spec(args=["a"])),
        apply(_WIDGET, spec(args=["a", "b"]), by="two"),
        apply(_WIDGET, spec(args=["a", "b"]), by="two", force=True),
    ),
    case(
        "an atomic map is owned whole",
        apply(_WIDGET, spec(whole={"a": "1"})),
        apply(_WIDGET, spec(whole={"b": "1"}), by="two"),
        apply(_WIDGET, spec(whole={"b": "1"}), by="two", force=True),
    ),
    case(
        "items are owned by their keys, defaults included",
        apply(_WIDGET, spec(items=[{"name": "a", "size": 1}, {"name": "b"}])),
        apply(_WIDGET, spec(items=[{"name": "a", "proto": "UDP"}, {"name": "b", "size": 2}]), by="two"),
        apply(_WIDGET, spec(items=[{"name": "b"}])),
        apply(_WIDGET, spec(items=[])),
        apply(_WIDGET, spec(), by="two"),
    ),
    case(
        "an item twice",
        apply(_WIDGET, spec(items=[{"name": "a"}, {"name": "a", "proto": "TCP"}])),
        create(_WIDGET, spec(items=[{"name": "a"}, {"name": "a"}])),
    ),
    case(
        "free content is owned field by field",
        apply(_WIDGET, spec(free={"a": {"b": 1}, "l": [1]})),
        apply(_WIDGET, spec(free={"a": {"c": 1}}), by="two"),
        apply(_WIDGET, spec(free={"a": {"b": 2}}), by="two"),
        apply(_WIDGET, spec(free={"l": [1, 2]}), by="two"),
        apply(_WIDGET, spec(free={})),
    ),
    case(
        "a whole part is taken away under another's fields",
        apply(_WIDGET, spec(nested={"x": "1", "y": {"z": 1}})),
        apply(_WIDGET, spec(nested={"y": {"z": 1}}), by="two"),
        apply(_WIDGET, spec()),
        patch(_WIDGET, spec(nested=None), by="three"),
        apply(_WIDGET, spec(nested={"x": "2"}), by="two"),
    ),
    case(
        "null in an apply",
        apply(_WIDGET, spec(name="x", size=1)),
        apply(_WIDGET, spec(name=None, size=1)),
        apply(_CM, data(x=None)),
        apply(_WIDGET, spec(nested=None), by="two"),
        apply(_WIDGET, spec(items=None), by="two"),
    ),
    case(
        "fields that no schema knows",
        apply(_CM, {"data": {"x": "1"}, "bogus": 1}),
        apply(_WIDGET, spec(bogus=1)),
        apply(_WIDGET, spec(size=1, bogus=1), fieldValidation="Ignore"),
        apply(_WIDGET, spec(size=1, bogus=1), fieldValidation="Warn"),
        apply(_WIDGET, spec(size=1, bogus=1), fieldValidation="Strict"),
        create("widgets/b", spec(bogus=1)),
        create("widgets/b", spec(bogus=1), fieldValidation="Strict"),
        create("configmaps/b", {"bogus": {"a": 1}}),
        create("configmaps/c", {"bogus": {"a": 1}}, fieldValidation="Strict"),
        create("configmaps/c", {}, fieldValidation="Sloppy"),
    ),
    case(
        "values of a wrong type in an apply",
        apply(_WIDGET, spec(size="x")),
        apply(_CM, {"data": "x"}),
        apply(_CM, {"data": {"x": 1}}),
        apply(_WIDGET, spec(items={"a": 1})),
        apply(_DEPLOY, spec(replicas="x")),
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
        apply(_WIDGET, spec(size=1)),
        apply(_WIDGET, spec(replicas=2, mode="Off"), by="two"),
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

CASES: tuple[Case, ...] = (*_SUBRESOURCES, *_STRUCTURES)
