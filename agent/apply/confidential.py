"""Takes what a manifest says out of what a server says of it, where that may be told to nobody: objects that hold values of Secrets. Pure.

Servers quote the value that they refuse. Names of fields stay, and so does the object's own name.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from agent.kube.errors import ApiError

HIDDEN = "***"
_SHORTEST = 2
"""One character alone is in any sentence."""


def conceal(problem: ApiError, body: bytes) -> None:
    """Take the values of the manifest that was sent out of a refusal."""
    values = sorted(_texts(json.loads(body)), key=len, reverse=True)
    problem.message = _hide(problem.message, values)
    problem.args = (problem.message,)
    problem.causes = tuple(
        {key: _hide(text, values) if isinstance(text, str) else text for key, text in cause.items()}
        for cause in problem.causes
    )


def _hide(text: str, values: list[str]) -> str:
    """Return the text with each of these values, as a whole word, hidden; the longest come first."""
    for value in values:
        for written in {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}:
            if len(written) >= _SHORTEST and written in text:
                text = re.sub(rf"(?<!\w){re.escape(written)}(?!\w)", HIDDEN, text)
    return text


def _texts(value: Mapping[str, Any]) -> set[str]:
    """Return every value that the manifest has anywhere but in its identity, as a server would write it."""
    identity = {"apiVersion", "kind", "metadata"}
    metadata = {key: part for key, part in value["metadata"].items() if key not in ("name", "namespace")}
    found = set(_leaves(metadata))
    for key, part in value.items():
        if key not in identity:
            found |= set(_leaves(part))
    if value.get("kind") == "Secret":
        found |= {decoded for text in set(found) if (decoded := _decoded(text))}
    return found


def _leaves(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for part in node.values():
            yield from _leaves(part)
    elif isinstance(node, list):
        for part in node:
            yield from _leaves(part)
    elif isinstance(node, str):
        yield node
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield json.dumps(node)


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
