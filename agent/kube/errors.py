"""What an API server may answer instead of doing what was asked; everything here is Transient to a loop that knows no better.

An answer says that nothing was done, except `Unreachable`: there the request may have taken effect.
`NotActing` is this process's own answer: nothing was sent.
"""

from collections.abc import Mapping
from typing import Any

from agent.kit.errors import Transient


class ApiError(Transient):
    """A refusal. `status` is the HTTP status (0 when there was no answer), `reason` Kubernetes' word, `causes` its details."""

    def __init__(
        self, message: str, *, status: int, reason: str, causes: tuple[Mapping[str, Any], ...] = ()
    ) -> None:
        super().__init__(message, reason=reason)
        self.status = status
        self.causes = causes


class BadRequest(ApiError):
    """The server cannot read the request, or does not know its API version (400)."""


class Unauthorized(ApiError):
    """The server does not know the caller (401)."""


class Forbidden(ApiError):
    """The caller may not do this (403)."""


class NotFound(ApiError):
    """There is no such object or no such resource (404)."""


class Conflict(ApiError):
    """The object is not as the request supposes: resourceVersion, UID or field owner (409)."""


class AlreadyExists(Conflict):
    """An object of that name exists (409)."""


class Expired(ApiError):
    """The resourceVersion or continue token is too old: list anew (410)."""


class Invalid(ApiError):
    """The object breaks its schema or tries to change an immutable field (422)."""


class TooManyRequests(ApiError):
    """The server is busy (429); `after_s` is its advice, 1 when it gave none."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        reason: str,
        causes: tuple[Mapping[str, Any], ...] = (),
        after_s: float = 1.0,
    ) -> None:
        super().__init__(message, status=status, reason=reason, causes=causes)
        self.after_s = after_s


class ServerFailed(ApiError):
    """The server failed (5xx)."""


class ApiUnavailable(ApiError):
    """The server behind one group of kinds is away (503), and the others answer: what it serves can be neither found nor found missing."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=503, reason="ServiceUnavailable")


class Unreachable(ApiError):
    """No answer: not connected, cut off, or out of time. Whether the request took effect is not known."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=0, reason="Unreachable")


class NotActing(ApiError):
    """This process may not write now, since another may be acting in its place."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=0, reason="NotActing")


class UnknownKind(Transient):
    """The server serves no such kind, or not in that version."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="UnknownKind")
