"""The schemas that the hub brings into a management cluster, and whether they may replace or leave what is there.

The files are those of `deploy/crds`, packaged beside this module. Decisions are pure: whoever installs reads the cluster, asks
here and acts. A CRD is the root of everything of its kind, so the rules are one-sided: a newer schema is never replaced by an
older one, and a CRD that holds objects is never deleted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

import yaml

from hub.model.annotations import CRD_REVISION, VERSION
from hub.model.kinds import Kind

Crd = Mapping[str, Any]
"""A CustomResourceDefinition as the API server has it."""


class Change(StrEnum):
    """How a relaxation differs from Flux's schema."""

    ADDED = "added"
    NOT_REQUIRED = "not required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """A field that a schema of ours accepts beyond Flux's: added with what is below it, or no longer required."""

    kind: Kind
    path: str
    change: Change
    why: str


_LEGACY = "written for v1beta2; both versions share one schema, so nothing is lost when an object is read in the other"

RELAXATIONS: tuple[Relaxation, ...] = (
    Relaxation(
        kind=Kind.GIT_REPOSITORY,
        path=".spec.include[].repository",
        change=Change.NOT_REQUIRED,
        why="an include without a repository is a filter on the repository itself",
    ),
    Relaxation(
        kind=Kind.GIT_REPOSITORY,
        path=".spec.verify.provider",
        change=Change.ADDED,
        why="names signatures that are neither PGP nor SSH",
    ),
    Relaxation(kind=Kind.GIT_REPOSITORY, path=".spec.accessFrom", change=Change.ADDED, why=_LEGACY),
    Relaxation(kind=Kind.GIT_REPOSITORY, path=".spec.gitImplementation", change=Change.ADDED, why=_LEGACY),
    Relaxation(
        kind=Kind.GIT_REPOSITORY, path=".status.contentConfigChecksum", change=Change.ADDED, why=_LEGACY
    ),
    Relaxation(kind=Kind.GIT_REPOSITORY, path=".status.url", change=Change.ADDED, why=_LEGACY),
    Relaxation(
        kind=Kind.OCI_REPOSITORY, path=".status.contentConfigChecksum", change=Change.ADDED, why=_LEGACY
    ),
    Relaxation(kind=Kind.KUSTOMIZATION, path=".spec.patchesJson6902", change=Change.ADDED, why=_LEGACY),
    Relaxation(kind=Kind.KUSTOMIZATION, path=".spec.patchesStrategicMerge", change=Change.ADDED, why=_LEGACY),
    Relaxation(kind=Kind.KUSTOMIZATION, path=".spec.validation", change=Change.ADDED, why=_LEGACY),
)


class KeepReason(StrEnum):
    """Why a CRD stays as it is."""

    NEWER = "Newer"
    STORED_VERSION = "StoredVersion"
    OTHER_VERSION = "OtherVersion"
    HOLDS_OBJECTS = "HoldsObjects"
    FOREIGN = "Foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Install:
    """Write ours, over the existing one if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Delete it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leave it as it is; the message is for the person who asked."""

    reason: KeepReason
    message: str


def packaged() -> tuple[Crd, ...]:
    """Return the CRDs of this version, in the order of their names."""
    folder = files("hub") / "crd_files"
    texts = [entry.read_text() for entry in folder.iterdir() if entry.name.endswith(".yaml")]
    return tuple(sorted((yaml.safe_load(text) for text in texts), key=_name))


def decide(existing: Crd | None, ours: Crd) -> Install | Keep:
    """Say whether ours may take the place of the existing CRD of the same name."""
    if existing is None:
        return Install()
    name = _name(existing)
    # 1. Objects may still be stored in a version that ours does not know: the API server could no longer read them.
    known = _versions(ours)
    lost = sorted(set(existing.get("status", {}).get("storedVersions", [])) - known)
    if lost:
        return Keep(
            reason=KeepReason.STORED_VERSION,
            message=f"CRD {name} stores objects as {', '.join(lost)}; migrate them to {_stored(ours)} first (flux migrate)",
        )
    # 2. A newer schema may hold fields that ours would cut off.
    if _level(existing) > _level(ours):
        return Keep(
            reason=KeepReason.NEWER,
            message=f"CRD {name} is of {_describe(existing)}, newer than {_describe(ours)} of this version; upgrade Cartwheel to replace it",
        )
    # 3. Without a version nobody knows which one is newer; a version that ours lacks says enough.
    others = sorted(_versions(existing) - known)
    if others and not _label(existing):
        return Keep(
            reason=KeepReason.OTHER_VERSION,
            message=f"CRD {name} serves {', '.join(others)}, which this version does not know; remove that CRD or label it with {VERSION}",
        )
    return Install()


def decide_removal(existing: Crd, objects: int) -> Remove | Keep:
    """Say whether an existing CRD with that many objects, in all namespaces, may be deleted."""
    name = _name(existing)
    if CRD_REVISION not in _metadata(existing).get("annotations", {}):
        return Keep(reason=KeepReason.FOREIGN, message=f"CRD {name} was not installed by Cartwheel")
    if objects:
        return Keep(
            reason=KeepReason.HOLDS_OBJECTS,
            message=f"CRD {name} holds {objects} object{'s' if objects > 1 else ''}; delete them first",
        )
    return Remove()


def _metadata(crd: Crd) -> Mapping[str, Any]:
    metadata: Mapping[str, Any] = crd["metadata"]
    return metadata


def _name(crd: Crd) -> str:
    return str(_metadata(crd)["name"])


def _label(crd: Crd) -> str:
    return str(_metadata(crd).get("labels", {}).get(VERSION, ""))


def _revision(crd: Crd) -> int:
    text = str(_metadata(crd).get("annotations", {}).get(CRD_REVISION, ""))
    return int(text) if text.isdecimal() else 0


def _level(crd: Crd) -> tuple[tuple[int, ...], int]:
    """Flux's version that the schema is of (a pre-release counts as its release), then our revision of it."""
    found = re.match(r"v?([0-9]+)\.([0-9]+)\.([0-9]+)", _label(crd))
    return (tuple(int(part) for part in found.groups()) if found else (0, 0, 0), _revision(crd))


def _describe(crd: Crd) -> str:
    return " ".join(part for part in (_label(crd), f"revision {_revision(crd)}") if part)


def _versions(crd: Crd) -> set[str]:
    return {version["name"] for version in crd["spec"]["versions"]}


def _stored(crd: Crd) -> str:
    return next(str(version["name"]) for version in crd["spec"]["versions"] if version["storage"])
