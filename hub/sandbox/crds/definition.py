"""A definition of custom resources as it is written: filled in, counted, and what discovery tells of it."""

from agent.kube.api import Object, Resource
from hub.sandbox.crds import names
from hub.sandbox.kinds.catalogue import Served, Subresource
from hub.sandbox.wording import same

_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_VERBS_AT_THE_END = ("delete", "deletecollection", "get", "list", "watch")
_STATUS_VERBS = ("get", "patch", "update")


def complete(definition: Object) -> Object:
    """Return a definition with what the server fills in."""
    spec = definition.get("spec") or {}
    asked = spec.get("names") or {}
    kind = asked.get("kind") or ""
    known = {
        **asked,
        **({} if asked.get("singular") or not kind else {"singular": kind.lower()}),
        **({} if asked.get("listKind") or not kind else {"listKind": f"{kind}List"}),
    }
    conversion = spec.get("conversion") or {"strategy": "None"}
    kept = {name: part for name, part in spec.items() if name != "preserveUnknownFields" or part}
    return {**definition, "spec": {**kept, "names": known, "conversion": conversion}}


def prepare_new(definition: Object) -> Object:
    """Return a completed definition as it is created: what it says of its status does not count."""
    status = {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": _storage(definition),
    }
    return {**definition, "metadata": {**definition["metadata"], "generation": 1}, "status": status}


def prepare_update(definition: Object, old: Object) -> Object:
    """Return a completed definition as it replaces another: a new storage version is one more that is stored."""
    stored = old["status"].get("storedVersions") or []
    more = [one for one in _storage(definition) if one not in stored]
    generation = old["metadata"].get("generation", 1) + (not same(definition["spec"], old["spec"]))
    metadata = {**definition["metadata"], "generation": generation}
    return {
        **definition,
        "metadata": metadata,
        "status": {**old["status"], "storedVersions": [*stored, *more]},
    }


def prepare_status(definition: Object, old: Object) -> Object:
    """Return the old definition with the status, and the metadata, of a new one."""
    return {**old, "metadata": definition["metadata"], "status": definition.get("status") or {}}


def served(definition: Object) -> list[Served]:
    """Return what a definition makes the server serve, none before it is established; versions in its own order."""
    if not names.is_true(definition, names.ESTABLISHED):
        return []
    return [_served(definition, one) for one in definition["spec"]["versions"] if one["served"]]


def _served(definition: Object, version: Object) -> Served:
    spec, known = definition["spec"], definition["status"]["acceptedNames"]
    parts = version.get("subresources") or {}
    subresources = []
    if parts.get("status") is not None:
        subresources.append(Subresource(name="status", kind=known["kind"], verbs=_STATUS_VERBS))
    if parts.get("scale"):
        subresources.append(
            Subresource(name="scale", kind="Scale", verbs=_STATUS_VERBS, group="autoscaling", version="v1")
        )
    is_ending = names.is_true(definition, names.TERMINATING)
    return Served(
        resource=Resource(
            group=spec["group"],
            version=version["name"],
            plural=known["plural"],
            kind=known["kind"],
            namespaced=spec["scope"] == "Namespaced",
        ),
        singular=known.get("singular") or "",
        verbs=_VERBS_AT_THE_END if is_ending else _VERBS,
        short_names=tuple(known.get("shortNames") or ()),
        categories=tuple(known.get("categories") or ()),
        subresources=tuple(subresources),
        is_custom=True,
    )


def _storage(definition: Object) -> list[str]:
    versions = (definition.get("spec") or {}).get("versions") or ()
    return [one["name"] for one in versions if one.get("storage")][:1]
