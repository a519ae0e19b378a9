"""Which fields are honoured and which are refused: every field that a served schema accepts is in one of two columns.

A field that is accepted and not honoured would be ignored in silence. So a resource that uses a refused one is Stalled with
reason UnsupportedField, nothing of it is placed or pruned, and what runs goes on. The test of this table walks `deploy/crds`.

A path names a field of the schema: `[]` is an item of a list, `{}` a value of a map. An entry of REFUSED covers what is
below it.
"""

import json
from collections.abc import Iterator, Mapping

from hub.model.kinds import SOURCE_KINDS, Kind
from hub.model.value import Value

UNSUPPORTED_FIELD = "UnsupportedField"
MAX_VALUE = 120


class Refused(Value, frozen=True, kw_only=True):
    """A field that is refused when it has a value other than those of `accepted`.

    `works` says what to write instead. A value that may hold something secret is not shown.
    """

    path: str
    works: str
    accepted: tuple[str, ...] = ()
    shows_value: bool = True


class Refusal(Value, frozen=True, kw_only=True):
    """The first refused field that a spec uses, with the index of its list item."""

    path: str
    value: str
    works: str
    reason: str = UNSUPPORTED_FIELD

    @property
    def message(self) -> str:
        shown = f" = {self.value}" if self.value else ""
        return f"{self.path}{shown} is not supported by this version of Cartwheel. {self.works}"


