"""Single values as SOPS writes them: `ENC[AES256_GCM,data:...,iv:...,tag:...,type:...]`, base64 but for the type. Pure."""

import base64
import binascii
import re
from decimal import Decimal
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.build.sops.errors import SopsFailed
from hub.build.sops.tree import Comment, Leaf, Timestamp

_BASE64: Final = "[A-Za-z0-9+/=]+"
_ENCRYPTED = re.compile(rf"ENC\[AES256_GCM,data:({_BASE64}),iv:({_BASE64}),tag:({_BASE64}),type:([a-z]+)\]\Z")
_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


def is_encrypted(text: str) -> bool:
    """Tell whether a text is a value that SOPS encrypted."""
    return _ENCRYPTED.match(text) is not None


def decrypt(text: str, key: bytes, path: str) -> Leaf | Comment:
    """Return the value that stands encrypted at a path, which goes with the ciphertext. Raises SopsFailed."""
    if not text:
        return ""
    found = _ENCRYPTED.match(text)
    if found is None:
        raise SopsFailed("it does not match sops' data format")
    try:
        data, nonce, tag = (base64.b64decode(part, validate=True) for part in found.groups()[:3])
        clear = AESGCM(key).decrypt(nonce, data + tag, path.encode("utf-8", "surrogateescape"))
    except (binascii.Error, ValueError, InvalidTag) as problem:
        raise SopsFailed(
            "it does not decrypt: it was changed, moved or encrypted with another key"
        ) from problem
    return _typed(found[4], clear)


def _typed(type_: str, clear: bytes) -> Leaf | Comment:
    text = clear.decode("utf-8", "surrogateescape")
    try:
        match type_:
            case "str":
                return text
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return _BOOLEANS[text]
            case "bytes":
                return clear
            case "time":
                return Timestamp(text)
            case "comment":
                return Comment(text)
            case _:
                raise SopsFailed(f"unknown datatype: {type_}")
    except (ValueError, KeyError):
        # What Python says quotes the value.
        raise SopsFailed(f"it is no {type_}, though it says so") from None


def to_bytes(value: Leaf | Comment) -> bytes:
    """Return what a value adds to the MAC."""
    match value:
        case None:
            return b""
        case bytes():
            return value
        case bool():
            return b"True" if value else b"False"
        case int():
            return str(value).encode()
        case float():
            return decimal(value).encode()
        case Comment(text):
            return text.encode("utf-8", "surrogateescape")
        case _:
            return value.encode("utf-8", "surrogateescape")


def decimal(value: float) -> str:
    """Write a number with the fewest digits that read as the same, and without an exponent."""
    text = f"{Decimal(repr(value)):f}"
    return text.removesuffix(".0")


def general(value: float) -> str:
    """Write a number as Go's format `g` does: with an exponent from a million on and below a ten thousandth."""
    digits, _, exponent = f"{Decimal(repr(value)).normalize():e}".partition("e")
    size = int(exponent)
    return decimal(value) if -4 <= size < 6 else f"{digits}e{size:+03d}"
