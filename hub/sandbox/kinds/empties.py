"""What a server does not store because it says nothing: empty lists and maps, and zeros where zero is as good as missing. Pure.

Go's types decide it field by field; the names here are those of the fields people write.
"""

from typing import Any

# Maps from texts to texts or quantities, in which the keys are people's own.
_MAPS = frozenset(
    (
        "annotations",
        "allocatable",
        "binaryData",
        "capacity",
        "data",
        "default",
        "defaultRequest",
        "hard",
        "labels",
        "limits",
        "matchLabels",
        "max",
        "maxLimitRequestRatio",
        "min",
        "nodeSelector",
        "overhead",
        "parameters",
        "requests",
        "stringData",
        "used",
        "volumeAttributes",
    )
)
_ZEROS = frozenset(
    (
        "currentReplicas",
        "fullyLabeledReplicas",
        "numberAvailable",
        "numberUnavailable",
        "observedGeneration",
        "readyReplicas",
        "unavailableReplicas",
        "updatedNumberScheduled",
        "updatedReplicas",
        "clusterIP",
        "clusterName",
        "description",
        "externalName",
        "externalTrafficPolicy",
        "generateName",
        "fsType",
        "globalDefault",
        "healthCheckNodePort",
        "host",
        "hostIP",
        "hostIPC",
        "hostNetwork",
        "hostPID",
        "hostPort",
        "hostname",
        "initialDelaySeconds",
        "insecureSkipTLSVerify",
        "loadBalancerIP",
        "kind",
        "minReadySeconds",
        "name",
        "namespace",
        "nodeName",
        "nodePort",
        "path",
        "paused",
        "priorityClassName",
        "publishNotReadyAddresses",
        "readOnly",
        "secretName",
        "serviceAccount",
        "serviceAccountName",
        "stdin",
        "stdinOnce",
        "subPath",
        "subPathExpr",
        "subdomain",
        "tty",
        "unschedulable",
        "value",
        "volumeName",
        "workingDir",
    )
)
# Shown as null where there is nothing.
_NULLABLE = frozenset(
    (
        "apiGroup",
        "currentMetrics",
        "endpoints",
        "eventTime",
        "firstTimestamp",
        "lastHeartbeatTime",
        "lastProbeTime",
        "lastTimestamp",
        "lastTransitionTime",
        "lastUpdateTime",
        "sources",
        "topologyKeys",
    )
)


def without_empties(value: Any) -> Any:
    """Return a copy of an object without what says nothing."""
    if isinstance(value, list):
        return [without_empties(one) for one in value]
    if not isinstance(value, dict):
        return value
    made: dict[str, Any] = {}
    for key, one in value.items():
        if key in _MAPS and isinstance(one, dict):
            if one:
                made[key] = {name: "" if text is None else text for name, text in one.items()}
        elif key in _NULLABLE and (one is None or one == []):
            made[key] = None
        elif one is not None and one != [] and not (key in _ZEROS and not one and not isinstance(one, dict)):
            made[key] = without_empties(one)
    return made
