"""Brings each delivery of the cluster to what its assignment on the desk says, and reports how it stands.

State: in memory only, what was last verified and said of each delivery. What must survive is on the desk. One delivery is worked on by one
worker at a time; it is looked at again on its interval, when its head changes, when something it owns changes, and when one that it depends
on does.
"""

from dataclasses import replace

from agent.apply.engine import Engine
from agent.desk import Desk
from agent.kit.board import Board
from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Waiting
from agent.kit.reconcile import Done, Loop, Outcome
from agent.kit.telemetry import Telemetry
from agent.model.head import Head
from agent.model.names import HomeName, ObjectRef
from agent.model.report import Report, Stage
from agent.notices import Notices
from agent.reconciler.dependencies import Dependents
from agent.reconciler.health import Live
from agent.reconciler.moves import Moves
from agent.reconciler.removal import Removal
from agent.reconciler.reporter import Reporter
from agent.reconciler.settings import ReconcilerSettings
from agent.reconciler.state import States
from agent.reconciler.upkeep import HEALTH_CHECK_FAILED, Upkeep
from agent.reconciler.verdict import Word


class Reconciler:
    """Works on the desk's deliveries. `run` until cancelled."""

    def __init__(
        self,
        settings: ReconcilerSettings,
        *,
        desk: Desk,
        engine: Engine,
        live: Live,
        reports: Board[HomeName, Report],
        notices: Notices,
        clock: Clock,
        randomness: Randomness,
        telemetry: Telemetry | None = None,
    ) -> None:
        telemetry = telemetry or Telemetry()
        self._desk = desk
        self._live = live
        self._clock = clock
        self._states = States(settings.fight_window_s)
        self._dependents = Dependents()
        self._moves = Moves(desk, self._states, clock=clock, wait_s=settings.move_wait_s)
        self._reporter = Reporter(
            desk=desk,
            states=self._states,
            reports=reports,
            notices=notices,
            clock=clock,
            changed=self._wake_dependents,
        )
        self._upkeep = Upkeep(
            settings,
            desk=desk,
            engine=engine,
            live=live,
            states=self._states,
            moves=self._moves,
            reporter=self._reporter,
            clock=clock,
            randomness=randomness,
            tracer=telemetry.tracer,
        )
        self._removal = Removal(
            desk=desk,
            engine=engine,
            live=live,
            states=self._states,
            reporter=self._reporter,
            clock=clock,
            in_use_wait_s=settings.in_use_wait_s,
        )
        self._loop: Loop[HomeName] = Loop(
            "reconcile",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
            telemetry=telemetry,
            about=self._about,
        )

    async def run(self) -> None:
        """Begin with all that is on the desk, and go on."""
        for home in self._desk.heads:
            self.wake(home)
        await self._loop.run()

    def wake(self, home: HomeName) -> None:
        """Look at a delivery now, since its head changed."""
        self._loop.mark(home)
        self._wake_waiting()

    def touched(self, home: HomeName, ref: ObjectRef) -> None:
        """Something that a delivery owns was changed; what is fought over waits for the interval."""
        if not self._states.of(home).fights.involves(ref):
            self._loop.mark(home)

    def seen_unchanged(self, home: HomeName, ref: ObjectRef, before: str, now: str) -> None:
        """An object has a new resourceVersion, but nothing in it changed that an apply would look at."""
        state = self._states.of(home)
        known = state.known.get(ref)
        if known is not None and known.resource_version == before:
            state.known = {**state.known, ref: replace(known, resource_version=now)}

    def appeared(self, home: HomeName, ref: ObjectRef, now: str) -> None:
        """A watch sees an object for the first time; it may have been changed between our write and the beginning of the watch."""
        known = self._states.of(home).known.get(ref)
        if known is not None and known.resource_version != now:
            self.touched(home, ref)

    def health_changed(self, home: HomeName) -> None:
        """The status of something that a delivery owns changed; it matters while its health is awaited."""
        report = self._reporter.last(home)
        if report is not None and (report.stage is Stage.CHECKING or report.reason == HEALTH_CHECK_FAILED):
            self._loop.mark(home)

    def moved(self, home: HomeName, revision: str) -> None:
        """The delivery is at another revision of its source, which changes nothing in it."""
        head, state = self._desk.get(home), self._states.of(home)
        if head is not None:
            state.revision, state.revision_of = revision, head.raw_assignment
        self._wake_dependents(home)
        self._wake_waiting()

    def is_healthy(self, home: HomeName) -> bool:
        """Tell whether the Bundle on the desk was seen applied and healthy."""
        head = self._desk.get(home)
        return head is not None and self._states.of(home).healthy == head.assignment.bundle.digest

    async def _reconcile(self, home: HomeName) -> Outcome:
        head = self._desk.get(home)
        self._dependents.note(home, head.assignment.spec.depends_on if head else ())
        if head is None or head.leaving or head.released:
            self._moves.settle(home)
        if head is None:
            self._states.forget(home)
            return Done()
        if head.leaving:
            return await self._removal.carry_out(head)
        if head.released:
            self._live.follow(home, ())
            return Done()
        return await self._keep(head)

    async def _keep(self, head: Head) -> Outcome:
        try:
            return await self._upkeep.converge(head)
        except Waiting as waiting:
            self._reporter.say(head, Word(stage=Stage.WAITING, reason=waiting.reason, message=str(waiting)))
            raise
        except CartwheelError as problem:
            self._reporter.fail(
                head, Word(stage=Stage.FAILED, reason="ReconciliationFailed", message=str(problem))
            )
            raise

    def _about(self, home: HomeName) -> dict[str, str]:
        head = self._desk.get(home)
        of_cluster = {"cluster_id": head.assignment.cluster} if head is not None else {}
        return {"delivery": str(home), **of_cluster}

    def _wake_dependents(self, home: HomeName) -> None:
        for other in self._dependents.of(home):
            self._loop.mark(other)

    def _wake_waiting(self) -> None:
        for other in self._moves.waiting:
            self._loop.mark(other)
