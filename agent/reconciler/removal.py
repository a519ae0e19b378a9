"""Carries out a tombstone: deletes what the delivery owns when it says so, then forgets the delivery."""

import logging

from agent.apply.convergence import Action, ChangeSet
from agent.apply.engine import Engine
from agent.desk import Desk
from agent.kit.clock import Clock
from agent.kit.errors import Transient
from agent.kit.reconcile import Again, Done, Outcome
from agent.model.head import Head
from agent.model.inventory import parse_id
from agent.model.names import ObjectRef
from agent.model.report import NoticeKind, Stage
from agent.reconciler.health import Live
from agent.reconciler.journal import DeskJournal, Named, keeps_in_doubt
from agent.reconciler.reporter import Reporter
from agent.reconciler.state import States
from agent.reconciler.verdict import Word
from agent.reconciler.wording import list_changes

_LOG = logging.getLogger(__name__)
_LOOK_AGAIN_S = 5.0
IN_USE = "InUse"


class Removal:
    """Takes deliveries off the desk."""

    def __init__(
        self,
        *,
        desk: Desk,
        engine: Engine,
        live: Live,
        states: States,
        reporter: Reporter,
        clock: Clock,
        in_use_wait_s: float,
    ) -> None:
        self._desk = desk
        self._engine = engine
        self._live = live
        self._states = states
        self._reporter = reporter
        self._clock = clock
        self._in_use_wait_s = in_use_wait_s

    async def carry_out(self, head: Head) -> Outcome:
        """Remove a delivery that leaves. Raises Transient when not everything could be deleted."""
        home = head.home
        self._live.follow(home, ())
        if head.leaving == "delete":
            await self._desk.look_again()
            journal = DeskJournal(self._desk, head)
            changes = await self._engine.remove(home, head.held, Named(self._desk), journal)
            if journal.is_superseded():
                # A newer assignment came meanwhile; the tombstone is not for that.
                return Again(after_s=0.0)
            self._tell(head, changes)
            if keeps_in_doubt(self._desk, changes):
                await self._desk.make_certain()
                return Again(after_s=0.0)
            kept = [parse_id(id_) for id_ in changes.inventory]
            in_use = [ref for ref in kept if not self._desk.names(ref)]
            if any(map(self._desk.is_awaited, kept)) or (in_use and self._waits_for_users(head, in_use)):
                # Whoever is to take it over, or needs it, may leave before that; then nobody would know of it.
                return Again(after_s=min(_LOOK_AGAIN_S, self._in_use_wait_s))
        await self._desk.drop(home)
        self._states.forget(home)
        self._reporter.gone(head)
        objects = "deleted" if head.leaving == "delete" else "kept, and guarded no more"
        _LOG.info("delivery left", extra={"objects": objects})
        return Done()

    def _waits_for_users(self, head: Head, in_use: list[ObjectRef]) -> bool:
        """Tell whether to wait until others have no objects in these namespaces, of these kinds; in the end they are left there."""
        state, now_s = self._states.of(head.home), self._clock.monotonic_s()
        if state.in_use_since_s is None:
            state.in_use_since_s = now_s
        named = ", ".join(map(str, in_use))
        if now_s - state.in_use_since_s < self._in_use_wait_s:
            message = f"not deleted yet, since other deliveries have objects there: {named}"
            self._reporter.say(head, Word(stage=Stage.WAITING, reason=IN_USE, message=message))
            return True
        message = f"left in the cluster, since other deliveries have objects there: {named}"
        self._reporter.notice(head, NoticeKind.FAILED, IN_USE, message)
        return False

    def _tell(self, head: Head, changes: ChangeSet) -> None:
        if changes.problem:
            word = Word(
                stage=Stage.FAILED, reason=changes.reason, message=changes.problem, changes=changes.changes
            )
            self._reporter.fail(head, word)
            raise Transient(changes.problem, reason=changes.reason)
        if deleted := list_changes(changes.changes, Action.DELETED):
            self._reporter.notice(head, NoticeKind.PRUNED, "ReconciliationSucceeded", deleted)
