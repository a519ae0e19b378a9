"""PersistentVolumeClaims, PersistentVolumes, StorageClasses and CSIDrivers. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import forbidden, required, unchanged, unsupported, wrong, wrongs
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.pods import default_claim_spec
from hub.sandbox.kinds.quantities import canonical, tidied, tidied_field, worth
from hub.sandbox.kinds.rule import Rules, alike, keeping
from hub.sandbox.kinds.sources import faults_of_source, in_order_of_types
from hub.sandbox.kinds.values import at, child, copied, fill, mapping_at
from hub.sandbox.refusals import Cause

_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
_RECLAIMS = ("Delete", "Recycle", "Retain")
_FIXED_CLAIM = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_NOT_SOURCES = (
    "capacity",
    "accessModes",
    "claimRef",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "mountOptions",
    "volumeMode",
    "nodeAffinity",
    "volumeAttributesClassName",
)


def _default_claim(value: Object) -> None:
    default_claim_spec(child(value, "spec"))
    fill(child(value, "status"), phase="Pending")
    for key in ("capacity", "allocatedResources"):
        tidied(value, "status", key)


def _prepare_claim(value: Object) -> None:
    """Name the source of the data in both fields."""
    spec = child(value, "spec")
    old, new = spec.get("dataSource"), spec.get("dataSourceRef")
    if old is not None and new is None:
        new = spec["dataSourceRef"] = copied(old)
    elif new is not None and old is None and not new.get("namespace"):
        old = spec["dataSource"] = copied(new)
    for one in (old, new):
        if one is not None:
            one.setdefault("apiGroup", None)


def _keep_claim(_: Object, made: Object) -> None:
    _prepare_claim(made)


def _faults_of_claim(value: Object) -> Iterator[Cause]:
    yield from faults_of_claim_spec("spec", mapping_at(value, "spec"))


def faults_of_claim_spec(path: str, spec: Object) -> Iterator[Cause]:
    """Yield what is wrong with what a claim asks for."""
    if not spec.get("accessModes"):
        yield required(f"{path}.accessModes", "at least 1 access mode is required")
    if spec.get("selector") is not None:
        yield from faults_of_selector(f"{path}.selector", mapping_at(spec, "selector"))
    yield from _faults_of_modes(path, spec)
    field, size = f"{path}.resources[storage]", at(spec, "resources", "requests", "storage")
    if size is None:
        yield required(field)
    elif (number := worth(size)) is not None and number <= 0:
        yield wrong(field, str(canonical(size)), "must be greater than zero")
    if name := spec.get("storageClassName"):
        yield from wrongs(f"{path}.storageClassName", name, names.subdomain(name))
    yield from _faults_of_volume_mode(path, spec)


def _faults_of_volume_mode(path: str, spec: Object) -> Iterator[Cause]:
    if spec.get("volumeMode") not in ("Block", "Filesystem"):
        yield unsupported(f"{path}.volumeMode", spec.get("volumeMode"), ("Block", "Filesystem"))


def _faults_of_modes(path: str, spec: Object) -> Iterator[Cause]:
    modes = spec.get("accessModes") or []
    for one in modes:
        if one not in _MODES:
            yield unsupported(f"{path}.accessModes", one, _MODES)
    if "ReadWriteOncePod" in modes and len(set(modes)) > 1:
        yield forbidden(f"{path}.accessModes", "may not use ReadWriteOncePod with other access modes")


def _faults_of_claim_change(before: Object, after: Object) -> Iterator[Cause]:
    """Yield what of a claim may not change. What the real server adds is the difference itself, in Go's words."""
    old, new = copied(mapping_at(before, "spec")), copied(mapping_at(after, "spec"))
    sizes = [worth(at(one, "resources", "requests", "storage")) or 0 for one in (old, new)]
    if not old.get("volumeName"):
        old.pop("volumeName", None)
        new.pop("volumeName", None)
    if old.get("storageClassName") is None:
        new.pop("storageClassName", None)
    if at(after, "status", "phase") == "Bound":
        for one in (old, new):
            mapping_at(one, "resources", "requests").pop("storage", None)
            one.pop("volumeAttributesClassName", None)
    if not alike(old, new):
        yield forbidden("spec", _FIXED_CLAIM)
    if sizes[1] < sizes[0] and sizes[1] <= (worth(at(before, "status", "capacity", "storage")) or 0):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    yield from unchanged("volumeMode", old.get("volumeMode"), new.get("volumeMode"))


def _default_volume(value: Object) -> None:
    spec = child(value, "spec")
    fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    if not spec.get("storageClassName"):
        spec.pop("storageClassName", None)
    tidied(spec, "capacity")
    if isinstance(path := spec.get("hostPath"), dict) and path.get("type") is None:
        path["type"] = ""
    if isinstance(reference := spec.get("claimRef"), dict):
        fill(reference, kind="PersistentVolumeClaim", apiVersion="v1")
    if isinstance(target := spec.get("iscsi"), dict):
        fill(target, iscsiInterface="default")
    fill(child(value, "status"), phase="Pending")


