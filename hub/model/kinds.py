"""The kinds that the hub reads and writes, and where the API server has them."""

from enum import StrEnum

from hub.model.value import Value

SOURCE_GROUP = "source.toolkit.fluxcd.io"
KUSTOMIZE_GROUP = "kustomize.toolkit.fluxcd.io"
FLEET_GROUP = "fleet.cartwheel.dev"


class Kind(StrEnum):
    """The kinds that have a schema in `deploy/crds`."""

    GIT_REPOSITORY = "GitRepository"
    OCI_REPOSITORY = "OCIRepository"
    KUSTOMIZATION = "Kustomization"
    CLUSTER = "Cluster"
    FLEET = "Fleet"
    ROLLOUT = "Rollout"


class ResourceType(Value, frozen=True, kw_only=True):
    """A kind with its address: the stored version, all of them namespaced."""

    group: str
    version: str
    kind: Kind
    plural: str

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}"


SOURCE_KINDS = (Kind.GIT_REPOSITORY, Kind.OCI_REPOSITORY)
"""The kinds that deliveries take their content from."""

TYPES: dict[Kind, ResourceType] = {
    type_.kind: type_
    for type_ in (
        ResourceType(group=SOURCE_GROUP, version="v1", kind=Kind.GIT_REPOSITORY, plural="gitrepositories"),
        ResourceType(group=SOURCE_GROUP, version="v1", kind=Kind.OCI_REPOSITORY, plural="ocirepositories"),
        ResourceType(group=KUSTOMIZE_GROUP, version="v1", kind=Kind.KUSTOMIZATION, plural="kustomizations"),
        ResourceType(group=FLEET_GROUP, version="v1alpha1", kind=Kind.CLUSTER, plural="clusters"),
        ResourceType(group=FLEET_GROUP, version="v1alpha1", kind=Kind.FLEET, plural="fleets"),
        ResourceType(group=FLEET_GROUP, version="v1alpha1", kind=Kind.ROLLOUT, plural="rollouts"),
    )
}
