"""Turns Kustomizations into wishes for their clusters, and deletions into tombstones.

State: which clusters each delivery was wished for in this hub's life. Writes the finalizer, the annotation of the first placement and what
leaves; the status of a delivery is written by whoever reads its Standing. Bad input never takes anything away: until something is built
and decided, every cluster keeps what it has.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from agent.kit.clock import Clock, Randomness
from agent.kit.errors import CartwheelError, Stalled, Transient, Waiting
from agent.kit.reconcile import Again, Backoff, Done, Loop, Outcome
from agent.kit.tasks import Tasks
from agent.kube.watch import Key
from agent.model.assignment import DeletionPolicy, Hold, HoldReason
from agent.model.report import Stage
from hub.artifacts.blobs import Blobs
from hub.build.errors import BuildFailed
from hub.build.kustomize import PathNotFound, Renderer
from hub.build.render import RenderUnavailable
from hub.delivery.assigning import assigned
from hub.delivery.builds import Builds, TreeMissing, Trees
from hub.delivery.bundle import Assembly
from hub.delivery.candidate import Candidate, candidate_of
from hub.delivery.dependencies import Judgement, judge
from hub.delivery.inputs import read_cluster, read_delivery
from hub.delivery.leaving import Leaving
from hub.delivery.placement import KIND, NotPlaced, Placed, Placement, place, remembered
from hub.delivery.places import Places
from hub.delivery.rollout import next_candidates
from hub.delivery.variables import Layers, Values, built_ins, variables_of
from hub.delivery.waking import Waking
from hub.model import annotations as names
from hub.model.cluster import Cluster, ClusterName
from hub.model.events import Severity, event
from hub.model.fields import unsupported
from hub.model.fleet import OnLeave
from hub.model.gitrepository import Artifact
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.model.standing import Problem, Standing, Target
from hub.model.wish import Assigned, Boards, DeliveryKey, PlacementKey, Wish
from hub.store import Store

ARTIFACT_FAILED = "ArtifactFailed"
BUILD_FAILED = "BuildFailed"
NO_CLUSTERS = "NoClusters"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Times in seconds; `scale` is for those that come with resources. `tools` are the versions that a build depends on."""

    management: ClusterName
    backoff: Backoff
    tools: Mapping[str, str]
    dependency_retry_s: float = 30.0
    rename_window_s: float = 300.0
    workers: int = 8
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """One pass over a delivery: what it is to become, and where."""

    delivery: Kustomization
    placed: Placed
    artifact: Artifact
    candidate: Candidate
    assembly: Assembly
    layers: tuple[Values, ...]


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
    ) -> None:
        self._settings = settings
        self._store = store
        self._boards = boards
        self._blobs = blobs
        self._builds = Builds(renderer, trees)
        self._places = Places(store, settings.management)
        self._leaving = Leaving(
            store,
            boards,
            blobs,
            self._places,
            clock=clock,
            rename_window_s=settings.rename_window_s * settings.scale,
        )
        self._owned: dict[Key, set[PlacementKey]] = {}
        self._collisions: dict[Key, tuple[str, ...]] = {}
        self._loop: Loop[Key] = Loop(
            "deliveries",
            self._reconcile,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=settings.workers,
        )
        self._clusters: Loop[Key] = Loop(
            "leaving",
            self._settle_cluster,
            clock=clock,
            randomness=randomness,
            backoff=settings.backoff,
            workers=2,
        )
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
        return self._builds.runs

    async def run(self) -> None:
        """Work on all deliveries once everything is known, then on what changes."""
        await self._store.wait_until_complete()
        self._waking.begin()
        async with Tasks() as tasks:
            tasks.start(self._loop.run(), name="deliveries")
            tasks.start(self._clusters.run(), name="leaving")
            tasks.start(self._waking.follow_reports(), name="delivery-reports")
            await tasks.wait_for_failure()

    async def _settle_cluster(self, key: Key) -> Outcome:
        await self._leaving.settle(key)
        for delivery in self._store.kustomizations:
            if delivery.metadata.is_being_deleted:
                self._loop.mark((delivery.metadata.namespace, delivery.metadata.name))
        cluster = self._store.clusters.get(key)
        # A tombstone may wait for what is not told here, such as a delivery that is built in the meantime.
        waits = cluster is not None and cluster.status.tombstones
        return Again(after_s=self._settings.dependency_retry_s * self._settings.scale) if waits else Done()

    # One delivery.

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
            self._tell(delivery, problem=_problem(problem))
            raise

    def _forget(self, key: Key) -> None:
        """Drop what is remembered of a delivery that is gone. Its wishes stay: whatever is to leave has a tombstone."""
        self._owned.pop(key, None)
        self._builds.forget(key)
        self._boards.standings.drop((KIND, *key))
        self._waking.forget(key)

    async def _converge(self, key: Key, delivery: Kustomization) -> Outcome:
        if (refusal := unsupported(Kind.KUSTOMIZATION, delivery.raw_spec)) is not None:
            self._hold(key, delivery, HoldReason.STALLED, refusal.message)
            raise Stalled(refusal.message, reason=refusal.reason)
        try:
            placed = self._places.of(delivery)
        except NotPlaced as problem:
            self._hold(key, delivery, HoldReason.STALLED, str(problem))
            raise
        await self._settle_places(key, delivery, placed)
        if not placed.placements:
            raise Stalled(
                f"{placed.by} selects no cluster that is registered; nothing is applied", reason=NO_CLUSTERS
            )
        if delivery.spec.suspend and self._suspend(delivery, placed):
            return Done()
        try:
            plan = await self._plan(delivery, placed)
        except CartwheelError as problem:
            self._hold(key, delivery, _hold_reason(problem), str(problem), placed.placements)
            raise
        return await self._assign(key, plan)

    async def _settle_places(self, key: Key, delivery: Kustomization, placed: Placed) -> None:
        """Remember where the delivery is placed, and release it where it was and is placed no more."""
        left = remembered(delivery, self._places.world).fleet or placed.fleet
        is_elsewhere = placed.by != f"cluster/{self._settings.management}"
        if is_elsewhere and placed.placements:
            await self._store.annotate(self._store.kustomizations, key, {names.PLACED: placed.by})
        uid = delivery.metadata.uid
        now = {one.key for one in placed.placements}
        for one in placed.placements:
            await self._leaving.take_back(_name(one.cluster), one.home, uid)
        by_id = {cluster.spec.id: cluster for cluster in self._places.world.clusters.values()}
        for id_, home in self._where(key, uid) - now:
            cluster = by_id.get(id_)
            if cluster is None or cluster.metadata.is_being_deleted:
                continue
            if left is not None and left.spec.on_leave is OnLeave.PRUNE:
                await self._leaving.bury(_name(cluster), home, uid, deletes=True, reason="it left the Fleet")
            else:
                reason = f"{placed.by} no longer places it here"
                await self._leaving.release(_name(cluster), home, uid, reason=reason)
            self._owned.get(key, set()).discard((id_, home))
            self._clusters.mark(_name(cluster))
        self._owned.setdefault(key, set()).update(now)

    def _where(self, key: Key, uid: str) -> set[PlacementKey]:
        """Return where the delivery is by what was wished for and by what agents report."""
        reported = {
            place_
            for place_, report in self._boards.reports.snapshot().items()
            if report.uid == uid and report.stage is not Stage.GONE
        }
        return reported | self._owned.get(key, set())

    def _suspend(self, delivery: Kustomization, placed: Placed) -> bool:
        """Have the agents stop at what they have; tell whether all of that is known here."""
        wishes = {one.key: self._boards.wishes.get(one.key) for one in placed.placements}
        mine = {key: wish for key, wish in wishes.items() if isinstance(wish, Assigned)}
        if len(mine) < len(wishes) or not all(_is_mine(wish, delivery) for wish in mine.values()):
            return False
        for key, wish in mine.items():
            spec = replace(wish.assignment.spec, suspend=True)
            self._boards.wishes.put(key, replace(wish, assignment=replace(wish.assignment, spec=spec)))
        self._tell(delivery, placed=placed)
        return True

    async def _plan(self, delivery: Kustomization, placed: Placed) -> _Plan:
        artifact = self._artifact(delivery)
        self._note_attempt(delivery, placed, artifact)
        try:
            inputs = await read_delivery(self._store, delivery)
            candidate = candidate_of(
                delivery,
                artifact,
                config_maps=inputs.config_maps,
                fleet=placed.fleet,
                tools=self._settings.tools,
            )
            assembly = await self._builds.assembly(delivery, candidate, placed.placements[0].home)
        except PathNotFound as problem:
            raise self._failed(delivery, str(problem), ARTIFACT_FAILED) from problem
        except BuildFailed as problem:
            raise self._failed(delivery, str(problem), BUILD_FAILED) from problem
        except RenderUnavailable as problem:
            raise Transient(str(problem), reason=BUILD_FAILED) from problem
        except TreeMissing as problem:
            raise Waiting(
                f"Source is not ready, artifact not found, retrying in 30s: {problem}",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.dependency_retry_s * self._settings.scale,
            ) from problem
        return _Plan(
            delivery=delivery,
            placed=placed,
            artifact=artifact,
            candidate=candidate,
            assembly=assembly,
            layers=inputs.layers,
        )

    def _artifact(self, delivery: Kustomization) -> Artifact:
        key = (delivery.source_namespace, delivery.spec.source_ref.name)
        source = self._store.git_repositories.get(key)
        if source is None:
            raise Waiting(
                f"GitRepository {key[0]}/{key[1]} not found; create it, or correct spec.sourceRef",
                reason=ARTIFACT_FAILED,
                after_s=delivery.spec.retry_after.total_seconds() * self._settings.scale,
            )
        if source.status.artifact is None:
            raise Waiting(
                "Source artifact not found, retrying in 30s",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.dependency_retry_s * self._settings.scale,
            )
        return source.status.artifact

    def _failed(self, delivery: Kustomization, message: str, reason: str) -> CartwheelError:
        """Return a failure of the build, tried again after the delivery's own time."""
        return _Failed(
            message, reason=reason, after_s=delivery.spec.retry_after.total_seconds() * self._settings.scale
        )

    async def _assign(self, key: Key, plan: _Plan) -> Outcome:
        """Wish for the Bundle of every cluster; one cluster's trouble is not another's."""
        delivery, revision = plan.delivery, plan.artifact.revision
        neighbours = self._places.neighbours(delivery)
        wishes: dict[PlacementKey, Wish] = {}
        problems: dict[PlacementKey, CartwheelError] = {}
        for placement in plan.placed.placements:
            try:
                judgement = judge(delivery, placement, neighbours, revision)
                wishes[placement.key] = await self._wish(plan, placement, judgement)
            except CartwheelError as problem:
                problems[placement.key] = problem
        current = {
            place_: wish.assignment.candidate
            for place_ in wishes
            if isinstance(wish := self._boards.wishes.get(place_), Assigned)
        }
        for place_ in next_candidates(wishes, current, plan.candidate.digest):
            self._boards.wishes.put(place_, wishes[place_])
        for placement in plan.placed.placements:
            if (trouble := problems.get(placement.key)) is not None:
                self._hold(key, delivery, _hold_reason(trouble), str(trouble), (placement,))
        told = {place_: _problem(trouble) for place_, trouble in problems.items()}
        self._tell(delivery, placed=plan.placed, artifact=plan.artifact, problems=told)
        return self._after(problems.values())

    def _after(self, problems: Iterable[CartwheelError]) -> Outcome:
        """Return when to look again at what has to wait; what is stalled waits for a change."""
        default_s = self._settings.dependency_retry_s * self._settings.scale
        waits = [
            one.after_s if isinstance(one, Waiting) else default_s
            for one in problems
            if not isinstance(one, Stalled)
        ]
        return Again(after_s=min(waits)) if waits else Done()

    async def _wish(self, plan: _Plan, placement: Placement, judgement: Judgement) -> Wish:
        """Build the Bundle of one cluster and keep its content. Raises what hinders it there."""
        if placement.cluster.spec.suspend:
            raise _Failed(
                f"Cluster {placement.cluster.metadata.name} is suspended; hub cluster resume",
                reason="ClusterSuspended",
                after_s=plan.delivery.spec.interval.total_seconds() * self._settings.scale,
            )
        if judgement.problem:
            raise Waiting(
                f"{judgement.problem}; looked at again when it changes",
                reason=judgement.reason,
                after_s=self._settings.dependency_retry_s * self._settings.scale,
            )
        await self._tell_collisions(placement.cluster)
        try:
            layers = Layers(
                delivery=plan.layers, cluster_from=await read_cluster(self._store, placement.cluster)
            )
            built = plan.assembly.build(
                variables_of(plan.delivery, placement.cluster, plan.placed.fleet, layers)
            )
        except BuildFailed as problem:
            raise self._failed(plan.delivery, str(problem), BUILD_FAILED) from problem
        self._blobs.keep(placement.key, built.blobs)
        return assigned(
            plan.delivery,
            placement,
            plan.placed.fleet,
            candidate=plan.candidate.digest,
            bundle=built.bundle,
            revision=plan.artifact.revision,
            by_agent=judgement.by_agent,
        )

    async def _tell_collisions(self, cluster: Cluster) -> None:
        """Say once which labels of a cluster give no variable because their names become the same."""
        _, dropped = built_ins(cluster)
        if self._collisions.get(_name(cluster), ()) == dropped:
            return
        self._collisions[_name(cluster)] = dropped
        if dropped:
            await self._store.record_event(
                event(
                    TYPES[Kind.CLUSTER].api_version,
                    str(Kind.CLUSTER),
                    cluster.metadata,
                    severity=Severity.ERROR,
                    reason="VariablesCollide",
                    message=f"labels {', '.join(dropped)} would become the same variables and give none; rename all but one",
                )
            )

    def _hold(
        self,
        key: Key,
        delivery: Kustomization,
        reason: HoldReason,
        message: str,
        placements: Iterable[Placement] = (),
    ) -> None:
        """Keep what was wished for; where nothing was since this hub began, say that nothing is known yet."""
        held = {one.key for one in placements} or self._owned.get(key, set())
        for place_ in held:
            # Even one for an earlier delivery of this name, or for the one that has the name now, is better than none.
            if not isinstance(self._boards.wishes.get(place_), Assigned):
                self._boards.wishes.put(place_, Hold(reason=reason, message=message))

    def _note_attempt(self, delivery: Kustomization, placed: Placed, artifact: Artifact) -> None:
        """Say at once that work on a new state goes on, if it is one."""
        before = self._boards.standings.get(_standing_key(delivery))
        now = (delivery.metadata.uid, delivery.metadata.generation, artifact.revision)
        if before is None or (before.uid, before.generation, before.revision) != now:
            self._tell(delivery, placed=placed, artifact=artifact, is_attempted=False)

    def _tell(
        self,
        delivery: Kustomization,
        *,
        placed: Placed | None = None,
        artifact: Artifact | None = None,
        problem: Problem | None = None,
        problems: Mapping[PlacementKey, Problem] | None = None,
        is_attempted: bool = True,
    ) -> None:
        """Put the delivery's standing on the board; what is not known anew stays as it was told before."""
        key = _standing_key(delivery)
        before = self._boards.standings.get(key)
        if before is None or before.uid != delivery.metadata.uid:
            before = Standing(uid=delivery.metadata.uid, generation=delivery.metadata.generation)
        if placed is None:
            try:
                placed = self._places.of(delivery)
            except CartwheelError:
                placed = None
        targets = before.targets
        if placed is not None:
            targets = tuple(
                self._target(one, delivery, (problems or {}).get(one.key)) for one in placed.placements
            )
        revision = artifact.revision if artifact is not None else before.revision
        attempted = revision if artifact is not None and is_attempted else before.attempted
        if problem is not None and problem.reason == BUILD_FAILED:
            attempted = revision
        self._boards.standings.put(
            key,
            Standing(
                uid=delivery.metadata.uid,
                generation=delivery.metadata.generation,
                revision=revision,
                attempted=attempted,
                targets=targets,
                problem=problem,
                is_suspended=delivery.spec.suspend,
            ),
        )

    def _target(self, placement: Placement, delivery: Kustomization, problem: Problem | None) -> Target:
        wish = self._boards.wishes.get(placement.key)
        mine = wish if isinstance(wish, Assigned) and _is_mine(wish, delivery) else None
        metadata = placement.cluster.metadata
        return Target(
            id=placement.id,
            home=placement.home,
            cluster=ClusterName(namespace=metadata.namespace, name=metadata.name),
            bundle=mine.bundle if mine is not None else None,
            revision=mine.revision if mine is not None else "",
            problem=problem,
        )

    # Deletion.

    async def _finalize(self, key: Key, delivery: Kustomization) -> Outcome:
        """Have a deleted delivery leave every cluster; the finalizer goes when no connected one has it and the others have a tombstone."""
        if names.FINALIZER not in delivery.metadata.finalizers:
            return Done()
        uid, spec = delivery.metadata.uid, delivery.spec
        deletes = not spec.suspend and _deletes_objects(delivery)
        by_id = {cluster.spec.id: cluster for cluster in self._places.world.clusters.values()}
        waits = False
        for place_ in sorted(self._where(key, uid) | self._remembered(delivery)):
            cluster = by_id.get(place_[0])
            if cluster is None or cluster.metadata.is_being_deleted or self._leaving.is_gone(place_, uid):
                continue
            if any(one.metadata.uid != uid for one in self._places.claimants(place_)) and not self._has(
                place_, uid
            ):
                continue
            await self._leaving.bury(
                _name(cluster),
                place_[1],
                uid,
                deletes=deletes,
                reason=f"Kustomization {key[0]}/{key[1]} was deleted",
            )
            self._clusters.mark(_name(cluster))
            presence = self._boards.presence.get(place_[0])
            waits = waits or (presence is not None and presence.connected)
        if waits:
            return Again(after_s=self._settings.dependency_retry_s * self._settings.scale)
        await self._store.set_finalizer(self._store.kustomizations, key, present=False)
        return Done()

    def _has(self, place_: PlacementKey, uid: str) -> bool:
        report = self._boards.reports.get(place_)
        return report is not None and report.uid == uid and report.stage is not Stage.GONE

    def _remembered(self, delivery: Kustomization) -> set[PlacementKey]:
        """Return where a delivery is placed, by what it says or, when that was lost, by what is remembered on it."""
        try:
            placed = place(delivery, self._places.world)
        except NotPlaced:
            placed = remembered(delivery, self._places.world)
        return {one.key for one in placed.placements}


