"""Why a fetch failed, as a closed set, with texts that never hold a credential. Pure.

Texts follow Flux's where people know them; the prefix of the condition (`failed to checkout and determine revision: `) is the
kind's.
"""

from collections.abc import Iterable
from enum import StrEnum

from hub.model.urls import without_userinfo

REDACTED = "***"


class FailureKind(StrEnum):
    """What went wrong; callers choose by it, never by the text."""

    AUTHENTICATION = "authentication"
    HOST_KEY = "host-key"
    CERTIFICATE = "certificate"
    REPOSITORY_NOT_FOUND = "repository-not-found"
    EMPTY_REPOSITORY = "empty-repository"
    REFERENCE_NOT_FOUND = "reference-not-found"
    NETWORK = "network"
    TIMEOUT = "timeout"
    TOO_LARGE = "too-large"
    UNSUPPORTED = "unsupported"
    INVALID_URL = "invalid-url"
    INVALID_CREDENTIALS = "invalid-credentials"
    PROTOCOL = "protocol"
    STORAGE = "storage"
    CRASHED = "crashed"


class FetchFailure(Exception):
    """A fetch did not succeed. `str()` is the text for people."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        self.kind = kind
        super().__init__(message)


def without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every one of the secrets blanked: a server may echo in its errors what it was sent."""
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            text = text.replace(secret, REDACTED)
    return without_userinfo(text)
