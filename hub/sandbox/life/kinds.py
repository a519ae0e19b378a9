"""The kinds that live, each as the storage knows it."""

from collections.abc import Mapping

from hub.sandbox.storage import KindKey

DEPLOYMENTS: KindKey = ("apps", "deployments")
REPLICA_SETS: KindKey = ("apps", "replicasets")
STATEFUL_SETS: KindKey = ("apps", "statefulsets")
DAEMON_SETS: KindKey = ("apps", "daemonsets")
REVISIONS: KindKey = ("apps", "controllerrevisions")
JOBS: KindKey = ("batch", "jobs")
PODS: KindKey = ("", "pods")
SERVICES: KindKey = ("", "services")
ENDPOINTS: KindKey = ("", "endpoints")
SLICES: KindKey = ("discovery.k8s.io", "endpointslices")
CLAIMS: KindKey = ("", "persistentvolumeclaims")
VOLUMES: KindKey = ("", "persistentvolumes")
CLASSES: KindKey = ("storage.k8s.io", "storageclasses")
NAMESPACES: KindKey = ("", "namespaces")
ACCOUNTS: KindKey = ("", "serviceaccounts")
CONFIG_MAPS: KindKey = ("", "configmaps")
NODES: KindKey = ("", "nodes")
EVENTS: KindKey = ("", "events")

OWNERS: Mapping[str, KindKey] = {
    "Deployment": DEPLOYMENTS,
    "ReplicaSet": REPLICA_SETS,
    "StatefulSet": STATEFUL_SETS,
    "DaemonSet": DAEMON_SETS,
    "Job": JOBS,
}
"""Which kinds have Pods, or what has Pods, made for them."""
KEPT = frozenset(
    {NAMESPACES, *OWNERS.values(), PODS, SERVICES, ENDPOINTS, CLAIMS, VOLUMES, EVENTS},
)
"""What is looked at when it changes."""
