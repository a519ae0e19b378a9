"""Converges the cluster to a Bundle: the only code that writes workloads.

State: none between convergences. The order is safety: everything of a stage is tried without effect before anything of it is written; an id
is in the journal before its first write; what leaves is deleted after everything else is applied.
"""

import contextlib
import json
import logging
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from agent.apply import prune
from agent.apply.drift import changed_fields, changers
from agent.apply.order import order_key
from agent.apply.policy import FORCED, is_skipped, says
from agent.apply.refusal import apply_refused, dry_run_refused, is_immutable
from agent.apply.stages import Stage, split
from agent.kit.clock import Clock
from agent.kit.errors import CartwheelError
from agent.kit.tasks import all_of
from agent.kube.api import Api, Object, Resource
from agent.kube.errors import (
    ApiError,
    Conflict,
    Forbidden,
    NotFound,
    ServerFailed,
    TooManyRequests,
    Unauthorized,
    UnknownKind,
    Unreachable,
)
from agent.model.content import Manifest
from agent.model.health import Health, HealthStatus
from agent.model.inventory import format_id, parse_id
from agent.model.names import Digest, HomeName, ObjectRef

_LOG = logging.getLogger(__name__)

FIELD_MANAGER = "kustomize-controller"
RECONCILIATION_FAILED = "ReconciliationFailed"
PRUNE_FAILED = "PruneFailed"
Assess = Callable[[Object, datetime], Health]
_DEFINITIONS = ("apiextensions.k8s.io", "CustomResourceDefinition")


