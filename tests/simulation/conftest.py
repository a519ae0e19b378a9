"""Tells at the end what the simulated worlds went through, and fails a run in which too few of them deleted anything."""

from collections import Counter

import pytest

LEAST_DELETING = 0.05
_ENOUGH = 20
_WORLDS = pytest.StashKey[list[dict[str, int]]]()


class _Told:
    """Collects the figures of the worlds; with several workers, in the process that collects their reports."""

    def __init__(self, config: pytest.Config) -> None:
        self._worlds = config.stash.setdefault(_WORLDS, [])

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._worlds += [value for name, value in report.user_properties if name == "simulation"]  # type: ignore[misc]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Told(config), "simulation-told")


def _deleting(worlds: list[dict[str, int]]) -> float:
    return sum(one["deletions"] > 0 for one in worlds) / len(worlds)


def pytest_sessionfinish(session: pytest.Session) -> None:
    worlds = session.config.stash.get(_WORLDS, [])
    if len(worlds) >= _ENOUGH and _deleting(worlds) < LEAST_DELETING and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    worlds = config.stash.get(_WORLDS, [])
    if not worlds:
        return
    totals = Counter[str]()
    for one in worlds:
        totals.update(one)
    least, share = min(one["steps"] for one in worlds), _deleting(worlds)
    terminalreporter.section("simulation")
    told = ", ".join(f"{totals[name]:,} {name}" for name in totals)
    terminalreporter.line(f"{len(worlds):,} worlds of at least {least:,} steps: {told}")
    terminalreporter.line(f"{share:.0%} of them deleted something")
    if len(worlds) >= _ENOUGH and share < LEAST_DELETING:
        terminalreporter.line(
            f"too few: at least {LEAST_DELETING:.0%} must, else nothing is shown of deletions", red=True
        )
