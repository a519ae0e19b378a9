"""What happened and has not been told yet. Bounded: when the hub stays away, the oldest go, and how many is told."""

import asyncio
from collections import deque
from datetime import datetime

from agent.model.assignment import Assignment
from agent.model.names import timestamp
from agent.model.report import Notice, NoticeKind

MAX_NOTICES = 1000


class Notices:
    """Numbered notices until they are acknowledged."""

    def __init__(self) -> None:
        self._waiting: deque[Notice] = deque()
        self._seq = 0
        self._lost = 0
        self._added = asyncio.Event()

    def add(self, about: Assignment, kind: NoticeKind, reason: str, message: str, *, at: datetime) -> None:
        """Note something about a delivery."""
        if len(self._waiting) == MAX_NOTICES:
            self._waiting.popleft()
            self._lost += 1
        if self._lost and len(self._waiting) < MAX_NOTICES - 1:
            message = f"{message}\n({self._lost} earlier events were lost while the hub was away)"
            self._lost = 0
        self._seq += 1
        self._waiting.append(
            Notice(
                seq=self._seq,
                home=about.home,
                uid=about.uid,
                kind=kind,
                reason=reason,
                message=message,
                at=timestamp(at),
                bundle=about.bundle.digest,
            )
        )
        self._added.set()

    async def after(self, seq: int) -> tuple[Notice, ...]:
        """Wait until there are notices later than the given one, and return them in order."""
        while True:
            later = tuple(notice for notice in self._waiting if notice.seq > seq)
            if later:
                return later
            self._added.clear()
            await self._added.wait()

    def acknowledge(self, seq: int) -> None:
        """Forget all up to this one."""
        while self._waiting and self._waiting[0].seq <= seq:
            self._waiting.popleft()
