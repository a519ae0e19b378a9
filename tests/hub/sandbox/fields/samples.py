"""Objects, kinds and writes for tests of ownership."""

from typing import Any

from hub.sandbox.fields import Write, path
from hub.sandbox.schema import Type, builtin, of_custom_resource

STATUS = frozenset({path("status")})
SPEC = frozenset({path("spec")})

WIDGET_SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "replicas": {"type": "integer"},
                "items": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name", "proto"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "name": {"type": "string"},
                            "proto": {"type": "string", "default": "TCP"},
                            "size": {"type": "integer"},
                        },
                    },
                },
                "plain": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "v": {"type": "integer"}},
                    },
                },
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "args": {"type": "array", "items": {"type": "string"}},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "flag": {"type": "boolean"},
                "text": {"type": "string"},
                "nested": {
                    "type": "object",
                    "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
                },
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}
WIDGET = of_custom_resource("example.dev", "v1", "Widget", WIDGET_SPEC)


def type_of(group: str, kind: str) -> Type:
    found = builtin().type_of(group, "v1", kind)
    assert found is not None
    return found


DEPLOYMENT = type_of("apps", "Deployment")
CONFIG_MAP = type_of("", "ConfigMap")


def time(second: int) -> str:
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"


def by(
    manager: str, second: int = 0, *, of: Type = WIDGET, version: str = "example.dev/v1", **more: Any
) -> Write:
    return Write(
        manager=manager,
        api_version=version,
        type=of,
        now=time(second),
        custom=of is WIDGET,
        **{"reset": STATUS, **more},
    )


def widget(
    *, labels: dict[str, str] | None = None, version: str = "example.dev/v1", **spec: Any
) -> dict[str, Any]:
    metadata = {"name": "w", "namespace": "apps"} | ({"labels": labels} if labels else {})
    return {"apiVersion": version, "kind": "Widget", "metadata": metadata} | ({"spec": spec} if spec else {})


def stored(value: dict[str, Any]) -> dict[str, Any]:
    """Return an object as a server has it: with what only servers give."""
    return {**value, "metadata": {**value["metadata"], "uid": "1234", "resourceVersion": "7"}}


def owners(value: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an object by who owns them: `manager/Apply` or `manager/Update`."""
    return {
        f"{entry['manager']}/{entry['operation']}": entry["fieldsV1"]
        for entry in value["metadata"].get("managedFields", ())
    }


def times(value: dict[str, Any]) -> dict[str, str | None]:
    return {entry["manager"]: entry.get("time") for entry in value["metadata"].get("managedFields", ())}
