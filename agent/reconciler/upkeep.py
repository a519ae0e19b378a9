"""Keeps a delivery as its assignment says: converges it, saves what came of it, judges its health, and says so. One pass at a time."""

from dataclasses import replace

from agent.apply.convergence import ChangeSet, Convergence
from agent.apply.engine import Engine
from agent.apply.policy import is_owned
from agent.apply.waiting import Verdict, Wait
from agent.apply.weight import NO_WEIGHTS, Weights
from agent.desk import Desk
from agent.kit.clock import Clock, Randomness
from agent.kit.errors import Waiting
from agent.kit.reconcile import Again, Done, Outcome
from agent.kit.tracing import Tracer
from agent.kube.errors import UnknownKind
from agent.model.assignment import Assignment
from agent.model.head import Head
from agent.model.inventory import parse_id
from agent.model.names import HomeName, ObjectRef, timestamp
from agent.model.report import NoticeKind, Stage
from agent.reconciler.dependencies import Dependency
from agent.reconciler.health import HealthCheck, Live
from agent.reconciler.journal import DeskJournal, Named, keeps_in_doubt
from agent.reconciler.moves import Moves
from agent.reconciler.reporter import Reporter
from agent.reconciler.settings import ReconcilerSettings
from agent.reconciler.state import States
from agent.reconciler.steps import Steps
from agent.reconciler.verdict import Word
from agent.reconciler.wish import doubtful_ids, held_ids, leaving_ids, staying_like, weighty, wish_of

HEALTH_CHECK_FAILED = "HealthCheckFailed"
_JITTER = 0.05
_SOON_S = 0.05
_APPLYING = Word(stage=Stage.APPLYING, reason="Progressing", message="Reconciliation in progress")
_SUSPENDED = Word(stage=Stage.SUSPENDED, reason="Suspended", message="suspended")


