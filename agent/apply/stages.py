"""Which objects are applied together, and after which the next wait. Pure."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from agent.apply.order import order_key
from agent.model.content import Manifest
from agent.model.names import ObjectRef

GroupKind = tuple[str, str]
NAMESPACE: GroupKind = ("", "Namespace")
DEFINITION: GroupKind = ("apiextensions.k8s.io", "CustomResourceDefinition")

_DEFINITIONS = frozenset(
    {
        DEFINITION,
        NAMESPACE,
        ("rbac.authorization.k8s.io", "ClusterRole"),
    }
)
_AWAITED = (0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Manifests in the order of their apply; `is_awaited`: they must be ready before the next stage."""

    manifests: tuple[Manifest, ...]
    is_awaited: bool


def split(manifests: Iterable[Manifest], early: Container[GroupKind] = ()) -> tuple[Stage, ...]:
    """Split into definitions, classes, kinds that a setting has come early, and the rest; stages without members are left out."""
    parts: tuple[list[Manifest], ...] = ([], [], [], [])
    for manifest in sorted(manifests, key=lambda one: order_key(one.ref)):
        parts[_stage_of(manifest.ref, early)].append(manifest)
    return tuple(
        Stage(manifests=tuple(part), is_awaited=number in _AWAITED)
        for number, part in enumerate(parts)
        if part
    )


def parse_kinds(text: str) -> tuple[GroupKind, ...]:
    """Read kinds such as `Secret,apps/Deployment`, in their order. Raises ValueError."""
    return tuple(map(_parse_kind, text.split(","))) if text.strip() else ()


def _parse_kind(text: str) -> GroupKind:
    group, _, kind = text.strip().rpartition("/")
    if not kind or "/" in group:
        raise ValueError(f"{text!r} is no kind: it must be <Kind> or <group>/<Kind>")
    return group, kind


def _stage_of(ref: ObjectRef, early: Container[GroupKind]) -> int:
    if (ref.group, ref.kind) in _DEFINITIONS:
        return 0
    if ref.kind.endswith("Class"):
        return 1
    return 2 if (ref.group, ref.kind) in early else 3
