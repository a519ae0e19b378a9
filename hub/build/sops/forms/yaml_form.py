"""YAML documents. Comments, order and layout stay as they are in the text, because only values are replaced in it. Pure.

Written anew is only what comes from a document of another form.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml._yaml import CParser

from hub.build.sops.errors import SopsFailed
from hub.build.sops.scalars import resolve, written
from hub.build.sops.tree import Branch, Comment, plain
from hub.build.sops.values import is_encrypted

METADATA: Final = "sops"
MAX_DEPTH: Final = 200
MAX_TRIES: Final = 50_000
INDENT: Final = 4
_IN_LIST: Final = 2
"""So much deeper than its dash is what is in a list."""
_COMMENT = re.compile(r"#(ENC\[AES256_GCM,data:[^\]\n]*,type:comment\])")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a scalar is in the text, the keys of the mapping that it is in, and by how much the lines of a block would be indented there."""

    start: int
    end: int
    path: Path
    indent: int
    deeper: int
    in_flow: bool
    is_encrypted: bool


@dataclass(slots=True)
class Text:
    """A text that is read: its branches, its scalars in order, and the parts that are metadata.

    `has_lines`: the metadata have lines of their own, so that they can be taken away.
    """

    text: str
    branches: list[Branch] = field(default_factory=list)
    metadata: dict[str, Any] | None = None
    scalars: list[Place] = field(default_factory=list)
    removed: list[tuple[int, int]] = field(default_factory=list)
    has_lines: bool = True


def read_text(data: bytes) -> Text:
    """Read a text. Raises SopsFailed."""
    try:
        text = Text(data.decode())
        _Reader(text).run()
    except UnicodeDecodeError as problem:
        raise SopsFailed("the text is not valid UTF-8") from problem
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        raise SopsFailed(f"it is no YAML{f', see line {mark.line + 1}' if mark else ''}") from problem
    if text.metadata is None:
        raise SopsFailed("sops metadata not found")
    return text


def read(data: bytes) -> tuple[tuple[Branch, ...], dict[str, Any]]:
    """Return the branches, without comments, and the metadata. Raises SopsFailed."""
    text = read_text(data)
    return tuple(text.branches), text.metadata or {}


def replaced(text: Text, values: Iterator[Any], comment: Callable[[Comment, Path], Comment]) -> bytes:
    """Return the text with its scalars' values instead of what is encrypted, and without the metadata.

    `values` are those of all scalars, in order; `comment` decrypts one if it stands at the path.
    """
    pieces = [
        (place.start, place.end, written(value, place.indent, deeper=place.deeper, in_flow=place.in_flow))
        for place, value in zip(text.scalars, values, strict=True)
        if place.is_encrypted
    ]
    pieces += [(start, end, "") for start, end in text.removed]
    pieces += _comments(text, comment)
    result: list[str] = []
    done = 0
    for start, end, piece in sorted(pieces):
        if start >= done:
            result.extend((text.text[done:start], piece))
            done = end
    return "".join((*result, text.text[done:])).encode()


def _comments(text: Text, comment: Callable[[Comment, Path], Comment]) -> Iterator[tuple[int, int, str]]:
    """Yield the encrypted comments decrypted. One can belong to all that is above its neighbours; only one place decrypts it."""
    starts = [one.start for one in text.scalars]
    tries = 0
    for found in _COMMENT.finditer(text.text):
        at = bisect(starts, found.start())
        above = [one.path for one in text.scalars[max(0, at - 1) : at + 1]]
        for path in {keys[:depth]: None for keys in above for depth in range(len(keys), -1, -1)}:
            tries += 1
            clear = comment(Comment(found[1]), path)
            if clear.text != found[1]:
                yield found.start(1), found.end(1), clear.text.replace("\n", "\n#")
                break
            if tries > MAX_TRIES:
                # Nobody misses a comment, and looking for its place must not take for ever.
                return


def write(branches: tuple[Branch, ...]) -> bytes:
    """Write branches as SOPS does."""
    texts = ["".join(_lines(branch, 0)) if branch.items else "{}\n" for branch in branches]
    return "---\n".join(texts).encode()


def _lines(value: Any, indent: int) -> Iterator[str]:
    """Yield the lines of a collection that is not empty."""
    blanks = " " * indent
    if isinstance(value, Branch):
        for key, one in value.items:
            if isinstance(key, Comment):
                yield f"{blanks}#{key.text}\n"
            else:
                is_long = "\n" in key or "\r" in key
                yield f"{blanks}{written(key, indent, in_flow=is_long)}:"
                yield from _entry(one, indent, INDENT)
        return
    for one in value:
        if isinstance(one, Comment):
            yield f"{blanks}#{one.text}\n"
        elif isinstance(one, Branch | tuple) and _is_filled(one):
            first, *rest = "".join(_lines(one, indent + 2)).splitlines(keepends=True)
            yield f"{blanks}- {first[indent + 2 :]}"
            yield from rest
        else:
            yield f"{blanks}-"
            yield from _entry(one, indent, _IN_LIST)