class Upkeep:
    """Passes over deliveries that stay."""

    def __init__(
        self,
        settings: ReconcilerSettings,
        *,
        desk: Desk,
        engine: Engine,
        live: Live,
        states: States,
        moves: Moves,
        reporter: Reporter,
        clock: Clock,
        randomness: Randomness,
        tracer: Tracer,
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._engine = engine
        self._live = live
        self._states = states
        self._moves = moves
        self._reporter = reporter
        self._health = HealthCheck(live, clock=clock, scale=settings.scale)
        self._steps = Steps(tracer, states)
        self._clock = clock
        self._randomness = randomness

    async def converge(self, head: Head) -> Outcome:
        """Bring a delivery to what its head says. Raises Waiting, and what the desk and the API server raise."""
        assignment = head.assignment
        state = self._states.of(assignment.home)
        state.revision, state.revision_of = self._states.revision(head), head.raw_assignment
        if assignment.spec.suspend:
            return await self._suspend(head)
        is_new = head.applied != assignment.bundle.digest
        if is_new:
            # What was held was held for another Bundle.
            state.prune_held, state.prune_words = held_ids(head), ()
            # What runs is guarded whatever becomes of its dependencies; only what is new waits for them.
            self._check_dependencies(assignment)
            self._reporter.say(head, _APPLYING)
        await self._catch_up(head)
        wish = await self._wish(head)
        journal = DeskJournal(self._desk, head)
        self._live.expect(head.home, [entry.ref for entry in head.entries])
        with self._steps.applying(head) as step:
            changes = step.changes = await self._engine.converge(wish, journal)
            state.known = changes.known
            settled = await self._settle(head, changes)
        if not is_new:
            self._note_fights(head, wish, changes)
        self._reporter.tell_changes(head, changes.changes, is_new=is_new)
        if journal.is_superseded():
            return Again(after_s=0.0)
        if keeps_in_doubt(self._desk, changes):
            await self._desk.make_certain()
            return Again(after_s=0.0)
        self._follow(settled)
        if changes.problem:
            word = Word(
                stage=Stage.FAILED, reason=changes.reason, message=changes.problem, changes=changes.changes
            )
            return self._fail(settled, word, is_away=changes.is_away)
        if changes.deferred:
            return self._await_move(settled, len(changes.deferred))
        keeps = not state.prune_held and not settled.inventory.keys() <= settled.wanted.keys()
        self._moves.settle(head.home, keeps=keeps)
        wait = await self._health.judge(settled, changes, wish.passing_jobs)
        return self._conclude(settled, wait)

    async def _catch_up(self, head: Head) -> None:
        """Before the first pass hear how all is that this delivery holds: a list of each kind instead of a look at each object."""
        state = self._states.of(head.home)
        if state.is_new and head.inventory:
            self._follow(head)
            await self._live.catch_up(head.home, self._settings.catch_up_s)
        state.is_new = False

    def _follow(self, head: Head) -> None:
        self._live.follow(head.home, [(parse_id(id_), version) for id_, version in head.inventory.items()])

    async def _suspend(self, head: Head) -> Outcome:
        self._live.follow(head.home, ())
        tokens = dict(head.assignment.tokens)
        if dict(head.handled) != tokens:
            await self._desk.save(replace(head, handled=tokens))
        self._reporter.say(head, _SUSPENDED)
        return Done()

    async def _wish(self, head: Head) -> Convergence:
        state = self._states.of(head.home)
        await self._desk.look_again()
        blobs = await self._desk.blobs(head, {entry.digest for entry in head.entries})
        head = await self._with_left_behind(head)
        wish = wish_of(
            head,
            blobs,
            state.known,
            self._resting(head),
            kept_elsewhere=Named(self._desk),
            must_wait=lambda: self._moves.must_wait(head),
        )
        weights = await self._weigh(head, wish)
        state.prune_held = held_ids(head, weights)
        state.prune_words = weights.words if state.prune_held else ()
        return replace(wish, prune_held=bool(state.prune_held))

    async def _weigh(self, head: Head, wish: Convergence) -> Weights:
        """Weigh what leaves where more than the object goes with it; what stays like it only when the answer hangs on that."""
        if not (heavy := weighty(leaving_ids(head))):
            return NO_WEIGHTS
        held = {id_ for one in self._desk.heads.values() for id_ in one.held}
        weighing = self._engine.weighing(wish, held)
        weights = Weights(leaving=await weighing.leaving(heavy))
        if not weights.are_known or not held_ids(head, weights):
            return weights
        return replace(weights, staying=await weighing.staying(staying_like(head, heavy)))

    async def _with_left_behind(self, head: Head) -> Head:
        """Count as held what an apply that was cut short made and is not wished any more: its deletion is weighed like any other."""
        left = {id_: v for id_, v in doubtful_ids(head).items() if await self._is_there(head.home, id_, v)}
        return replace(head, inventory={**head.inventory, **left}) if left else head

    async def _is_there(self, home: HomeName, id_: str, version: str) -> bool:
        try:
            live = await self._live.get(parse_id(id_), version)
        except UnknownKind:
            return False
        return live is not None and is_owned(live, home)

    async def _settle(self, head: Head, changes: ChangeSet) -> Head:
        """Save what the convergence left: one write when anything of it is new, none otherwise."""
        current = self._desk.get(head.home)
        if current is None or current.raw_assignment != head.raw_assignment:
            # A newer assignment came meanwhile; what is in the cluster counts for it, too.
            current = current or head
            return await self._desk.save(replace(current, inventory=changes.inventory, ahead=current.held))
        applied, applied_at = head.applied, head.applied_at
        is_written = any(change.action.is_write for change in changes.changes)
        if not changes.problem and (is_written or applied != head.assignment.bundle.digest):
            # What was put back is waited for like what is new.
            applied, applied_at = head.assignment.bundle.digest, timestamp(self._clock.now())
        return await self._desk.save(
            replace(
                current,
                inventory=changes.inventory,
                ended=changes.ended,
                ahead={} if not changes.problem else current.ahead,
                applied=applied,
                applied_at=applied_at,
                handled=dict(head.assignment.tokens),
            )
        )

    def _note_fights(self, head: Head, wish: Convergence, changes: ChangeSet) -> None:
        fights, now_s = self._states.of(head.home).fights, self._clock.monotonic_s()
        for change in changes.changes:
            if not change.action.is_write:
                continue
            for fight in fights.note(change.ref, change.fields, change.managers, now_s):
                message = f"{fight}; from now on it is put back at the interval only"
                self._reporter.notice(head, NoticeKind.DRIFT_DETECTED, "DriftDetected", message)
        if not changes.problem:
            fights.end_quiet(wish.resting, now_s)

    def _resting(self, head: Head) -> frozenset[ObjectRef]:
        """Return what is fought over and has to wait for the interval, by which a pass may come a little early."""
        interval_s = head.assignment.spec.interval_s * self._settings.scale * (1 - 2 * _JITTER)
        return self._states.of(head.home).fights.resting(interval_s, self._clock.monotonic_s())

    def _await_move(self, head: Head, count: int) -> Outcome:
        """Say for whom deletions wait; whoever moves has this looked at again."""
        behind, left_s = self._moves.behind(head), self._moves.left_s(head)
        if not behind or left_s <= 0:
            return Again(after_s=0.0)
        more = f" and {len(behind) - 1} more" if len(behind) > 1 else ""
        message = (
            f"waiting for {behind[0]}{more} to come to revision {self._states.revision(head)} "
            f"before deleting {count} objects, which may have moved there"
        )
        self._reporter.say(head, Word(stage=Stage.APPLYING, reason="Progressing", message=message))
        return Again(after_s=left_s)

    def _conclude(self, head: Head, wait: Wait | None) -> Outcome:
        """Say what the health of the objects comes to; a pass over healthy ones costs nothing."""
        if wait is None:
            return self._ready(head, None)
        match wait.verdict:
            case Verdict.HEALTHY:
                return self._ready(head, wait)
            case Verdict.NOT_YET:
                return self._check_again(head, wait)
            case Verdict.FAILED:
                return self._unhealthy(head, wait)

    def _ready(self, head: Head, wait: Wait | None) -> Outcome:
        if self._reporter.is_superseded(head):
            return Again(after_s=0.0)
        state, spec = self._states.of(head.home), head.assignment.spec
        bundle = head.assignment.bundle.digest
        was_healthy, state.healthy = state.healthy == bundle, bundle
        if wait is not None and not was_healthy:
            self._reporter.notice(head, NoticeKind.HEALTH_PASSED, "Progressing", wait.message)
        word = Word(
            stage=Stage.READY,
            reason="ReconciliationSucceeded",
            message=f"Applied revision: {state.revision}",
            healthy=None if wait is None else True,
            health_message=wait.message if wait else "",
        )
        self._reporter.say(head, word)
        interval_s = spec.interval_s * self._settings.scale
        return Again(after_s=self._randomness.uniform(interval_s * (1 - _JITTER), interval_s * (1 + _JITTER)))

    def _check_again(self, head: Head, wait: Wait) -> Outcome:
        revision, timeout_s = self._states.of(head.home).revision, self._health.timeout_s(head)
        word = Word(
            stage=Stage.CHECKING,
            reason="Progressing",
            message=f"Running health checks for revision {revision} with a timeout of {timeout_s:.0f}s",
            blamed=wait.blamed,
        )
        self._reporter.say(head, word)
        left_s = max(timeout_s - self._health.waited_s(head), _SOON_S)
        return Again(after_s=min(self._settings.health_poll_s, left_s))

    def _unhealthy(self, head: Head, wait: Wait) -> Outcome:
        self._states.of(head.home).healthy = ""
        word = Word(
            stage=Stage.FAILED,
            reason=HEALTH_CHECK_FAILED,
            message=wait.message,
            blamed=wait.blamed,
            healthy=False,
            health_message=wait.message,
        )
        return self._fail(head, word)

    def _fail(self, head: Head, word: Word, *, is_away: bool = False) -> Outcome:
        """Report a failure. What a server that is away hinders is tried again sooner: nothing tells when that one is back."""
        self._reporter.fail(head, word)
        retry_s = head.assignment.spec.retry_interval_s * self._settings.scale
        return Again(after_s=min(retry_s, self._settings.dependency_retry_s) if is_away else retry_s)

    def _check_dependencies(self, assignment: Assignment) -> None:
        """Raise Waiting unless all deliveries that this one depends on are ready."""
        revision = self._states.of(assignment.home).revision
        for home in assignment.spec.depends_on:
            head = self._desk.get(home)
            dependency = Dependency(
                home=home,
                head=head,
                report=self._reporter.last(home),
                revision=self._states.revision(head) if head is not None else "",
            )
            if problem := dependency.obstacle_to(assignment, revision):
                raise Waiting(
                    f"{problem}; looked at again when it changes",
                    reason="DependencyNotReady",
                    after_s=self._settings.dependency_retry_s,
                )
