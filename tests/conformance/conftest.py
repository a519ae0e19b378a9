"""Closes a conformance run with one line of counts and one of the files that are not wired yet."""

from typing import Any

from tests.conformance import support


def pytest_terminal_summary(terminalreporter: Any) -> None:
    stats = terminalreporter.stats
    passed = len(stats.get("passed", []))
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    terminalreporter.write_line(f"not wired: {', '.join(support.pending()['files']) or 'nothing'}")
    terminalreporter.write_line(f"{passed} passed, {failed} failed")
