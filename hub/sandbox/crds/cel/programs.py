"""Compiles rules and evaluates them. A rule is compiled twice: with the types of its schema, which finds what its
writer did wrong, and without, which is what runs: values are plain JSON.
"""

import json
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from cel_expr_python import cel

from hub.sandbox.crds import schemas
from hub.sandbox.crds.cel import library, types
from hub.sandbox.crds.schemas import Schema

_REMEMBERED = 4096
_CHECKED = 512
_OLD = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?<![\w.])oldSelf\b""")
_OPTIONAL_OLD = "(hasOldSelf__ ? optional.of(oldSelf) : optional.none())"
_ACROSS = re.compile(
    r"found no matching overload for '_(?:[<>]=?|[=!]=)_' applied to '\((?:int|uint|double), (?:int|uint|double)\)'"
)
_SELECTION = re.compile(r"expression of type '([^']*)' cannot be the operand of a select operation")
_OVERLOAD = re.compile(r"no matching overload for '(\w+)' applied to '\(([^']*)\)'")
_SOURCE = re.compile(r"\n \| (.*)\n \| (\.*)\^")
_CODE = re.compile(r" \[[A-Z_]+\]$")


class Failed(Exception):
    """A rule that could not be evaluated, with the reason."""


@lru_cache(maxsize=_REMEMBERED)
def program(rule: str, is_optional: bool) -> cel.Expression:
    """Return a rule ready to run."""
    source = _OLD.sub(lambda found: found[1] or _OPTIONAL_OLD, rule) if is_optional else rule
    return _compiled(source)


def _compiled(source: str) -> cel.Expression:
    """Return an untyped rule. Raises RuntimeError, with the reasons."""
    try:
        return _environment().compile(source)
    except RuntimeError as error:
        if _compile_text(str(error)):
            raise
        # Numbers of two kinds compare at run time, as with the real compiler; this one does not know beforehand.
        return _environment().compile(source, disable_check=True)


def uses_old(rule: str) -> bool:
    """Tell whether a rule compares with the old value."""
    return any(not found[1] for found in _OLD.finditer(rule))


def field_steps(path: str) -> list[str]:
    """Return the names on the way to a field of a rule, as `.spec['a-b']` has them; none for what is no path."""
    steps = re.findall(r"\.([^.\[\]]+)|\['((?:\\.|[^'\\])+)'\]", path)
    read = "".join(f".{name}" if name else f"['{quoted}']" for name, quoted in steps)
    return [name or re.sub(r"\\(.)", r"\1", quoted) for name, quoted in steps] if read == path else []


def activation(value: Any, old: Any, has_old: bool) -> cel.Activation:
    """Return the values a rule sees."""
    return _environment().Activation({"self": value, "oldSelf": old, "hasOldSelf__": has_old})


def run(rule: str, seen: cel.Activation, is_optional: bool) -> Any:
    """Return what a rule comes to. Raises Failed."""
    try:
        result = program(rule, is_optional).eval(seen)
    except RuntimeError as error:
        raise Failed(_runtime_text(str(error))) from error
    if result.type() == cel.Type.ERROR:
        raise Failed(_runtime_text(str(result.value())))
    return result.plain_value()


def fault_of(rule: str, schema: Schema, is_optional: bool, wanted: str) -> str:
    """Return why a rule is none for the values of a schema, empty when it is one. `wanted`: bool or string.

    A thousand servers are given the same few definitions: the answer is remembered.
    """
    return _fault_of(rule, json.dumps(schema, sort_keys=True), is_optional, wanted)


@lru_cache(maxsize=_CHECKED)
def _fault_of(rule: str, told: str, is_optional: bool, wanted: str) -> str:
    schema = json.loads(told)
    label = "" if wanted == "bool" else "messageExpression "
    if library.NOT_BUILT.search(rule):
        return f"{label}compilation failed: it calls a function that does not exist in the sandbox; try it on a real cluster"
    source = _OLD.sub(lambda found: found[1] or _OPTIONAL_OLD, rule) if is_optional else rule
    try:
        found = _typed(schema).compile(source).return_type()
    except RuntimeError as error:
        text = _compile_text(str(error))
        if text:
            return f"{label}compilation failed: {text}"
        found = _compiled(source).return_type()
    if found == cel.Type.DYN or found.name().lower() == wanted:
        return _untyped_fault(rule, is_optional)
    return f"{'cel expression' if wanted == 'bool' else 'messageExpression'} must evaluate to a {wanted}"


def _untyped_fault(rule: str, is_optional: bool) -> str:
    try:
        program(rule, is_optional)
    except RuntimeError as error:
        return f"compilation failed: {_compile_text(str(error))}"
    return ""


@cache
def _environment() -> cel.Env:
    kinds = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN, "hasOldSelf__": cel.Type.BOOL}
    return library.environment(kinds)


def _typed(schema: Schema) -> cel.Env:
    kind = _self_type(schema)
    variables = {"self": kind, "oldSelf": kind, "hasOldSelf__": cel.Type.BOOL}
    return library.environment(variables, types.declare(schema))


_SCALARS: Mapping[str, cel.Type] = {
    "string": cel.Type.STRING,
    "integer": cel.Type.INT,
    "number": cel.Type.DOUBLE,
    "boolean": cel.Type.BOOL,
}
_FORMATS: Mapping[str, cel.Type] = {
    "date": cel.Type.TIMESTAMP,
    "date-time": cel.Type.TIMESTAMP,
    "duration": cel.Type.DURATION,
    "byte": cel.Type.BYTES,
}


def _self_type(schema: Schema) -> cel.Type:
    kind = schema.get("type")
    if schemas.is_int_or_string(schema) or not kind:
        return cel.Type.DYN
    if kind == "array":
        return cel.Type.List(_item_type(schemas.items(schema) or {}))
    if kind == "object":
        others = schemas.additional(schema)
        if others is not None and not schemas.properties(schema):
            return cel.Type.Map(cel.Type.STRING, _item_type(others))
        return cel.Type("Self")
    return _FORMATS.get(schema.get("format") or "", _SCALARS[kind]) if kind == "string" else _SCALARS[kind]


def _item_type(schema: Schema) -> cel.Type:
    return cel.Type.DYN if schema.get("type") == "object" else _self_type(schema)


def _compile_text(text: str) -> str:
    """Return the first problem that is one for the real compiler too, in its words; empty when none is."""
    problems = re.split(r"\n(?=ERROR: )", _CODE.sub("", text).removeprefix("INVALID_ARGUMENT: "))
    kept = [one for one in problems if not _ACROSS.search(one) and "'*error*'" not in one]
    told = [_told(one) for one in kept]
    return "\n".join(told)


def _told(problem: str) -> str:
    """Return a problem in the words of the real compiler."""
    text = re.sub(r"(undefined field '\w+') not found in struct '[\w.]*'", r"\1", problem)
    text = _SELECTION.sub(r"type '\1' does not support field selection", text)
    found, shown = _OVERLOAD.search(text), _SOURCE.search(text)
    if found and shown and shown[1][: len(shown[2])].endswith(f".{found[1]}"):
        # Called on a value: the real compiler shows that value's type before the others.
        of, _, others = found[2].partition(", ")
        text = text.replace(f"'({found[2]})'", f"'{of}.({others})'")
    return text


def _runtime_text(text: str) -> str:
    body = re.sub(r"^[A-Z_]+: ", "", text)
    if found := re.fullmatch(r'Key not found in map : "?(.*?)"?', body):
        return f"no such key: {found[1]}"
    if found := re.fullmatch(r"Index error: index=(-?\d+) size=\d+", body):
        return f"index out of bounds: {found[1]}"
    if body == "divide by zero":
        return "division by zero"
    if body.startswith("No matching overloads found"):
        return "no such overload"
    return body
