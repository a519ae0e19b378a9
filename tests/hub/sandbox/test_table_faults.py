"""The table finds what is wrong: each fault that is planted makes a case of its area fail."""

import pytest

from e2e.contract.table.cases import AREAS
from e2e.contract.table.memory import MemoryServer
from e2e.contract.table.recording import recorded
from tests.hub.sandbox.faults import FAULTS, Fault

RECORDED = recorded()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.plant(monkeypatch)
    server = MemoryServer()
    try:
        found = next((case for case in AREAS[fault.area] if server.play(case) != RECORDED[case.name]), None)
    finally:
        server.close()
    assert found is not None, f"no case of {fault.area} sees that {fault.name}"
