"""JSON documents, and the binary ones that are one text in JSON. Pure."""

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from hub.build.sops.errors import SopsFailed
from hub.build.sops.tree import Branch, Comment, Timestamp, plain
from hub.build.sops.values import decimal

METADATA: Final = "sops"
_DATA: Final = "data"
_LIMIT: Final = 1 << 63
# Go's JSON is safe in HTML and in JavaScript, and has no half characters.
_ESCAPED: Final = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
        **{chr(code): "\\ufffd" for code in range(0xD800, 0xE000)},
    }
)


def read(data: bytes) -> tuple[tuple[Branch, ...], dict[str, Any]]:
    """Return the document's branch and its metadata. Raises SopsFailed."""
    try:
        branch = json.loads(
            data.decode("utf-8", "surrogateescape"),
            object_pairs_hook=_branch,
            parse_int=_integer,
            parse_constant=_refuse,
        )
    except (ValueError, RecursionError) as problem:
        # What the library says has the place, but not all of its messages are known to be free of the text.
        raise SopsFailed("it is no JSON") from problem
    if not isinstance(branch, Branch):
        raise SopsFailed("it must be an object")
    metadata = branch.get(METADATA)
    if not isinstance(metadata, Branch):
        raise SopsFailed("sops metadata not found")
    return (branch.without(METADATA),), plain(metadata)


def write(branches: tuple[Branch, ...]) -> bytes:
    """Write the first branch as SOPS does, indented by tabs. Raises SopsFailed."""
    return "".join((*_written(branches[0], "\n"), "\n")).encode()


def write_binary(branches: tuple[Branch, ...]) -> bytes:
    """Return the one text of a binary document. Raises SopsFailed."""
    value = branches[0].get(_DATA) if len(branches) == 1 else None
    if not isinstance(value, str):
        raise SopsFailed("no binary data found in tree")
    return value.encode("utf-8", "surrogateescape")


def quoted(text: str) -> str:
    """Write a text as Go's JSON has it."""
    return json.dumps(text, ensure_ascii=False).translate(_ESCAPED)


def _written(value: Any, line: str) -> Iterator[str]:
    """Yield the parts of a value; `line` begins a line at its depth."""
    match value:
        case Branch(items):
            entries = [(f"{quoted(key)}: ", one) for key, one in items if isinstance(key, str)]
            yield from _collection("{}", entries, line)
        case tuple():
            yield from _collection("[]", [("", one) for one in value if not isinstance(one, Comment)], line)
        case Timestamp() | str():
            yield quoted(value)
        case bytes():
            yield quoted(base64.b64encode(value).decode())
        case float():
            yield _number(value)
        case _:
            yield json.dumps(value)


def _collection(brackets: str, entries: list[tuple[str, Any]], line: str) -> Iterator[str]:
    yield brackets[0]
    for number, (name, value) in enumerate(entries):
        yield f"{',' if number else ''}{line}\t{name}"
        yield from _written(value, line + "\t")
    yield f"{line}{brackets[1]}" if entries else brackets[1]


def _number(value: float) -> str:
    """Write a number as Go does: with an exponent only where it is very large or very small."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        return decimal(value)
    mantissa, _, exponent = f"{value!r}".partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+}"


def _branch(pairs: list[tuple[str, Any]]) -> Branch:
    return Branch(tuple((key, _tuple(value)) for key, value in pairs))


def _tuple(value: Any) -> Any:
    return tuple(_tuple(one) for one in value) if isinstance(value, list) else value


def _integer(text: str) -> int | float:
    value = int(text)
    return value if -_LIMIT <= value < _LIMIT else float(text)


def _refuse(name: str) -> Any:
    raise ValueError(name)
