"""One installed fleet for all scenarios of a run; each has a namespace, a repository and objects of its own."""

import pytest

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import Fleet


@pytest.fixture(scope="session")
def fleet(planes: dict[str, Plane]) -> Fleet:
    """The hub on the management plane, agents in east and west."""
    found = Fleet(planes["management"], east=planes["east"], west=planes["west"])
    found.install()
    return found
