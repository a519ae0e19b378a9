"""Reads YAML as Kubernetes tools read it: by the rules of sigs.k8s.io/yaml, which stands on Go's yaml.v2.

Pure. No Python library follows these rules (`1e3` is a number and `1:30` is text, `on` is a boolean even as a key, `<<`
merges where it stands), and values of the wrong type are refused by API servers. Results are what JSON can say: mappings
have text for keys, whole floats are integers.

Texts come from tenants: depth and the number of nodes, which aliases multiply, are bounded.
"""

import base64
import binascii
import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import yaml
from yaml._yaml import CParser

from hub.build.scalars import key_text, resolve

MAX_DEPTH: Final = 400
MAX_NODES: Final = 2_000_000

_MERGE: Final = "tag:yaml.org,2002:merge"
_STANDARD: Final = "tag:yaml.org,2002:"
_SEPARATOR = re.compile(r"\n---[^\n]*(?:\n|\Z)")


class YAMLInvalid(Exception):
    """The text is not YAML that Kubernetes tools accept; the message has the line where it is known, and nothing of the text."""


class _MergeKey:
    """Stands in a mapping for the key `<<`."""


def load(text: str | bytes) -> Any:
    """Read the first document of a text; an empty one is None."""
    try:
        return _Reader(CParser(text)).document()
    except yaml.YAMLError as e:
        raise YAMLInvalid(_where(e)) from e
    except (UnicodeEncodeError, UnicodeDecodeError) as e:
        raise YAMLInvalid("the text is not valid UTF-8") from e


def documents(text: str) -> list[Any]:
    """Read every document of a text, empty ones left out; `---` at the start of a line separates, whatever it is in."""
    return [value for part in _SEPARATOR.split(text) if (value := load(part)) is not None]


class _Reader:
    """Builds one document from parser events, with a stack of its own so that depth costs no recursion."""

    __slots__ = ("anchors", "keys", "names", "nodes", "parser", "stack")

    def __init__(self, parser: CParser) -> None:
        self.parser = parser
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0
        # One entry per open collection; keys[i] is the key that waits for its value, or _NO_KEY.
        self.stack: list[dict[str, Any] | list[Any]] = []
        self.keys: list[Any] = []
        self.names: list[tuple[str | None, int]] = []

    def document(self) -> Any:
        result: list[Any] = []
        while not isinstance(event := self.parser.get_event(), yaml.StreamEndEvent | yaml.DocumentEndEvent):
            match event:
                case yaml.ScalarEvent():
                    value = _scalar(event)
                    self._count(event)
                    self._name(event.anchor, value, 1)
                    self._put(_MergeKey if self._wants_key() and _is_merge(event) else value, result)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._count(event)
                    self._open(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._put(self._close(), result)
                case yaml.AliasEvent():
                    self._put(self._alias(event), result)
                case _:
                    pass
        return result[0] if result else None

    def _count(self, event: Any, nodes: int = 1) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise YAMLInvalid(
                f"line {event.start_mark.line + 1}: the document has more than {MAX_NODES} nodes"
            )

    def _open(self, event: Any) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise YAMLInvalid(f"line {event.start_mark.line + 1}: nested deeper than {MAX_DEPTH}")
        if self._wants_key():
            raise YAMLInvalid(f"line {event.start_mark.line + 1}: a key must be text, not a collection")
        self.stack.append({} if isinstance(event, yaml.MappingStartEvent) else [])
        self.keys.append(_NO_KEY)
        self.names.append((event.anchor, self.nodes))

    def _close(self) -> Any:
        value = self.stack.pop()
        self.keys.pop()
        anchor, before = self.names.pop()
        self._name(anchor, value, self.nodes - before + 1)
        return value

    def _name(self, anchor: str | None, value: Any, nodes: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, nodes)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise YAMLInvalid(f"line {event.start_mark.line + 1}: an anchor is used that does not exist")
        value, nodes = self.anchors[event.anchor]
        # Counted before it is copied. The copy keeps a change of one place from showing in the other.
        self._count(event, nodes)
        return _copy(value)

    def _wants_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1], dict) and self.keys[-1] is _NO_KEY

    def _put(self, value: Any, result: list[Any]) -> None:
        if not self.stack:
            result.append(_number(value))
            return
        target = self.stack[-1]
        if isinstance(target, list):
            target.append(_number(value))
        elif self.keys[-1] is _NO_KEY:
            self.keys[-1] = value if value is _MergeKey else _key(value)
        else:
            key, self.keys[-1] = self.keys[-1], _NO_KEY
            if key is _MergeKey:
                _merge(target, value)
            else:
                target[key] = _number(value)


class _NoKey:
    """No key waits for a value."""


_NO_KEY: Final = _NoKey()


def _merge(target: dict[str, Any], value: Any) -> None:
    sources = list(reversed(value)) if isinstance(value, list) else [value]
    if not all(isinstance(source, dict) for source in sources):
        raise YAMLInvalid("map merge requires map or sequence of maps as the value")
    for source in sources:
        target.update(source)


def _is_merge(event: yaml.ScalarEvent) -> bool:
    return event.value == "<<" and (event.tag == _MERGE or bool(event.implicit[0]))


def _scalar(event: yaml.ScalarEvent) -> Any:
    tag: str | None = event.tag
    text: str = event.value
    if tag is None:
        return resolve(text) if event.implicit[0] else text
    if not tag.startswith(_STANDARD):
        return text
    convert = _TAGGED.get(tag.removeprefix(_STANDARD))
    return text if convert is None else convert(text)


def _number(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    if math.isinf(value) or math.isnan(value):
        raise YAMLInvalid("numbers that are infinite or not a number cannot be said in JSON")
    # Go writes such a number with its shortest digits and zeros, and reads an integer back.
    return int(Decimal(repr(value))) if value.is_integer() and abs(value) < 1e21 else value


def _key(value: Any) -> str:
    text = key_text(value)
    if text is None:
        raise YAMLInvalid("a key must be text, a number or a boolean")
    return text


def _tagged(kind: str, accepts: tuple[type, ...]) -> Callable[[str], Any]:
    def convert(text: str) -> Any:
        value = resolve(text)
        if isinstance(value, accepts) and not (isinstance(value, bool) and bool not in accepts):
            return value
        raise YAMLInvalid(f"a value tagged !!{kind} is none")

    return convert


def _binary(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as e:
        raise YAMLInvalid("!!binary value contains invalid base64 data") from e


_TAGGED: Final[dict[str, Callable[[str], Any]]] = {
    "int": _tagged("int", (int,)),
    "float": _tagged("float", (float, int)),
    "bool": _tagged("bool", (bool,)),
    "null": _tagged("null", (type(None),)),
    "binary": _binary,
}


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(entry) for key, entry in value.items()}
    return [_copy(entry) for entry in value] if isinstance(value, list) else value


def _where(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}: " if mark else ""
        return f"{place}{error.problem or error.context}"
    # The reader's own message quotes the text; what it found is enough.
    return str(getattr(error, "reason", None) or "the text is not valid")
