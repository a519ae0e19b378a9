"""The files of a tree, found by folder without looking at the others. Pure.

Bringing the names in order takes time by the size of the tree, once; whoever builds many folders of one tree keeps this for all of them.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import Final

from agent.model.content import canonical, digest_of
from agent.model.names import Digest

_SEPARATOR: Final = "\0"
"""Sorts before every character, so that what is below a folder stands together."""


class Files(Mapping[str, bytes]):
    """A tree: name -> content, each content read when it is asked for."""

    def __init__(self, contents: Mapping[str, bytes], hash_of: Callable[[str], str] | None = None) -> None:
        """Take a tree; `hash_of` tells the hash of a file's content where that is known without reading it."""
        self._contents = contents
        self._hash_of = hash_of
        self._over: dict[str, bytes] = {}
        # A mapping may have to read a file to tell whether it is there.
        names = frozenset(contents)
        self.nameless = frozenset(name for name in names if not _is_text(name))
        """Files whose names are no text, so that nothing can name them; they are not in the tree."""
        self._names = names - self.nameless
        self._keys = sorted(map(_key, self._names))

    @classmethod
    def of(cls, files: Mapping[str, bytes]) -> "Files":
        """Return a tree as this, itself when it is one already."""
        return files if isinstance(files, cls) else cls(files)

    def amended(self, name: str, content: bytes) -> "Files":
        """Return the tree with this file in it, or in place of the one of that name."""
        made = copy(self)
        made._over = {**self._over, name: content}
        if name not in self:
            made._keys = self._keys.copy()
            insort(made._keys, _key(name))
        return made

    def below(self, path: str) -> Iterator[str]:
        """Yield the file of that name, or the files below the folder of that name, in lexical order of their parts; `.` is the root."""
        if path == ".":
            yield from self
            return
        if path in self:
            yield path
        folder = _key(path) + _SEPARATOR
        for at in range(bisect_left(self._keys, folder), len(self._keys)):
            if not self._keys[at].startswith(folder):
                return
            yield _name(self._keys[at])

    def is_folder(self, path: str) -> bool:
        """Tell whether there is a folder of that name; the root always is."""
        folder = _key(path) + _SEPARATOR
        at = bisect_left(self._keys, folder)
        return path == "." or (at < len(self._keys) and self._keys[at].startswith(folder))

    def digest(self, paths: Iterable[str]) -> Digest:
        """Return a digest over the names and contents of what is below each of these paths."""
        parts = [[path, *([name, self._hash(name)] for name in self.below(path))] for path in paths]
        return digest_of(canonical(parts))

    def _hash(self, name: str) -> str:
        if self._hash_of is None or name in self._over:
            return digest_of(self[name])
        return self._hash_of(name)

    def __getitem__(self, name: str) -> bytes:
        return self._over[name] if name in self._over else self._contents[name]

    def __contains__(self, name: object) -> bool:
        return name in self._over or name in self._names

    def __iter__(self) -> Iterator[str]:
        return map(_name, self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _is_text(name: str) -> bool:
    """Tell whether a name is text; bytes that are none are surrogates in it."""
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def _key(name: str) -> str:
    return name.replace("/", _SEPARATOR)


def _name(key: str) -> str:
    return key.replace(_SEPARATOR, "/")
