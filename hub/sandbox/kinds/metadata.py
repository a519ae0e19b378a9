"""The rules of metadata, which all kinds share but for their names. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import forbidden, negative, required, too_long, unchanged, wrong, wrongs
from hub.sandbox.kinds.names import NameRule
from hub.sandbox.kinds.values import items_at, mapping_at
from hub.sandbox.refusals import Cause

_MAX_ANNOTATIONS_BYTES = 256 << 10
_ORPHANS, _DEPENDENTS = "orphan", "foregroundDeletion"
_STANDARD_FINALIZERS = ("kubernetes", _ORPHANS, _DEPENDENTS)


def faults_of_metadata(value: Object, rule: NameRule, *, has_own_names: bool = True) -> Iterator[Cause]:
    """Yield what is wrong with the metadata of an object; its name was completed before.

    `has_own_names`: finalizers are checked as built-in kinds do, not only as all kinds do.
    """
    metadata = mapping_at(value, "metadata")
    if prefix := metadata.get("generateName"):
        yield from wrongs("metadata.generateName", prefix, names.generated(rule)(prefix))
    if not metadata.get("name"):
        yield required("metadata.name", "name or generateName is required")
    else:
        yield from wrongs("metadata.name", metadata["name"], rule(metadata["name"]))
    yield from negative("metadata.generation", metadata.get("generation"))
    yield from _faults_of_marks(metadata)
    yield from _faults_of_finalizers(metadata)
    if has_own_names:
        yield from faults_of_own_finalizers(value)


def faults_of_own_finalizers(value: Object) -> Iterator[Cause]:
    """Yield the finalizers that belong to nobody."""
    for index, one in enumerate(mapping_at(value, "metadata").get("finalizers") or ()):
        yield from faults_of_finalizer(f"metadata.finalizers[{index}]", one)


def faults_of_metadata_update(before: Object, after: Object) -> Iterator[Cause]:
    """Yield what is wrong with a change of metadata; what an update cannot change was put back before."""
    old, new = mapping_at(before, "metadata"), mapping_at(after, "metadata")
    if old.get("deletionTimestamp"):
        added = [one for one in new.get("finalizers") or () if one not in (old.get("finalizers") or ())]
        if added:
            listed = ", ".join(f'"{one}"' for one in sorted(added))
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}"
            yield forbidden("metadata.finalizers", why)
    if not new.get("resourceVersion"):
        yield wrong(
            "metadata.resourceVersion", new.get("resourceVersion") or "", "must be specified for an update"
        )
    for key in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        yield from unchanged(f"metadata.{key}", old.get(key), new.get(key))
    yield from _faults_of_marks(new)


def faults_of_labels(field: str, labels: Mapping[str, str] | None) -> Iterator[Cause]:
    """Yield what is wrong with labels, or with a selector that is a set of them."""
    for key, text in (labels or {}).items():
        yield from wrongs(field, key, names.qualified(key))
        yield from wrongs(field, text, names.label_value(text or ""))


def faults_of_selector(field: str, selector: Object) -> Iterator[Cause]:
    """Yield what is wrong with a label selector."""
    yield from faults_of_labels(f"{field}.matchLabels", selector.get("matchLabels"))
    for index, one in enumerate(items_at(selector, "matchExpressions")):
        path = f"{field}.matchExpressions[{index}]"
        match one.get("operator"):
            case "In" | "NotIn":
                if not one.get("values"):
                    yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
            case "Exists" | "DoesNotExist":
                if one.get("values"):
                    yield forbidden(
                        f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                    )
            case operator:
                yield wrong(f"{path}.operator", operator or "", "not a valid selector operator")
        yield from wrongs(f"{path}.key", one.get("key") or "", names.qualified(one.get("key") or ""))
        for place, text in enumerate(one.get("values") or ()):
            yield from wrongs(f"{path}.values[{place}]", text, names.label_value(text))


def faults_of_finalizer(field: str, name: str) -> Iterator[Cause]:
    """Yield that the name of a finalizer belongs to nobody."""
    if "/" not in name and name not in _STANDARD_FINALIZERS:
        yield wrong(field, name, "name is neither a standard finalizer name nor is it fully qualified")


def _faults_of_marks(metadata: Object) -> Iterator[Cause]:
    yield from faults_of_labels("metadata.labels", metadata.get("labels"))
    annotations = mapping_at(metadata, "annotations")
    for key in annotations:
        yield from wrongs("metadata.annotations", key, names.qualified(key.lower()))
    size = sum(len(key.encode()) + len((text or "").encode()) for key, text in annotations.items())
    if size > _MAX_ANNOTATIONS_BYTES:
        yield too_long("metadata.annotations", _MAX_ANNOTATIONS_BYTES)
    yield from _faults_of_owners(items_at(metadata, "ownerReferences"))


def _faults_of_owners(owners: list[Object]) -> Iterator[Cause]:
    field, controller = "metadata.ownerReferences", ""
    for one in owners:
        if not str(one.get("apiVersion") or "").rpartition("/")[2]:
            yield wrong(f"{field}.apiVersion", one.get("apiVersion") or "", "version must not be empty")
        for key in ("kind", "name", "uid"):
            if not one.get(key):
                yield wrong(f"{field}.{key}", one.get(key) or "", "must not be empty")
        if (one.get("apiVersion"), one.get("kind")) == ("v1", "Event"):
            yield wrong(field, one, "/v1, Kind=Event is disallowed from being an owner")
        if one.get("controller"):
            this = f"{one.get('kind')}/{one.get('name')}"
            if controller:
                why = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {controller} and {this}'
                )
                yield wrong(field, owners, why)
            controller = controller or this


def _faults_of_finalizers(metadata: Object) -> Iterator[Cause]:
    field, finalizers = "metadata.finalizers", metadata.get("finalizers") or []
    for one in finalizers:
        yield from wrongs(field, one, names.qualified(one))
    if _ORPHANS in finalizers and _DEPENDENTS in finalizers:
        yield wrong(field, finalizers, f"finalizer {_ORPHANS} and {_DEPENDENTS} cannot be both set")
