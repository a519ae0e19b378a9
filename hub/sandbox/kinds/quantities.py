"""Quantities, as 500m and 1Gi: their worth and the form in which a server stores them. Pure."""

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from agent.kube.api import Object
from hub.sandbox.kinds.values import at

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL: Mapping[str, int] = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_MILLI = Decimal("0.001")


def worth(text: Any) -> Decimal | None:
    """Return the number a quantity stands for, None when it is no quantity."""
    found = _FORM.fullmatch(str(text))
    if found is None:
        return None
    number, unit = Decimal(found[1]), found[2] or ""
    if unit in _BINARY[1:]:
        return number * Decimal(1024 ** _BINARY.index(unit))
    if unit in _DECIMAL:
        return number.scaleb(_DECIMAL[unit])
    return number.scaleb(int(unit[1:]))


def canonical(text: Any) -> Any:
    """Return the form of a quantity that a server stores; what is no quantity stays as it is."""
    found = _FORM.fullmatch(str(text))
    number = worth(text)
    if found is None or number is None:
        return text
    if number == 0:
        return "0"
    unit = found[2] or ""
    if unit in _BINARY[1:] and number == number.to_integral_value():
        return _binary(int(number))
    return _decimal(number, is_exponent=unit[:1] in ("e", "E") and len(unit) > 1)


def tidied(owner: Any, *path: str) -> None:
    """Give the quantities in the mapping at a path their stored form, none finer than a thousandth."""
    found = at(owner, *path)
    if isinstance(found, dict):
        for key, text in found.items():
            number = worth(text)
            if number is not None and number != (rounded := number.quantize(_MILLI, ROUND_CEILING)):
                text = f"{rounded.normalize():f}"
            found[key] = canonical(text)


def tidied_field(owner: Object, key: str) -> None:
    """Give one quantity its stored form."""
    if owner.get(key) is not None:
        owner[key] = canonical(owner[key])


def _binary(number: int) -> str:
    power = 0
    while power < len(_BINARY) - 1 and number % 1024 == 0:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY[power]}"


def _decimal(number: Decimal, *, is_exponent: bool) -> str:
    for unit, power in reversed(tuple(_DECIMAL.items())):
        scaled = number.scaleb(-power)
        if scaled == scaled.to_integral_value():
            shown = (f"e{power}" if power else "") if is_exponent else unit
            return f"{int(scaled)}{shown}"
    return f"{int(number.scaleb(9).to_integral_value(ROUND_CEILING))}n"
