"""The functions of texts that rules have beyond the language, and regular expressions that return what they found."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel

_T = cel.Type
_S, _I, _L = _T.STRING, _T.INT, _T.List(_T.STRING)
_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_CLAUSE = re.compile(r"%(?:\.(\d+))?([sdfexXob%])")


def declarations() -> list[cel.FunctionDecl]:
    """Return the functions with their signatures."""
    return [
        _member("charAt", (_S, _I), _S, _char_at),
        _member("lowerAscii", (_S,), _S, lambda text: text.translate(_LOWER)),
        _member("upperAscii", (_S,), _S, lambda text: text.translate(_UPPER)),
        _member("trim", (_S,), _S, str.strip),
        _overloads("replace", ((_S, _S, _S), _S, str.replace), ((_S, _S, _S, _I), _S, str.replace)),
        _overloads(
            "split", ((_S, _S), _L, lambda text, by: _split(text, by, -1)), ((_S, _S, _I), _L, _split)
        ),
        _overloads("substring", ((_S, _I), _S, _substring), ((_S, _I, _I), _S, _substring)),
        _overloads("join", ((_L,), _S, "".join), ((_L, _S), _S, lambda parts, by: by.join(parts))),
        _member("format", (_S, _T.List(_T.DYN)), _S, formatted),
        _member(
            "find",
            (_S, _S),
            _S,
            lambda text, pattern: found[0] if (found := re.search(pattern, text)) else "",
        ),
        _overloads("findAll", ((_S, _S), _L, _find_all), ((_S, _S, _I), _L, _find_all)),
        cel.FunctionDecl("strings.quote", [cel.Overload("strings_quote", _S, [_S], False, _quote)]),
        _overloads(
            "indexOf",
            ((_S, _S), _I, str.find),
            ((_S, _S, _I), _I, str.find),
            ((_T.List(_T.DYN), _T.DYN), _I, lambda items, one: _places(items, one)[0]),
        ),
        _overloads(
            "lastIndexOf",
            ((_S, _S), _I, str.rfind),
            ((_S, _S, _I), _I, lambda text, part, at: text.rfind(part, 0, at + len(part))),
            ((_T.List(_T.DYN), _T.DYN), _I, lambda items, one: _places(items, one)[-1]),
        ),
    ]


def formatted(template: str, values: Sequence[Any]) -> str:
    """Return a text with its clauses filled in."""
    left = iter(values)

    def fill(clause: re.Match[str]) -> str:
        precision, verb = clause[1], clause[2]
        if verb == "%":
            return "%"
        value = next(left)
        match verb:
            case "s":
                return _plain(value)
            case "d":
                return str(int(value))
            case "f":
                return f"{float(value):.{precision or 6}f}"
            case "e":
                return _scientific(float(value), precision)
            case "b":
                return f"{int(value):b}"
            case "o":
                return f"{int(value):o}"
            case _:
                return f"{value:{verb}}" if isinstance(value, int) else str(value).encode().hex()

    return _CLAUSE.sub(fill, template)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else _inner(value)


def _inner(value: Any) -> str:
    """Return a value as it stands in a list or a map: texts are quoted there."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _quote(value)
        case float():
            return f"{value:.6f}"
        case bytes() | bytearray():
            return bytes(value).decode(errors="replace")
        case timedelta():
            return f"{value.total_seconds():.9f}".rstrip("0").rstrip(".") + "s"
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case list():
            return f"[{', '.join(map(_inner, value))}]"
        case dict():
            return "{" + ", ".join(f"{_inner(name)}:{_inner(value[name])}" for name in sorted(value)) + "}"
        case _:
            return str(value)


def _scientific(value: float, precision: str | None) -> str:
    """Return a number with an exponent, which rules write in raised digits."""
    digits, _, exponent = f"{value:.{precision or 6}e}".partition("e")
    sign = "⁻" if exponent.startswith("-") else ""
    return f"{digits}×10{sign}{exponent[1:].translate(_RAISED)}"


def _char_at(text: str, at: int) -> str:
    if not 0 <= at <= len(text):
        raise ValueError(f"index out of range: {at}")
    return text[at : at + 1]


def _substring(text: str, start: int, end: int | None = None) -> str:
    stop = len(text) if end is None else end
    if not 0 <= start <= stop <= len(text):
        raise ValueError(f"index out of range: {start if not 0 <= start <= len(text) else stop}")
    return text[start:stop]


def _split(text: str, by: str, most: int) -> list[str]:
    if most == 0:
        return []
    if not by:
        parts = list(text)
        return parts if most < 0 or len(parts) <= most else [*parts[: most - 1], "".join(parts[most - 1 :])]
    return text.split(by, -1 if most < 0 else most - 1)


def _find_all(text: str, pattern: str, most: int = -1) -> list[str]:
    all_found = [found[0] for found in re.finditer(pattern, text)]
    return all_found if most < 0 else all_found[:most]


def _quote(text: str) -> str:
    escaped = (
        text.replace("\\", "\\\\")
        .replace('"', '\\"')
        .replace("\n", "\\n")
        .replace("\t", "\\t")
        .replace("\r", "\\r")
    )
    return f'"{escaped}"'


def _places(items: list[Any], one: Any) -> list[int]:
    return [
        at for at, item in enumerate(items) if item == one and isinstance(item, bool) == isinstance(one, bool)
    ] or [-1]


def _member(name: str, parameters: Sequence[Any], result: Any, run: Any) -> cel.FunctionDecl:
    return _overloads(name, (parameters, result, run))


def _overloads(name: str, *forms: tuple[Sequence[Any], Any, Any]) -> cel.FunctionDecl:
    overloads = [
        cel.Overload(f"{name}_{at}", result, list(parameters), True, run)
        for at, (parameters, result, run) in enumerate(forms)
    ]
    return cel.FunctionDecl(name, overloads)
