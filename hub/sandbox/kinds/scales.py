"""Which objects can be scaled, and their Scales: how many replicas one wants and has. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent.kube.api import Object, Resource
from hub.sandbox.crds import scale
from hub.sandbox.fields import Path, path
from hub.sandbox.kinds.values import at
from hub.sandbox.refusals import Cause, bad_request, invalid
from hub.sandbox.selectors import text_of, text_of_labels

SCALES = Resource(group="autoscaling", version="v1", plural="scales", kind="Scale", namespaced=True)
_UNSET = -(2**31)
_SHOWN = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
_BUILT_IN = frozenset(
    {
        ("", "replicationcontrollers"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("apps", "statefulsets"),
    }
)


class Scalable(Protocol):
    """How the objects of a kind are scaled."""

    @property
    def replicas(self) -> Mapping[str, Path]:
        """Return where the wanted number is, by version."""
        ...

    def scale_of(self, value: Object) -> Object:
        """Return the Scale of an object. Raises Refused."""
        ...

    def before(self, value: Object) -> Object:
        """Return the Scale that a write begins with. Raises Refused."""
        ...

    def scaled(self, value: Object, replicas: int) -> Object:
        """Return an object that wants so many replicas."""
        ...

    def check(self, scale: Object, value: Object) -> None:
        """Judge the Scale that is written to an object. Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class _BuiltInScalable:
    resource: Resource

    @property
    def replicas(self) -> Mapping[str, Path]:
        return {self.resource.api_version: path("spec.replicas")}

    def scale_of(self, value: Object) -> Object:
        wanted, selector = at(value, "spec", "replicas"), at(value, "spec", "selector")
        text = text_of(selector) if self.resource.group else text_of_labels(selector)
        metadata = value["metadata"]
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: metadata[name] for name in _SHOWN if name in metadata},
            "spec": {"replicas": wanted} if wanted else {},
            "status": {
                "replicas": at(value, "status", "replicas") or 0,
                **({"selector": text} if text else {}),
            },
        }

    def before(self, value: Object) -> Object:
        return self.scale_of(value)

    def check(self, scale: Object, value: Object) -> None:
        metadata, wanted = value["metadata"], scale["spec"].get("replicas") or 0
        if wanted < 0:
            why = f"Invalid value: {wanted}: must be greater than or equal to 0"
            cause = Cause(reason="FieldValueInvalid", message=why, field="spec.replicas")
            raise invalid(SCALES, metadata["name"], [cause])

    def scaled(self, value: Object, replicas: int) -> Object:
        return {**value, "spec": {**value["spec"], "replicas": replicas}}


@dataclass(frozen=True, slots=True)
class CustomScalable:
    """How the objects of a custom kind are scaled. `paths` are those of its version, `where` has one path by version."""

    paths: scale.Paths
    where: Mapping[str, Any]

    @property
    def replicas(self) -> Mapping[str, Path]:
        return {version: path(text) for version, text in self.where.items()}

    def scale_of(self, value: Object) -> Object:
        return scale.body(value, self.paths)

    def before(self, value: Object) -> Object:
        is_set = at(value, *self.paths["specReplicasPath"].strip(".").split(".")) is not None
        return self.scale_of(value if is_set else self.scaled(value, _UNSET))

    def check(self, scale: Object, value: Object) -> None:
        if scale["spec"].get("replicas") == _UNSET:
            raise bad_request(f'the spec replicas field "{self.paths["specReplicasPath"]}" cannot be empty')

    def scaled(self, value: Object, replicas: int) -> Object:
        return scale.scaled(value, self.paths, replicas)


def scalable(resource: Resource) -> Scalable | None:
    """Return how the objects of a built-in kind are scaled, None when they are not."""
    return _BuiltInScalable(resource) if (resource.group, resource.plural) in _BUILT_IN else None
