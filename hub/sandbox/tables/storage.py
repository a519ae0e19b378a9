"""Rows of volumes, claims and their classes and drivers. Pure."""

from collections.abc import Mapping
from typing import Any

from hub.sandbox.kinds.values import at
from hub.sandbox.tables.row import NONE, UNSET, Cells, Row

_MODES = {
    "ReadWriteOnce": "RWO",
    "ReadOnlyMany": "ROX",
    "ReadWriteMany": "RWX",
    "ReadWriteOncePod": "RWOP",
}
_OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
_IS_DEFAULT = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def _modes(modes: list[str]) -> str:
    return ",".join(short for name, short in _MODES.items() if name in modes)


def _class(row: Row) -> str:
    old = at(row.mapping("metadata", "annotations"), _OLD_CLASS)
    return old if old is not None else row.text("spec", "storageClassName")


def _phase(row: Row) -> str:
    return "Terminating" if row.is_leaving else row.text("status", "phase")


def _volume(row: Row) -> list[Any]:
    claim = row.at("spec", "claimRef")
    return [
        row.name,
        str(row.at("spec", "capacity", "storage") or "0"),
        _modes(row.items("spec", "accessModes")),
        row.text("spec", "persistentVolumeReclaimPolicy"),
        _phase(row),
        f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim is not None else "",
        _class(row),
        row.text("spec", "volumeAttributesClassName") or UNSET,
        row.text("status", "reason"),
        row.age,
        row.text("spec", "volumeMode") or UNSET,
    ]


def _claim(row: Row) -> list[Any]:
    is_bound = bool(row.at("spec", "volumeName"))
    return [
        row.name,
        _phase(row),
        row.text("spec", "volumeName"),
        str(row.at("status", "capacity", "storage") or "0") if is_bound else "",
        _modes(row.items("status", "accessModes")) if is_bound else "",
        _class(row),
        row.text("spec", "volumeAttributesClassName") or UNSET,
        row.age,
        row.text("spec", "volumeMode") or UNSET,
    ]


def _storage_class(row: Row) -> list[Any]:
    annotations = row.mapping("metadata", "annotations")
    is_default = any(annotations.get(key) == "true" for key in _IS_DEFAULT)
    return [
        f"{row.name}{' (default)' if is_default else ''}",
        row.text("provisioner"),
        row.text("reclaimPolicy") or "Delete",
        row.text("volumeBindingMode") or "Immediate",
        bool(row.at("allowVolumeExpansion")),
        row.age,
    ]


def _attributes_class(row: Row) -> list[Any]:
    return [row.name, row.text("driverName"), row.age]


def _attachment(row: Row) -> list[Any]:
    return [
        row.name,
        row.text("spec", "attacher"),
        row.text("spec", "source", "persistentVolumeName"),
        row.text("spec", "nodeName"),
        bool(row.at("status", "attached")),
        row.age,
    ]


def _driver(row: Row) -> list[Any]:
    attach, tokens = row.at("spec", "attachRequired"), row.at("spec", "tokenRequests")
    return [
        row.name,
        True if attach is None else attach,
        bool(row.at("spec", "podInfoOnMount")),
        bool(row.at("spec", "storageCapacity")),
        UNSET if tokens is None else ",".join(one.get("audience", "") for one in tokens),
        bool(row.at("spec", "requiresRepublish")),
        ",".join(row.items("spec", "volumeLifecycleModes")) or NONE,
        row.age,
    ]


def _node_drivers(row: Row) -> list[Any]:
    return [row.name, len(row.items("spec", "drivers")), row.age]


CELLS: Mapping[str, Cells] = {
    "/persistentvolumeclaims": _claim,
    "/persistentvolumes": _volume,
    "storage.k8s.io/csidrivers": _driver,
    "storage.k8s.io/csinodes": _node_drivers,
    "storage.k8s.io/storageclasses": _storage_class,
    "storage.k8s.io/volumeattachments": _attachment,
    "storage.k8s.io/volumeattributesclasses": _attributes_class,
}
