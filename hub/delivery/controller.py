"""Turns Kustomizations into wishes for their clusters, and deletions into tombstones.

State: none of its own but the queues; what its parts remember is theirs. Writes the finalizer, the annotation of the first placement and
what leaves; the status of a delivery is written by whoever reads its Standing. Bad input never takes anything away: until something is
built and decided, every cluster keeps what it has.
"""

from collections.abc import Mapping

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Stalled
from agent.kit.reconcile import Again, Done, Loop, Outcome
from agent.kit.tasks import Offload, Tasks, in_thread
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from agent.model.assignment import HoldReason
from hub.artifacts.blobs import Blobs
from hub.build.kustomize import Renderer
from hub.delivery.assigning import approvals, open_approvals
from hub.delivery.builds import Trees
from hub.delivery.cause import open_request
from hub.delivery.dependencies import judge
from hub.delivery.failures import NO_CLUSTERS, Unbuilt, after, hold_reason_of, problem_of
from hub.delivery.leaving import Leaving
from hub.delivery.placement import NotPlaced, Placed
from hub.delivery.places import Places
from hub.delivery.planning import Plan, Planning
from hub.delivery.rollout import next_candidates
from hub.delivery.settings import DeliverySettings
from hub.delivery.standings import Standings
from hub.delivery.waking import Waking
from hub.delivery.whereabouts import Whereabouts
from hub.delivery.wishes import Wishes
from hub.model import annotations as names
from hub.model.durations import instant
from hub.model.fields import unsupported
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization
from hub.model.standing import DELETING, Problem
from hub.model.wish import Assigned, Boards, PlacementKey
from hub.model.wording import alike
from hub.store import Store
from hub.telemetry import ResourceMeter, about


