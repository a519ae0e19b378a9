"""Rows of what governs a cluster: access, certificates, leases, priorities, extensions. Pure."""

from collections.abc import Mapping
from typing import Any

from hub.sandbox.crds.columns import short
from hub.sandbox.kinds.values import at
from hub.sandbox.tables.row import NONE, UNSET, Cells, Row, condition


def _binding(row: Row) -> list[Any]:
    role, subjects = row.mapping("roleRef"), row.items("subjects")
    names = [
        ", ".join(one.get("name", "") for one in subjects if one.get("kind") == kind)
        for kind in ("User", "Group")
    ]
    accounts = ", ".join(
        f"{one.get('namespace', '')}/{one.get('name', '')}"
        for one in subjects
        if one.get("kind") == "ServiceAccount"
    )
    return [row.name, f"{role.get('kind', '')}/{role.get('name', '')}", row.age, *names, accounts]


def _certificate_request(row: Row) -> list[Any]:
    asked_s = row.at("spec", "expirationSeconds")
    return [
        row.name,
        row.age,
        row.text("spec", "signerName") or NONE,
        row.text("spec", "username"),
        short(asked_s) if asked_s is not None else NONE,
        _certificate_state(row),
    ]


def _certificate_state(row: Row) -> str:
    found = {one.get("type") for one in row.items("status", "conditions")}
    state = "Denied" if "Denied" in found else "Approved" if "Approved" in found else "Pending"
    failed = ",Failed" if "Failed" in found else ""
    return f"{state}{failed}{',Issued' if row.at('status', 'certificate') else ''}"


def _lease(row: Row) -> list[Any]:
    return [row.name, row.text("spec", "holderIdentity"), row.age]


def _priority_class(row: Row) -> list[Any]:
    return [
        row.name,
        row.number("value"),
        bool(row.at("globalDefault")),
        row.age,
        row.text("preemptionPolicy"),
    ]


def _runtime_class(row: Row) -> list[Any]:
    return [row.name, row.text("handler"), row.age]


def _api_service(row: Row) -> list[Any]:
    service = row.at("spec", "service")
    shown = f"{service.get('namespace', '')}/{service.get('name', '')}" if service is not None else "Local"
    found = condition(row.value, "Available")
    state = found.get("status") or "Unknown"
    why = f" ({found['reason']})" if state != "True" and found.get("reason") else ""
    return [row.name, shown, f"{state}{why}", row.age]


def _webhooks(row: Row) -> list[Any]:
    return [row.name, len(row.items("webhooks")), row.age]


def _policy(rules: str) -> Cells:
    def cells(row: Row) -> list[Any]:
        kind = row.at("spec", "paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind is not None else UNSET
        return [row.name, len(row.items("spec", rules)), shown, row.age]

    return cells


def _policy_binding(row: Row) -> list[Any]:
    of, shown = row.mapping("spec", "paramRef"), UNSET
    if of.get("name"):
        shown = f"{of.get('namespace') or '*'}/{of['name']}"
    return [row.name, row.text("spec", "policyName"), shown, row.age]


def _flow_schema(row: Row) -> list[Any]:
    return [
        row.name,
        row.text("spec", "priorityLevelConfiguration", "name"),
        row.number("spec", "matchingPrecedence"),
        row.text("spec", "distinguisherMethod", "type") or NONE,
        row.age,
        condition(row.value, "Dangling").get("status", "?"),
    ]


def _priority_level(row: Row) -> list[Any]:
    limited = row.at("spec", "limited")
    queuing = at(limited, "limitResponse", "queuing")
    queues = [
        queuing.get(key, 0) if queuing is not None else NONE
        for key in ("queues", "handSize", "queueLengthLimit")
    ]
    shares = at(limited, "nominalConcurrencyShares") if limited is not None else NONE
    return [row.name, row.text("spec", "type"), shares, *queues, row.age]


def _claim(row: Row) -> list[Any]:
    states = ["deleted"] if row.is_leaving else []
    if row.at("status", "allocation") is None:
        states += [] if row.is_leaving else ["pending"]
    else:
        states += ["allocated", *(["reserved"] if row.items("status", "reservedFor") else [])]
    return [row.name, ",".join(states), row.age]


def _slice(row: Row) -> list[Any]:
    return [
        row.name,
        row.text("spec", "nodeName"),
        row.text("spec", "driver"),
        row.text("spec", "pool", "name"),
        row.age,
    ]


CELLS: Mapping[str, Cells] = {
    "admissionregistration.k8s.io/mutatingadmissionpolicies": _policy("mutations"),
    "admissionregistration.k8s.io/mutatingadmissionpolicybindings": _policy_binding,
    "admissionregistration.k8s.io/mutatingwebhookconfigurations": _webhooks,
    "admissionregistration.k8s.io/validatingadmissionpolicies": _policy("validations"),
    "admissionregistration.k8s.io/validatingadmissionpolicybindings": _policy_binding,
    "admissionregistration.k8s.io/validatingwebhookconfigurations": _webhooks,
    "apiregistration.k8s.io/apiservices": _api_service,
    "certificates.k8s.io/certificatesigningrequests": _certificate_request,
    "coordination.k8s.io/leases": _lease,
    "flowcontrol.apiserver.k8s.io/flowschemas": _flow_schema,
    "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations": _priority_level,
    "node.k8s.io/runtimeclasses": _runtime_class,
    "rbac.authorization.k8s.io/clusterrolebindings": _binding,
    "rbac.authorization.k8s.io/rolebindings": _binding,
    "resource.k8s.io/resourceclaims": _claim,
    "resource.k8s.io/resourceslices": _slice,
    "scheduling.k8s.io/priorityclasses": _priority_class,
}
