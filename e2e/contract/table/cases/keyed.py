"""Every list of built-in kinds whose items have keys: two managers add, share and give up items, and one names an item twice.

Left out are lists of kinds whose writes are refused in memory (webhooks, admission policies), those inside lists that are owned whole,
and conditions that a real API server writes itself.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e.contract.table.case import Case, Step, apply, case, create

Part = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A list: of which object, where in it (`[name]` is an item of a list on the way), and three items of it."""

    on: str
    base: Part
    path: str
    items: Sequence[Part]
    before: tuple[Step, ...] = field(default=())


def _at(body: Part, path: str, items: Sequence[Part]) -> Part:
    """Return a body with a list in it."""
    made = copy.deepcopy(body)
    here: Any = made
    *above, last = path.split(".")
    for step in above:
        name, _, item = step.removesuffix("]").partition("[")
        here = here.setdefault(name, [] if item else {})
        if item:
            found = next((one for one in here if one["name"] == item), None)
            if found is None:
                found = {"name": item}
                here.append(found)
            here = found
    here[last] = list(items)
    return made


def _case(row: _Row) -> Case:
    a, b, c = row.items
    return case(
        f"items of {row.path} of {row.on}",
        *row.before,
        apply(row.on, _at(row.base, row.path, [a, b]), by="one"),
        apply(row.on, _at({}, row.path, [c, b]), by="two"),
        apply(row.on, _at(row.base, row.path, [a]), by="one"),
        apply(row.on, _at(row.base, row.path, [a, a]), by="one"),
        apply(row.on, _at({}, row.path, []), by="two"),
        apply(row.on, row.base, by="one"),
    )


_POD_SPEC: Part = {
    "containers": [{"name": "c", "image": "i"}],
    "volumes": [
        {"name": "v", "emptyDir": {}},
        *({"name": f"d{one}", "persistentVolumeClaim": {"claimName": one}} for one in "xyz"),
    ],
    "resourceClaims": [{"name": one, "resourceClaimName": one} for one in ("x", "y", "z")],
}
_TEMPLATE: Part = {"metadata": {"labels": {"a": "b"}}, "spec": _POD_SPEC}
_SELECTED: Part = {"selector": {"matchLabels": {"a": "b"}}, "template": _TEMPLATE}
_DEPLOYMENT: Part = {"spec": _SELECTED}
_BARE: Part = {
    "spec": {
        **_SELECTED,
        "template": {**_TEMPLATE, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }
}
_PORTS: Part = {"spec": {"clusterIP": "None", "selector": {"a": "b"}}}


def _named(*names: str, **more: Any) -> list[Part]:
    return [{"name": name, **more} for name in names]


def _pod(path: str, items: Sequence[Part], base: Part = _DEPLOYMENT) -> _Row:
    return _Row(on="deployments/a", base=base, path=f"spec.template.spec.{path}", items=items)


_IN_PODS = (
    _pod(
        "containers",
        _named("x", "y", "z", image="i"),
        {"spec": {**_SELECTED, "template": {"metadata": {"labels": {"a": "b"}}}}},
    ),
    _pod("initContainers", _named("x", "y", "z", image="i")),
    _pod("volumes", _named("x", "y", "z", emptyDir={}), _BARE),
    _pod("imagePullSecrets", _named("x", "y", "z")),
    _pod("schedulingGates", _named("x", "y", "z")),
    _pod("resourceClaims", [{"name": one, "resourceClaimName": one} for one in ("x", "y", "z")], _BARE),
    _pod("hostAliases", [{"ip": f"127.0.0.{number}", "hostnames": ["h"]} for number in (1, 2, 3)]),
    _pod(
        "topologySpreadConstraints",
        [
            {"topologyKey": key, "whenUnsatisfiable": what, "maxSkew": 1, "labelSelector": {}}
            for key, what in (("x", "DoNotSchedule"), ("x", "ScheduleAnyway"), ("y", "DoNotSchedule"))
        ],
    ),
    _pod("containers[c].env", _named("X", "Y", "Z", value="1")),
    _pod(
        "containers[c].ports",
        [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81}],
    ),
    _pod("containers[c].volumeMounts", [{"mountPath": f"/{one}", "name": "v"} for one in "xyz"]),
    _pod("containers[c].volumeDevices", [{"devicePath": f"/dev/{one}", "name": f"d{one}"} for one in "xyz"]),
    _pod("containers[c].resources.claims", _named("x", "y", "z")),
)


def _conditions(kind: str, base: Part) -> _Row:
    items = [
        {
            "type": one,
            "status": "True",
            "reason": "Said",
            "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        for one in ("First", "Second", "Third")
    ]
    return _Row(
        on=f"{kind}/status", base={}, path="status.conditions", items=items, before=(create(kind, base),)
    )


_CLAIM: Part = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
_SCALED: Part = {
    "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}
}
_IN_STATUS = (
    _conditions("deployments/a", _BARE),
    _conditions("replicasets/a", _BARE),
    _conditions("daemonsets/a", _BARE),
    _conditions("statefulsets/a", {"spec": {**_BARE["spec"], "serviceName": "s"}}),
    _conditions("replicationcontrollers/a", {"spec": {**_BARE["spec"], "selector": {"a": "b"}}}),
    _conditions("services/a", {"spec": {**_PORTS["spec"], "ports": [{"port": 80}]}}),
    _conditions("persistentvolumeclaims/a", _CLAIM),
    _conditions(
        "poddisruptionbudgets/a", {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}}
    ),
    _conditions("horizontalpodautoscalers/a", _SCALED),
)
_CLAIMS = [{"name": one, "resourceClaimName": one} for one in ("x", "y", "z")]
_RUN: tuple[Step, ...] = (
    create("serviceaccounts/default"),
    # On a node that nobody runs it is nobody's but the case's.
    create(
        "pods/a",
        {
            "spec": {
                "nodeName": "nowhere",
                "containers": [{"name": "c", "image": "i"}],
                "resourceClaims": _CLAIMS,
            }
        },
    ),
)
_OF_PODS = tuple(
    _Row(on="pods/a/status", base={}, path=f"status.{path}", items=items, before=_RUN)
    for path, items in (
        ("conditions", [{"type": one, "status": "True"} for one in ("First", "Second", "Third")]),
        ("resourceClaimStatuses", [{"name": one, "resourceClaimName": one} for one in ("x", "y", "z")]),
    )
)
_OTHERS = (
    _Row(
        on="services/a",
        base=_PORTS,
        path="spec.ports",
        items=[
            {"name": "x", "port": 80},
            {"name": "y", "port": 80, "protocol": "UDP"},
            {"name": "z", "port": 81},
        ],
    ),
    _Row(on="serviceaccounts/a", base={}, path="secrets", items=_named("x", "y", "z")),
    _Row(on="csinodes/NS", base={}, path="spec.drivers", items=_named("x", "y", "z", nodeID="n")),
)

CASES: tuple[Case, ...] = tuple(map(_case, (*_IN_PODS, *_IN_STATUS, *_OF_PODS, *_OTHERS)))
