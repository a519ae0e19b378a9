"""Small questions about objects that all keepers ask. Pure."""

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from agent.kube.api import Object
from hub.sandbox.kinds.values import at
from hub.sandbox.storage import Place

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def place_of(value: Object) -> Place:
    """Return where an object is."""
    return value["metadata"].get("namespace", ""), value["metadata"]["name"]


def controller_of(value: Object) -> Object:
    """Return the reference to who controls an object, an empty one when nobody does."""
    references = value["metadata"].get("ownerReferences") or ()
    return next((one for one in references if one.get("controller")), {})


def is_leaving(value: Object) -> bool:
    return bool(value["metadata"].get("deletionTimestamp"))


def hash_of(value: Any) -> str:
    """Return a short name for a value, of characters that make no words; equal values have the same."""
    digest = hashlib.blake2b(msgspec.json.encode(value, order="deterministic"), digest_size=10).digest()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest)


def with_condition(conditions: Iterable[Object] | None, condition: Object) -> list[Object]:
    """Return conditions with one set, at their end; one that says the same already stays, and a time of transition moves only when the
    status does."""
    known = list(conditions or ())
    old = next((one for one in known if one["type"] == condition["type"]), None)
    if old is not None and _says(old) == _says(condition):
        return known
    if old is not None and old["status"] == condition["status"]:
        condition = {**condition, "lastTransitionTime": old["lastTransitionTime"]}
    return [*(one for one in known if one["type"] != condition["type"]), condition]


def condition_of(value: Object, kind: str) -> Object | None:
    """Return a condition of an object, None when there is none of the type."""
    return next((one for one in at(value, "status", "conditions") or () if one["type"] == kind), None)


def _says(condition: Object) -> tuple[str, str]:
    return condition["status"], condition.get("reason", "")


def version_of(value: Object) -> int:
    return int(value["metadata"]["resourceVersion"])
