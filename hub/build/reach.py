"""Which files of a tree a build of one directory needs, so that a large repository is not sent for a small directory.

Pure. A guess that errs towards too much: files below the directory, and what relative names with `..` in them point at.
A build that fails with it is tried with the whole tree, see `kustomize.py`.
"""

import posixpath
import re
from collections.abc import Mapping
from typing import Final

_NAME = re.compile(rb"[^\s\"'\[\]{},]*\.\.[^\s\"'\[\]{},]*")
KUSTOMIZATION_NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")


def inside(directory: str, name: str) -> bool:
    """Tell whether a file is below a directory; `.` is the root."""
    return directory == "." or name.startswith(directory + "/")


def needed(files: Mapping[str, bytes], path: str) -> dict[str, bytes]:
    """Give the files that a build of the directory is expected to read."""
    if path == ".":
        return dict(files)
    found: dict[str, bytes] = {}
    wanted = [path]
    seen = {path}
    while wanted:
        target = wanted.pop()
        for name, content in files.items():
            if name in found or not (name == target or inside(target, name)):
                continue
            found[name] = content
            for outside in _mentioned(name, content) - seen:
                seen.add(outside)
                wanted.append(outside)
    return found


def _mentioned(name: str, content: bytes) -> set[str]:
    if b".." not in content:
        return set()
    directory = posixpath.dirname(name)
    names = {token.decode(errors="replace") for token in _NAME.findall(content) if len(token) < 4096}
    # A resource may carry a prefix or a key: "key=../file".
    names |= {token.rpartition("=")[2] for token in names}
    targets = {posixpath.normpath(posixpath.join(directory, token)) for token in names}
    return {target for target in targets if not target.startswith(("..", "/"))}
