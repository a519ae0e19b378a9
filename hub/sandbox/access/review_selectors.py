"""The selectors that a review may name: which are invalid, and which are read no further. Roles do not look at them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hub.sandbox.refusals import Cause, Refused
from hub.sandbox.selectors import by_labels
from hub.sandbox.wording import quoted

_FIELDS, _LABELS = "fieldSelector", "labelSelector"
_SELECTORS = (_FIELDS, _LABELS)
_WITH_VALUES, _WITHOUT_VALUES = ("In", "NotIn"), ("Exists", "DoesNotExist")


def selector_causes(attributes: Mapping[str, Any]) -> Sequence[Cause]:
    """Return what is wrong with the selectors of a review's resourceAttributes."""
    return [
        cause
        for name in _SELECTORS
        if attributes.get(name) is not None
        for cause in _causes(attributes[name], f"spec.resourceAttributes.{name}")
    ]


def unread_selectors(attributes: Mapping[str, Any]) -> str:
    """Say which selectors could not be read, empty where all could."""
    return "; ".join(
        f"spec.resourceAttributes.{name} {how} due to parse error"
        for name in _SELECTORS
        if (how := _unread(name, attributes.get(name) or {}))
    )


def _causes(selector: Mapping[str, Any], at: str) -> Iterator[Cause]:
    raw, requirements = selector.get("rawSelector"), selector.get("requirements")
    if raw and requirements:
        message = f"Invalid value: {quoted(raw)}: may not specified at the same time as requirements"
        yield Cause(reason="FieldValueInvalid", message=message, field=f"{at}.rawSelector")
    if not raw and not requirements:
        yield _required(
            f"{at}.requirements", f"when {at} is specified, requirements or rawSelector is required"
        )
    for index, one in enumerate(requirements or ()):
        yield from _requirement_causes(one, f"{at}.requirements[{index}]")


def _requirement_causes(requirement: Mapping[str, Any], at: str) -> Iterator[Cause]:
    if not requirement.get("key"):
        yield _required(f"{at}.key", "must be specified")
    operator, values = requirement.get("operator"), requirement.get("values")
    if operator in _WITH_VALUES and not values:
        yield _required(f"{at}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    if operator in _WITHOUT_VALUES and values:
        message = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        yield Cause(reason="FieldValueForbidden", message=message, field=f"{at}.values")


def _required(field: str, why: str) -> Cause:
    return Cause(reason="FieldValueRequired", message=f"Required value: {why}", field=field)


def _unread(name: str, selector: Mapping[str, Any]) -> str:
    requirements = selector.get("requirements") or ()
    is_read = [_is_read(name, one) for one in requirements]
    if not all(is_read):
        return "partially ignored" if any(is_read) else "ignored"
    raw = selector.get("rawSelector") or ""
    is_raw_read = _are_labels(raw) if name == _LABELS else all("=" in term for term in raw.split(",") if term)
    return "" if is_raw_read else "ignored"


def _is_read(name: str, requirement: Mapping[str, Any]) -> bool:
    """Tell whether a requirement is understood; of fields only one value is."""
    operator = requirement.get("operator")
    if name == _LABELS:
        return operator in (*_WITH_VALUES, *_WITHOUT_VALUES)
    return operator in _WITH_VALUES and len(requirement.get("values") or ()) == 1


def _are_labels(raw: str) -> bool:
    try:
        by_labels(raw)
    except Refused:
        return False
    return True
