"""Finds out what an apply of one manifest would do, by reads and dry-runs; it changes nothing in the cluster.

A manifest that was looked at before costs nothing while the live object is the same; one that is new costs one dry-run.
"""

import json

from agent.apply.convergence import Action, Convergence, Known
from agent.apply.drift import holds
from agent.apply.plan import Plan, is_known
from agent.apply.policy import EXCLUDED, is_skipped, says
from agent.apply.refusal import is_broken, is_immutable, is_unreadable, is_webhook_down
from agent.apply.sending import send
from agent.apply.server import Server, version_of
from agent.kube.api import Object
from agent.kube.errors import (
    ApiError,
    ApiUnavailable,
    NotFound,
    ServerFailed,
    TooManyRequests,
    Unauthorized,
    UnknownKind,
    Unreachable,
)
from agent.kube.watch import is_newer
from agent.model.content import Manifest, canonical
from agent.model.inventory import format_id
from agent.model.jobs import has_time_to_live

UNANSWERED = (Unreachable, TooManyRequests, ServerFailed, Unauthorized)
"""What says nothing about an object: the whole convergence is tried again."""
_TRIAL = "-trial"
_LONGEST_STEM = 50


class Trial:
    """The dry-runs of one convergence."""

    def __init__(self, server: Server, task: Convergence) -> None:
        self._server = server
        self._task = task

    async def plan(self, manifest: Manifest) -> Plan:
        """Return what an apply would do. Raises ApiError when the server does not answer."""
        plan = Plan(manifest=manifest, is_confidential=self._task.is_confidential(manifest.ref))
        try:
            await self._look(plan)
        except ServerFailed as problem:
            plan.refuse_dry_run(await self._explain(plan, problem))
        except UNANSWERED:
            raise
        except (UnknownKind, ApiError) as problem:
            plan.refuse_dry_run(problem)
        return plan

    async def _explain(self, plan: Plan, problem: ServerFailed) -> ApiError:
        """Return the failure if it is of this object's kind alone. Raises it when it is the server's."""
        if is_webhook_down(problem) or is_unreadable(problem):
            return problem
        if plan.resource is not None:
            try:
                await self._server.resolver.check(plan.resource)
            except ApiUnavailable as away:
                return away
        raise problem

    async def _look(self, plan: Plan) -> None:
        manifest, ref = plan.manifest, plan.manifest.ref
        if self._task.is_applied and ref in self._task.resting:
            return
        known = self._task.known.get(ref) or self._as_left(manifest)
        seen = self._server.watched.live(ref, manifest.version)
        if known is not None and seen is not None and self._is_unchanged(manifest, known, seen):
            plan.version = version_of(seen)
            return
        if seen is None and self._task.ended.get(format_id(ref)) == manifest.digest:
            plan.has_ended = True
            return
        plan.resource = await self._server.resolver.resolve(ref.group, manifest.version, ref.kind)
        if known is not None and seen is not None and version_of(seen) == known.resource_version:
            plan.live = seen
        elif format_id(ref) in self._task.inventory:
            # A watch may lag behind our own last write; only the server knows what is there.
            plan.live = await self._read(plan)
        # One that this delivery does not hold is most often not there; the dry-run tells.
        if known is not None and plan.live is not None and self._is_unchanged(manifest, known, plan.live):
            plan.version = version_of(plan.live)
            return
        await self._try(plan)

    def _as_left(self, manifest: Manifest) -> Known | None:
        """Return what is known of an object although nobody has looked at it since the start: that its Bundle was applied in full."""
        if not self._task.is_applied or format_id(manifest.ref) not in self._task.inventory:
            return None
        return Known(resource_version="", digest=manifest.digest)

    def _is_unchanged(self, manifest: Manifest, known: Known, live: Object) -> bool:
        return is_known(known, live, manifest) or self._is_as_applied(manifest, known, live)

    @staticmethod
    def _is_as_applied(manifest: Manifest, known: Known, seen: Object) -> bool:
        """Tell whether an object that was written since is still all that this manifest, which was applied, says."""
        if known.digest != manifest.digest or not is_newer(version_of(seen), known.resource_version):
            return False
        if "deletionTimestamp" in seen["metadata"] or says(seen, EXCLUDED):
            return False
        return holds(seen, json.loads(manifest.body))

    def _ran_before(self, plan: Plan, desired: Object) -> bool:
        """Tell whether a manifest is of a Job that was there, is no more, and was not seen to go before its end."""
        manifest, ref = plan.manifest, plan.manifest.ref
        if plan.live is not None or not has_time_to_live(desired) or self._server.watched.was_cut_short(ref):
            return False
        known = self._task.known.get(ref)
        was_applied = self._task.is_applied or (known is not None and known.digest == manifest.digest)
        return was_applied and format_id(ref) in self._task.inventory

    async def _try(self, plan: Plan) -> None:
        desired = json.loads(plan.manifest.body)
        if self._ran_before(plan, desired):
            plan.has_ended = True
            return
        if is_skipped(desired, plan.live):
            plan.action = Action.SKIPPED
            return
        try:
            wished = await self._dry_run(plan)
        except ApiError as problem:
            if not is_immutable(problem):
                raise
            # Only now is it worth a request to know what is there: it may be opted out, or to be made anew.
            plan.live = plan.live or await self._read(plan)
            if is_skipped(desired, plan.live):
                plan.action = Action.SKIPPED
                return
            if not plan.may_recreate(desired, force=self._task.force):
                raise
            if await self._is_broken(plan, desired, problem):
                raise
            plan.action, plan.recreate = Action.CREATED, True
            return
        if wished is None:
            plan.action = Action.CREATED
            return
        if plan.live is None:
            plan.live = await self._read(plan)
            if plan.live is not None and is_skipped(desired, plan.live):
                plan.action = Action.SKIPPED
                return
        plan.compare(wished)

    async def _is_broken(self, plan: Plan, desired: Object, problem: ApiError) -> bool:
        """Tell whether an object could not be made anew either, by trying one of another name: then it must not be deleted for that."""
        name = plan.manifest.ref.name[:_LONGEST_STEM] + _TRIAL
        body = canonical({**desired, "metadata": {**desired["metadata"], "name": name}})
        try:
            await send(self._server, plan, name, body, dry_run=True)
        except UNANSWERED:
            raise
        except ApiError as refused:
            return is_broken(problem, refused)
        return False

    async def _read(self, plan: Plan) -> Object | None:
        """Return the live object, None when there is none."""
        ref, resource = plan.manifest.ref, plan.resource
        assert resource is not None
        try:
            return await self._server.api.get(resource, ref.namespace, ref.name)
        except NotFound:
            return None

    async def _dry_run(self, plan: Plan) -> Object | None:
        """Return what an apply would leave, None when it would create the object."""
        applied = await send(self._server, plan, plan.manifest.ref.name, plan.manifest.body, dry_run=True)
        return None if applied.created else applied.object