def _paths(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Two fields of older versions are accepted because they mean nothing in Flux either: gitImplementation and validation.
HONOURED: dict[Kind, frozenset[str]] = {
    Kind.GIT_REPOSITORY: _paths("""
        spec.gitImplementation
        spec.ignore
        spec.interval
        spec.ref.branch spec.ref.commit spec.ref.name spec.ref.semver spec.ref.tag
        spec.secretRef.name
        spec.suspend
        spec.timeout
        spec.url
    """),
    Kind.OCI_REPOSITORY: _paths("""
        spec.certSecretRef.name
        spec.ignore
        spec.insecure
        spec.interval
        spec.layerSelector.mediaType spec.layerSelector.operation
        spec.proxySecretRef.name
        spec.ref.digest spec.ref.semver spec.ref.semverFilter spec.ref.tag
        spec.secretRef.name
        spec.serviceAccountName
        spec.suspend
        spec.timeout
        spec.url
    """),
    Kind.KUSTOMIZATION: _paths("""
        spec.buildMetadata[]
        spec.commonMetadata.annotations{} spec.commonMetadata.labels{}
        spec.components[]
        spec.decryption.provider spec.decryption.secretRef.name
        spec.dependsOn[].name spec.dependsOn[].namespace
        spec.force
        spec.healthChecks[].apiVersion spec.healthChecks[].kind spec.healthChecks[].name
        spec.healthChecks[].namespace
        spec.ignoreMissingComponents
        spec.images[].digest spec.images[].name spec.images[].newName spec.images[].newTag
        spec.interval
        spec.namePrefix spec.nameSuffix
        spec.patches[].patch
        spec.patches[].target.annotationSelector spec.patches[].target.group spec.patches[].target.kind
        spec.patches[].target.labelSelector spec.patches[].target.name spec.patches[].target.namespace
        spec.patches[].target.version
        spec.patchesJson6902[].patch[].from spec.patchesJson6902[].patch[].op spec.patchesJson6902[].patch[].path
        spec.patchesJson6902[].patch[].value
        spec.patchesJson6902[].target.annotationSelector spec.patchesJson6902[].target.group
        spec.patchesJson6902[].target.kind spec.patchesJson6902[].target.labelSelector
        spec.patchesJson6902[].target.name spec.patchesJson6902[].target.namespace
        spec.patchesJson6902[].target.version
        spec.patchesStrategicMerge[]
        spec.path
        spec.postBuild.substitute{}
        spec.postBuild.substituteFrom[].kind spec.postBuild.substituteFrom[].name
        spec.postBuild.substituteFrom[].optional
        spec.postBuild.substituteStrategy
        spec.prune
        spec.retryInterval
        spec.sourceRef.apiVersion spec.sourceRef.name spec.sourceRef.namespace
        spec.suspend
        spec.targetNamespace
        spec.timeout
        spec.validation
        spec.wait
    """),
    Kind.CLUSTER: _paths("""
        spec.id
        spec.suspend
        spec.variables{}
        spec.variablesFrom[].kind spec.variablesFrom[].name spec.variablesFrom[].optional
    """),
    Kind.FLEET: _paths("""
        spec.clusterSelector.matchExpressions[].key spec.clusterSelector.matchExpressions[].operator
        spec.clusterSelector.matchExpressions[].values[]
        spec.clusterSelector.matchLabels{}
        spec.onLeave
        spec.overrides[].clusterSelector.matchExpressions[].key
        spec.overrides[].clusterSelector.matchExpressions[].operator
        spec.overrides[].clusterSelector.matchExpressions[].values[]
        spec.overrides[].clusterSelector.matchLabels{}
        spec.overrides[].deliveries[].name
        spec.overrides[].substitute{}
        spec.pruneLimit
    """),
    Kind.ROLLOUT: frozenset(),
}

_BY_AGENT = "Leave it out: the agent of the cluster applies with its own rights."
_ROLLOUT = "The hub writes Rollouts itself; delete this object."

REFUSED: dict[Kind, tuple[Refused, ...]] = {
    Kind.GIT_REPOSITORY: (
        Refused(path="spec.verify", works="Leave it out to fetch without checking signatures."),
        Refused(
            path="spec.include",
            works="Leave it out; to keep only some paths of this repository list the others in spec.ignore.",
        ),
        Refused(
            path="spec.recurseSubmodules",
            works="Leave it out and use a GitRepository of its own for each submodule.",
        ),
        Refused(
            path="spec.sparseCheckout",
            works="Leave it out; spec.ignore keeps paths out of the artifact.",
        ),
        Refused(path="spec.proxySecretRef", works="Leave it out: the repository is reached directly."),
        Refused(
            path="spec.provider",
            accepted=("generic",),
            works="Use `generic` with the credentials in the Secret of spec.secretRef.",
        ),
        Refused(
            path="spec.serviceAccountName",
            works="Leave it out and put the credentials into the Secret of spec.secretRef.",
        ),
        Refused(
            path="spec.accessFrom",
            works="Leave it out: it was never in force in Flux; limit with RBAC who may create deliveries.",
        ),
    ),
    Kind.OCI_REPOSITORY: (
        Refused(path="spec.verify", works="Leave it out to pull without checking signatures."),
        Refused(
            path="spec.provider",
            accepted=("generic",),
            works="Use `generic` with the credentials in the Secret of spec.secretRef.",
        ),
    ),
    Kind.KUSTOMIZATION: (
        Refused(
            path="spec.decryption.serviceAccountName",
            works="Leave it out and put the keys into the Secret of spec.decryption.secretRef.",
        ),
        Refused(
            path="spec.kubeConfig",
            works="Leave it out, register the cluster as a Cluster and place the Kustomization there.",
        ),
        Refused(path="spec.serviceAccountName", works=_BY_AGENT),
        Refused(
            path="spec.healthCheckExprs",
            works="Leave it out: spec.wait and spec.healthChecks judge custom resources by their conditions.",
        ),
        Refused(
            path="spec.ignore",
            works="Leave it out and leave the fields out of the manifests: what is not written there is not touched.",
        ),
        Refused(
            path="spec.dependsOn[].readyExpr",
            works="Leave it out: a dependency is ready when its Ready condition is True.",
        ),
        Refused(
            path="spec.deletionPolicy",
            accepted=("MirrorPrune", "Delete", "Orphan"),
            works="Use Delete, which does not wait until the objects are gone.",
        ),
        Refused(
            path="spec.sourceRef.kind",
            accepted=tuple(SOURCE_KINDS),
            works="Use a GitRepository or an OCIRepository.",
        ),
    ),
    Kind.CLUSTER: (
        Refused(
            path="spec.kubeConfig", works="Leave it out and run the agent in the cluster: hub cluster add."
        ),
        Refused(
            path="spec.sync",
            works="Leave it out and put the cluster's deliveries into a namespace labelled for it.",
        ),
    ),
    Kind.FLEET: (
        Refused(
            path="spec.rollout", works="Leave it out: a change goes to all clusters of the Fleet at once."
        ),
        Refused(
            path="spec.overrides[].deliveries[].kind",
            accepted=("Kustomization",),
            works="Name Kustomizations.",
        ),
        Refused(
            path="spec.overrides[].patches",
            works="Use spec.overrides[].substitute.",
            shows_value=False,
        ),
        Refused(
            path="spec.overrides[].values",
            works="Use spec.overrides[].substitute.",
            shows_value=False,
        ),
    ),
    Kind.ROLLOUT: (
        Refused(path="spec.candidates", works=_ROLLOUT),
        Refused(path="spec.fleet", works=_ROLLOUT),
        Refused(path="spec.source", works=_ROLLOUT),
    ),
}


def unsupported(kind: Kind, spec: Mapping[str, object]) -> Refusal | None:
    """Return the first refused field that the spec uses, None when everything in it is honoured.

    False, empty and null are not a use.
    """
    for entry in REFUSED[kind]:
        for path, value in _values(spec, entry.path.removeprefix("spec.").split("."), "spec"):
            if _is_used(value) and value not in entry.accepted:
                shown = _shown(value) if entry.shows_value else ""
                return Refusal(path=path, value=shown, works=entry.works)
    return None


def _values(node: object, steps: list[str], at: str) -> Iterator[tuple[str, object]]:
    """Yield what is at the path, with the place of each value."""
    if not steps:
        yield at, node
    elif isinstance(node, Mapping):
        name = steps[0].removesuffix("[]")
        child = node.get(name)
        if not steps[0].endswith("[]"):
            yield from _values(child, steps[1:], f"{at}.{name}")
        elif isinstance(child, list):
            for number, item in enumerate(child):
                yield from _values(item, steps[1:], f"{at}.{name}[{number}]")


def _is_used(value: object) -> bool:
    return not (value is None or value is False or value in ("", 0) or value in ([], {}))


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), sort_keys=True)
    return text if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "..."