def _entry(value: Any, indent: int, deeper: int) -> Iterator[str]:
    """Yield what follows a key or a dash."""
    if isinstance(value, Branch | tuple):
        if _is_filled(value):
            yield "\n"
            yield from _lines(value, indent + deeper)
        else:
            yield " {}\n" if isinstance(value, Branch) else " []\n"
        return
    yield f" {written(value, indent + deeper, deeper=deeper)}\n"


def _is_filled(value: "Branch | tuple[Any, ...]") -> bool:
    return bool(value.items if isinstance(value, Branch) else value)


class _Reader:
    """Builds branches from parser events, and notes where their scalars are."""

    def __init__(self, text: Text) -> None:
        self._text = text
        self._parser = CParser(text.text)
        self._flow = 0
        self._depth = 0
        self._metadata: tuple[int, int | None] = (0, None)
        """Where the key of the metadata is, and the key after it."""

    def _next(self) -> Any:
        return self._parser.get_event()

    def run(self) -> None:
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._document()

    def _document(self) -> None:
        root = self._next()
        if isinstance(root, yaml.MappingStartEvent) and root.flow_style:
            self._text.has_lines = False
        value = self._value(root, (), INDENT, INDENT)
        end = self._next().start_mark.index
        if value is None:
            value = Branch()
        if not isinstance(value, Branch):
            raise SopsFailed("a YAML document must be a mapping")
        found = value.get(METADATA)
        if found is not None:
            if self._text.metadata is None:
                self._text.metadata = plain(found) if isinstance(found, Branch) else None
            value = value.without(METADATA)
            self._remove_metadata(end)
        self._text.branches.append(value)

    def _remove_metadata(self, end: int) -> None:
        """Note what is between the key of the metadata and the next one, and forget the scalars in it."""
        start, following = self._metadata
        stop = following if following is not None else end
        self._text.removed.append((start, stop))
        self._text.scalars[:] = [one for one in self._text.scalars if not start <= one.start < stop]

    def _value(self, event: Any, path: Path, indent: int, deeper: int) -> Any:
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event, path, indent, deeper)
            case yaml.MappingStartEvent():
                return self._collection(event, path, self._mapping)
            case yaml.SequenceStartEvent():
                return self._collection(event, path, self._sequence)
            case _:
                # SOPS writes none, and what it replaces would be in two places.
                raise SopsFailed("anchors are not supported in an encrypted file")

    def _collection(self, event: Any, path: Path, inside: Callable[[Path], Any]) -> Any:
        if self._depth >= MAX_DEPTH:
            raise SopsFailed(f"nested deeper than {MAX_DEPTH}")
        self._depth += 1
        self._flow += 1 if event.flow_style else 0
        value = inside(path)
        self._flow -= 1 if event.flow_style else 0
        self._depth -= 1
        return value

    def _mapping(self, path: Path) -> Branch:
        items: list[tuple[str | Comment, Any]] = []
        is_metadata = False
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key: Any = event
            if not isinstance(event, yaml.ScalarEvent):
                raise SopsFailed("a key must be text")
            if is_metadata:
                self._metadata = (self._metadata[0], key.start_mark.index)
                is_metadata = False
            if not path and key.value == METADATA:
                self._metadata = (key.start_mark.index, None)
                is_metadata = True
            value = self._next()
            # Scalars share the path of their mapping: one of their own each would take far more memory than the text.
            below = path if isinstance(value, yaml.ScalarEvent) else (*path, key.value)
            items.append((key.value, self._value(value, below, key.start_mark.column + INDENT, INDENT)))
        return Branch(tuple(items))

    def _sequence(self, path: Path) -> tuple[Any, ...]:
        values: list[Any] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            item: Any = event
            values.append(self._value(item, path, item.start_mark.column, _IN_LIST))
        return tuple(values)

    def _scalar(self, event: Any, path: Path, indent: int, deeper: int) -> Any:
        place = Place(
            start=event.start_mark.index,
            end=event.end_mark.index,
            path=path,
            indent=indent,
            deeper=deeper,
            in_flow=self._flow > 0,
            is_encrypted=is_encrypted(event.value),
        )
        self._text.scalars.append(place)
        if event.tag is None:
            return resolve(event.value) if event.implicit[0] else event.value
        return event.value
