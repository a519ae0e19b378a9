"""What is asked of a fetching process and what it answers, as values that travel through its pipes. Pure.

A request may hold credentials: it goes through a pipe only, never into arguments, environment or logs.
"""

from collections.abc import Mapping

import msgspec

from hub.artifacts.contents import TreeDigest
from hub.model.gitrepository import GitRef
from hub.sources.credentials import AuthOptions
from hub.sources.failure import FailureKind

TREE_FILE = "tree"
ARCHIVE_FILE = "archive.tar.gz"
LAYER_FILE = "layer"
MIB = 1 << 20


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what goes through a pipe."""


class Limits(Message, frozen=True, kw_only=True):
    """How large a source may be before it is refused: what is received, what it holds unpacked, how many files, and memory."""

    received_bytes: int = 512 * MIB
    content_bytes: int = 512 * MIB
    files: int = 200_000
    memory_bytes: int = 384 * MIB


class GitRequest(Message, frozen=True, kw_only=True, tag=True):
    """One fetch. `known` is the revision that is held already (empty for none), `ignore` the text of spec.ignore."""

    url: str
    ref: GitRef
    auth: AuthOptions
    timeout_s: float
    ignore: str | None = None
    known: str = ""
    limits: Limits = Limits()

    @property
    def spoils_process(self) -> bool:
        """Tell whether a process that served it must serve nobody else: libgit2 cannot unlearn an authority."""
        return bool(self.auth.ca)

    def __repr__(self) -> str:
        return f"GitRequest(url={self.auth.host!r}, known={self.known!r})"


class LayerRequest(Message, frozen=True, kw_only=True, tag=True):
    """Make an artifact of LAYER_FILE, which was pulled into the folder: of its files, or (`copies`) of its bytes as they are."""

    timeout_s: float
    ignore: str | None = None
    copies: bool = False
    limits: Limits = Limits()

    @property
    def spoils_process(self) -> bool:
        return False


class Order(Message, frozen=True, kw_only=True):
    """A request with the folder, private to it, where the process may write."""

    request: GitRequest | LayerRequest
    folder: str


class Unchanged(Message, frozen=True, kw_only=True, tag=True):
    """The remote still has the revision that was known."""

    revision: str


class Packed(Message, frozen=True, kw_only=True, tag=True):
    """What was written: TREE_FILE, unless `tree` is empty because there are no files, and ARCHIVE_FILE."""

    tree: TreeDigest
    archive_digest: str
    archive_size: int
    files: int


class Fetched(Message, frozen=True, kw_only=True, tag=True):
    """The content of a revision. `name` tells it from others of its source, `message` says what it is, `metadata` came with it."""

    revision: str
    name: str
    packed: Packed
    message: str = ""
    metadata: Mapping[str, str] = {}


class Failed(Message, frozen=True, kw_only=True, tag=True):
    """Why there is nothing."""

    kind: FailureKind
    message: str


Answer = Unchanged | Fetched | Packed | Failed
