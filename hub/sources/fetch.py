"""What is asked of a fetching process and what it answers, as values that travel through its pipes. Pure.

A request holds credentials: it goes through a pipe only, never into arguments, environment or logs.
"""

import msgspec

from hub.artifacts.contents import TreeDigest
from hub.model.gitrepository import GitRef
from hub.sources.credentials import AuthOptions
from hub.sources.git_failure import FailureKind

TREE_FILE = "tree"
ARCHIVE_FILE = "archive.tar.gz"
MIB = 1 << 20


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what goes through a pipe."""


class Limits(Message, frozen=True, kw_only=True):
    """How large a repository may be before it is refused: what is received, what it holds unpacked, how many files, and memory."""

    received_bytes: int = 512 * MIB
    content_bytes: int = 512 * MIB
    files: int = 200_000
    memory_bytes: int = 384 * MIB


class GitRequest(Message, frozen=True, kw_only=True):
    """One fetch. `known` is the revision that is held already (empty for none), `ignore` the text of spec.ignore."""

    url: str
    ref: GitRef
    auth: AuthOptions
    timeout_s: float
    ignore: str | None = None
    known: str = ""
    limits: Limits = Limits()

    def __repr__(self) -> str:
        return f"GitRequest(url={self.auth.host!r}, known={self.known!r})"


class Order(Message, frozen=True, kw_only=True):
    """A request with the folder, private to it, where the process may write."""

    request: GitRequest
    folder: str


class Unchanged(Message, frozen=True, kw_only=True, tag=True):
    """The remote still has the revision that was known."""

    revision: str


class Fetched(Message, frozen=True, kw_only=True, tag=True):
    """A commit's files, without the ignored ones, written to TREE_FILE and ARCHIVE_FILE of the folder."""

    revision: str
    commit: str
    message: str
    author: str
    tree: TreeDigest
    archive_digest: str
    archive_size: int
    files: int


class Failed(Message, frozen=True, kw_only=True, tag=True):
    """Why there is nothing."""

    kind: FailureKind
    message: str


Answer = Unchanged | Fetched | Failed
