"""Leaves out of a custom resource what its schema does not know."""

from typing import Any

from hub.sandbox.crds import schemas
from hub.sandbox.crds.schemas import META_FIELDS, Schema


def prune(value: Any, schema: Schema) -> tuple[Any, list[str]]:
    """Return a whole object without the fields its schema does not know, and their paths in order."""
    pruning = _Pruning()
    pruned = pruning.of(value, {**schema, "x-kubernetes-embedded-resource": True}, "")
    return pruned, sorted(pruning.unknown)


def prune_part(value: Any, schema: Schema) -> Any:
    """Return a part of an object without what its schema does not know."""
    return _Pruning().of(value, schema, "")


class _Pruning:
    """One walk: the paths of what was left out."""

    __slots__ = ("unknown",)

    def __init__(self) -> None:
        self.unknown: list[str] = []

    def of(self, value: Any, schema: Schema | None, path: str) -> Any:
        match value:
            case dict():
                return self._fields(value, schema, path)
            case list():
                inner = schemas.items(schema) if schema is not None else None
                if schema is not None and schemas.keeps_unknown(schema) and inner is None:
                    return value
                return [self.of(part, inner, f"{path}[{index}]") for index, part in enumerate(value)]
            case _:
                return value

    def _fields(self, value: dict[str, Any], schema: Schema | None, path: str) -> dict[str, Any]:
        kept = {}
        for name, part in value.items():
            at = f"{path}.{name}" if path else name
            if schema is not None and schemas.is_embedded(schema) and name in META_FIELDS:
                kept[name] = part
                continue
            inner = schemas.part_of(schema, name)
            if inner is not None:
                kept[name] = self.of(part, inner, at)
            elif schema is not None and schemas.keeps_unknown(schema):
                kept[name] = part
            else:
                self.unknown.append(at)
        return kept
