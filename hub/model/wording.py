"""How messages name several things at once. Pure."""

from collections.abc import Mapping, Sequence

MAX_NAMED = 5


def first_of(names: Sequence[str]) -> str:
    """Return the first names, and how many there are beside them."""
    named, more = ", ".join(names[:MAX_NAMED]), len(names) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named


def alike(reasons: Mapping[str, str]) -> Sequence[str]:
    """Return a line for each reason, with the first of those that have it: `eu-1, eu-2 and 7 more: it broke`."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"{first_of(found)}: {reason}" for reason, found in names.items()]
