"""The cases, by area."""

from e2e.contract.table.case import Case
from e2e.contract.table.cases import access, directives, leaving, listing, ownership, watching

AREAS: dict[str, tuple[Case, ...]] = {
    "ownership": ownership.CASES,
    "directives": directives.CASES,
    "listing": listing.CASES,
    "watching": watching.CASES,
    "leaving": leaving.CASES,
    "access": access.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in AREAS.values() for case in cases)
