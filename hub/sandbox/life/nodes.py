"""What a cluster has to run workloads on: a node and a class of storage."""

from agent.kube.api import Object

NAME = "node"
STORAGE = "standard"
_VERSION = "v1.36.3"
_CAPACITY = {"cpu": "16", "memory": "64Gi", "ephemeral-storage": "500Gi", "pods": "1000"}
_QUIET = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def node(now: str) -> Object:
    """Return a node that is ready."""
    labels = {"kubernetes.io/hostname": NAME, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    conditions = [
        {"type": kind, "status": "False", "reason": reason, "message": message, **times}
        for kind, (reason, message) in _QUIET.items()
    ]
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
    }
    return {
        "metadata": {"name": NAME, "labels": labels},
        "spec": {"podCIDR": "10.244.0.0/16"},
        "status": {
            "capacity": _CAPACITY,
            "allocatable": _CAPACITY,
            "conditions": [*conditions, {**ready, **times}],
            "addresses": [
                {"type": "InternalIP", "address": "192.168.0.2"},
                {"type": "Hostname", "address": NAME},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "osImage": "sandbox",
                "kubeletVersion": _VERSION,
                "containerRuntimeVersion": "sandbox://1",
            },
        },
    }


def storage_class() -> Object:
    """Return the class that claims have which name none."""
    annotations = {"storageclass.kubernetes.io/is-default-class": "true"}
    return {
        "metadata": {"name": STORAGE, "annotations": annotations},
        "provisioner": "sandbox.cartwheel.dev/volumes",
    }
