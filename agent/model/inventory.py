"""Inventory ids as Flux writes them: `<namespace>_<name>_<group>_<kind>`. Pure."""

from agent.model.names import ObjectRef

_RBAC_GROUP = "rbac.authorization.k8s.io"
_RBAC_KINDS = frozenset({"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"})


def format_id(ref: ObjectRef) -> str:
    """Return an object's id; names of RBAC kinds may hold colons, which are written `__`."""
    name = ref.name
    if ref.group == _RBAC_GROUP and ref.kind in _RBAC_KINDS:
        name = name.replace(":", "__")
    return f"{ref.namespace}_{name}_{ref.group}_{ref.kind}"


def is_exact(ref: ObjectRef) -> bool:
    """Tell whether an object's id can be read as that very object."""
    try:
        return parse_id(format_id(ref)) == ref
    except ValueError:
        return False


def parse_id(text: str) -> ObjectRef:
    """Read an id; raises ValueError when it has too few fields. `__` in a name is a colon, whatever the kind."""
    namespace, first, rest = text.partition("_")
    rest, second, kind = rest.rpartition("_")
    name, third, group = rest.rpartition("_")
    if not (first and second and third and name and kind):
        raise ValueError(f"{text!r} is no inventory id: it must be <namespace>_<name>_<group>_<kind>")
    return ObjectRef(group=group, kind=kind, namespace=namespace, name=name.replace("__", ":"))
