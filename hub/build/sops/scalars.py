"""Scalars as Go's yaml.v3 reads and writes them, which is the library that SOPS uses. Pure."""

import base64
import math
import re
from typing import Final

from hub.build.scalars import resolve as resolve_older
from hub.build.sops.tree import Timestamp
from hub.build.sops.values import general

_OLD_BOOLEANS: Final = frozenset(
    word for text in ("y", "yes", "on", "n", "no", "off") for word in (text, text.capitalize(), text.upper())
)
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:(?:[Tt]|[ \t]+)(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9}))?[ \t]*(Z|[-+]\d{1,2}(?::?\d{2})?)?)?\Z",
    re.A,
)
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?\Z", re.A)
_INDICATORS: Final = frozenset("#,[]{}&*!|>'\"%@`")
_BLANK: Final = " \n\r\x85\u2028\u2029"
_BINARY_LINE: Final = 70
_BREAKS: Final = "\n\r\x85\u2028\u2029"
_ESCAPES: Final = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r", "\x1b": "\\e",
    '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip

Scalar = str | int | float | bool | Timestamp | None


def resolve(text: str) -> Scalar:
    """Give a plain scalar its value."""
    if text in _OLD_BOOLEANS:
        return text
    found = _TIMESTAMP.match(text)
    return _timestamp(found) if found else resolve_older(text)


def _timestamp(found: re.Match[str]) -> Timestamp | str:
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31 and int(hour or 0) < 24):
        return found.group()
    parts = f".{fraction.rstrip('0')}" if fraction and fraction.strip("0") else ""
    time = f"{int(hour or 0):02d}:{int(minute or 0):02d}:{int(second or 0):02d}{parts}"
    return Timestamp(f"{year}-{int(month):02d}-{int(day):02d}T{time}{zone or 'Z'}")


def written(value: object, indent: int, *, deeper: int = 4, in_flow: bool = False) -> str:
    """Write a value; the lines of a block are indented by so many blanks, `deeper` than what it is in."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _float(value)
        case bytes():
            return _binary(value, indent)
        case Timestamp():
            return str(value)
        case _:
            return _text(str(value), indent, deeper, in_flow=in_flow)


def _text(text: str, indent: int, deeper: int, *, in_flow: bool) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return _binary(text.encode("utf-8", "surrogateescape"), indent)
    if in_flow:
        return _double_quoted(text)
    special = any(not _is_printable(char) for char in text)
    space_before_break = re.search(f" [{_BREAKS}]", text) is not None
    if "\n" in text:
        if special or space_before_break or text.endswith(" "):
            return _double_quoted(text)
        return _literal(text, indent, deeper)
    is_text = isinstance(resolve(text), str) and not isinstance(resolve(text), Timestamp)
    if not is_text or text in _OLD_BOOLEANS or _BASE_60.match(text) or text == "<<":
        return _double_quoted(text)
    if special or "\t" in text or any(char in text for char in _BREAKS):
        return _double_quoted(text)
    if text[0] == " " or text[-1] == " " or _has_indicator(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def _has_indicator(text: str) -> bool:
    """Tell whether a text could not stand without quotes."""
    if text.startswith(("---", "...")) or text[0] in _INDICATORS:
        return True
    if text[0] in "-?:" and (len(text) == 1 or text[1] in _BLANK):
        return True
    return re.search(r":(?:[ \n]|\Z)| #", text) is not None


def _is_printable(char: str) -> bool:
    code = ord(char)
    return (
        char in "\t\n"
        or 0x20 <= code <= 0x7E
        or 0xA0 <= code <= 0xD7FF
        or (0xE000 <= code <= 0xFFFD and code != 0xFEFF)
    )


def _literal(text: str, indent: int, deeper: int) -> str:
    hint = deeper if text[0] in " \n" else ""
    chomp = "-" if not text.endswith("\n") else "+" if text == "\n" or text.endswith("\n\n") else ""
    blanks = " " * indent
    lines = "\n".join(blanks + line if line else "" for line in text.removesuffix("\n").split("\n"))
    return f"|{hint}{chomp}\n{lines}"


def _double_quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if _is_printable(char):
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _binary(value: bytes, indent: int) -> str:
    text = base64.b64encode(value).decode()
    if len(text) <= _BINARY_LINE:
        return f"!!binary {text}"
    lines = (text[at : at + _BINARY_LINE] for at in range(0, len(text), _BINARY_LINE))
    return "!!binary |\n" + "\n".join(" " * indent + line for line in lines)


def _float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    return general(value)
