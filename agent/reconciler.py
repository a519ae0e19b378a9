"""Brings each delivery of the cluster to what its assignment on the desk says, and reports how it stands.

State, in memory only: per delivery what was last verified and said. What must survive is on the desk. One delivery is worked on by one worker
at a time; it is looked at again on its interval, when its head changes, when something it owns changes, and when one that it depends on does.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from agent.apply.engine import ChangeSet, Convergence, Engine, Known
from agent.apply.fights import Fights
from agent.apply.waiting import Verdict as Waited
from agent.apply.waiting import Wait, judge
from agent.desk import Desk
from agent.health.assess import assess
from agent.kit.board import Board
from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Transient, Waiting
from agent.kit.reconcile import Again, Backoff, Done, Loop, Outcome
from agent.kube.api import Object
from agent.model.assignment import APPROVE_PRUNE, Assignment, PruneLimit
from agent.model.content import Manifest
from agent.model.head import Head
from agent.model.health import Health, HealthStatus
from agent.model.inventory import format_id, parse_id
from agent.model.names import HomeName, ObjectRef, timestamp
from agent.model.report import MAX_EXCEPTIONS, NoticeKind, Report, Stage, Verdict
from agent.notices import Notices

_LOG = logging.getLogger(__name__)

_JITTER = 0.05


class Live(Protocol):
    """The cluster as it is now, from watches where there are any."""

    async def get(self, ref: ObjectRef, version: str) -> Object | None:
        """Return an object, None when there is none. Raises ApiError, UnknownKind."""
        ...

    def follow(self, home: HomeName, refs: Iterable[tuple[ObjectRef, str]]) -> None:
        """Wake the reconciler for a delivery when one of these objects changes."""
        ...


@dataclass(slots=True)
class _State:
    """What is known of a delivery since this process began."""

    known: Mapping[ObjectRef, Known] = field(default_factory=dict)
    healthy: str = ""
    revision: str = ""
    revision_of: bytes = b""
    fights: Fights = field(default_factory=Fights)
    prune_held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """Times in seconds; `scale` is for those that come with assignments."""

    dependency_retry_s: float = 30.0
    health_poll_s: float = 5.0
    workers: int = 4
    backoff: Backoff
    scale: float = 1.0


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
    ) -> None:
        self._settings = settings
        self._desk = desk
        self._engine = engine
        self._live = live
        self._reports = reports
        self._notices = notices
        self._clock = clock
        self._randomness = randomness
        self._states: dict[HomeName, _State] = {}
        self._loop: Loop[HomeName] = Loop(
            "reconcile",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
        )

    async def run(self) -> None:
        """Begin with all that is on the desk, and go on."""
        for home in self._desk.heads:
            self.wake(home)
        await self._loop.run()

    def wake(self, home: HomeName) -> None:
        """Look at a delivery now."""
        self._loop.mark(home)

    def touched(self, home: HomeName, ref: ObjectRef) -> None:
        """Something that a delivery owns was changed; what is fought over waits for the interval."""
        if not self._state(home).fights.involves(ref, self._clock.monotonic_s()):
            self._loop.mark(home)

    def seen_unchanged(self, home: HomeName, ref: ObjectRef, before: str, now: str) -> None:
        """An object has a new resourceVersion, but nothing in it changed that an apply would look at."""
        state = self._state(home)
        known = state.known.get(ref)
        if known is not None and known.resource_version == before:
            state.known = {**state.known, ref: replace(known, resource_version=now)}

    def appeared(self, home: HomeName, ref: ObjectRef, now: str) -> None:
        """A watch sees an object for the first time; it may have been changed between our write and the beginning of the watch."""
        known = self._state(home).known.get(ref)
        if known is not None and known.resource_version != now:
            self.touched(home, ref)

    def health_changed(self, home: HomeName) -> None:
        """The status of something that a delivery owns changed; it matters while its health is awaited."""
        report = self._reports.get(home)
        if report is not None and (report.stage is Stage.CHECKING or report.reason == "HealthCheckFailed"):
            self._loop.mark(home)

    def moved(self, home: HomeName, revision: str) -> None:
        """The delivery is at another revision of its source, which changes nothing in it."""
        head, state = self._desk.get(home), self._state(home)
        if head is not None:
            state.revision, state.revision_of = revision, head.raw_assignment
        self._wake_dependents(home)

    def is_healthy(self, home: HomeName) -> bool:
        """Tell whether the Bundle on the desk was seen applied and healthy."""
        head = self._desk.get(home)
        return head is not None and self._state(home).healthy == head.assignment.bundle.digest

    def _state(self, home: HomeName) -> _State:
        return self._states.setdefault(home, _State())

    async def _reconcile(self, home: HomeName) -> Outcome:
        head = self._desk.get(home)
        if head is None:
            self._states.pop(home, None)
            return Done()
        if head.leaving:
            return await self._remove(head)
        if head.released:
            self._live.follow(home, ())
            return Done()
        try:
            return await self._converge(head)
        except Waiting as waiting:
            self._say(head, Stage.WAITING, reason=waiting.reason, message=str(waiting))
            raise
        except CartwheelError as problem:
            self._fail(head, "ReconciliationFailed", str(problem))
            raise

    async def _converge(self, head: Head) -> Outcome:
        assignment, spec = head.assignment, head.assignment.spec
        state = self._state(assignment.home)
        if state.revision_of != head.raw_assignment:
            state.revision, state.revision_of = head.revision, head.raw_assignment
        if spec.suspend:
            self._live.follow(assignment.home, ())
            await self._handle(head)
            self._say(head, Stage.SUSPENDED, reason="Suspended", message="suspended")
            return Done()
        is_new = head.applied != assignment.bundle.digest
        if is_new:
            # What runs is guarded whatever becomes of its dependencies; only what is new waits for them.
            self._check_dependencies(assignment)
            self._say(head, Stage.APPLYING, reason="Progressing", message="Reconciliation in progress")
        changes = await self._engine.converge(
            await self._convergence(head), _Journal(self._desk, assignment.home)
        )
        state.known = changes.known
        settled = await self._settle(head, changes)
        self._tell(head, changes, is_new=is_new)
        if settled.raw_assignment != head.raw_assignment:
            return Again(after_s=0.0)
        head = settled
        if self._keeps_in_doubt(changes):
            await self._desk.make_certain()
            return Again(after_s=0.0)
        self._live.follow(assignment.home, _refs(head.inventory))
        if changes.problem:
            self._fail(head, changes.reason, changes.problem, changes)
            return Again(after_s=spec.retry_interval_s * self._settings.scale)
        return await self._check_health(head, changes)

    async def _convergence(self, head: Head) -> Convergence:
        assignment = head.assignment
        entries = head.entries
        blobs = await self._desk.blobs(head, {entry.digest for entry in entries})
        manifests = tuple(
            Manifest(ref=e.ref, version=e.version, digest=e.digest, body=blobs[e.digest]) for e in entries
        )
        wanted = {format_id(entry.ref) for entry in entries}
        leaving = tuple(sorted(id_ for id_ in head.inventory if id_ not in wanted))
        held = assignment.spec.prune and is_prune_held(
            assignment.prune_limit, len(head.inventory), len(wanted), len(leaving)
        )
        if assignment.bundle.digest in assignment.tokens.get(APPROVE_PRUNE, "").split(","):
            held = False
        state = self._state(assignment.home)
        state.prune_held = leaving if held else ()
        return Convergence(
            owner=assignment.home,
            manifests=manifests,
            inventory=head.inventory,
            ahead=head.ahead,
            prune=assignment.spec.prune,
            prune_held=held,
            force=assignment.spec.force,
            kept_elsewhere=_Named(self._desk),
            known=state.known,
        )

    async def _settle(self, head: Head, changes: ChangeSet) -> Head:
        """Save what the convergence left: one write when anything of it is new, none otherwise."""
        current = self._desk.get(head.home)
        if current is None or current.raw_assignment != head.raw_assignment:
            # A newer assignment came meanwhile; what is in the cluster counts for it, too.
            current = current or head
            return await self._desk.save(replace(current, inventory=changes.inventory, ahead=current.held))
        applied = head.applied
        applied_at = head.applied_at
        is_written = any(change.action in {"created", "configured"} for change in changes.changes)
        if not changes.problem and (is_written or applied != head.assignment.bundle.digest):
            # What was put back is waited for like what is new.
            applied, applied_at = head.assignment.bundle.digest, timestamp(self._clock.now())
        return await self._desk.save(
            replace(
                current,
                inventory=changes.inventory,
                ahead={} if not changes.problem else current.ahead,
                applied=applied,
                applied_at=applied_at,
                handled=dict(head.assignment.tokens),
            )
        )

    async def _handle(self, head: Head) -> None:
        if dict(head.handled) != dict(head.assignment.tokens):
            await self._desk.save(replace(head, handled=dict(head.assignment.tokens)))

    async def _check_health(self, head: Head, changes: ChangeSet) -> Outcome:
        """Wait for what the delivery asks to be waited for; a pass over healthy objects costs nothing."""
        assignment, state = head.assignment, self._state(head.home)
        waited = self._waited_s(head)
        targets = _targets(head, changes)
        if not targets:
            return self._ready(head, None)
        healths = {ref: await self._health(ref, version) for ref, version in targets}
        timeout_s = assignment.spec.timeout_s * self._settings.scale
        wait = judge(healths, waited_s=waited, timeout_s=timeout_s)
        match wait.verdict:
            case Waited.HEALTHY:
                return self._ready(head, wait)
            case Waited.NOT_YET:
                self._say(
                    head,
                    Stage.CHECKING,
                    reason="Progressing",
                    message=f"Running health checks for revision {state.revision} with a timeout of {timeout_s:.0f}s",
                    blamed=wait.blamed,
                )
                return Again(after_s=min(self._settings.health_poll_s, max(timeout_s - waited, 0.05)))
            case Waited.FAILED:
                state.healthy = ""
                self._fail(head, "HealthCheckFailed", wait.message, blamed=wait.blamed)
                return Again(after_s=assignment.spec.retry_interval_s * self._settings.scale)

    def _waited_s(self, head: Head) -> float:
        """Return how long ago the last apply ended; it is on the desk, so that a restart does not begin anew."""
        if not head.applied_at:
            return 0.0
        return max((self._clock.now() - datetime.fromisoformat(head.applied_at)).total_seconds(), 0.0)

    async def _health(self, ref: ObjectRef, version: str) -> Health:
        try:
            value = await self._live.get(ref, version)
        except CartwheelError as problem:
            return Health(status=HealthStatus.UNKNOWN, reason=problem.reason, message=str(problem))
        if value is None:
            return Health(status=HealthStatus.NOT_FOUND, message=f"{ref} not found")
        return assess(value, self._clock.now())

    def _ready(self, head: Head, wait: Wait | None) -> Outcome:
        if self._is_superseded(head):
            return Again(after_s=0.0)
        state, spec = self._state(head.home), head.assignment.spec
        bundle = head.assignment.bundle.digest
        was_healthy, state.healthy = state.healthy == bundle, bundle
        if wait is not None and not was_healthy:
            self._notice(head, NoticeKind.HEALTH_PASSED, "Progressing", wait.message)
        message = f"Applied revision: {state.revision}"
        self._say(
            head,
            Stage.READY,
            reason="ReconciliationSucceeded",
            message=message,
            healthy=None if wait is None else True,
            health_message=wait.message if wait else "",
        )
        interval_s = spec.interval_s * self._settings.scale
        return Again(after_s=self._randomness.uniform(interval_s * (1 - _JITTER), interval_s * (1 + _JITTER)))

    def _check_dependencies(self, assignment: Assignment) -> None:
        """Raise Waiting unless all deliveries that this one depends on are ready, by Flux's rules, on this desk."""
        for dependency in assignment.spec.depends_on:
            name = f"{dependency.namespace}/{dependency.name}"
            head, report = self._desk.get(dependency), self._reports.get(dependency)
            problem = ""
            if head is None or head.leaving:
                problem = f"dependency '{name}' not found"
            elif (
                report is None
                or report.stage is not Stage.READY
                or report.bundle != head.assignment.bundle.digest
            ):
                problem = f"dependency '{name}' is not ready"
            elif (
                head.assignment.source == assignment.source
                and self._state(dependency).revision != self._state(assignment.home).revision
            ):
                problem = f"dependency '{name}' revision is not up to date"
            if problem:
                raise Waiting(
                    f"{problem}; looked at again when it changes",
                    reason="DependencyNotReady",
                    after_s=self._settings.dependency_retry_s,
                )

    def _wake_dependents(self, home: HomeName) -> None:
        for other, head in self._desk.heads.items():
            if home in head.assignment.spec.depends_on:
                self.wake(other)

    async def _remove(self, head: Head) -> Outcome:
        """Carry out a tombstone: delete what the delivery owns when it says so, then forget the delivery."""
        home = head.home
        self._live.follow(home, ())
        if head.leaving == "delete":
            changes = await self._engine.remove(
                home, head.held, _Named(self._desk), _Journal(self._desk, home)
            )
            current = self._desk.get(home)
            if current is None or not current.leaving:
                # A newer assignment came meanwhile; the tombstone is not for that.
                return Again(after_s=0.0)
            if changes.problem:
                self._fail(head, changes.reason, changes.problem, changes)
                raise Transient(changes.problem, reason=changes.reason)
            if deleted := _lines(changes, {"deleted"}):
                self._notice(head, NoticeKind.PRUNED, "ReconciliationSucceeded", deleted)
            if self._keeps_in_doubt(changes):
                await self._desk.make_certain()
                return Again(after_s=0.0)
        await self._desk.drop(home)
        self._states.pop(home, None)
        assignment = head.assignment
        self._reports.put(
            home, Report.gone(assignment.cluster, home, assignment.uid, as_of=self._clock.now())
        )
        self._wake_dependents(home)
        return Done()

    def _tell(self, head: Head, changes: ChangeSet, *, is_new: bool) -> None:
        """Make notices of what was changed: by a new Bundle, or as correction of drift."""
        applied = _lines(changes, {"created", "configured"})
        if deleted := _lines(changes, {"deleted"}):
            self._notice(head, NoticeKind.PRUNED, "Progressing", deleted)
        if not applied:
            return
        if is_new:
            self._notice(head, NoticeKind.APPLIED, "Progressing", applied)
            return
        now_s = self._clock.monotonic_s()
        for change in changes.changes:
            if change.action in {"created", "configured"}:
                self._state(head.home).fights.note(change.ref, change.fields, change.managers, now_s)
        self._notice(head, NoticeKind.DRIFT_CORRECTED, "DriftCorrected", _drift_lines(changes))

    def _notice(self, head: Head, kind: NoticeKind, reason: str, message: str) -> None:
        self._notices.add(head.assignment, kind, reason, message, at=self._clock.now())

    def _keeps_in_doubt(self, changes: ChangeSet) -> bool:
        """Tell whether an object was kept for an assignment of which it is not sure that it came to the desk."""
        return any(
            change.action == "skipped"
            and format_id(change.ref) in changes.inventory
            and not self._desk.surely_names(change.ref)
            for change in changes.changes
        )

    def _is_superseded(self, head: Head) -> bool:
        current = self._desk.get(head.home)
        return current is not None and current.raw_assignment != head.raw_assignment

    def _fail(
        self,
        head: Head,
        reason: str,
        message: str,
        changes: ChangeSet | None = None,
        *,
        blamed: tuple[tuple[ObjectRef, Health], ...] = (),
    ) -> None:
        if self._is_superseded(head):
            return
        before = self._reports.get(head.home)
        if before is None or (before.stage, before.message) != (Stage.FAILED, message):
            self._notice(head, NoticeKind.FAILED, reason, message)
        healthy = False if reason == "HealthCheckFailed" else None
        self._say(
            head,
            Stage.FAILED,
            reason=reason,
            message=message,
            changes=changes,
            blamed=blamed,
            healthy=healthy,
            health_message=message if healthy is False else "",
        )

    def _say(
        self,
        head: Head,
        stage: Stage,
        *,
        reason: str,
        message: str,
        changes: ChangeSet | None = None,
        blamed: tuple[tuple[ObjectRef, Health], ...] = (),
        healthy: bool | None = None,
        health_message: str = "",
    ) -> None:
        if self._is_superseded(head):
            # A verdict is for one Bundle; the next pass has the word on the new one.
            return
        head = self._desk.get(head.home) or head
        assignment, state = head.assignment, self._state(head.home)
        wanted = {format_id(entry.ref) for entry in head.entries}
        failed = [
            Verdict(id=format_id(change.ref), reason=change.reason, message=change.message)
            for change in (changes.changes if changes else ())
            if change.is_failure
        ]
        failed += [
            Verdict(id=format_id(ref), reason=str(health.status), message=health.message)
            for ref, health in blamed
        ]
        fights = tuple(
            Verdict(id=format_id(fight.ref), reason=fight.manager, message=str(fight))
            for fight in state.fights.going_on(self._clock.monotonic_s())
        )
        report = Report(
            cluster=assignment.cluster,
            home=assignment.home,
            uid=assignment.uid,
            order=assignment.order,
            candidate=assignment.candidate,
            bundle=assignment.bundle.digest,
            stage=stage,
            as_of=timestamp(self._clock.now()),
            reason=reason,
            message=message,
            healthy=healthy,
            health_message=health_message,
            applied_once=bool(head.applied),
            inventory_extra={id_: v for id_, v in head.inventory.items() if id_ not in wanted},
            inventory_missing=tuple(sorted(wanted - head.inventory.keys())),
            exceptions=tuple(failed[:MAX_EXCEPTIONS]),
            exception_count=len(failed),
            prune_held=state.prune_held,
            fights=fights,
            handled=dict(head.handled),
        )
        before = self._reports.get(assignment.home)
        if before is None or not before.says_the_same_as(report):
            self._reports.put(assignment.home, report)
            self._wake_dependents(assignment.home)


