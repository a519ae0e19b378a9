"""What is wrong with a field, in the words of the real API server."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from hub.sandbox.refusals import Cause
from hub.sandbox.wording import quoted

OMITTED = object()
"""Stands for a bad value that the message does not show."""
ROOT = ""


class Raw(str):
    """A bad value as it is to be shown, word for word."""

    __slots__ = ()


class Kind(StrEnum):
    """The reasons of faults, as causes name them."""

    REQUIRED = "FieldValueRequired"
    DUPLICATE = "FieldValueDuplicate"
    INVALID = "FieldValueInvalid"
    TYPE_INVALID = "FieldValueTypeInvalid"
    NOT_SUPPORTED = "FieldValueNotSupported"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    TOO_MANY = "FieldValueTooMany"


_TITLES = {
    Kind.REQUIRED: "Required value",
    Kind.DUPLICATE: "Duplicate value",
    Kind.INVALID: "Invalid value",
    Kind.TYPE_INVALID: "Invalid value",
    Kind.NOT_SUPPORTED: "Unsupported value",
    Kind.FORBIDDEN: "Forbidden",
    Kind.TOO_LONG: "Too long",
    Kind.TOO_MANY: "Too many",
}
_WITHOUT_VALUE = (Kind.REQUIRED, Kind.FORBIDDEN, Kind.TOO_LONG)
BLOCKING = frozenset((Kind.NOT_SUPPORTED, Kind.REQUIRED, Kind.TOO_LONG, Kind.TOO_MANY, Kind.TYPE_INVALID))
"""With one of these no rule is evaluated: values may be too large or of the wrong shape."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong. An empty path is the object itself."""

    kind: Kind
    path: str
    value: Any = OMITTED
    detail: str = ""

    @property
    def message(self) -> str:
        """Return what is wrong, without the path."""
        title = _TITLES[self.kind]
        shows = self.kind not in _WITHOUT_VALUE and self.value is not OMITTED
        text = f"{title}: {shown(self.value)}" if shows else title
        return f"{text}: {self.detail}" if self.detail else text

    @property
    def cause(self) -> Cause:
        """Return the fault as a Status names it."""
        return Cause(reason=self.kind.value, message=self.message, field=self.path or "<nil>")


def required(path: str, detail: str = "") -> Fault:
    return Fault(kind=Kind.REQUIRED, path=path, detail=detail)


def invalid(path: str, value: Any, detail: str) -> Fault:
    return Fault(kind=Kind.INVALID, path=path, value=value, detail=detail)


def type_invalid(path: str, value: Any, detail: str) -> Fault:
    return Fault(kind=Kind.TYPE_INVALID, path=path, value=value, detail=detail)


def forbidden(path: str, detail: str) -> Fault:
    return Fault(kind=Kind.FORBIDDEN, path=path, detail=detail)


def duplicate(path: str, value: Any) -> Fault:
    return Fault(kind=Kind.DUPLICATE, path=path, value=value)


def too_long(path: str, most: int) -> Fault:
    return Fault(kind=Kind.TOO_LONG, path=path, detail=f"may not be more than {most} byte{_s(most)}")


def too_many(path: str, found: int, most: int) -> Fault:
    return Fault(
        kind=Kind.TOO_MANY, path=path, value=found, detail=f"must have at most {most} item{_s(most)}"
    )


def not_supported(path: str, value: Any, known: Iterable[str]) -> Fault:
    quoted_values = ", ".join(map(quoted, known))
    detail = f"supported values: {quoted_values}" if quoted_values else ""
    return Fault(kind=Kind.NOT_SUPPORTED, path=path, value=value, detail=detail)


def child(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def indexed(path: str, index: int | str) -> str:
    return f"{path}[{index}]"


def shown(value: Any) -> str:
    """Return a bad value as messages show it."""
    match value:
        case Raw():
            return str(value)
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case float():
            return number(value)
        case int():
            return str(value)
        case _:
            return as_json(value)


def as_json(value: Any) -> str:
    """Return a value as Go's JSON encoder writes it: names in order, nothing that HTML would read."""
    text = json.dumps(_whole(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number(value: float) -> str:
    """Return a number as Go's `%v` shows it: the shortest text, with an exponent from 1e21 on and below 1e-4."""
    if isinstance(value, int):
        return str(value)
    if math.isinf(value) or math.isnan(value):
        return "+Inf" if value > 0 else "-Inf" if value < 0 else "NaN"
    if value and not 1e-4 <= abs(value) < 1e21:
        mantissa, _, exponent = f"{value!r}".partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}" if exponent else mantissa
    return f"{value:.0f}" if float(value).is_integer() else repr(value)


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _whole(value: Any) -> Any:
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(part) for name, part in value.items()}
        case list():
            return [_whole(part) for part in value]
        case _:
            return value
