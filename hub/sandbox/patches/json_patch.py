"""JSON patches (RFC 6902), with what API servers add to them: negative positions, and a limit of operations."""

import copy
from collections.abc import Sequence
from typing import Any

from hub.sandbox.patches.errors import PatchError, cannot_decode

_MOST_OPERATIONS = 10_000
# Real servers keep the reason to themselves.
_DOES_NOT_FIT = "the server rejected our request due to an error in our request"


def json_patch(value: Any, patch: Any) -> Any:
    """Return what a JSON patch makes of a value. Raises PatchError: 400 for what is no patch, 413, and 422 for one that does not fit."""
    operations = _operations(patch)
    document = copy.deepcopy(value)
    for operation in operations:
        document = _done(document, operation)
    return document


def _operations(patch: Any) -> Sequence[dict[str, Any]]:
    if patch is None:
        return ()
    if not isinstance(patch, list):
        raise cannot_decode(patch, "[]handlers.jsonPatchOp")
    for one in patch:
        if not isinstance(one, dict):
            raise cannot_decode(one, "handlers.jsonPatchOp")
    if len(patch) > _MOST_OPERATIONS:
        raise PatchError(
            f"The allowed maximum operations in a JSON patch is {_MOST_OPERATIONS}, got {len(patch)}", 413
        )
    return patch


def _done(document: Any, operation: dict[str, Any]) -> Any:
    path = operation.get("path")
    if not isinstance(path, str):
        raise _does_not_fit()
    match operation.get("op"):
        case "add":
            _add(document, path, copy.deepcopy(operation.get("value")))
        case "remove":
            _remove(document, path)
        case "replace" if path == "":
            if not isinstance(operation.get("value"), dict | list):
                raise _does_not_fit()
            return copy.deepcopy(operation["value"])
        case "replace":
            _replace(document, path, copy.deepcopy(operation.get("value")))
        case "move":
            source = _source(operation)
            moved = _get(document, source)
            _remove(document, source)
            _add(document, path, moved)
        case "copy":
            _add(document, path, copy.deepcopy(_get(document, _source(operation))))
        case "test":
            found = document if path == "" else _get(document, path)
            if not _same(found, operation.get("value")):
                raise _does_not_fit()
        case _:
            raise _does_not_fit()
    return document


def _source(operation: dict[str, Any]) -> str:
    source = operation.get("from")
    if not isinstance(source, str):
        raise _does_not_fit()
    return source


def _parent(document: Any, pointer: str) -> tuple[Any, str]:
    """Return what holds the place of a pointer, and the place's name in it."""
    _, *names = pointer.split("/")
    if not names:
        raise _does_not_fit()
    *above, last = (name.replace("~1", "/").replace("~0", "~") for name in names)
    for name in above:
        document = _member(document, name)
    if not isinstance(document, dict | list):
        raise _does_not_fit()
    return document, last


def _member(holder: Any, name: str) -> Any:
    """Return a member; one that an object does not have is null."""
    if isinstance(holder, dict):
        return holder.get(name)
    if isinstance(holder, list):
        return holder[_position(name, len(holder))]
    raise _does_not_fit()


def _get(document: Any, pointer: str) -> Any:
    return _member(*_parent(document, pointer))


def _add(document: Any, pointer: str, value: Any) -> None:
    holder, name = _parent(document, pointer)
    if isinstance(holder, dict):
        holder[name] = value
    elif name == "-":
        holder.append(value)
    else:
        holder.insert(_position(name, len(holder) + 1), value)


def _remove(document: Any, pointer: str) -> None:
    holder, name = _parent(document, pointer)
    if isinstance(holder, list):
        del holder[_position(name, len(holder))]
    elif name in holder:
        del holder[name]
    else:
        raise _does_not_fit()


def _replace(document: Any, pointer: str, value: Any) -> None:
    holder, name = _parent(document, pointer)
    if isinstance(holder, list):
        holder[_position(name, len(holder))] = value
    else:
        holder[name] = value  # Other than in the RFC, also where nothing was.


def _position(name: str, length: int) -> int:
    """Return a position in a list of that length; negative ones count from its end."""
    try:
        position = int(name)
    except ValueError:
        raise _does_not_fit() from None
    if not -length <= position < length:
        raise _does_not_fit()
    return position % length


def _same(left: Any, right: Any) -> bool:
    """Tell whether two values are written the same: 1 is not 1.0."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(part, right[name]) for name, part in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return type(left) is type(right) and bool(left == right)


def _does_not_fit() -> PatchError:
    return PatchError(_DOES_NOT_FIT, 422)
