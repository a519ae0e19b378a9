"""Records what agents told as events of their deliveries; what several clusters tell alike within a moment is one event.

State: what is being gathered, and what is being recorded. A happening is on its board until it is recorded.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.kit.reconcile import Again, Done, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.model.names import ClusterId, HomeName
from agent.model.report import Notice, NoticeKind
from hub.model.wish import Boards, Happening, PlacementKey
from hub.status.happenings import event_of
from hub.status.judging import DELIVERY
from hub.status.placements import Placements
from hub.store import Store

HappeningKey = tuple[ClusterId, int, int]


@dataclass(frozen=True, slots=True)
class Subject:
    """What notices have in common that are one event. How long health took differs by cluster, and is left out."""

    home: HomeName
    uid: str
    kind: NoticeKind
    bundle: str
    reason: str
    message: str

    @classmethod
    def of(cls, notice: Notice) -> "Subject":
        message = "" if notice.kind is NoticeKind.HEALTH_PASSED else notice.message
        return cls(notice.home, notice.uid, notice.kind, notice.bundle, notice.reason, message)


class Telling:
    """Follows the happenings. `run` until cancelled."""

    def __init__(
        self,
        placements: Placements,
        *,
        store: Store,
        boards: Boards,
        gather_s: float,
        loop: Callable[[Callable[[Subject], Awaitable[Outcome]]], Loop[Subject]],
    ) -> None:
        self._placements = placements
        self._store = store
        self._boards = boards
        self._gather_s = gather_s
        self._gathered: dict[Subject, dict[HappeningKey, None]] = {}
        self._recorded: set[Subject] = set()
        self._loop = loop(self._tell)

    async def run(self) -> None:
        """Gather what is told, and record it."""
        async with Tasks() as tasks:
            tasks.start(self._loop.run(), name="events")
            tasks.start(self._follow(), name="happenings")
            await tasks.wait_for_failure()

    async def tell_now(self, uid: str) -> None:
        """Record what was gathered of a delivery, because something is to be told that came after it."""
        for subject in [one for one in self._gathered if one.uid == uid and one not in self._recorded]:
            await self._tell(subject)

    async def _follow(self) -> None:
        with self._boards.happenings.reader() as reader:
            while True:
                for key, happening in (await reader.next()).items():
                    if happening is not None:
                        subject = Subject.of(happening.notice)
                        self._gathered.setdefault(subject, {})[key] = None
                        self._loop.mark(subject, after_s=self._gather_s)

    async def _tell(self, subject: Subject) -> Outcome:
        """Record what was gathered, then forget it; what is about no delivery that is known is forgotten too."""
        keys = tuple(self._gathered.get(subject, ()))
        found = [one for key in keys if (one := self._boards.happenings.get(key)) is not None]
        if subject in self._recorded or self._is_early(subject, found):
            return Again(after_s=self._gather_s)
        self._recorded.add(subject)
        try:
            await self._record(subject, found)
        finally:
            self._recorded.discard(subject)
        rest = self._gathered.pop(subject, {})
        for key in keys:
            rest.pop(key, None)
            self._boards.happenings.drop(key)
        if rest:
            self._gathered[subject] = rest
        return Done()

    def _is_early(self, subject: Subject, found: list[Happening]) -> bool:
        """Tell whether the delivery is there and not known yet to be placed where the agents are."""
        if any(self._placements.owner(_place(one)) is not None for one in found):
            return False
        return bool(self._store.kustomizations_by_uid.of(subject.uid))

    async def _record(self, subject: Subject, found: list[Happening]) -> None:
        owner = next((key for one in found if (key := self._placements.owner(_place(one))) is not None), None)
        delivery = self._store.kustomizations.readable(owner) if owner is not None else None
        standing = self._boards.standings.get((DELIVERY, *owner)) if owner is not None else None
        if delivery is None or standing is None or delivery.metadata.uid != subject.uid:
            return
        places = {_place(one) for one in found}
        targets = [one for one in standing.targets if one.key in places]
        if targets:
            await self._store.record_event(event_of(found[-1].notice, delivery, standing, targets))


def _place(one: Happening) -> PlacementKey:
    return (one.cluster, one.notice.home)
