"""Writes an object as Flux would before it applies it: what API servers would add, or refuse to merge, is said. Pure.

Objects stay as they are written otherwise: unknown fields are not dropped, so that the API server may name them. Changes copies, never what it
is given. Spec: apply engine, G.2.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any, Final

from cryptography import x509

Object = dict[str, Any]

_POD: Final = ("spec",)
_TEMPLATE: Final = ("spec", "template", "spec")
_POD_SPECS: Final = {
    ("v1", "Pod"): _POD,
    ("apps/v1", "Deployment"): _TEMPLATE,
    ("apps/v1", "StatefulSet"): _TEMPLATE,
    ("apps/v1", "DaemonSet"): _TEMPLATE,
    ("apps/v1", "ReplicaSet"): _TEMPLATE,
    ("batch/v1", "Job"): _TEMPLATE,
    ("batch/v1", "CronJob"): ("spec", "jobTemplate", *_TEMPLATE),
}
_LEFT_ALONE: Final = frozenset({"Role", "ClusterRole"})
_DEFINITION: Final = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")


def normalize(value: Object) -> Object:
    """Return an object as it is applied; parts of a wrong type stay, for the API server to name."""
    kind = (str(value.get("apiVersion")), str(value.get("kind")))
    if kind[0] == "rbac.authorization.k8s.io/v1" and kind[1] in _LEFT_ALONE:
        return value
    if isinstance(value.get("metadata"), dict):
        value = value | {"metadata": _without(value["metadata"], "creationTimestamp")}
    if kind == _DEFINITION:
        return without_broken_bundle(value)
    value = _without(value, "status")
    if kind in _POD_SPECS:
        return _at(value, (*_POD_SPECS[kind], "containers"), _name_protocols_of_containers)
    if kind == ("v1", "Service"):
        return _at(value, ("spec", "ports"), _name_protocols)
    return _with_data(value) if kind == ("v1", "Secret") else value


def without_broken_bundle(value: Object) -> Object:
    """Drop a definition's caBundle that holds no certificate: API servers refuse it, and who injects the right one comes later."""
    if value.get("kind") != _DEFINITION[1]:
        return value
    return _at(value, ("spec", "conversion", "webhook", "clientConfig"), _check_bundle)


def _check_bundle(config: Any) -> Any:
    if not isinstance(config, dict) or not config.get("caBundle"):
        return config
    try:
        x509.load_pem_x509_certificates(base64.b64decode(config["caBundle"], validate=True))
    except (TypeError, ValueError, binascii.Error):
        return _without(config, "caBundle")
    return config


def _with_data(value: Object) -> Object:
    texts = value.get("stringData")
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        return value
    data = value.get("data") or {}
    if not isinstance(data, dict):
        return value
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return _without(value, "stringData") | {"data": data | encoded}


def _name_protocols_of_containers(containers: Any) -> Any:
    if not isinstance(containers, list):
        return containers
    return [_at(one, ("ports",), _name_protocols) if isinstance(one, dict) else one for one in containers]


def _name_protocols(ports: Any) -> Any:
    if not isinstance(ports, list):
        return ports
    return [
        one | {"protocol": "TCP"} if isinstance(one, dict) and not one.get("protocol") else one
        for one in ports
    ]


def _at(value: Object, path: tuple[str, ...], change: Callable[[Any], Any]) -> Object:
    """Return a copy with the part at a path changed; the same object when there is no such part."""
    name, *rest = path
    if name not in value:
        return value
    part = value[name]
    if not rest:
        return value | {name: change(part)}
    return value | {name: _at(part, tuple(rest), change)} if isinstance(part, dict) else value


def _without(value: Object, name: str) -> Object:
    return {key: part for key, part in value.items() if key != name}
