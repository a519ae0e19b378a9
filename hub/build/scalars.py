"""What a plain YAML scalar is in Go's yaml.v2, and what a key becomes as text.

Pure; `kubeyaml` is the reader. A value keeps Go's type: a float stays one, so that a key can be written as Go writes it.
"""

import math
import re
import struct
from typing import Final

Scalar = str | int | float | bool | None

_WORDS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}{word}": math.inf for sign in ("", "+") for word in (".inf", ".Inf", ".INF")},
    **{f"-{word}": -math.inf for word in (".inf", ".Inf", ".INF")},
}
# Only these can begin something that is not text.
_FIRST: Final = frozenset("0123456789+-.~yYnNtTfFoO")
_INTEGER = re.compile(
    r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]([0-7]+)|0[bB]([01]+)|0([0-7]+)|(0|[1-9][0-9]*))\Z", re.A
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z", re.A)
_FRACTION = re.compile(r"\.[0-9]+(_[0-9]+)*([eE][-+]?[0-9]+(_[0-9]+)*)?\Z", re.A)
_BASES: Final = (16, 8, 2, 8, 10)


def resolve(text: str) -> Scalar:
    """Give a plain scalar its value."""
    if text and text[0] not in _FIRST:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == ".":
        return _float(text, text) if _FRACTION.match(text) else text
    return _number(text) if text[0] in "0123456789+-" else text


def _number(text: str) -> Scalar:
    plain = text.replace("_", "")
    if found := _INTEGER.match(plain):
        sign, *digits = found.groups()
        index = next(index for index, group in enumerate(digits) if group is not None)
        # int() refuses very long decimal numbers; from 20 digits on it is a float anyway.
        if _BASES[index] != 10 or len(digits[index]) <= 20:
            number = int(digits[index], _BASES[index]) * (-1 if sign == "-" else 1)
            # "+" goes with int64 only, as in Go.
            if -(1 << 63) <= number < 1 << (63 if sign else 64):
                return number
    return _float(plain, text) if _FLOAT.match(plain) else text


def _float(plain: str, text: str) -> Scalar:
    value = float(plain.replace("_", ""))
    return text if math.isinf(value) else value


def key_text(value: object) -> str | None:
    """Write a value as a key, None where Go refuses it."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value) if value < 1 << 63 else None
        case float():
            return _single(value)
        case _:
            return None


def _single(value: float) -> str:
    """Write the shortest decimal that reads as the same single precision number, in Go's format 'g'."""
    wanted = _packed(value)
    if math.isnan(value):
        return ".nan"
    if wanted is None:
        return ".inf" if value > 0 else "-.inf"
    shortest = (text for digits in range(9) if _packed(float(text := f"{value:.{digits}e}")) == wanted)
    mantissa, exponent = next(shortest).split("e")
    if -4 <= int(exponent) < 6:
        digits = len(mantissa.lstrip("-").replace(".", ""))
        return f"{float(f'{mantissa}e{exponent}'):.{max(0, digits - 1 - int(exponent))}f}"
    return f"{mantissa}e{exponent}"


def _packed(value: float) -> bytes | None:
    """Round to single precision; None for what is infinite then."""
    try:
        return None if math.isinf(value) else struct.pack("<f", value)
    except OverflowError:
        return None
