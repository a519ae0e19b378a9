"""Judges a custom resource by the rules of its schema (x-kubernetes-validations)."""

from collections.abc import Iterator, Mapping
from typing import Any

from hub.sandbox.crds import faults, schemas
from hub.sandbox.crds.cel import programs, values
from hub.sandbox.crds.correlation import Correlated, Within, old_item
from hub.sandbox.crds.faults import Fault, Kind
from hub.sandbox.crds.schemas import Schema

Rule = Mapping[str, Any]
RULES = "x-kubernetes-validations"
MAX_MESSAGE = 5 * 1024
_REASONS = {
    "FieldValueForbidden": Kind.FORBIDDEN,
    "FieldValueRequired": Kind.REQUIRED,
    "FieldValueDuplicate": Kind.DUPLICATE,
}


def has_rules(schema: Schema) -> bool:
    """Tell whether a schema or a part of it has rules."""
    return any(one.get(RULES) for one in schemas.walk(schema))


def broken(
    value: Any,
    old: Any,
    schema: Schema,
    *,
    before: Correlated | Within | None = None,
    path: str = "",
    is_root: bool = True,
) -> Iterator[Fault]:
    """Yield what breaks rules. `old` is the value it replaces, None when it is new; `before` says what is unchanged."""
    if value is None:
        return
    yield from _here(value, old, schema, before, path, is_whole=is_root or schemas.is_embedded(schema))
    match value:
        case dict():
            for name, part, inner, at in _fields(value, schema, path):
                was = old.get(name) if isinstance(old, dict) else None
                # apiVersion and kind were converted: they say nothing about what changed.
                same = None if is_root and name in ("apiVersion", "kind") else _step(before, name)
                yield from broken(part, was, inner, before=same, path=at, is_root=False)
        case list() if (inner_schema := schemas.items(schema)) is not None:
            for index, part in enumerate(value):
                was, at = old_item(old, part, schema), faults.indexed(path, index)
                yield from broken(
                    part, was, inner_schema, before=_step(before, index), path=at, is_root=False
                )
        case _:
            return


def _fields(value: dict[str, Any], schema: Schema, path: str) -> Iterator[tuple[str, Any, Schema, str]]:
    declared, others = schemas.properties(schema), schemas.additional(schema)
    for name, part in value.items():
        if name in declared:
            yield name, part, declared[name], faults.child(path, name)
        elif others is not None:
            yield name, part, others, faults.indexed(path, name)


def _step(before: Correlated | Within | None, step: str | int) -> Correlated | Within | None:
    """Return a part with what it was; where that is not known, with the nearest whole of which it is a part."""
    if isinstance(before, Correlated):
        return before.at(step) or Within(before)
    return before


def _here(
    value: Any, old: Any, schema: Schema, before: Correlated | Within | None, path: str, *, is_whole: bool
) -> Iterator[Fault]:
    rules = schema.get(RULES) or ()
    if not rules:
        return
    seen_by = values.rooted(schema) if is_whole else schema
    seen = programs.activation(
        values.visible(value, seen_by), None if old is None else values.visible(old, seen_by), old is not None
    )
    for rule in rules:
        uses_old, is_optional = programs.uses_old(rule["rule"]), bool(rule.get("optionalOldSelf"))
        if uses_old and old is None and not is_optional:
            continue
        fault = _judge(rule, seen, value, schema, path)
        is_tolerated = not uses_old and before is not None and before.is_unchanged
        if fault is not None and not is_tolerated:
            yield fault


def _judge(rule: Rule, seen: Any, value: Any, schema: Schema, path: str) -> Fault | None:
    is_optional, kind = bool(rule.get("optionalOldSelf")), schema.get("type") or ""
    text = (rule.get("message") or rule["rule"]).strip()
    try:
        if programs.run(rule["rule"], seen, is_optional) is True:
            return None
    except programs.Failed as failure:
        if str(failure) == "no such overload":
            told = "call arguments did not match a supported operator, function or macro signature for rule"
            return faults.invalid(path, kind, f"'{failure}': {told}: {text}")
        return faults.invalid(path, kind, f"{failure} evaluating rule: {text}")
    shown = faults.OMITTED if kind in ("object", "array") else value
    detail = _message(rule, seen) or (text if rule.get("message") else f"failed rule: {text}")
    at = f"{path}{rule['fieldPath']}".removeprefix(".") if rule.get("fieldPath") else path
    reason = _REASONS.get(rule.get("reason") or "", Kind.INVALID)
    return Fault(kind=reason, path=at, value=shown, detail="" if reason is Kind.DUPLICATE else detail)


def _message(rule: Rule, seen: Any) -> str:
    """Return what the rule's own expression says, empty when that comes to nothing that can be said."""
    expression = rule.get("messageExpression")
    if not expression:
        return ""
    try:
        found = programs.run(expression, seen, False)
    except programs.Failed:
        return ""
    text = found.strip() if isinstance(found, str) else ""
    return "" if "\n" in text or len(text.encode()) > MAX_MESSAGE else text
