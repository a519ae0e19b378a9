"""What a server warns of when it takes a definition or a custom resource all the same."""

from collections.abc import Iterator

from agent.kube.api import Object
from hub.sandbox.crds import formats, schemas
from hub.sandbox.kinds.names import qualified
from hub.sandbox.wording import quoted

_STANDARD = ("orphan", "foregroundDeletion", "kubernetes")
_OF_NUMBERS = {"integer": ("int32", "int64"), "number": ("float", "double")}


def of_definition(definition: Object, old: Object | None = None) -> list[str]:
    """Return a warning for each format that nobody enforces, unless it was there before."""
    known = set(_unknown_formats(old)) if old is not None else set()
    return [f"unrecognized format {quoted(one)}" for one in _unknown_formats(definition) if one not in known]


def of_item(item: Object, old: Object | None = None) -> list[str]:
    """Return a warning for each new finalizer whose name may be somebody else's too."""
    before = set(old["metadata"].get("finalizers") or ()) if old is not None else set()
    new = sorted(set(item["metadata"].get("finalizers") or ()) - before)
    return [f"metadata.finalizers: {quoted(one)}: {text}" for one in new for text in _of_finalizer(one)]


def _of_finalizer(name: str) -> Iterator[str]:
    yield from qualified(name)
    if "/" not in name and name not in _STANDARD:
        path = " including a path (/)" if "." in name else ""
        yield f"prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"


def _unknown_formats(definition: Object) -> Iterator[str]:
    for version in definition["spec"].get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        for one in schemas.walk(schema):
            name, kind = one.get("format") or "", one.get("type") or "string"
            enforced = formats.is_enforced(name) if kind == "string" else name in _OF_NUMBERS.get(kind, ())
            if name and not enforced:
                yield name
