"""Amounts as Kubernetes writes them, `500m`, `1Gi`, `0.5`: the server writes the same amount in a form of its own. Pure."""

import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([eE][+-]?\d+)|([numkMGTPE]|[KMGTPE]i)?)")
_FACTORS = {
    **{
        unit: Decimal(1000) ** power
        for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def are_same(one: object, other: object) -> bool:
    """Tell whether two values are the same amount; what is no amount is the same as nothing."""
    amount = _amount(one)
    return amount is not None and amount == _amount(other)


def _amount(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _FORM.fullmatch(str(value))
    if found is None:
        return None
    number, exponent, unit = found.groups()
    return Decimal(number + (exponent or "")) * _FACTORS[unit or ""]
