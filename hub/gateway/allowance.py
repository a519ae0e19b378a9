"""How much of what one cluster says the hub keeps: an agent in foreign hands must not fill the memory that serves all clusters.

State: for each delivery that a cluster reports the size of its last report, and which notices nobody has told yet. It outlives sessions, for
what was reported does so, too.
"""

from collections import deque

from agent.kit.errors import Transient
from agent.model.names import ClusterId, HomeName
from agent.model.report import Report
from hub.model.wish import Boards

MAX_REPORTS = 50_000
MAX_REPORT_BYTES = 64 << 20
MAX_NOTICES = 5_000


class Exceeded(Transient):
    """The cluster said more than is kept of one."""


class Allowance:
    """What one cluster has on the boards."""

    def __init__(self, cluster: ClusterId, boards: Boards) -> None:
        self._cluster = cluster
        self._boards = boards
        self._sizes: dict[HomeName, int] = {}
        self._total_bytes = 0
        self._notices: deque[tuple[ClusterId, int, int]] = deque()

    def take_report(self, report: Report) -> None:
        """Count a report in place of the one before. Raises Exceeded."""
        size = len(report.encode())
        total = self._total_bytes + size - self._sizes.get(report.home, 0)
        count = len(self._sizes) + (report.home not in self._sizes)
        if total > MAX_REPORT_BYTES or count > MAX_REPORTS:
            raise Exceeded(
                f"the cluster reported {count} deliveries with {total} bytes; {MAX_REPORTS} with {MAX_REPORT_BYTES} are kept of one",
                reason="TooManyReports",
            )
        self._sizes[report.home], self._total_bytes = size, total

    def take_notice(self, key: tuple[ClusterId, int, int]) -> None:
        """Count a notice until it is off the board. Raises Exceeded."""
        while self._notices and self._boards.happenings.get(self._notices[0]) is None:
            self._notices.popleft()
        if len(self._notices) >= MAX_NOTICES:
            raise Exceeded(f"{MAX_NOTICES} events of the cluster wait to be told", reason="TooManyNotices")
        self._notices.append(key)
