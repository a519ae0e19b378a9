"""JSON merge patches (RFC 7396), with where API servers leave the RFC: nulls go from what replaces something else than an object."""

import copy
from typing import Any

from hub.sandbox.patches.errors import PatchError, cannot_decode


def merge_patch(value: Any, patch: Any) -> Any:
    """Return what a merge patch makes of a value. Raises PatchError for a patch that is no object."""
    if patch is None:
        raise PatchError("Invalid JSON Patch", 400)
    if not isinstance(patch, dict):
        raise cannot_decode(patch, "map[string]interface {}")
    return _merged(value, patch) if isinstance(value, dict) else _pruned(patch)


def _merged(value: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    result = copy.copy(value)
    for name, part in patch.items():
        there = result.get(name)
        if part is None:
            result.pop(name, None)
        elif isinstance(there, dict):
            result[name] = _merged(there, part) if isinstance(part, dict) else copy.deepcopy(part)
        else:
            result[name] = _pruned(part)
    return result


def _pruned(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: _pruned(inner) for name, inner in part.items() if inner is not None}
    if isinstance(part, list):
        return [_pruned(inner) for inner in part]
    return part
