"""What an API server checks, refuses, and strips, whatever the kind."""

import base64
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from agent.kube.api import Object, Resource
from agent.kube.errors import BadRequest, Conflict, Invalid, NotFound
from tests.fakes.served import Served

GIVEN_BY_SERVER = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
)
Key = tuple[str, str, str, str]
"""Group, plural, namespace, name."""

T = TypeVar("T")


def key_in(resource: Resource, namespace: str, name: str) -> Key:
    """Return under which key an object is stored."""
    return resource.group, resource.plural, namespace if resource.namespaced else "", name


def copied(value: T) -> T:
    """Return a copy by way of JSON, which is what crosses the wire."""
    value_again: T = msgspec.json.decode(msgspec.json.encode(value))
    return value_again


def only(value: Object, name: str) -> Object:
    """Return one part of an object; nothing when it has none."""
    return {name: value[name]} if name in value else {}


def as_version(value: Object, resource: Resource) -> Object:
    """Return an object as one version of its kind."""
    return {**value, "apiVersion": resource.api_version, "kind": resource.kind}


def told(resource: Resource) -> str:
    """Return a kind's name as messages have it."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def not_found(resource: Resource, name: str) -> NotFound:
    """Return the answer for an object that is not there."""
    return NotFound(f'{told(resource)} "{name}" not found', status=404, reason="NotFound")


def invalid(resource: Resource, name: str, field: str, text: str) -> Invalid:
    """Return the answer for a field that may not be so."""
    return Invalid(
        f'{resource.kind} "{name}" is invalid: {field}: {text}',
        status=422,
        reason="Invalid",
        causes=({"reason": "FieldValueInvalid", "message": text, "field": field},),
    )


def check_form(resource: Resource, namespace: str, value: Object) -> None:
    """Check that an object is of the kind and place that the request names."""
    given = (value.get("apiVersion"), value.get("kind"))
    if given != (resource.api_version, resource.kind):
        text = f"the object provided is unrecognized: {given[0]} {given[1]} is no {resource.api_version} {resource.kind}"
        raise BadRequest(text, status=400, reason="BadRequest")
    metadata = value.get("metadata") or {}
    if not metadata.get("name"):
        raise invalid(resource, "", "metadata.name", "Required value: name or generateName is required")
    if resource.namespaced and metadata.get("namespace", namespace) != namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request",
            status=400,
            reason="BadRequest",
        )


def check_preconditions(resource: Resource, value: Object, wanted: Mapping[str, Any]) -> None:
    """Check UID and resourceVersion where a request names them."""
    metadata = value["metadata"]
    head = f'Operation cannot be fulfilled on {told(resource)} "{metadata["name"]}": '
    if wanted.get("uid") and wanted["uid"] != metadata["uid"]:
        text = f"Precondition failed: UID in precondition: {wanted['uid']}, UID in object meta: {metadata['uid']}"
        raise Conflict(head + text, status=409, reason="Conflict")
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != metadata["resourceVersion"]:
        text = "the object has been modified; please apply your changes to the latest version and try again"
        raise Conflict(head + text, status=409, reason="Conflict")


def check_uid(resource: Resource, value: Object, wanted: Mapping[str, Any]) -> None:
    """Check the UID that a patch or an apply names; unlike in a replacement it counts as a field there."""
    if wanted.get("uid") and wanted["uid"] != value["metadata"]["uid"]:
        text = f'Invalid value: "{wanted["uid"]}": field is immutable'
        raise invalid(resource, value["metadata"]["name"], "metadata.uid", text)


def check_immutable(served: Served, before: Object, new: Object) -> None:
    """Check that no field changes that may not."""
    name = before["metadata"]["name"]
    for path in served.immutable:
        old: Any = before
        now: Any = new
        for part in path:
            old, now = (old or {}).get(part), (now or {}).get(part)
        if old is not None and old != now:
            raise invalid(served.resource, name, ".".join(path), f"Invalid value: {now}: field is immutable")
    if before.get("immutable") is True and any(
        before.get(field) != new.get(field) for field in ("data", "binaryData", "immutable")
    ):
        raise invalid(served.resource, name, "data", "Forbidden: field is immutable when `immutable` is set")


def with_string_data(resource: Resource, value: Object) -> Object:
    """Return a Secret with its plain texts encoded."""
    if resource.group or resource.kind != "Secret" or not value.get("stringData"):
        return value
    plain = {key: base64.b64encode(text.encode()).decode() for key, text in value["stringData"].items()}
    kept = {name: part for name, part in value.items() if name != "stringData"}
    return kept | {"data": {**(value.get("data") or {}), **plain}}


def without_server_fields(value: Object) -> Object:
    """Return an object without what only the server sets."""
    gone = {*GIVEN_BY_SERVER, "resourceVersion", "managedFields", "selfLink"}
    return {**value, "metadata": {name: part for name, part in value["metadata"].items() if name not in gone}}


def timeless(value: Object) -> Object:
    """Return an object as it is compared: the times of its managedFields do not count, nor does their order."""
    entries = [
        {name: part for name, part in one.items() if name != "time"}
        for one in value["metadata"].get("managedFields") or ()
    ]
    entries.sort(key=lambda one: (one["manager"], one["operation"], one.get("subresource", "")))
    return {**value, "metadata": {**value["metadata"], "managedFields": entries}}


def content(value: Object, served: Served) -> Object:
    """Return what a generation counts."""
    ignored = {"metadata", "apiVersion", "kind"} | ({"status"} if served.has_status else set())
    return {name: part for name, part in value.items() if name not in ignored}