class _Failed(Waiting):
    """It was tried and failed; tried again after a time, or at once when an input changes."""


def _problem(error: CartwheelError) -> Problem:
    return Problem(
        reason=error.reason,
        message=str(error),
        is_stalled=isinstance(error, Stalled),
        is_quiet=isinstance(error, Waiting) and not isinstance(error, _Failed),
    )


def _hold_reason(error: CartwheelError) -> HoldReason:
    if error.reason == ARTIFACT_FAILED:
        return HoldReason.SOURCE_NOT_READY
    return HoldReason.BUILD_FAILED if error.reason == BUILD_FAILED else HoldReason.NOT_BUILT


def _is_mine(wish: Wish | None, delivery: Kustomization) -> bool:
    """Tell whether a wish is for this very delivery, not for one that had its name before."""
    return isinstance(wish, Assigned) and wish.assignment.uid == delivery.metadata.uid


def _deletes_objects(delivery: Kustomization) -> bool:
    match delivery.spec.deletion_policy:
        case DeletionPolicy.MIRROR_PRUNE:
            return delivery.spec.prune
        case DeletionPolicy.DELETE | DeletionPolicy.WAIT_FOR_TERMINATION:
            return True
        case DeletionPolicy.ORPHAN:
            return False


def _standing_key(delivery: Kustomization) -> DeliveryKey:
    return (KIND, delivery.metadata.namespace, delivery.metadata.name)


def _name(cluster: Cluster) -> Key:
    return (cluster.metadata.namespace, cluster.metadata.name)
