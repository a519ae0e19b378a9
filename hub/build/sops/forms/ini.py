"""Files of sections with `name = value` lines, whose metadata are the section `sops`. Pure.

What stands before the first section is in one named DEFAULT. A comment goes with the section or the name below it.
"""

from collections.abc import Iterator
from typing import Any, Final

from hub.build.sops.errors import SopsFailed
from hub.build.sops.forms.text import text_of
from hub.build.sops.metadata import unflattened
from hub.build.sops.tree import Branch, Comment

_METADATA: Final = "sops"
_DEFAULT: Final = "DEFAULT"
_SIGNS: Final = "#;"
_QUOTES: Final = ('"""', "`")

_Item = tuple[str | Comment, Any]


def read(data: bytes) -> tuple[tuple[Branch, ...], dict[str, Any]]:
    """Return the document's branch and its metadata. Raises SopsFailed."""
    branch = Branch(tuple(_sections(data.decode("utf-8", "surrogateescape"))))
    metadata = branch.get(_METADATA)
    if metadata is None:
        raise SopsFailed("sops metadata not found")
    flat = {
        key: value.replace("\\n", "\n") for key, value in metadata.items if isinstance(key, str)
    }  # A comment among them says nothing.
    return (branch.without(_METADATA),), unflattened(flat)


def write(branches: tuple[Branch, ...]) -> bytes:
    """Write the sections, their values in a column. Raises SopsFailed for what is in none."""
    sections = [(name, body) for name, body in branches[0].items if isinstance(name, str)]
    texts: list[str] = []
    for number, (name, body) in enumerate(sections):
        if not isinstance(body, Branch):
            raise SopsFailed("section values should always be TreeBranches")
        is_default = number == 0 and name.upper() == _DEFAULT
        lines = list(_body(body, "" if is_default else f"[{name}]"))
        if lines:
            texts.append("\n".join(lines) + "\n")
    return "\n".join(texts).encode("utf-8", "surrogateescape")


def _sections(text: str) -> Iterator[_Item]:
    name, items, comment = _DEFAULT, list[_Item](), list[str]()
    for line in text.removeprefix("\ufeff").split("\n"):
        line = line.strip()
        if not line:
            continue
        if line[0] in _SIGNS:
            comment.append(line)
        elif line[0] == "[":
            end = line.rfind("]")
            if end < 0:
                raise SopsFailed("a section is not closed by ']'")
            yield name, Branch(tuple(items))
            name, items = line[1:end], list(_comment(comment))
        else:
            key, value, beside = _entry(line)
            items = [item for item in items if item[0] != key]
            items.append((key, value))
            items.extend(_comment(comment, beside))
    yield name, Branch(tuple(items))


def _comment(lines: list[str], beside: str = "") -> Iterator[_Item]:
    """Give the comment that was gathered, and gather a new one."""
    text = "\n".join((*lines, beside) if beside else lines)
    lines.clear()
    if text:
        yield Comment(text.lstrip(f"{text[0]} ") if text[0] in _SIGNS else text), None


def _entry(line: str) -> tuple[str, str, str]:
    """Return name, value and the comment beside them."""
    quote = next((one for one in (*_QUOTES, '"') if line.startswith(one)), "")
    end = line.find(quote, len(quote)) if quote else 0
    at = min((place for sign in "=:" if (place := line.find(sign, max(end, 0))) >= 0), default=-1)
    if at <= 0 or end < 0:
        raise SopsFailed("a line has no name with a value")
    name = line[len(quote) : end] if quote else line[:at]
    value = line[at + 1 :].strip()
    for one in _QUOTES:
        if value.startswith(one):
            closing = value.rfind(one)
            if closing < len(one):
                raise SopsFailed("a value of several lines is not supported")
            return name.strip(), value[len(one) : closing], ""
    if value.endswith("\\"):
        raise SopsFailed("a value of several lines is not supported")
    sign = min((place for one in _SIGNS if (place := value.find(one)) >= 0), default=len(value))
    value, beside = value[:sign].strip(), value[sign:]
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"" and value[0] not in value[1:-1]:
        value = value[1:-1]
    return name.strip(), value, beside


def _body(body: Branch, header: str) -> Iterator[str]:
    """Yield the lines of one section."""
    items = list(body.items)
    if items and isinstance(items[0][0], Comment):
        yield from _comment_lines(items.pop(0)[0])
    if header:
        yield header
    width = max((len(_name(key)) for key, _ in items if isinstance(key, str)), default=0)
    for number, (key, value) in enumerate(items):
        if isinstance(key, str):
            if number + 1 < len(items):
                yield from _comment_lines(items[number + 1][0])
            yield f"{_name(key):<{width}} = {_value(text_of(value))}".removesuffix(
                " " if value == "" else "\0"
            )


def _comment_lines(comment: str | Comment) -> Iterator[str]:
    if isinstance(comment, Comment):
        for line in comment.text.split("\n"):
            yield f"{line[0]} {line[1:].strip()}" if line[:1] in ("#", ";") else f"; {line.strip()}"


def _name(name: str) -> str:
    if any(sign in name for sign in '"=:'):
        return f"`{name}`"
    return f'"""{name}"""' if "`" in name else name


def _value(text: str) -> str:
    if "\n" in text or "`" in text:
        return f'"""{text}"""'
    if "#" in text or ";" in text:
        return f"`{text}`"
    return f'"{text}"' if text.strip() != text else text
