"""Why a patch is refused."""

from dataclasses import dataclass


@dataclass(slots=True)
class PatchError(Exception):
    """A patch that cannot be read or does not fit. `code` is the HTTP status that a real server answers with."""

    message: str
    code: int = 500

    def __str__(self) -> str:
        return self.message
