"""The order in which objects of one stage are applied; deletion goes the other way round. Pure."""

from agent.model.names import ObjectRef

_FIRST = (
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
)
_LAST = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
_RANK = {
    **{kind: at - len(_FIRST) for at, kind in enumerate(_FIRST)},
    **{kind: at + 1 for at, kind in enumerate(_LAST)},
}

OrderKey = tuple[int, bytes, bytes, bytes, bytes]


def order_key(ref: ObjectRef) -> OrderKey:
    """Return what sorts objects as Flux applies them: rank of the kind in any group, then group, kind, namespace, name by bytes."""
    group, kind, namespace, name = (part.encode() for part in (ref.group, ref.kind, ref.namespace, ref.name))
    return _RANK.get(ref.kind, 0), group, kind, namespace, name
