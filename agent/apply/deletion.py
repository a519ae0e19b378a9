"""Deletes what is not wished any more: one object at a time, in the reverse order of an apply, each just as it was judged."""

import contextlib
from collections.abc import Mapping

from agent.apply import prune
from agent.apply.convergence import Action, Change, Convergence
from agent.apply.order import order_key
from agent.apply.server import Journal, Server, version_of
from agent.kit.errors import CartwheelError, Transient
from agent.kube.api import Object, Resource
from agent.kube.errors import (
    Conflict,
    Forbidden,
    NotFound,
    TooManyRequests,
    Unauthorized,
    UnknownKind,
    Unreachable,
)
from agent.model.inventory import parse_id
from agent.model.names import ObjectRef


class Deletion:
    """The deletions of one convergence: `changes` are the verdicts, `staying` the ids that remain held, `deferred` the objects among them
    that are to be deleted later, `problem` what went wrong."""

    def __init__(self, server: Server, task: Convergence, journal: Journal) -> None:
        self._server = server
        self._task = task
        self._journal = journal
        self._mine = frozenset(one.ref for one in task.manifests)
        self._errors: list[str] = []
        self.changes: list[Change] = []
        self.staying: dict[str, str] = {}
        self.deferred: list[ObjectRef] = []

    @property
    def problem(self) -> str:
        return "delete failed, errors: " + "; ".join(self._errors) if self._errors else ""

    async def carry_out(self, stale: Mapping[str, str]) -> None:
        """Delete each of these ids if it may be; one that cannot be deleted does not hinder the others, a newer wish ends it.

        Raises ApiError when the server does not answer.
        """
        for id_ in sorted(stale, key=lambda one: order_key(parse_id(one)), reverse=True):
            if self._journal.is_superseded():
                self.staying[id_] = stale[id_]
                continue
            ref = parse_id(id_)
            is_confirmed = id_ in self._task.inventory
            try:
                fate = await self._leave(ref, stale[id_])
            except (Unreachable, TooManyRequests, Unauthorized):
                raise
            except CartwheelError as problem:
                self.staying[id_] = stale[id_]
                self._fail(ref, problem)
                continue
            match fate:
                case prune.Fate.GONE if not is_confirmed:
                    pass
                case prune.Fate.GONE | prune.Fate.DELETE:
                    self.changes.append(Change(ref=ref, action=Action.DELETED))
                case prune.Fate.SKIP | prune.Fate.KEEP:
                    self.changes.append(Change(ref=ref, action=Action.SKIPPED))
                case prune.Fate.DEFER:
                    self.deferred.append(ref)
            if fate in (prune.Fate.KEEP, prune.Fate.DEFER):
                self.staying[id_] = stale[id_]

    def _fail(self, ref: ObjectRef, problem: CartwheelError) -> None:
        message = f"{ref} delete failed: {problem}"
        self.changes.append(Change(ref=ref, action=Action.FAILED, reason=problem.reason, message=message))
        self._errors.append(message)

    async def _leave(self, ref: ObjectRef, version: str) -> prune.Fate:
        for _ in range(2):
            # What is known of a kind may be old; the second time it is asked anew.
            with contextlib.suppress(UnknownKind):
                return await self._leave_as(await self._server.resource_of(ref, version), ref)
        if await self._is_defined(ref):
            raise Transient(
                "its kind is defined, but no version of it is served, so that nobody can tell whether it is there; "
                "have a version served, or delete the definition",
                reason="KindNotServed",
            )
        # Everyone who could serve it was heard, and no version has it: it was never created, or went with its kind.
        return prune.Fate.GONE

    async def _is_defined(self, ref: ObjectRef) -> bool:
        """Tell whether an object of a kind that is not served may be stored all the same, as far as this agent may know."""
        try:
            return await self._server.resolver.is_defined(ref.group, ref.kind)
        except Forbidden:
            return False

    async def _leave_as(self, resource: Resource, ref: ObjectRef) -> prune.Fate:
        for _ in range(2):
            # It may be changed after it was looked at, maybe given to another: then it is looked at again.
            with contextlib.suppress(Conflict):
                return await self._let_go(resource, ref)
        return await self._let_go(resource, ref)

    async def _let_go(self, resource: Resource, ref: ObjectRef) -> prune.Fate:
        """Delete an object just as it was judged. Raises Conflict when it is not so any more, UnknownKind when its kind is not served."""
        api = self._server.api
        try:
            live: Object | None = await api.get(resource, ref.namespace, ref.name)
        except NotFound:
            live = None
            if ref.group and not await self._server.resolver.still_serves(resource):
                raise UnknownKind(f"{resource.api_version} serves no {ref.kind} any more") from None
        fate = prune.decide(
            live,
            ref,
            self._task.owner,
            mine=self._mine,
            elsewhere=self._task.kept_elsewhere,
            is_namespaced=resource.namespaced,
        )
        if fate is prune.Fate.DELETE and self._task.must_wait():
            return prune.Fate.DEFER
        if live is not None and fate is prune.Fate.DELETE:
            uid, version = live["metadata"]["uid"], version_of(live)
            with contextlib.suppress(NotFound):
                await api.delete(resource, ref.namespace, ref.name, uid=uid, resource_version=version)
        return fate
