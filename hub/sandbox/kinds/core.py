"""ConfigMaps, Secrets, Namespaces, ServiceAccounts, Nodes, Events and what else of the core group is plain. Pure."""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import forbidden, required, too_long, unchanged, wrong, wrongs
from hub.sandbox.kinds.metadata import faults_of_finalizer
from hub.sandbox.kinds.quantities import tidied
from hub.sandbox.kinds.rule import Rules, keeping
from hub.sandbox.kinds.values import at, child, copied, fill, items_at, mapping_at, put
from hub.sandbox.refusals import Cause

_MAX_BYTES = 1 << 20
_NAME_LABEL = "kubernetes.io/metadata.name"
_ACCOUNT = "kubernetes.io/service-account.name"
_SEALED = "field is immutable when `immutable` is set"


def is_terminating(namespace: Object) -> bool:
    """Tell whether a Namespace takes no new objects."""
    return bool(at(namespace, "metadata", "deletionTimestamp"))


def _terminate(namespace: Object) -> None:
    """Let a Namespace begin to end, for which no time is set; it goes when its spec has no finalizers left."""
    child(namespace, "metadata").pop("deletionGracePeriodSeconds", None)
    child(namespace, "status")["phase"] = "Terminating"


def decoded(text: str) -> bytes:
    """Return the bytes of a value in base64, none when it is broken."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _faults_of_config(value: Object) -> Iterator[Cause]:
    texts, blobs = mapping_at(value, "data"), mapping_at(value, "binaryData")
    for key in texts:
        yield from wrongs(f"data[{key}]", key, names.config_key(key))
        if key in blobs:
            yield wrong(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in blobs:
        yield from wrongs(f"binaryData[{key}]", key, names.config_key(key))
    size = sum(len((one or "").encode()) for one in texts.values()) + sum(
        len(decoded(one or "")) for one in blobs.values()
    )
    if size > _MAX_BYTES:
        yield too_long("[]", _MAX_BYTES)


def _faults_of_sealed(before: Object, after: Object, *parts: str) -> Iterator[Cause]:
    if before.get("immutable"):
        if not after.get("immutable"):
            yield forbidden("immutable", _SEALED)
        for part in parts:
            if before.get(part) != after.get(part):
                yield forbidden(part, _SEALED)


def _faults_of_config_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from _faults_of_sealed(before, after, "data", "binaryData")


def _default_secret(value: Object) -> None:
    """Fill in the type; texts become data, over data of the same key."""
    if texts := value.pop("stringData", None):
        for key, text in texts.items():
            child(value, "data")[key] = base64.b64encode(text.encode()).decode()
    fill(value, type="Opaque")


def _faults_of_secret(value: Object) -> Iterator[Cause]:
    data = mapping_at(value, "data")
    for key in data:
        yield from wrongs(f"data[{key}]", key, names.config_key(key))
    if sum(len(decoded(one or "")) for one in data.values()) > _MAX_BYTES:
        yield too_long("data", _MAX_BYTES)
    yield from _faults_of_type(value, data)


def _faults_of_type(value: Object, data: Mapping[str, str]) -> Iterator[Cause]:
    match value.get("type"):
        case "kubernetes.io/service-account-token":
            if not at(value, "metadata", "annotations", _ACCOUNT):
                yield required(f"metadata.annotations[{_ACCOUNT}]")
        case "kubernetes.io/dockercfg":
            yield from _faults_of_json(data, ".dockercfg")
        case "kubernetes.io/dockerconfigjson":
            yield from _faults_of_json(data, ".dockerconfigjson")
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                yield required("data[username]")
                yield required("data[password]")
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                yield required("data[ssh-privatekey]")
        case "kubernetes.io/tls":
            for key in ("tls.crt", "tls.key"):
                if key not in data:
                    yield required(f"data[{key}]")


def _faults_of_json(data: Mapping[str, str], key: str) -> Iterator[Cause]:
    if key not in data:
        yield required(f"data[{key}]")
        return
    text = decoded(data[key]).decode(errors="replace")
    try:
        json.loads(text)
    except json.JSONDecodeError as problem:
        is_cut = not text[problem.pos :].strip()
        # The real server goes on to say which character it met.
        why = "unexpected end of JSON input" if is_cut else "invalid character in JSON"
        yield wrong(f"data[{key}]", "<secret contents redacted>", why)


def _faults_of_secret_change(before: Object, after: Object) -> Iterator[Cause]:
    yield from unchanged("type", before.get("type"), after.get("type"))
    yield from _faults_of_sealed(before, after, "data")


def _default_namespace(value: Object) -> None:
    if name := at(value, "metadata", "name"):
        child(child(value, "metadata"), "labels")[_NAME_LABEL] = name
    child(value, "spec")
    fill(child(value, "status"), phase="Active")


def _prepare_namespace(value: Object) -> None:
    spec = child(value, "spec")
    finalizers = spec.get("finalizers") or []
    if "kubernetes" not in finalizers:
        spec["finalizers"] = [*finalizers, "kubernetes"]


def _faults_of_namespace(value: Object) -> Iterator[Cause]:
    for one in at(value, "spec", "finalizers") or ():
        yield from wrongs("spec.finalizers", one, names.qualified(one))
        yield from faults_of_finalizer("spec.finalizers", one)


def _faults_of_namespace_status(_: Object, after: Object) -> Iterator[Cause]:
    phase, is_going = at(after, "status", "phase"), is_terminating(after)
    if not is_going and phase != "Active":
        yield wrong("status.Phase", phase, "may only be 'Active' if `deletionTimestamp` is empty")
    elif is_going and phase != "Terminating":
        yield wrong("status.Phase", phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")


def _finalize(before: Object, made: Object) -> None:
    put(made, "status", before.get("status"))


def _clean_references(value: Object) -> None:
    """Keep of the references to Secrets what a ServiceAccount uses."""
    if secrets := items_at(value, "secrets"):
        value["secrets"] = [{"name": one["name"]} if one.get("name") else {} for one in secrets]


def _clean_references_change(_: Object, made: Object) -> None:
    _clean_references(made)


def _default_node(value: Object) -> None:
    spec, status = child(value, "spec"), child(value, "status")
    if spec.get("podCIDR") and not spec.get("podCIDRs"):
        spec["podCIDRs"] = [spec["podCIDR"]]
    for one in items_at(status, "conditions"):
        for key in ("lastHeartbeatTime", "lastTransitionTime"):
            one.setdefault(key, None)
    child(child(status, "daemonEndpoints"), "kubeletEndpoint").setdefault("Port", 0)
    for key in _NODE_FACTS:
        child(status, "nodeInfo").setdefault(key, "")
    tidied(status, "capacity")
    if status.get("capacity") is not None and status.get("allocatable") is None:
        status["allocatable"] = copied(status["capacity"])
    tidied(status, "allocatable")


_NODE_FACTS = (
    "machineID",
    "systemUUID",
    "bootID",
    "kernelVersion",
    "osImage",
    "containerRuntimeVersion",
    "kubeletVersion",
    "kubeProxyVersion",
    "operatingSystem",
    "architecture",
)


def _default_event(value: Object) -> None:
    for key in ("source", "involvedObject"):
        child(value, key)
    for key in ("firstTimestamp", "lastTimestamp", "eventTime"):
        value.setdefault(key, None)
    for key in ("reportingComponent", "reportingInstance"):
        value.setdefault(key, "")
    for key in ("count", "message", "reason", "type"):
        if not value.get(key):
            value.pop(key, None)


def _default_endpoints(value: Object) -> None:
    for subset in items_at(value, "subsets"):
        for port in items_at(subset, "ports"):
            fill(port, protocol="TCP")


def _default_limits(value: Object) -> None:
    for one in items_at(value, "spec", "limits"):
        if one.get("type") == "Container":
            limits = {**mapping_at(one, "max"), **mapping_at(one, "default")}
            requests = {**mapping_at(one, "min"), **limits, **mapping_at(one, "defaultRequest")}
            put(one, "default", limits or None)
            put(one, "defaultRequest", requests or None)
        for key in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
            tidied(one, key)


def _default_quota(value: Object) -> None:
    tidied(value, "spec", "hard")
    child(value, "status")


KINDS: Mapping[str, Rules] = {
    "ConfigMap": Rules(
        checks=_faults_of_config,
        checks_change=_faults_of_config_change,
        checks_change_first=True,
    ),
    "Secret": Rules(
        defaults=_default_secret,
        checks=_faults_of_secret,
        checks_change=_faults_of_secret_change,
        checks_change_first=True,
    ),
    "Namespace": Rules(
        named=names.label,
        defaults=_default_namespace,
        prepares=_prepare_namespace,
        keeps=keeping(("spec", "finalizers")),
        checks=_faults_of_namespace,
        status={"phase": "Active"},
        checks_subresource=_faults_of_namespace_status,
        subresources={"finalize": _finalize},
        leaves=_terminate,
        held_by=(("metadata", "finalizers"), ("spec", "finalizers")),
    ),
    "ServiceAccount": Rules(prepares=_clean_references, keeps=_clean_references_change),
    "Node": Rules(defaults=_default_node, keeps=keeping(("status",)), rechecks_metadata=False),
    "Event": Rules(defaults=_default_event, creates_on_update=True),
    "Endpoints": Rules(defaults=_default_endpoints, creates_on_update=True),
    "LimitRange": Rules(defaults=_default_limits, creates_on_update=True, checks_metadata_itself=False),
    "ResourceQuota": Rules(defaults=_default_quota, status={}, rechecks_metadata=False),
}
