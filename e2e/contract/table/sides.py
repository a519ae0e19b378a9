"""Both sides of the table at once: while a real server is waited for, the one in memory answers."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from e2e.contract.table.case import Case
from e2e.contract.table.memory import MemoryServer
from e2e.contract.table.normal import told_differences
from e2e.contract.table.player import played_steps

Answers = dict[str, list[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """What both servers answered, by the names of the cases."""

    real: Answers
    memory: Answers

    def differences(self, case: Case) -> str:
        """Return where the answers to a case differ, for people; empty when they do not."""
        return told_differences(played_steps(case), self.real[case.name], self.memory[case.name])


def both(cases: Sequence[Case], real: Callable[[Sequence[Case]], Answers]) -> Sides:
    """Play cases on a real server, by `real`, and in memory."""
    with ThreadPoolExecutor(1) as aside:
        told = aside.submit(real, cases)
        return Sides(memory=in_memory(cases), real=told.result())


def in_memory(cases: Sequence[Case]) -> Answers:
    """Return what a new server in memory answers to cases."""
    server = MemoryServer()
    try:
        return {case.name: server.play(case) for case in cases}
    finally:
        server.close()
