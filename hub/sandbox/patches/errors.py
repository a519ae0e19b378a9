"""Why a patch is refused."""

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class PatchError(Exception):
    """A patch that cannot be read or does not fit. `code` is the HTTP status that a real server answers with."""

    message: str
    code: int = 500

    def __str__(self) -> str:
        return self.message


def cannot_decode(value: Any, wanted: str) -> PatchError:
    """Return the error of a patch, or a part of one, that is of another JSON type than it must be."""
    match value:
        case bool():
            kind = "bool"
        case str():
            kind = "string"
        case int() | float():
            kind = "number"
        case list():
            kind = "array"
        case _:
            kind = "object"
    return PatchError(
        f"error decoding patch: json: cannot unmarshal {kind} into Go value of type {wanted}", 400
    )
