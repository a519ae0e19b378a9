"""A cluster as it is when it has just been made: what its controllers put there before anybody comes."""

from collections.abc import Callable, Mapping

from agent.kit.clock import Clock
from agent.kube.api import Object
from agent.model.names import timestamp
from hub.sandbox.access.defaults import default_policies
from hub.sandbox.access.rbac import GROUP
from hub.sandbox.drafts import Options
from hub.sandbox.kinds.rules import rules_of
from hub.sandbox.life.kinds import CLASSES, NODES
from hub.sandbox.life.nodes import node, storage_class
from hub.sandbox.server import Server, random_id
from hub.sandbox.wire import Caller

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PLURALS = {
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Role": "roles",
    "RoleBinding": "rolebindings",
}


def new_cluster(
    clock: Clock, tokens: Mapping[str, Caller], *, new_id: Callable[[], str] = random_id
) -> Server:
    """Return a server with the namespaces, roles and bindings that every cluster begins with."""
    server = Server(clock, tokens, new_id=new_id)
    now = timestamp(clock.now())
    for name in NAMESPACES:
        metadata = {"name": name, "uid": new_id(), "creationTimestamp": now}
        value = rules_of("", "Namespace").for_create({"metadata": metadata})
        server.storage.put(("", "namespaces"), ("", name), value)
    for policy in default_policies():
        _put(server, policy, uid=new_id(), now=now)
    _equip(server, now)
    return server


def _equip(server: Server, now: str) -> None:
    """Give a cluster a node, which is ready from the beginning, and a class of storage."""
    kubelet, controllers = Options(manager="kubelet"), Options(manager="kube-controller-manager")
    made = server.verbs.create(server.target(NODES, ("", "")), node(now), kubelet).value
    untainted = {**made, "spec": {key: part for key, part in made["spec"].items() if key != "taints"}}
    server.verbs.replace(server.target(NODES, ("", made["metadata"]["name"])), untainted, controllers)
    server.verbs.create(server.target(CLASSES, ("", "")), storage_class(), controllers)


def _put(server: Server, policy: Object, *, uid: str, now: str) -> None:
    metadata = {**policy["metadata"], "uid": uid, "creationTimestamp": now}
    stored = {name: part for name, part in policy.items() if name not in ("kind", "apiVersion")}
    place = (metadata.get("namespace", ""), metadata["name"])
    server.storage.put((GROUP, _PLURALS[policy["kind"]]), place, {**stored, "metadata": metadata})


def admin() -> Caller:
    """Return who may do everything."""
    return Caller(name="admin", groups=("system:masters",))
