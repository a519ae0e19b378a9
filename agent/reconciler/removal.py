"""Carries out a tombstone: deletes what the delivery owns when it says so, then forgets the delivery."""

import logging

from agent.apply.convergence import Action, ChangeSet
from agent.apply.engine import Engine
from agent.desk import Desk
from agent.kit.errors import Transient
from agent.kit.reconcile import Again, Done, Outcome
from agent.model.head import Head
from agent.model.inventory import parse_id
from agent.model.report import NoticeKind, Stage
from agent.reconciler.health import Live
from agent.reconciler.journal import DeskJournal, Named, keeps_in_doubt
from agent.reconciler.reporter import Reporter
from agent.reconciler.state import States
from agent.reconciler.verdict import Word
from agent.reconciler.wording import list_changes

_LOG = logging.getLogger(__name__)
_LOOK_AGAIN_S = 5.0


class Removal:
    """Takes deliveries off the desk."""

    def __init__(self, *, desk: Desk, engine: Engine, live: Live, states: States, reporter: Reporter) -> None:
        self._desk = desk
        self._engine = engine
        self._live = live
        self._states = states
        self._reporter = reporter

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
            if any(self._desk.is_awaited(parse_id(id_)) for id_ in changes.inventory):
                # Whoever is to take it over may leave before that; then nobody would know of it.
                return Again(after_s=_LOOK_AGAIN_S)
        await self._desk.drop(home)
        self._states.forget(home)
        self._reporter.gone(head)
        objects = "deleted" if head.leaving == "delete" else "kept, and guarded no more"
        _LOG.info("delivery left", extra={"objects": objects})
        return Done()

    def _tell(self, head: Head, changes: ChangeSet) -> None:
        if changes.problem:
            word = Word(
                stage=Stage.FAILED, reason=changes.reason, message=changes.problem, changes=changes.changes
            )
            self._reporter.fail(head, word)
            raise Transient(changes.problem, reason=changes.reason)
        if deleted := list_changes(changes.changes, Action.DELETED):
            self._reporter.notice(head, NoticeKind.PRUNED, "ReconciliationSucceeded", deleted)
