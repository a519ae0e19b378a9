"""Files of `NAME=value` lines, whose metadata are lines that begin with `sops_`. Pure."""

from collections.abc import Iterator
from typing import Any, Final

from hub.build.sops.errors import SopsFailed
from hub.build.sops.forms.text import text_of
from hub.build.sops.metadata import unflattened
from hub.build.sops.tree import Branch, Comment

_PREFIX: Final = "sops_"


def read(data: bytes) -> tuple[tuple[Branch, ...], dict[str, Any]]:
    """Return the document's branch and its metadata. Raises SopsFailed."""
    items = tuple(_items(data.decode("utf-8", "surrogateescape")))
    metadata = {
        key.removeprefix(_PREFIX): value
        for key, value in items
        if isinstance(key, str) and key.startswith(_PREFIX)
    }
    if not metadata:
        raise SopsFailed("sops metadata not found")
    branch = Branch(
        tuple(item for item in items if isinstance(item[0], Comment) or not item[0].startswith(_PREFIX))
    )
    return (branch,), unflattened(metadata)


def write(branches: tuple[Branch, ...]) -> bytes:
    """Write the first branch. Raises SopsFailed for what has no line of its own."""
    lines: list[str] = []
    for key, value in branches[0].items:
        if isinstance(key, Comment):
            lines.append(f"#{key.text}\n")
        elif isinstance(value, Branch | tuple):
            raise SopsFailed(f"cannot use complex value in dotenv file; offending key {key}")
        else:
            text = value.replace("\n", "\\n") if isinstance(value, str) else text_of(value)
            lines.append(f"{key}={text}\n")
    return "".join(lines).encode("utf-8", "surrogateescape")


def _items(text: str) -> Iterator[tuple[str | Comment, Any]]:
    for line in text.split("\n"):
        if line.startswith("#"):
            yield Comment(line[1:]), None
        elif line:
            name, sign, value = line.partition("=")
            if not sign:
                raise SopsFailed("invalid dotenv input line: one has no '='")
            yield name, value.replace("\\n", "\n")