class Action(StrEnum):
    """What became of an object."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"
    SKIPPED = "skipped"
    DELETED = "deleted"
    FAILED = "failed"
    HELD_BACK = "held back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The live object as it was when this manifest was last found to need no write."""

    resource_version: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The verdict on one object; `fields` were put back, `managers` had changed them."""

    ref: ObjectRef
    action: Action
    reason: str = ""
    message: str = ""
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        return self.action in (Action.FAILED, Action.HELD_BACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Convergence:
    """What is wished: every manifest of a complete Bundle. `inventory` is what is there because of this delivery, `ahead` what may be;
    `kept_elsewhere` other assignments name, asked at each deletion: one may have come meanwhile."""

    owner: HomeName
    manifests: tuple[Manifest, ...]
    inventory: Mapping[str, str]
    ahead: Mapping[str, str] = field(default_factory=dict)
    prune: bool
    prune_held: bool = False
    force: bool = False
    kept_elsewhere: Container[ObjectRef] = frozenset()
    known: Mapping[ObjectRef, Known] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """What came of it: a verdict per object, the ids (with versions) that exist now because of the delivery, and the failure, if any."""

    changes: tuple[Change, ...]
    inventory: Mapping[str, str]
    known: Mapping[ObjectRef, Known]
    reason: str = ""
    problem: str = ""


class Journal(Protocol):
    """Where ids are entered before their first write."""

    async def enter(self, ids: Mapping[str, str]) -> None:
        """Return when these ids are durably noted."""
        ...


class Resolver(Protocol):
    """Which kinds the server serves."""

    async def resolve(self, group: str, version: str, kind: str) -> Resource:
        """Return a kind. Raises UnknownKind, ApiError."""
        ...

    async def preferred(self, group: str, kind: str) -> Resource:
        """Return a kind in the version that the server prefers. Raises UnknownKind, ApiError."""
        ...

    def forget(self) -> None:
        """Ask the server anew from now on."""
        ...


class Watched(Protocol):
    """What watches know."""

    def live(self, ref: ObjectRef, version: str) -> Object | None:
        """Return an object as last seen, None when nothing is known of it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Times in seconds; `dry_runs` is how many go on at once."""

    stage_timeout_s: float = 60.0
    stage_poll_s: float = 2.0
    dry_runs: int = 4


@dataclass(slots=True, kw_only=True)
class _Plan:
    """What is to be done with one manifest."""

    manifest: Manifest
    resource: Resource | None = None
    action: Action = Action.UNCHANGED
    live: Object | None = None
    version: str = ""
    recreate: bool = False
    reason: str = ""
    message: str = ""
    blocks: bool = False
    fields: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.action in (Action.CREATED, Action.CONFIGURED)

    def change(self) -> Change:
        return Change(
            ref=self.manifest.ref,
            action=self.action,
            reason=self.reason,
            message=self.message,
            fields=self.fields,
            managers=self.managers,
        )


class Engine:
    """Applies and prunes in one cluster."""

    def __init__(
        self,
        api: Api,
        resolver: Resolver,
        watched: Watched,
        *,
        assess: Assess,
        settings: EngineSettings,
        clock: Clock,
    ) -> None:
        self.api = api
        self.resolver = resolver
        self.watched = watched
        self.assess = assess
        self.settings = settings
        self.clock = clock

    async def converge(self, task: Convergence, journal: Journal) -> ChangeSet:
        """Apply what is wished, then delete what is not any more. Raises ApiError when the server does not answer."""
        return await _Run(self, task, journal).converge()

    async def remove(
        self,
        owner: HomeName,
        inventory: Mapping[str, str],
        kept_elsewhere: Container[ObjectRef],
        journal: Journal,
    ) -> ChangeSet:
        """Delete what a delivery owns, because the delivery leaves."""
        task = Convergence(
            owner=owner, manifests=(), inventory=inventory, prune=True, kept_elsewhere=kept_elsewhere
        )
        return await self.converge(task, journal)


class _Run:
    """One convergence."""

    def __init__(self, engine: Engine, task: Convergence, journal: Journal) -> None:
        self._api = engine.api
        self._resolver = engine.resolver
        self._watched = engine.watched
        self._assess = engine.assess
        self._settings = engine.settings
        self._clock = engine.clock
        self._task = task
        self._journal = journal
        self._changes: list[Change] = []
        self._known: dict[ObjectRef, Known] = {}
        self._problems: list[str] = []
        self._problems_before_prune = False
        self._kept: set[ObjectRef] = set()

    async def converge(self) -> ChangeSet:
        task = self._task
        stopped = ""
        for stage in split(task.manifests):
            if stopped:
                self._hold_back(stage.manifests, stopped)
            else:
                stopped = await self._apply_stage(stage)
        wanted = {format_id(one.ref): one.version for one in task.manifests}
        held = {**task.ahead, **task.inventory}
        stale = {id_: version for id_, version in held.items() if id_ not in wanted}
        inventory = {id_: v for id_, v in wanted.items() if id_ in self._present() or id_ in task.inventory}
        if stopped:
            # Nothing is deleted while what is to take its place could not be applied.
            return self._result({**stale, **inventory}, RECONCILIATION_FAILED)
        if task.prune and task.prune_held:
            inventory = {**stale, **inventory}
        elif task.prune:
            staying = await self._prune(stale)
            inventory = {**staying, **inventory}
            if self._problems and not self._problems_before_prune:
                return self._result(inventory, PRUNE_FAILED)
        return self._result(inventory, RECONCILIATION_FAILED)

    def _present(self) -> frozenset[str]:
        """Return the ids that exist now because of this convergence, or were left as they are."""
        there = (Action.CREATED, Action.CONFIGURED, Action.UNCHANGED, Action.SKIPPED)
        return frozenset(format_id(change.ref) for change in self._changes if change.action in there)

    def _result(self, inventory: Mapping[str, str], reason: str) -> ChangeSet:
        problem = "\n".join(self._problems)
        return ChangeSet(
            changes=tuple(self._changes),
            inventory=dict(sorted(inventory.items(), key=lambda item: order_key(parse_id(item[0])))),
            known=self._known,
            reason=reason if problem else "",
            problem=problem,
        )

    async def _apply_stage(self, stage: Stage) -> str:
        """Apply one stage. Return what stops the following ones, empty when nothing does."""
        plans = await all_of([self._plan(one) for one in stage.manifests], at_once=self._settings.dry_runs)
        blocking = [plan for plan in plans if plan.blocks]
        if blocking:
            self._problems += [plan.message for plan in plans if plan.action is Action.FAILED]
            why = f"held back by {blocking[0].manifest.ref}"
            for plan in plans:
                if plan.is_write:
                    plan.action, plan.reason, plan.message = Action.HELD_BACK, "HeldBack", why
                self._note(plan)
            return why
        writes = [plan for plan in plans if plan.is_write]
        if writes:
            await self._journal.enter({format_id(p.manifest.ref): p.manifest.version for p in writes})
        stopped = ""
        for plan in plans:
            if stopped and plan.is_write:
                plan.action, plan.reason, plan.message = Action.HELD_BACK, "HeldBack", stopped
            elif plan.is_write:
                stopped = await self._write(plan)
            elif plan.action is Action.FAILED:
                self._problems.append(plan.message)
            self._note(plan)
        if stopped or not stage.is_awaited:
            return stopped
        if any((p.manifest.ref.group, p.manifest.ref.kind) == _DEFINITIONS for p in writes):
            self._resolver.forget()
        return await self._await(plans)

    async def _plan(self, manifest: Manifest) -> _Plan:
        """Find out what an apply would do, without doing it."""
        plan = _Plan(manifest=manifest)
        ref = manifest.ref
        try:
            known = self._task.known.get(ref)
            seen = self._watched.live(ref, manifest.version)
            if known is not None and seen is not None and _is_known(known, seen, manifest):
                plan.version = known.resource_version
                return plan
            plan.resource = await self._resolver.resolve(ref.group, manifest.version, ref.kind)
            if known is not None and seen is not None and _version(seen) == known.resource_version:
                plan.live = seen
            else:
                # A watch may lag behind our own last write; only the server knows what is there.
                plan.live = await self._read(plan.resource, ref, format_id(ref) in self._task.inventory)
            if known is not None and plan.live is not None and _is_known(known, plan.live, manifest):
                plan.version = known.resource_version
                return plan
            await self._try(plan)
        except (Unreachable, TooManyRequests, ServerFailed, Unauthorized):
            raise
        except (Forbidden, UnknownKind) as problem:
            plan.action, plan.reason = Action.FAILED, problem.reason
            plan.message = dry_run_refused(ref, problem)
        except ApiError as problem:
            plan.action, plan.reason, plan.blocks = Action.FAILED, problem.reason, True
            plan.message = dry_run_refused(ref, problem)
        return plan

    async def _read(self, resource: Resource, ref: ObjectRef, is_held: bool) -> Object | None:
        """Return the live object. One that this delivery does not hold is most often not there; the dry-run tells."""
        if not is_held:
            return None
        try:
            return await self._api.get(resource, ref.namespace, ref.name)
        except NotFound:
            return None

    async def _try(self, plan: _Plan) -> None:
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        desired = json.loads(plan.manifest.body)
        if is_skipped(desired, plan.live):
            plan.action = Action.SKIPPED
            return
        try:
            wished = await self._dry_run(plan)
        except ApiError as problem:
            if not is_immutable(problem):
                raise
            # Only now is it worth a request to know what is there: it may be opted out, or to be made anew.
            plan.live = plan.live or await self._read(resource, ref, is_held=True)
            if is_skipped(desired, plan.live):
                plan.action = Action.SKIPPED
                return
            is_forced = self._task.force or says(desired, FORCED) or says(plan.live, FORCED)
            if plan.live is None or not is_forced:
                raise
            plan.action, plan.recreate = Action.CREATED, True
            return
        if wished is None:
            plan.action = Action.CREATED
            return
        if plan.live is None:
            plan.live = await self._read(resource, ref, is_held=True)
            if plan.live is not None and is_skipped(desired, plan.live):
                plan.action = Action.SKIPPED
                return
        live = plan.live or {}
        plan.fields = changed_fields(live, wished)
        plan.version = _version(live)
        if plan.fields:
            plan.action = Action.CONFIGURED
            plan.managers = changers(live, plan.fields, FIELD_MANAGER)

    async def _dry_run(self, plan: _Plan) -> Object | None:
        """Return what an apply would leave, None when it would create the object."""
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        applied = await self._api.apply(
            resource, ref.namespace, ref.name, plan.manifest.body, field_manager=FIELD_MANAGER, dry_run=True
        )
        return None if applied.created else applied.object

    async def _write(self, plan: _Plan) -> str:
        """Write one object. Return what stops the following ones, empty when it went well."""
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        try:
            if plan.recreate:
                await self._delete_and_wait(plan)
            applied = await self._api.apply(
                resource, ref.namespace, ref.name, plan.manifest.body, field_manager=FIELD_MANAGER
            )
        except (Unreachable, TooManyRequests, ServerFailed, Unauthorized):
            raise
        except ApiError as problem:
            plan.action, plan.reason = Action.FAILED, problem.reason
            plan.message = apply_refused(ref, problem)
            self._problems.append(plan.message)
            return f"held back by {ref}"
        plan.action = Action.CREATED if applied.created else Action.CONFIGURED
        plan.version = applied.object["metadata"]["resourceVersion"]
        return ""

    async def _delete_and_wait(self, plan: _Plan) -> None:
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        assert plan.live is not None
        uid = plan.live["metadata"]["uid"]
        await self._api.delete(resource, ref.namespace, ref.name, uid=uid)
        until_s = self._clock.monotonic_s() + self._settings.stage_timeout_s
        while True:
            try:
                found = await self._api.get(resource, ref.namespace, ref.name)
            except NotFound:
                return
            if found["metadata"]["uid"] != uid:
                return
            if self._clock.monotonic_s() >= until_s:
                raise Conflict(f"{ref} is still being deleted", status=409, reason="Terminating")
            await self._clock.sleep(self._settings.stage_poll_s)

    async def _await(self, plans: Iterable[_Plan]) -> str:
        """Wait until what a stage applied is ready: kinds established, namespaces active."""
        waiting = [plan for plan in plans if plan.resource is not None and plan.action is not Action.FAILED]
        until_s = self._clock.monotonic_s() + self._settings.stage_timeout_s
        while True:
            waiting = [plan for plan in waiting if not await self._is_ready(plan)]
            if not waiting:
                return ""
            if self._clock.monotonic_s() >= until_s:
                names = ", ".join(str(plan.manifest.ref) for plan in waiting)
                self._problems.append(f"timeout waiting for: [{names}]")
                return f"held back by {waiting[0].manifest.ref}"
            await self._clock.sleep(self._settings.stage_poll_s)

    async def _is_ready(self, plan: _Plan) -> bool:
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        try:
            value = await self._api.get(resource, ref.namespace, ref.name)
        except (NotFound, Forbidden):
            return False
        return self._assess(value, self._clock.now()).status is HealthStatus.CURRENT

    def _hold_back(self, manifests: Iterable[Manifest], why: str) -> None:
        for manifest in manifests:
            self._note(_Plan(manifest=manifest, action=Action.HELD_BACK, reason="HeldBack", message=why))

    def _note(self, plan: _Plan) -> None:
        self._changes.append(plan.change())
        if plan.version and not plan.change().is_failure and plan.action is not Action.SKIPPED:
            ref, digest = plan.manifest.ref, plan.manifest.digest
            self._known[ref] = Known(resource_version=plan.version, digest=digest)

    async def _prune(self, stale: Mapping[str, str]) -> Mapping[str, str]:
        """Delete what is not wished any more, in reverse order. Return what stays in the inventory."""
        self._problems_before_prune = bool(self._problems)
        staying: dict[str, str] = {}
        errors: list[str] = []
        for id_ in sorted(stale, key=lambda one: order_key(parse_id(one)), reverse=True):
            ref = parse_id(id_)
            is_confirmed = id_ in self._task.inventory
            try:
                action = await self._leave(ref, stale[id_])
            except UnknownKind:
                # Not served in any version: it was never created, or went with its kind.
                if is_confirmed:
                    self._changes.append(Change(ref=ref, action=Action.DELETED))
            except CartwheelError as problem:
                staying[id_] = stale[id_]
                errors.append(self._not_deleted(ref, problem))
            else:
                if action is Action.SKIPPED and ref in self._kept:
                    staying[id_] = stale[id_]
                if action is not None or is_confirmed:
                    self._changes.append(Change(ref=ref, action=action or Action.DELETED))
        if errors:
            self._problems.append("delete failed, errors: " + "; ".join(errors))
        return staying

    def _not_deleted(self, ref: ObjectRef, problem: CartwheelError) -> str:
        message = f"{ref} delete failed: {problem}"
        self._changes.append(Change(ref=ref, action=Action.FAILED, reason=problem.reason, message=message))
        return message

    async def _leave(self, ref: ObjectRef, version: str) -> Action | None:
        """Delete an object if it may be; None when it was gone."""
        try:
            resource = await self._resolver.resolve(ref.group, version, ref.kind)
        except UnknownKind:
            # The version may be served no more; the object is still there in another.
            resource = await self._resolver.preferred(ref.group, ref.kind)
        for last in (False, False, True):
            try:
                return await self._let_go(resource, ref)
            except Conflict:
                # It was changed since it was looked at, maybe given to another: look again.
                if last:
                    raise
        return None

    async def _let_go(self, resource: Resource, ref: ObjectRef) -> Action | None:
        """Delete an object just as it was judged. Raises Conflict when it is not so any more."""
        try:
            live: Object | None = await self._api.get(resource, ref.namespace, ref.name)
        except NotFound:
            live = None
        match prune.decide(live, ref, self._task.owner, self._task.kept_elsewhere):
            case prune.Fate.GONE:
                return None
            case prune.Fate.KEEP:
                self._kept.add(ref)
                return Action.SKIPPED
            case prune.Fate.SKIP:
                return Action.SKIPPED
            case prune.Fate.DELETE:
                assert live is not None
                uid, version = live["metadata"]["uid"], _version(live)
                with contextlib.suppress(NotFound):
                    await self._api.delete(
                        resource, ref.namespace, ref.name, uid=uid, resource_version=version
                    )
                return Action.DELETED


def _is_known(known: Known, live: Object, manifest: Manifest) -> bool:
    return known.digest == manifest.digest and _version(live) == known.resource_version


def _version(value: Object) -> str:
    return str((value.get("metadata") or {}).get("resourceVersion", ""))
