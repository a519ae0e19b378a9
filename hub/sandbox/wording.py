"""Values as the API server's error texts show them: its texts are Go's formatting of decoded JSON."""

import json
import math
import re
from typing import Any


def plain(value: Any) -> str:
    """Return a value as `%v` shows it: `map[a:1 b:[x y]]`."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case float():
            return _number(value)
        case dict():
            return "map[" + " ".join(f"{name}:{plain(part)}" for name, part in sorted(value.items())) + "]"
        case list():
            return "[" + " ".join(map(plain, value)) + "]"
        case _:
            return str(value)


def source(value: Any) -> str:
    """Return a value as `%#v` shows it, the way it would be written in a program."""
    match value:
        case None:
            return "interface {}(nil)"
        case str():
            return quoted(value)
        case dict():
            inner = ", ".join(f"{quoted(name)}:{source(part)}" for name, part in sorted(value.items()))
            return f"{type_name(value)}{{{inner}}}"
        case list():
            return f"{type_name(value)}{{{', '.join(map(source, value))}}}"
        case _:
            return plain(value)


def type_name(value: Any) -> str:
    """Return the name of a value's type, as `%T` shows it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case int():
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case dict():
            return "map[string]interface {}"
        case _:
            return "[]interface {}"


def quoted(text: str) -> str:
    """Return a text in quotes, as `%q` shows it."""
    shown = json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    return re.sub(r"\\\\|\\u00(..)", lambda found: f"\\x{found[1]}" if found[1] else found[0], shown)


def _number(value: float) -> str:
    """Return the shortest text of a number; with an exponent from a million on."""
    if math.isinf(value) or math.isnan(value):
        return "+Inf" if value > 0 else "-Inf" if value < 0 else "NaN"
    digits, _, exponent = f"{value!r}".partition("e")
    power = math.floor(math.log10(abs(value))) if value else 0
    if not exponent and -5 < power < 6:
        return digits.removesuffix(".0")
    for precision in range(18):
        text = f"{value:.{precision}e}"
        if float(text) == value:
            return text
    return digits


def same(left: Any, right: Any) -> bool:
    """Tell whether two values are equal; unlike in Python, `true` is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(part, right[name]) for name, part in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)
