"""Decrypts the values of a tree, and computes its MAC on the way. Pure."""

import hashlib
from typing import Any, Final

from hub.build.sops.errors import SopsFailed
from hub.build.sops.metadata import Metadata
from hub.build.sops.tree import Branch, Comment
from hub.build.sops.values import decrypt, is_encrypted, to_bytes

Path = tuple[str, ...]

# What begins a MAC of encrypted values alone, so that it differs from one of all values: the SHA-256 of `sops`.
_OF_ENCRYPTED: Final = hashlib.sha256(b"sops").digest()


class Decryption:
    """One walk over the branches of one document, in their order."""

    def __init__(self, metadata: Metadata, key: bytes) -> None:
        self._metadata = metadata
        self._key = key
        self._mac = hashlib.sha512(_OF_ENCRYPTED if metadata.is_mac_of_encrypted else b"")

    @property
    def is_intact(self) -> bool:
        """Tell whether the MAC of what was walked over is the document's."""
        try:
            stated = decrypt(self._metadata.mac, self._key, self._metadata.modified)
        except SopsFailed:
            return False
        return stated == self._mac.hexdigest().upper()

    def branch(self, branch: Branch, path: Path = (), *, is_named: bool = False) -> Branch:
        """Decrypt what is below some keys. Raises SopsFailed, naming the place of the first value that does not decrypt.

        `is_named`: the document's rule names one of the keys.
        """
        return Branch(tuple(self._item(key, value, path, is_named) for key, value in branch.items))

    def _item(self, key: str | Comment, value: Any, path: Path, is_named: bool) -> tuple[str | Comment, Any]:
        if isinstance(key, Comment):
            return self.comment(key, path), value
        return key, self._value(value, (*path, key), is_named or self._metadata.rule.names(key))

    def _value(self, value: Any, path: Path, is_named: bool) -> Any:
        match value:
            case None:
                return None
            case Branch():
                return self.branch(value, path, is_named=is_named)
            case tuple():
                # A list adds nothing to the path.
                return tuple(self._value(one, path, is_named) for one in value)
            case Comment():
                return self.comment(value, path)
            case _:
                return self._leaf(value, path, is_named)

    def comment(self, comment: Comment, path: Path) -> Comment:
        """Decrypt a comment if it is encrypted for this place; it does not count for the MAC."""
        if not is_encrypted(comment.text):
            return comment
        try:
            clear = decrypt(comment.text, self._key, _joined(path))
        except SopsFailed:
            # As SOPS does: older versions of it left comments alone, and nobody misses one.
            return comment
        return clear if isinstance(clear, Comment) else Comment(str(clear))

    def _leaf(self, value: Any, path: Path, is_named: bool) -> Any:
        encrypts = self._metadata.rule.encrypts(is_named=is_named)
        if encrypts is None:
            encrypts = isinstance(value, str) and is_encrypted(value)
        clear = value
        if encrypts:
            try:
                clear = decrypt(value, self._key, _joined(path)) if isinstance(value, str) else _refuse(value)
            except SopsFailed as problem:
                raise SopsFailed(f"could not decrypt the value of {'.'.join(path)}: {problem}") from problem
        if encrypts or not self._metadata.is_mac_of_encrypted:
            self._mac.update(to_bytes(clear))
        return clear


def _refuse(value: Any) -> Any:
    raise SopsFailed(f"an encrypted value must be text, and it is {type(value).__name__}")


def _joined(path: Path) -> str:
    return ":".join(path) + ":"
