"""Cluster: a registered place with one agent."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from agent.model.assignment import DeletionPolicy
from agent.model.names import ClusterId, HomeName
from hub.model import annotations
from hub.model.conditions import Condition, Conditions
from hub.model.kustomization import VariablesFrom
from hub.model.metadata import Metadata, Uid
from hub.model.value import Value, read

ENROLLED = "Enrolled"
CONNECTED = "Connected"
IDENTITY_CONFLICT = "IdentityConflict"
MAX_ROWS = 100
REMOVING = "Removing"
REMOVED_UNREACHABLE = "RemovedUnreachable"
"""On a Cluster that was deleted while its agent was away, until that comes back or is waited for no more."""


class Removal(StrEnum):
    """What becomes of what a removed cluster runs; or that its agent, which is away, is not waited for."""

    KEEP = "keep"
    PRUNE = "prune"
    FORGET = "forget"


class ClusterSpec(Value, frozen=True, kw_only=True):
    """What the cluster is. `id` is None until the hub has set it, and never changes afterwards."""

    id: ClusterId | None = None
    variables: Mapping[str, str] = {}
    variables_from: tuple[VariablesFrom, ...] = ()
    suspend: bool = False


class Certificate(Value, frozen=True, kw_only=True):
    """The registered key of the agent, how long its certificate is good for, and the UID of the namespace in which the key lives."""

    key_fingerprint: str = ""
    not_after: str = ""
    namespace_uid: str = ""


class SessionStatus(Value, frozen=True, kw_only=True):
    """The last session; its term orders what the hub says to the agent."""

    term: int = 0
    hub: str = ""
    since: str = ""


class Versions(Value, frozen=True, kw_only=True):
    """Versions in the cluster, as the agent told them."""

    agent: str = ""
    kubernetes: str = ""
    protocol: int = 0


class Counts(Value, frozen=True, kw_only=True):
    """How many deliveries of the cluster are in which state."""

    assigned: int = 0
    in_step: int = 0
    failed: int = 0
    held: int = 0
    released: int = 0


class Tombstone(Value, frozen=True, kw_only=True):
    """A delivery (home name) to remove. It is for this UID alone: a newer object of the same name is not meant."""

    kind: str
    namespace: str
    name: str
    uid: Uid
    deletion_policy: DeletionPolicy
    time: str
    service_account_name: str = ""
    author: str = ""
    reason: str = ""


class ReleasedPlacement(Value, frozen=True, kw_only=True):
    """A delivery (home name) that is no longer placed here and whose objects were left."""

    kind: str
    namespace: str
    name: str
    since: str
    uid: Uid = Uid("")
    reason: str = ""


class DeliveryRow(Value, frozen=True, kw_only=True):
    """A delivery (home name) that is not in step."""

    kind: str
    namespace: str
    name: str
    state: str
    since: str
    reason: str = ""
    message: str = ""
    revision: str = ""


class ClusterStatus(Value, frozen=True, kw_only=True):
    """What is known of the cluster; finer things are in the hub's memory."""

    observed_generation: int = 0
    conditions: tuple[Condition, ...] = ()
    session: SessionStatus = SessionStatus()
    versions: Versions = Versions()
    certificate: Certificate = Certificate()
    counts: Counts = Counts()
    last_seen: str = ""
    last_handled_reconcile_at: str = ""
    tombstones: tuple[Tombstone, ...] = ()
    released: tuple[ReleasedPlacement, ...] = ()
    not_in_step: tuple[DeliveryRow, ...] = ()

    def may_be_behind(self, home: HomeName) -> bool:
        """Tell whether a delivery was not in step when that was written last; of a list that was cut nobody knows."""
        names = {(row.kind, row.namespace, row.name) for row in self.not_in_step}
        return (home.kind, home.namespace, home.name) in names or len(names) >= MAX_ROWS


class Cluster(Value, frozen=True, kw_only=True):
    """One Cluster; `raw_spec` is its spec as it came."""

    metadata: Metadata
    spec: ClusterSpec = ClusterSpec()
    status: ClusterStatus = ClusterStatus()
    raw_spec: Mapping[str, object] = {}

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "Cluster":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)

    @property
    def removal(self) -> Removal:
        """Return how it was asked to be removed; whatever else is written there keeps everything."""
        asked = self.metadata.annotations.get(annotations.REMOVE, "")
        return Removal(asked) if asked in set(Removal) else Removal.KEEP

    @property
    def conditions(self) -> Conditions:
        return Conditions(generation=self.metadata.generation, items=self.status.conditions)


def shares_identity(cluster: Cluster, clusters: Iterable[Cluster]) -> bool:
    """Tell whether another Cluster that stays has the same id: what runs there is that one's."""
    return any(
        one.spec.id == cluster.spec.id
        and one.metadata.uid != cluster.metadata.uid
        and not one.metadata.is_being_deleted
        for one in clusters
    )


class ClusterName(Value, frozen=True, kw_only=True):
    """A Cluster named from outside its namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}.{self.name}"


def cluster_of_namespace(label: str) -> ClusterName | None:
    """Read `NAMESPACE.NAME`, the label of a namespace whose deliveries go to one Cluster; None when it is not of that form.

    A namespace's name holds no dot, so the first one separates.
    """
    namespace, _, name = label.partition(".")
    return ClusterName(namespace=namespace, name=name) if namespace and name else None