class Controller:
    """Reconciles all deliveries. `run` until cancelled."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        store: Store,
        boards: Boards,
        blobs: Blobs,
        renderer: Renderer,
        trees: Trees,
        clock: Clock,
        randomness: Randomness,
        telemetry: Telemetry | None = None,
        offload: Offload = in_thread,
    ) -> None:
        telemetry = telemetry or Telemetry()
        self._settings = settings
        self._store = store
        self._clock = clock
        self._loop: Loop[Key] = Loop(
            "deliveries",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
            telemetry=telemetry,
            meter=ResourceMeter(telemetry, Kind.KUSTOMIZATION, store.kustomizations.holds),
            about=about("delivery", Kind.KUSTOMIZATION),
        )
        self._clusters: Loop[Key] = Loop(
            "leaving",
            self._settle_cluster,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=2,
            telemetry=telemetry,
            about=about("cluster", Kind.CLUSTER),
        )
        self._places = Places(store, boards, settings.management)
        self._planning = Planning(
            settings,
            store=store,
            blobs=blobs,
            renderer=renderer,
            trees=trees,
            clock=clock,
            telemetry=telemetry,
            offload=offload,
        )
        self._wishes = Wishes(boards)
        self._standings = Standings(boards, self._places, self._wishes)
        self._leaving = Leaving(
            store,
            boards,
            blobs,
            self._places,
            clock=clock,
            rename_window_s=settings.rename_window_s * settings.scale,
        )
        self._whereabouts = Whereabouts(store, boards, self._places, self._leaving)
        self._waking = Waking(
            store, boards, self._places, delivery=self._loop.mark, cluster=self._clusters.mark
        )

    @property
    def depth(self) -> int:
        """Return how many deliveries wait to be worked on."""
        return self._loop.depth

    @property
    def renderings(self) -> int:
        """Return how often kustomize ran."""
        return self._planning.renderings

    async def run(self) -> None:
        """Work on all deliveries once everything is known, then on what changes."""
        await self._store.wait_until_complete()
        self._waking.begin()
        async with Tasks() as tasks:
            tasks.start(self._loop.run(), name="deliveries")
            tasks.start(self._clusters.run(), name="leaving")
            tasks.start(self._waking.follow_reports(), name="delivery-reports")
            tasks.start(self._waking.follow_presence(), name="delivery-presence")
            await tasks.wait_for_failure()

    async def _settle_cluster(self, key: Key) -> Outcome:
        await self._leaving.settle(key)
        for delivery in self._store.kustomizations:
            if delivery.metadata.is_being_deleted:
                self._loop.mark((delivery.metadata.namespace, delivery.metadata.name))
        cluster = self._store.clusters.get(key)
        # A tombstone may wait for what is not told here, such as a delivery that is built in the meantime.
        waits = cluster is not None and cluster.status.tombstones
        return Again(after_s=self._settings.look_again_s) if waits else Done()

    async def _reconcile(self, key: Key) -> Outcome:
        delivery = self._store.kustomizations.get(key)
        if delivery is None:
            self._forget(key)
            return Done()
        if delivery.metadata.is_being_deleted:
            return await self._finalize(key, delivery)
        if names.FINALIZER not in delivery.metadata.finalizers:
            await self._store.set_finalizer(self._store.kustomizations, key, present=True)
        try:
            return await self._converge(key, delivery)
        except CartwheelError as problem:
            self._standings.tell(delivery, problem=problem_of(problem))
            raise

    def _forget(self, key: Key) -> None:
        """Drop what is remembered of a delivery that is gone."""
        self._whereabouts.forget(key)
        self._planning.forget(key)
        self._standings.forget(key)
        self._waking.forget(key)

    async def _finalize(self, key: Key, delivery: Kustomization) -> Outcome:
        """Take the finalizer of a deleted delivery when no connected cluster has it and the others have a tombstone."""
        if names.FINALIZER not in delivery.metadata.finalizers:
            return Done()
        if waits := await self._whereabouts.leave(delivery):
            self._tell_waiting(delivery, waits)
            return Again(after_s=self._settings.look_again_s)
        await self._store.set_finalizer(self._store.kustomizations, key, present=False)
        return Done()

    def _tell_waiting(self, delivery: Kustomization, waits: Mapping[str, str]) -> None:
        """Say what a deletion waits for, once it takes longer than it should."""
        asked = delivery.metadata.deletion_timestamp
        waited_s = (self._clock.now() - instant(asked)).total_seconds() if asked else 0.0
        if waited_s >= self._settings.look_again_s:
            message = "\n".join(("being deleted, and still in the cluster", *alike(waits)))
            self._standings.tell(delivery, problem=Problem(reason=DELETING, message=message, is_quiet=True))

    async def _converge(self, key: Key, delivery: Kustomization) -> Outcome:
        if (refusal := unsupported(Kind.KUSTOMIZATION, delivery.raw_spec)) is not None:
            self._wishes.hold(self._whereabouts.owned(key), HoldReason.STALLED, refusal.message)
            raise Stalled(refusal.message, reason=refusal.reason)
        try:
            placed = self._places.of(delivery)
        except NotPlaced as problem:
            self._wishes.hold(self._whereabouts.owned(key), HoldReason.STALLED, str(problem))
            raise
        await self._whereabouts.keep(delivery, placed)
        if not placed.placements:
            raise Stalled(f"{_nowhere(delivery, placed)}; nothing is applied", reason=NO_CLUSTERS)
        if delivery.spec.suspend and self._wishes.suspend(delivery, placed):
            self._standings.tell(delivery, placed=placed)
            return Done()
        try:
            plan = await self._plan(delivery, placed)
        except CartwheelError as problem:
            held = [one.key for one in placed.placements]
            self._wishes.hold(held, hold_reason_of(problem), str(problem))
            if isinstance(problem, Unbuilt) and self._stays(delivery, placed, problem):
                return Again(after_s=problem.after_s)
            raise
        return await self._assign(plan)

    def _stays(self, delivery: Kustomization, placed: Placed, problem: Unbuilt) -> bool:
        """Have what is known to be applied stand as its agents say, though it cannot be built now; tell whether it is known.

        That the files cannot be had the source says itself; whoever asked for a reconcile is told so here, too.
        """
        status, metadata, artifact = delivery.status, delivery.metadata, self._planning.artifact(delivery)
        seen = (status.last_applied_revision, status.observed_generation)
        is_asked = metadata.requested_at not in (None, status.last_handled_reconcile_at)
        if is_asked or seen != (artifact.revision, metadata.generation):
            return False
        behind = [one.key for one in placed.placements if self._whereabouts.may_differ(one, metadata.uid)]
        problems = dict.fromkeys(behind, problem_of(problem))
        self._standings.tell(delivery, placed=placed, artifact=artifact, problems=problems, was_applied=True)
        return True

    async def _plan(self, delivery: Kustomization, placed: Placed) -> Plan:
        artifact = self._planning.artifact(delivery)
        self._standings.note_attempt(delivery, placed, artifact)
        return await self._planning.plan(delivery, placed, artifact)

    async def _assign(self, plan: Plan) -> Outcome:
        """Wish for the Bundle of every cluster; one cluster's trouble is not another's."""
        neighbours = self._places.neighbours(plan.delivery)
        wishes: dict[PlacementKey, Assigned] = {}
        problems: dict[PlacementKey, CartwheelError] = {}
        for placement in plan.placed.placements:
            try:
                judgement = judge(plan.delivery, placement, neighbours, plan.artifact.revision)
                wishes[placement.key] = await self._planning.wish(plan, placement, judgement)
            except CartwheelError as problem:
                problems[placement.key] = problem
        if not problems:
            # Before anything is wished for: a Bundle that comes back must not find the approval that it once had.
            await self._forget_spent_approvals(plan, wishes)
        current = self._wishes.candidates(wishes)
        for place_ in next_candidates(wishes, current, plan.candidate.digest):
            self._leaving.comes(place_, plan.delivery.metadata.uid)
            self._wishes.put(place_, wishes[place_], request=open_request(plan.delivery))
        for place_, trouble in problems.items():
            self._wishes.hold((place_,), hold_reason_of(trouble), str(trouble))
        told = {place_: problem_of(trouble) for place_, trouble in problems.items()}
        self._standings.tell(plan.delivery, placed=plan.placed, artifact=plan.artifact, problems=told)
        return after(problems.values(), self._settings.look_again_s)

    async def _forget_spent_approvals(self, plan: Plan, wishes: Mapping[PlacementKey, Assigned]) -> None:
        delivery, placements = plan.delivery, plan.placed.placements
        bundles = [(one, wishes[one.key].bundle.digest) for one in placements]
        still = open_approvals(delivery, bundles)
        if still != approvals(delivery):
            key = (delivery.metadata.namespace, delivery.metadata.name)
            await self._store.annotate(
                self._store.kustomizations, key, {names.APPROVE_PRUNE: ",".join(still) or None}
            )


def _nowhere(delivery: Kustomization, placed: Placed) -> str:
    """Say why a delivery is placed in no cluster at all."""
    if placed.fleet is not None:
        return (
            f"Fleet {delivery.metadata.namespace}/{placed.fleet.metadata.name} selects no Cluster; give one the labels that"
            " spec.clusterSelector names"
        )
    return f"{placed.by} has no id yet or is not registered; `hub install` and `hub cluster add` register Clusters"
