"""The cases, by area."""

from e2e.contract.table.case import Case
from e2e.contract.table.cases import directives, ownership

AREAS: dict[str, tuple[Case, ...]] = {
    "ownership": ownership.CASES,
    "directives": directives.CASES,
}
CASES: tuple[Case, ...] = tuple(case for cases in AREAS.values() for case in cases)
