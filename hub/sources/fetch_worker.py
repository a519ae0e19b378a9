"""A process that fetches: orders come in through stdin, answers leave through stdout, one after the other, until stdin ends.

It is a process of its own because libgit2's trust is a setting of the process, because a hanging or oversized fetch is ended by
killing it, and because packing files must not hold up the hub's event loop.
"""

import resource
import struct
import sys
from pathlib import Path
from typing import BinaryIO, assert_never

import msgspec

from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import Answer, Failed, Fetched, GitRequest, LayerRequest, Order, Unchanged
from hub.sources.git_remote import checkout
from hub.sources.git_tree import write_files
from hub.sources.layer import write_layer

MAX_MESSAGE = 4096
"""So much of a commit's message is of use to anybody; a commit may hold any amount."""
LENGTH = struct.Struct(">I")


def main() -> None:
    """Serve until the hub closes the pipe or goes away."""
    # A core file would hold credentials.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    orders = msgspec.msgpack.Decoder(Order)
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        answer = serve(orders.decode(frame))
        sys.stdout.buffer.write(framed(msgspec.msgpack.encode(answer)))
        sys.stdout.buffer.flush()


def serve(order: Order) -> Answer:
    """Carry one order out."""
    request, folder = order.request, Path(order.folder)
    # Of memory that is the process's own: what it maps of the packs is the disk's.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (request.limits.memory_bytes, most))
    try:
        match request:
            case GitRequest():
                return _fetch_commit(request, folder)
            case LayerRequest():
                return write_layer(request, folder)
            case _:
                assert_never(request)
    except FetchFailure as problem:
        return Failed(kind=problem.kind, message=str(problem))
    except MemoryError:
        message = (
            f"the source takes more than {request.limits.memory_bytes} bytes of memory, which is the limit"
        )
        return Failed(kind=FailureKind.TOO_LARGE, message=message)
    except OSError as problem:
        # Whatever the network does leaves as FetchFailure; what remains is the folder.
        message = f"unable to write what was fetched: {problem.strerror or problem}"
        return Failed(kind=FailureKind.STORAGE, message=message)


def _fetch_commit(request: GitRequest, folder: Path) -> Fetched | Unchanged:
    found = checkout(request, folder)
    if found is None:
        return Unchanged(revision=request.known)
    return Fetched(
        revision=found.resolved.revision,
        name=found.resolved.commit,
        message=found.commit.message[:MAX_MESSAGE],
        packed=write_files(
            found.repository, found.commit, folder, ignored=request.ignore, limits=request.limits
        ),
    )


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return LENGTH.pack(len(message)) + message


def read_frame(source: BinaryIO) -> bytes | None:
    """Read one message, None at the end."""
    head = source.read(LENGTH.size)
    if len(head) < LENGTH.size:
        return None
    return source.read(LENGTH.unpack(head)[0])


if __name__ == "__main__":
    main()
