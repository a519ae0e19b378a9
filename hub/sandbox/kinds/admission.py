"""What a server's built-in admission adds to objects before they are stored. Pure."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import child, copied, fill, items_at

_TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105  (a folder)
_TOKEN_PREFIX = "kube-api-access-"  # noqa: S105  (a name)
_TOKEN_LIFE_S = 3607
_UNREACHED_S = 300
_SYSTEM_PRIORITIES = {"system-node-critical": 2000001000, "system-cluster-critical": 2000000000}
_PROTECTIONS = {
    "PersistentVolumeClaim": "kubernetes.io/pvc-protection",
    "PersistentVolume": "kubernetes.io/pv-protection",
}


def admitted(group: str, kind: str, value: Object, suffix: str) -> Object:
    """Return a new object with what admission adds. `suffix`: five characters for the name of a Pod's token volume.

    The names of a Pod's ServiceAccount and PriorityClass are taken at their word: who stores objects looks them up.
    """
    if group or kind not in ("Pod", "Node", *_PROTECTIONS):
        return value
    made: Object = copied(value)
    match kind:
        case "Pod":
            _admit_pod(child(made, "spec"), suffix)
        case "Node":
            _taint(child(made, "spec"))
        case _:
            _protect(child(made, "metadata"), _PROTECTIONS[kind])
    return made


def _taint(spec: Object) -> None:
    """Keep Pods from a new Node until it says that it is ready."""
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    if not any(
        {"key": one.get("key"), "effect": one.get("effect")} == taint for one in items_at(spec, "taints")
    ):
        spec["taints"] = [*items_at(spec, "taints"), taint]


def _protect(metadata: Object, finalizer: str) -> None:
    if finalizer not in (finalizers := metadata.get("finalizers") or []):
        metadata["finalizers"] = [*finalizers, finalizer]


def _admit_pod(spec: Object, suffix: str) -> None:
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    if spec.get("automountServiceAccountToken") is not False:
        _mount_token(spec, f"{_TOKEN_PREFIX}{suffix}")
    priority = _SYSTEM_PRIORITIES.get(spec.get("priorityClassName") or "", 0)
    fill(spec, priority=priority, preemptionPolicy="PreemptLowerPriority")
    tolerations = spec["tolerations"] = spec.get("tolerations") or []
    for reason in ("not-ready", "unreachable"):
        key = f"node.kubernetes.io/{reason}"
        if not any(_tolerates(one, key) for one in tolerations):
            tolerations.append(
                {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": _UNREACHED_S}
            )


def _tolerates(toleration: Object, key: str) -> bool:
    is_meant = toleration.get("key") in (key, None, "")
    return is_meant and toleration.get("effect") in ("NoExecute", None, "")


def _mount_token(spec: Object, name: str) -> None:
    """Mount a token where a container has mounted nothing itself."""
    mounted = False
    for group in ("initContainers", "containers"):
        for one in items_at(spec, group):
            mounts = one.get("volumeMounts") or []
            if any(mount.get("mountPath") == _TOKEN_PATH for mount in mounts):
                continue
            one["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": _TOKEN_PATH}]
            mounted = True
    if mounted:
        spec["volumes"] = [*(spec.get("volumes") or []), {"name": name, "projected": _token_sources()}]


def _token_sources() -> Object:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return {
        "sources": [
            {"serviceAccountToken": {"expirationSeconds": _TOKEN_LIFE_S, "path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [namespace]}},
        ],
        "defaultMode": 0o644,
    }
