"""Which objects are applied together, and after which the next wait. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from agent.apply.order import order_key
from agent.model.content import Manifest
from agent.model.names import ObjectRef

NAMESPACE = ("", "Namespace")
DEFINITION = ("apiextensions.k8s.io", "CustomResourceDefinition")

_DEFINITIONS = frozenset(
    {
        DEFINITION,
        NAMESPACE,
        ("rbac.authorization.k8s.io", "ClusterRole"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Manifests in the order of their apply; `is_awaited`: they must be ready before the next stage."""

    manifests: tuple[Manifest, ...]
    is_awaited: bool


def split(manifests: Iterable[Manifest]) -> tuple[Stage, ...]:
    """Split into definitions, classes and the rest; stages without members are left out."""
    parts: tuple[list[Manifest], list[Manifest], list[Manifest]] = ([], [], [])
    for manifest in sorted(manifests, key=lambda one: order_key(one.ref)):
        parts[_stage_of(manifest.ref)].append(manifest)
    return tuple(
        Stage(manifests=tuple(part), is_awaited=number < len(parts) - 1)
        for number, part in enumerate(parts)
        if part
    )


def _stage_of(ref: ObjectRef) -> int:
    if (ref.group, ref.kind) in _DEFINITIONS:
        return 0
    return 1 if ref.kind.endswith("Class") else 2