def _prepare_volume(value: Object) -> None:
    time = at(value, "metadata", "creationTimestamp")
    value["status"] = {"phase": "Pending", **({"lastPhaseTransitionTime": time} if time else {})}


def _faults_of_volume(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    if not spec.get("accessModes"):
        yield required("spec.accessModes")
    yield from _faults_of_modes("spec", spec)
    capacity = mapping_at(spec, "capacity")
    if not capacity:
        yield required("spec.capacity")
    if set(capacity) != {"storage"}:
        yield unsupported("spec.capacity", spec.get("capacity"), ("storage",))
    for key, text in capacity.items():
        if (number := worth(text)) is not None and number <= 0:
            yield wrong(f"spec.capacity[{key}]", str(canonical(text)), "must be greater than zero")
    if spec.get("persistentVolumeReclaimPolicy") not in _RECLAIMS:
        policy = spec.get("persistentVolumeReclaimPolicy")
        yield unsupported("spec.persistentVolumeReclaimPolicy", policy, _RECLAIMS)
    yield from _faults_of_volume_mode("spec", spec)
    found = in_order_of_types([(key, one) for key, one in spec.items() if key not in _NOT_SOURCES])
    sources = [key for key, _ in found]
    for key in sources[:1]:
        yield from faults_of_source(f"spec.{key}", key, mapping_at(spec, key))
    if not sources:
        yield required("spec", "must specify a volume type")
    for key in sources[1:]:
        yield forbidden(f"spec.{key}", "may not specify more than 1 volume type")


def _faults_of_volume_change(before: Object, after: Object) -> Iterator[Cause]:
    old, new = mapping_at(before, "spec"), mapping_at(after, "spec")
    if any(not alike(old.get(key), new.get(key)) for key in {*old, *new} if key not in _NOT_SOURCES):
        yield forbidden(
            "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
        )
    yield from unchanged("volumeMode", old.get("volumeMode"), new.get("volumeMode"))


def _default_class(value: Object) -> None:
    fill(value, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _faults_of_class(value: Object) -> Iterator[Cause]:
    if not (provisioner := value.get("provisioner")):
        yield required("provisioner")
    else:
        lower = provisioner.lower()
        yield from wrongs("provisioner", lower, names.qualified(lower))
    if value.get("reclaimPolicy") not in ("Delete", "Retain"):
        yield unsupported("reclaimPolicy", value.get("reclaimPolicy"), ("Delete", "Retain"))
    modes = ("Immediate", "WaitForFirstConsumer")
    if value.get("volumeBindingMode") not in modes:
        yield unsupported("volumeBindingMode", value.get("volumeBindingMode"), modes)


def _faults_of_class_change(before: Object, after: Object) -> Iterator[Cause]:
    for key in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
        if not alike(before.get(key), after.get(key)):
            yield from unchanged(key, before.get(key), after.get(key))


def _default_driver(value: Object) -> None:
    spec = child(value, "spec")
    fill(
        spec,
        attachRequired=True,
        podInfoOnMount=False,
        storageCapacity=False,
        fsGroupPolicy="ReadWriteOnceWithFSType",
        requiresRepublish=False,
        seLinuxMount=False,
    )
    if not spec.get("volumeLifecycleModes"):
        spec["volumeLifecycleModes"] = ["Persistent"]


def _default_csi_node(value: Object) -> None:
    child(value, "spec").setdefault("drivers", None)


def _default_capacity(value: Object) -> None:
    for key in ("capacity", "maximumVolumeSize"):
        tidied_field(value, key)


CORE: Mapping[str, Rules] = {
    "PersistentVolumeClaim": Rules(
        defaults=_default_claim,
        prepares=_prepare_claim,
        keeps=_keep_claim,
        checks=_faults_of_claim,
        checks_change=_faults_of_claim_change,
        status={"phase": "Pending"},
    ),
    "PersistentVolume": Rules(
        defaults=_default_volume,
        prepares=_prepare_volume,
        keeps=keeping(("status",)),
        checks=_faults_of_volume,
        checks_change=_faults_of_volume_change,
        checks_metadata_itself=False,
        status={"phase": "Pending"},
    ),
}
KINDS: Mapping[str, Rules] = {
    "StorageClass": Rules(
        defaults=_default_class,
        checks=_faults_of_class,
        checks_change=_faults_of_class_change,
    ),
    "CSIDriver": Rules(defaults=_default_driver, needs_version=True),
    "CSINode": Rules(defaults=_default_csi_node, needs_version=True),
    "CSIStorageCapacity": Rules(defaults=_default_capacity, needs_version=True),
    "VolumeAttachment": Rules(status={"attached": False}, needs_version=True),
}
