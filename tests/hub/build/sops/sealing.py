"""Encrypts documents as SOPS does, for tests that make their own: the other half of `hub.build.sops`."""

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from typing import Any

import pyrage
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.build.sops.forms.json_form import write
from hub.build.sops.tree import Branch, plain, tree_of
from hub.build.sops.values import to_bytes

MODIFIED = "2026-01-02T03:04:05Z"


def identity() -> tuple[str, str]:
    """Return an age identity and its recipient."""
    made = pyrage.x25519.Identity.generate()
    return str(made), str(made.to_public())


def encrypt(value: Any, key: bytes, path: str) -> str:
    """Encrypt one value, which stands at a path."""
    if value == "":
        return ""
    types = {bool: "bool", int: "int", float: "float", str: "str"}
    nonce = os.urandom(32)
    sealed = AESGCM(key).encrypt(nonce, to_bytes(value), path.encode())
    data, iv, tag = (base64.b64encode(part).decode() for part in (sealed[:-16], nonce, sealed[-16:]))
    return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{types[type(value)]}]"


class Sealing:
    """One document that is encrypted for some recipients."""

    def __init__(self, recipients: Sequence[str]) -> None:
        self.key = os.urandom(32)
        self._mac = hashlib.sha512()
        self._recipients = recipients

    def document(self, value: dict[str, Any]) -> bytes:
        """Return it as JSON."""
        return write((self.branch(value),))

    def object(self, value: dict[str, Any], clear: Sequence[str] = ()) -> dict[str, Any]:
        """Return it as an object."""
        found: dict[str, Any] = plain(self.branch(value, clear))
        return found

    def branch(self, value: dict[str, Any], clear: Sequence[str] = ()) -> Branch:
        """Encrypt all values but those below some keys of the top, whose rule is named beside them."""
        items = [
            (key, self._clear(one) if key in clear else self._node(tree_of(one), (key,)))
            for key, one in value.items()
        ]
        return Branch((*items, ("sops", tree_of(self._metadata(clear)))))

    def _metadata(self, clear: Sequence[str]) -> dict[str, Any]:
        entries = [{"recipient": one, "enc": self._sealed_key(one)} for one in self._recipients]
        rule = (
            {"unencrypted_regex": f"^({'|'.join(clear)})$"}
            if clear
            else {"unencrypted_suffix": "_unencrypted"}
        )
        mac = encrypt(self._mac.hexdigest().upper(), self.key, MODIFIED)
        return {"age": entries, "lastmodified": MODIFIED, "mac": mac, **rule, "version": "3.13.2"}

    def _sealed_key(self, recipient: str) -> str:
        to = pyrage.x25519.Recipient.from_str(recipient)
        sealed: bytes = pyrage.encrypt(self.key, [to], armored=True)
        return sealed.decode()

    def _clear(self, value: Any) -> Any:
        for leaf in _leaves(value):
            self._mac.update(to_bytes(leaf))
        return tree_of(value)

    def _node(self, value: Any, path: tuple[str, ...]) -> Any:
        match value:
            case None:
                return None
            case Branch(items):
                return Branch(tuple((key, self._node(one, (*path, str(key)))) for key, one in items))
            case tuple():
                return tuple(self._node(one, path) for one in value)
            case _:
                self._mac.update(to_bytes(value))
                return encrypt(value, self.key, ":".join(path) + ":")


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for one in value.values() for leaf in _leaves(one)]
    return [leaf for one in value for leaf in _leaves(one)] if isinstance(value, list) else [value]


def as_yaml(branch: Branch) -> bytes:
    """Return a document as YAML, of which JSON is one way to write it."""
    return json.dumps(plain(branch), indent=2).encode()
