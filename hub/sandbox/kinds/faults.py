"""What is wrong with a field, in the words of a real server. Pure."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hub.sandbox.refusals import Cause

IMMUTABLE = "field is immutable"


def wrong(field: str, value: Any, why: str) -> Cause:
    """Return that a value is not allowed. Texts are quoted, everything else is shown as JSON."""
    shown = _shown(value)
    detail = f": {why}" if why else ""
    return Cause(reason="FieldValueInvalid", message=f"Invalid value: {shown}{detail}", field=field)


def wrongs(field: str, value: Any, reasons: Iterable[str]) -> Iterator[Cause]:
    for why in reasons:
        yield wrong(field, value, why)


def required(field: str, why: str = "") -> Cause:
    message = f"Required value: {why}" if why else "Required value"
    return Cause(reason="FieldValueRequired", message=message, field=field)


def forbidden(field: str, why: str) -> Cause:
    return Cause(reason="FieldValueForbidden", message=f"Forbidden: {why}", field=field)


def duplicate(field: str, value: Any) -> Cause:
    shown = _shown(value)
    return Cause(reason="FieldValueDuplicate", message=f"Duplicate value: {shown}", field=field)


def missing(field: str, value: str) -> Cause:
    """Return that a name refers to nothing."""
    return Cause(reason="FieldValueNotFound", message=f"Not found: {json.dumps(value)}", field=field)


def unsupported(field: str, value: Any, supported: Iterable[str]) -> Cause:
    """Return that a value is none of the known ones, which are named in the order given."""
    known = ", ".join(json.dumps(one) for one in supported)
    shown = _shown(value)
    message = f"Unsupported value: {shown}: supported values: {known}"
    return Cause(reason="FieldValueNotSupported", message=message, field=field)


def too_long(field: str, limit_bytes: int) -> Cause:
    message = f"Too long: may not be more than {limit_bytes} bytes"
    return Cause(reason="FieldValueTooLong", message=message, field=field)


def unchanged(field: str, before: Any, after: Any) -> Iterator[Cause]:
    """Yield the fault of a field that may never change."""
    if before != after:
        yield wrong(field, after, IMMUTABLE)


def negative(field: str, value: Any) -> Iterator[Cause]:
    """Yield the fault of a number below zero."""
    if isinstance(value, int) and value < 0:
        yield wrong(field, value, "must be greater than or equal to 0")


def one_of(field: str, value: Any, known: tuple[str, ...]) -> Iterator[Cause]:
    """Yield the fault of a value that is required and none of the known ones."""
    if not value:
        yield required(field)
    elif value not in known:
        yield unsupported(field, value, known)


def faults_of_share(field: str, share: Any) -> Iterator[Cause]:
    """Yield what is wrong with a number or a percentage of Pods."""
    if isinstance(share, int):
        yield from negative(field, share)
    elif isinstance(share, str) and not (share.endswith("%") and share[:-1].isdecimal()):
        why = "a valid percent string must be a numeric string followed by an ending '%'"
        yield wrong(field, share, f"{why} (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')")


def faults_of_whole(field: str, share: Any) -> Iterator[Cause]:
    """Yield that a percentage is more than everything."""
    if isinstance(share, str) and share.endswith("%") and share[:-1].isdecimal() and int(share[:-1]) > 100:
        yield wrong(field, share, "must not be greater than 100%")


def _shown(value: Any) -> str:
    """Return a value as Go writes it: the keys of a map of texts in order."""
    return json.dumps(_in_order(value), ensure_ascii=False, separators=(",", ":"))


def _in_order(value: Any) -> Any:
    if isinstance(value, list):
        return [_in_order(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "matchLabels" in value or all(isinstance(one, str) for one in value.values()):
        # A selector has its labels first, a map its keys in order.
        keys = sorted(value, key=lambda key: (key == "matchExpressions", key))
        return {key: _in_order(value[key]) for key in keys}
    return {key: _in_order(one) for key, one in value.items()}
