"""The cases, by area."""

from e2e.contract.table.case import Case
from e2e.contract.table.cases import (
    access,
    directives,
    keyed,
    leaving,
    listing,
    ownership,
    structures,
    watching,
)

AREAS: dict[str, tuple[Case, ...]] = {
    "ownership": (*ownership.CASES, *structures.CASES),
    "directives": directives.CASES,
    "keyed": keyed.CASES,
    "listing": listing.CASES,
    "watching": watching.CASES,
    "leaving": leaving.CASES,
    "access": access.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in AREAS.values() for case in cases)
