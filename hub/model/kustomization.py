"""Kustomization: objects to build from a source and to apply, as its author wrote it."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum

from agent.model.assignment import DeletionPolicy
from hub.model import annotations as names
from hub.model.conditions import Condition, Conditions
from hub.model.durations import Duration
from hub.model.metadata import LocalRef, Metadata
from hub.model.value import Value, read

DEPENDENCY_NOT_PLACED = "DependencyNotPlaced"
DEPENDENCY_NOT_READY = "DependencyNotReady"
HEALTHY = "Healthy"
PRUNE_HELD = "PruneHeld"

LEAST_TIMEOUT = Duration(seconds=30)


class SubstituteStrategy(StrEnum):
    """Whether substitution also runs when there is no variable at all."""

    WITH_VARIABLES = "WithVariables"
    ALWAYS = "Always"


class SourceRef(Value, frozen=True, kw_only=True):
    """The source of a delivery; an empty namespace is the delivery's own."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = ""


class Target(Value, frozen=True, kw_only=True):
    """Which objects a patch is for; name and namespace are regular expressions."""

    group: str = ""
    version: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    label_selector: str = ""
    annotation_selector: str = ""


class Patch(Value, frozen=True, kw_only=True):
    """A strategic merge or JSON 6902 patch as text."""

    patch: str
    target: Target | None = None


class PatchJson6902(Value, frozen=True, kw_only=True):
    """A JSON 6902 patch in the form of v1beta2."""

    patch: tuple[Mapping[str, object], ...]
    target: Target


class Image(Value, frozen=True, kw_only=True):
    """An image to replace."""

    name: str
    new_name: str = ""
    new_tag: str = ""
    digest: str = ""


class CommonMetadata(Value, frozen=True, kw_only=True):
    """Labels and annotations that every object gets."""

    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class VariablesKind(StrEnum):
    """The kinds that hold values of variables."""

    SECRET = "Secret"  # noqa: S105 -- a kind, not a secret
    CONFIG_MAP = "ConfigMap"


class VariablesFrom(Value, frozen=True, kw_only=True):
    """An object that holds values of variables."""

    kind: VariablesKind
    name: str
    optional: bool = False


class PostBuild(Value, frozen=True, kw_only=True):
    """Substitution of variables in the built objects."""

    substitute: Mapping[str, str] = {}
    substitute_from: tuple[VariablesFrom, ...] = ()
    substitute_strategy: SubstituteStrategy = SubstituteStrategy.WITH_VARIABLES


class DecryptionProvider(StrEnum):
    """Who encrypted what is in the source."""

    SOPS = "sops"


class Decryption(Value, frozen=True, kw_only=True):
    """What is encrypted in the source is decrypted, with the keys in a Secret."""

    provider: DecryptionProvider
    secret_ref: LocalRef | None = None


class Dependency(Value, frozen=True, kw_only=True):
    """A Kustomization that must be ready first; an empty namespace is the own one."""

    name: str
    namespace: str = ""


class HealthCheck(Value, frozen=True, kw_only=True):
    """An object that must become healthy."""

    kind: str
    name: str
    namespace: str = ""
    api_version: str = "apps/v1"


class KustomizationSpec(Value, frozen=True, kw_only=True):
    """What the author wants. What is refused before anything is built is only in `Kustomization.raw_spec`."""

    interval: Duration
    prune: bool
    source_ref: SourceRef
    path: str = ""
    retry_interval: Duration | None = None
    timeout: Duration | None = None
    suspend: bool = False
    force: bool = False
    wait: bool = False
    deletion_policy: DeletionPolicy = DeletionPolicy.MIRROR_PRUNE
    target_namespace: str = ""
    name_prefix: str = ""
    name_suffix: str = ""
    common_metadata: CommonMetadata = CommonMetadata()
    patches: tuple[Patch, ...] = ()
    patches_strategic_merge: tuple[object, ...] = ()
    patches_json6902: tuple[PatchJson6902, ...] = ()
    images: tuple[Image, ...] = ()
    components: tuple[str, ...] = ()
    ignore_missing_components: bool = False
    build_metadata: tuple[str, ...] = ()
    post_build: PostBuild = PostBuild()
    decryption: Decryption | None = None
    depends_on: tuple[Dependency, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()

    @property
    def retry_after(self) -> Duration:
        """How long to wait after a failure or for a missing source."""
        return self.interval if self.retry_interval is None else self.retry_interval

    @property
    def effective_timeout(self) -> Duration:
        """The time limit of one apply with its health checks: never less than 30 s, even where less is written."""
        asked = self.interval - timedelta(seconds=30) if self.timeout is None else self.timeout
        return max(Duration.of(asked), LEAST_TIMEOUT)


class InventoryEntry(Value, frozen=True, kw_only=True):
    """An object that was applied: `<namespace>_<name>_<group>_<kind>` and its API version."""

    id: str
    v: str


class Inventory(Value, frozen=True, kw_only=True):
    """The objects that were applied. Without a default, so that an empty list is written, too: the schema requires it."""

    entries: tuple[InventoryEntry, ...]


class HistoryEntry(Value, frozen=True, kw_only=True):
    """One build and how it ended."""

    digest: str
    first_reconciled: str
    last_reconciled: str
    last_reconciled_duration: str
    last_reconciled_status: str
    total_reconciliations: int
    metadata: Mapping[str, str] = {}


class KustomizationStatus(Value, frozen=True, kw_only=True):
    """What was applied, and what went wrong."""

    observed_generation: int = -1
    conditions: tuple[Condition, ...] = ()
    inventory: Inventory | None = None
    history: tuple[HistoryEntry, ...] = ()
    last_applied_revision: str = ""
    last_applied_origin_revision: str = ""
    last_attempted_revision: str = ""
    last_handled_reconcile_at: str = ""


class Kustomization(Value, frozen=True, kw_only=True):
    """One Kustomization; `raw_spec` is its spec as it came, which a Candidate holds a copy of."""

    metadata: Metadata
    spec: KustomizationSpec
    status: KustomizationStatus = KustomizationStatus()
    raw_spec: Mapping[str, object] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Kustomization":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)

    @property
    def fleet(self) -> str | None:
        """The name of the Fleet that places it, in its own namespace."""
        return self.metadata.label_or_annotation(names.FLEET)

    @property
    def source_namespace(self) -> str:
        return self.spec.source_ref.namespace or self.metadata.namespace

    @property
    def substitutes_cluster_variables(self) -> bool:
        """Tell whether it asks for substitution where Flux would do none."""
        return self.metadata.annotations.get(names.VARIABLES) == names.VARIABLES_ENABLED