class _Named:
    """All objects that assignments on the desk name at the time of asking."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __contains__(self, ref: object) -> bool:
        return isinstance(ref, ObjectRef) and self._desk.names(ref)


class _Journal:
    """Writes ahead on the desk which objects are about to exist."""

    def __init__(self, desk: Desk, home: HomeName) -> None:
        self._desk = desk
        self._home = home

    async def enter(self, ids: Mapping[str, str]) -> None:
        head = self._desk.get(self._home)
        if head is None:
            raise Transient(f"{self._home} left the desk meanwhile", reason="Superseded")
        unknown = {id_: version for id_, version in ids.items() if id_ not in head.held}
        if unknown:
            await self._desk.save(replace(head, ahead={**head.ahead, **unknown}))

    async def leave(self, ids: Iterable[str]) -> None:
        """Deleted objects leave with the write that ends the convergence; until then their ids do no harm."""


def is_prune_held(limit: PruneLimit, held: int, wanted: int, leaving: int) -> bool:
    """Tell whether deleting so many of the objects held needs a person's word: all of them, or more than the limit."""
    if not leaving:
        return False
    return wanted == 0 or (leaving >= limit.at_least and leaving * 100 > held * limit.percent)


def _targets(head: Head, changes: ChangeSet) -> tuple[tuple[ObjectRef, str], ...]:
    """Return whose health is waited for: all that was applied, or what is named."""
    spec = head.assignment.spec
    if spec.wait:
        skipped = {change.ref for change in changes.changes if change.action == "skipped"}
        return tuple((e.ref, e.version) for e in head.entries if e.ref not in skipped)
    return tuple((check.ref, check.version) for check in spec.health_checks)


def _refs(inventory: Mapping[str, str]) -> tuple[tuple[ObjectRef, str], ...]:
    return tuple((parse_id(id_), version) for id_, version in inventory.items())


def _lines(changes: ChangeSet, actions: set[str]) -> str:
    return "\n".join(
        f"{change.ref} {change.action}" for change in changes.changes if change.action in actions
    )


def _drift_lines(changes: ChangeSet) -> str:
    lines = []
    for change in changes.changes:
        if change.action == "created":
            lines.append(f"{change.ref} was deleted and is created again")
        elif change.action == "configured":
            by = f" by {', '.join(change.managers)}" if change.managers else ""
            lines.append(f"{change.ref}: {', '.join(change.fields)} was changed{by} and is put back")
    return "\n".join(lines)
