"""What a delivery is to become: the Candidate of its source's newest state, and of it the Bundle of each cluster.

State: what is kept between builds, in memory only. Wishes for nothing: whoever asks decides what becomes of it.
"""

from dataclasses import dataclass

from agent.kit.clock import Clock
from agent.kit.errors import Stalled, Transient, Waiting
from agent.kit.tasks import Offload, in_thread
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.artifacts.blobs import Blobs
from hub.build.errors import BuildFailed
from hub.build.kustomize import PathNotFound, Renderer
from hub.build.render import RenderUnavailable
from hub.delivery.assigning import assigned
from hub.delivery.builds import Builds, TreeMissing, Trees
from hub.delivery.bundle import Assembly
from hub.delivery.candidate import Candidate, candidate_of
from hub.delivery.cause import cause_of_build
from hub.delivery.collisions import Collisions
from hub.delivery.decrypting import Changes, Keys
from hub.delivery.dependencies import Judgement
from hub.delivery.failures import ARTIFACT_FAILED, BUILD_FAILED, CLUSTER_SUSPENDED, Failed, Unbuilt
from hub.delivery.inputs import read_cluster, read_delivery
from hub.delivery.placement import Placed, Placement
from hub.delivery.settings import DeliverySettings
from hub.delivery.variables import Layers, Values, variables_of
from hub.model.cluster import IDENTITY_CONFLICT
from hub.model.fields import unsupported
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization
from hub.model.source import Artifact, Source
from hub.model.wish import Assigned
from hub.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One pass over a delivery: what it is to become, and where."""

    delivery: Kustomization
    placed: Placed
    artifact: Artifact
    candidate: Candidate
    assembly: Assembly
    layers: tuple[Values, ...]


class Planning:
    """Builds what deliveries are to become."""

    def __init__(
        self,
        settings: DeliverySettings,
        *,
        store: Store,
        blobs: Blobs,
        renderer: Renderer,
        trees: Trees,
        clock: Clock,
        telemetry: Telemetry,
        offload: Offload = in_thread,
    ) -> None:
        self._settings = settings
        self._offload = offload
        self._store = store
        self._blobs = blobs
        self._builds = Builds(renderer, trees, telemetry, offload)
        self._collisions = Collisions(store)
        self._changes = Changes(store)
        self._keys = Keys(store, settings.sops, clock)

    @property
    def renderings(self) -> int:
        """Return how often kustomize ran."""
        return self._builds.runs

    def forget(self, key: Key) -> None:
        """Drop what is kept for a delivery that is gone."""
        self._builds.forget(key)
        self._changes.forget(key)
        self._keys.forget(key)

    def artifact(self, delivery: Kustomization) -> Artifact:
        """Return what the delivery's source has. Raises Waiting."""
        reference = delivery.spec.source_ref
        key = (delivery.source_namespace, reference.name)
        # Others are refused before.
        sources = self._store.sources[Kind(reference.kind)]
        source: Source | None = sources.readable(key)
        if (unread := sources.malformed.get(key)) is not None:
            raise Waiting(str(unread), reason=ARTIFACT_FAILED, after_s=self._settings.look_again_s)
        if source is None:
            raise Waiting(
                f"{reference.kind} {key[0]}/{key[1]} not found; create it, or correct spec.sourceRef",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.scaled_s(delivery.spec.retry_after),
            )
        if source.status.artifact is None:
            raise Waiting(
                "Source artifact not found, retrying in 30s",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.look_again_s,
            )
        if source.status.artifact.is_opaque:
            raise Waiting(
                f"{reference.kind} {key[0]}/{key[1]} holds no archive of files; correct its spec.layerSelector",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.scaled_s(delivery.spec.retry_after),
            )
        return source.status.artifact

    async def plan(self, delivery: Kustomization, placed: Placed, artifact: Artifact) -> Plan:
        """Read the inputs that are equal for all clusters and render them. Raises Waiting, Transient."""
        try:
            inputs = await read_delivery(self._store, delivery)
            candidate = candidate_of(
                delivery,
                artifact,
                config_maps=inputs.config_maps,
                fleet=placed.fleet,
                tools=self._settings.tools,
            )
            assembly = await self._builds.assembly(
                delivery,
                candidate,
                placed.placements[0].home,
                cause_of_build(delivery, artifact),
                await self._keys.of(delivery),
            )
        except PathNotFound as problem:
            raise self._failed(delivery, str(problem), ARTIFACT_FAILED) from problem
        except BuildFailed as problem:
            raise self._failed(delivery, str(problem), BUILD_FAILED) from problem
        except RenderUnavailable as problem:
            raise Transient(str(problem), reason=BUILD_FAILED) from problem
        except TreeMissing as problem:
            raise Unbuilt(
                f"Source is not ready, artifact not found, retrying in 30s: {problem}",
                reason=ARTIFACT_FAILED,
                after_s=self._settings.look_again_s,
            ) from problem
        await self._changes.tell(delivery, artifact.revision, assembly.changed)
        return Plan(
            delivery=delivery,
            placed=placed,
            artifact=artifact,
            candidate=candidate,
            assembly=assembly,
            layers=inputs.layers,
        )

    async def wish(self, plan: Plan, placement: Placement, judgement: Judgement) -> Assigned:
        """Build the Bundle of one cluster and keep its content. Raises what hinders it there."""
        if (refusal := unsupported(Kind.CLUSTER, placement.cluster.raw_spec)) is not None:
            raise Stalled(
                f"Cluster {placement.cluster.metadata.name}: {refusal.message}", reason=refusal.reason
            )
        if placement.is_contested:
            raise Stalled(
                f"another Cluster has the id of Cluster {placement.cluster.metadata.name}, see its condition {IDENTITY_CONFLICT}; nothing is "
                "sent until one of them is removed",
                reason=IDENTITY_CONFLICT,
            )
        if placement.cluster.spec.suspend:
            raise Failed(
                f"Cluster {placement.cluster.metadata.name} is suspended; hub cluster resume",
                reason=CLUSTER_SUSPENDED,
                after_s=self._settings.scaled_s(plan.delivery.spec.interval),
            )
        if judgement.problem:
            raise Waiting(
                f"{judgement.problem}; looked at again when it changes",
                reason=judgement.reason,
                after_s=self._settings.look_again_s,
            )
        await self._collisions.tell(placement.cluster)
        made = plan.assembly.bundles
        try:
            layers = Layers(
                delivery=plan.layers, cluster_from=await read_cluster(self._store, placement.cluster)
            )
            variables = variables_of(plan.delivery, placement.cluster, plan.placed.fleet, layers)
            built = plan.assembly.ready(variables)
            if built is None:
                built = await self._offload(lambda: plan.assembly.build(variables))
        except BuildFailed as problem:
            raise self._failed(plan.delivery, str(problem), BUILD_FAILED) from problem
        is_new = self._blobs.keep(placement.key, built.blobs)
        if is_new and plan.assembly.bundles == made:
            self._builds.shared()
        return assigned(
            plan.delivery,
            placement,
            plan.placed.fleet,
            candidate=plan.candidate.digest,
            built=built,
            revision=plan.artifact.revision,
            by_agent=judgement.by_agent,
            traceparent=plan.assembly.traceparent,
        )

    def _failed(self, delivery: Kustomization, message: str, reason: str) -> Failed:
        """Return a failure of the build, tried again after the delivery's own time."""
        return Failed(message, reason=reason, after_s=self._settings.scaled_s(delivery.spec.retry_after))
