"""Which files of a tree a build of one directory needs, so that a large repository is not sent for a small directory.

Pure. A guess that errs towards too much: files below the directory, and what relative names with `..` in them point at.
A build that fails with it is tried with the whole tree, see `kustomize.py`.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hub.build.files import Files

_STOPS: Final = b" \t\n\r\x0b\x0c\"'[]{},"
_REST = re.compile(rb"[^\s\"'\[\]{},]*")
_MAX_NAME_BYTES: Final = 4096
MAX_MENTIONS: Final = 100_000
"""A tree that says `..` more often is needed as a whole: looking at each would take longer than sending it."""

KUSTOMIZATION_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """The files that a build is expected to read, and the paths at or below which it looks for them."""

    files: dict[str, bytes]
    paths: tuple[str, ...]


def needed(files: Mapping[str, bytes], path: str) -> Needed:
    """Find what a build of the directory is expected to read."""
    files = Files.of(files)
    found: dict[str, bytes] = {}
    wanted = [path]
    seen = {path: None}
    mentions = 0
    while wanted:
        for name in files.below(wanted.pop()):
            if name in found:
                continue
            found[name] = files[name]
            for outside in _mentioned(name, found[name]) if path != "." else ():
                mentions += 1
                if outside not in seen:
                    seen[outside] = None
                    wanted.append(outside)
                if mentions > MAX_MENTIONS or outside == ".":
                    return Needed(files=dict(files), paths=(".",))
    return Needed(files=found, paths=tuple(seen))


def _mentioned(name: str, content: bytes) -> Iterator[str]:
    """Yield what relative names in a file point at; `key=../file` is a name, too. Takes time by the length alone, whatever is in it."""
    directory = posixpath.dirname(name)
    done, at = 0, content.find(b"..")
    while at >= 0:
        first = max(at - _MAX_NAME_BYTES, done)
        start = max(first, *(content.rfind(stop, first, at) + 1 for stop in _STOPS))
        rest = _REST.match(content, at)
        done = rest.end() if rest else at
        if done - start < _MAX_NAME_BYTES:
            token = content[start:done].decode(errors="replace")
            yield from {
                posixpath.normpath(posixpath.join(directory, one))
                for one in (token, token.rpartition("=")[2])
            }
        at = content.find(b"..", done)
