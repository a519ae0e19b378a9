"""Opens encrypted documents: whole files of one form into another, and objects of Kubernetes. Pure."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from hub.build.sops.decryption import Decryption
from hub.build.sops.errors import SopsFailed
from hub.build.sops.forms import dotenv, ini, json_form, yaml_form
from hub.build.sops.keyring import Keyring
from hub.build.sops.metadata import Metadata, read
from hub.build.sops.tree import Branch, Comment, tree_of

Branches = tuple[Branch, ...]


class Form(StrEnum):
    """How a document is written, by the names that messages have for it."""

    YAML = "YAML"
    JSON = "JSON"
    DOTENV = "Dotenv"
    INI = "INI"
    BINARY = "binary"


MARKS: Final[Mapping[Form, bytes]] = {
    Form.BINARY: b'"mac": "ENC[',
    Form.DOTENV: b"sops_mac=ENC[",
    Form.INI: b"[sops]",
    Form.JSON: b'"mac": "ENC[',
    Form.YAML: b"mac: ENC[",
}
"""What is in an encrypted document of each form."""

_READ: Final[Mapping[Form, Callable[[bytes], tuple[Branches, dict[str, Any]]]]] = {
    Form.YAML: yaml_form.read,
    Form.JSON: json_form.read,
    Form.DOTENV: dotenv.read,
    Form.INI: ini.read,
    Form.BINARY: json_form.read,
}
_WRITE: Final[Mapping[Form, Callable[[Branches], bytes]]] = {
    Form.YAML: yaml_form.write,
    Form.JSON: json_form.write,
    Form.DOTENV: dotenv.write,
    Form.INI: ini.write,
    Form.BINARY: json_form.write_binary,
}
_ENDS: Final = {
    ".yaml": Form.YAML,
    ".yml": Form.YAML,
    ".json": Form.JSON,
    ".env": Form.DOTENV,
    ".ini": Form.INI,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A document in the clear. `is_intact`: its MAC is that of its values."""

    content: bytes = field(repr=False)
    is_intact: bool


def form_of_name(name: str) -> Form:
    """Tell a document's form by the end of its name."""
    if name.endswith(".dockerconfigjson"):
        return Form.JSON
    return next((form for end, form in _ENDS.items() if name.endswith(end)), Form.BINARY)


def form_of_content(data: bytes) -> Form | None:
    """Tell an encrypted document's form by what is in it, None when it is not encrypted."""
    return next((form for form, mark in MARKS.items() if mark in data), None)


def open_document(data: bytes, source: Form, target: Form, keys: Keyring) -> Opened:
    """Decrypt a document and write it in another form, or its own. Raises SopsFailed."""
    try:
        if source is target is Form.YAML:
            return _open_yaml(data, keys)
        with _saying(f"failed to load encrypted {source} data"):
            branches, raw = _READ[source](data)
            metadata = read(raw)
        decryption, clear = _decrypted(metadata, branches, keys)
        with _saying(f"failed to emit encrypted {source} file as decrypted {target}"):
            content = _WRITE[target](clear)
        return Opened(content=content, is_intact=decryption.is_intact)
    except RecursionError as problem:
        raise SopsFailed("it is nested too deeply") from problem


def open_object(value: Mapping[str, Any], keys: Keyring) -> dict[str, Any]:
    """Decrypt an object that has its metadata under `sops`. Its MAC says nothing any more: others changed it since. Raises SopsFailed."""
    with _saying("failed to load encrypted JSON data"):
        raw = value.get(json_form.METADATA)
        if not isinstance(raw, Mapping):
            raise SopsFailed("sops metadata not found")
        metadata = read(raw)
    branch = tree_of({key: one for key, one in value.items() if key != json_form.METADATA})
    _, clear = _decrypted(metadata, (branch,), keys)
    # Through JSON, as everything on the way to an API server goes.
    found: dict[str, Any] = json.loads(json_form.write(clear))
    return found


def _open_yaml(data: bytes, keys: Keyring) -> Opened:
    with _saying("failed to load encrypted YAML data"):
        text = yaml_form.read_text(data)
        metadata = read(text.metadata or {})
    decryption, clear = _decrypted(metadata, tuple(text.branches), keys)
    leaves = (leaf for branch in clear for leaf in _leaves(branch))
    content = (
        yaml_form.replaced(text, leaves, decryption.comment) if text.has_lines else yaml_form.write(clear)
    )
    return Opened(content=content, is_intact=decryption.is_intact)


def _decrypted(metadata: Metadata, branches: Branches, keys: Keyring) -> tuple[Decryption, Branches]:
    decryption = Decryption(metadata, keys.data_key(metadata))
    with _saying("error decrypting sops tree"):
        return decryption, tuple(decryption.branch(one) for one in branches)


def _leaves(value: Any) -> Iterator[Any]:
    match value:
        case Branch(items):
            for _, one in items:
                yield from _leaves(one)
        case tuple():
            for one in value:
                yield from _leaves(one)
        case Comment():
            pass
        case _:
            yield value


@contextmanager
def _saying(step: str) -> Iterator[None]:
    """Say in which step something failed."""
    try:
        yield
    except SopsFailed as problem:
        raise SopsFailed(f"{step}: {problem}") from problem
