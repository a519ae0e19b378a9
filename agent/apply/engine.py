"""Converges the cluster to a Bundle: the only code that writes workloads.

State: none between convergences. The order is safety: everything of a stage is tried without effect before anything of it is written; an id
is in the journal before its first write; what leaves is deleted after everything else is applied.
"""

from collections.abc import Collection, Iterable, Mapping

from agent.apply import patch, readiness
from agent.apply.convergence import (
    PRUNE_FAILED,
    RECONCILIATION_FAILED,
    SUPERSEDED,
    Action,
    Change,
    ChangeSet,
    Convergence,
    Known,
)
from agent.apply.deletion import Deletion
from agent.apply.inventory import in_order, present_ids, stale_ids, still_ended
from agent.apply.plan import Plan
from agent.apply.prune import Refs
from agent.apply.server import Journal, Server
from agent.apply.stages import DEFINITION, Stage, split
from agent.apply.tally import Tally
from agent.apply.trial import Trial
from agent.apply.waiting import list_behind
from agent.apply.weighing import Weighing
from agent.kit.tasks import all_of
from agent.kit.telemetry import Telemetry
from agent.model.inventory import format_id
from agent.model.names import HomeName, ObjectRef


class Engine:
    """Applies and prunes in one cluster."""

    def __init__(self, server: Server, *, telemetry: Telemetry | None = None) -> None:
        self._server = server
        self._tally = Tally(telemetry or Telemetry())

    async def converge(self, task: Convergence, journal: Journal) -> ChangeSet:
        """Apply what is wished, then delete what is not any more. Raises ApiError when the server does not answer."""
        found = await _Run(self._server, task, journal).converge()
        self._tally.count(task, found)
        return found

    def weighing(self, task: Convergence, on_desk: Collection[str]) -> Weighing:
        """Return what weighs the deletions of a convergence; `on_desk` are the ids that any delivery holds."""
        return Weighing(self._server, task, on_desk)

    async def remove(
        self,
        owner: HomeName,
        inventory: Mapping[str, str],
        kept_elsewhere: Refs,
        journal: Journal,
    ) -> ChangeSet:
        """Delete what a delivery owns, because the delivery leaves."""
        task = Convergence(
            owner=owner, manifests=(), inventory=inventory, prune=True, kept_elsewhere=kept_elsewhere
        )
        return await self.converge(task, journal)


class _Run:
    """One convergence."""

    def __init__(self, server: Server, task: Convergence, journal: Journal) -> None:
        self._server = server
        self._task = task
        self._journal = journal
        self._trial = Trial(server, task)
        self._changes: list[Change] = []
        self._known: dict[ObjectRef, Known] = {}
        self._ended = still_ended(task)
        self._deferred: tuple[ObjectRef, ...] = ()
        self._problems: list[str] = []

    async def converge(self) -> ChangeSet:
        task = self._task
        why = ""
        for stage in split(task.manifests, self._server.settings.early_kinds):
            why = why or self._newer()
            if why:
                for manifest in stage.manifests:
                    plan = Plan(manifest=manifest)
                    plan.hold_back(why)
                    self._note(plan)
            else:
                why = await self._apply_stage(stage)
        stale, present = stale_ids(task), present_ids(task, self._changes)
        why = why or self._newer()
        if why or (task.prune and (task.prune_held or self._problems)):
            # Nothing is deleted while what is to take its place could not be applied.
            return self._result({**stale, **present}, RECONCILIATION_FAILED)
        if not task.prune:
            return self._result(present, RECONCILIATION_FAILED)
        staying = await self._delete(stale)
        return self._result({**staying, **present}, PRUNE_FAILED)

    async def _apply_stage(self, stage: Stage) -> str:
        """Apply one stage. Return what holds back the following ones, empty when nothing does."""
        settings = self._server.settings
        plans = await all_of([self._trial.plan(one) for one in stage.manifests], at_once=settings.dry_runs)
        self._problems += [plan.message for plan in plans if plan.action is Action.FAILED]
        blocking = next((plan for plan in plans if plan.blocks), None)
        if blocking is not None:
            why = f"held back by {blocking.manifest.ref}"
            self._hold_back(plans, why)
            return why
        await self._write_ahead(plans)
        why = await self._write(plans)
        if not why and stage.is_awaited:
            why = await self._await(plans)
        return why

    async def _write_ahead(self, plans: Iterable[Plan]) -> None:
        ids = {format_id(plan.manifest.ref): plan.manifest.version for plan in plans if plan.action.is_write}
        if ids:
            await self._journal.enter(ids)

    async def _write(self, plans: Iterable[Plan]) -> str:
        """Write a stage in its order; the first refusal ends it. Return what holds back the following stages."""
        why = ""
        for plan in plans:
            if plan.action.is_write:
                why = why or self._newer()
            if plan.action.is_write and why:
                plan.hold_back(why)
            elif plan.action.is_write:
                await patch.write(self._server, plan, self._journal)
                if plan.action is Action.FAILED:
                    self._problems.append(plan.message)
                    why = f"held back by {plan.manifest.ref}"
            self._note(plan)
        return why

    async def _await(self, plans: Iterable[Plan]) -> str:
        plans = tuple(plans)
        if any(plan.action.is_write and _is_definition(plan.manifest.ref) for plan in plans):
            self._server.resolver.forget()
        late = await readiness.wait(self._server, plans, self._journal)
        if not late or self._journal.is_superseded():
            return self._newer()
        self._problems.append(f"timeout waiting for: {list_behind(late)}")
        return f"held back by {late[0][0]}"

    async def _delete(self, stale: Mapping[str, str]) -> Mapping[str, str]:
        """Delete what is not wished any more. Return what stays held."""
        deletion = Deletion(self._server, self._task, self._journal)
        await deletion.carry_out(stale)
        self._changes += deletion.changes
        self._deferred = tuple(deletion.deferred)
        if deletion.problem:
            self._problems.append(deletion.problem)
        return deletion.staying

    def _newer(self) -> str:
        """Say that a newer wish makes the rest of this one vain, empty when there is none."""
        return "held back by a newer wish" if self._journal.is_superseded() else ""

    def _hold_back(self, plans: Iterable[Plan], why: str) -> None:
        for plan in plans:
            if plan.action.is_write:
                plan.hold_back(why)
            self._note(plan)

    def _note(self, plan: Plan) -> None:
        self._changes.append(plan.change)
        if (known := plan.known) is not None:
            self._known[plan.manifest.ref] = known
        if plan.has_ended:
            self._ended[format_id(plan.manifest.ref)] = plan.manifest.digest
        elif plan.action.is_write:
            self._ended.pop(format_id(plan.manifest.ref), None)

    def _result(self, held: Mapping[str, str], reason: str) -> ChangeSet:
        if self._journal.is_superseded():
            # What was left undone must not pass for done.
            self._problems.append("something else came to be wished")
            reason = SUPERSEDED
        problem = "\n".join(self._problems)
        return ChangeSet(
            changes=tuple(self._changes),
            inventory=in_order(held),
            ended=self._ended,
            known=self._known,
            deferred=self._deferred,
            reason=reason if problem else "",
            problem=problem,
        )


def _is_definition(ref: ObjectRef) -> bool:
    return (ref.group, ref.kind) == DEFINITION
