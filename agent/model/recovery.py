"""What an agent signs to get a certificate again: a statement that is good for one call of one listener. Pure."""

import hashlib

_PURPOSE = b"cartwheel.v1 recover"


def statement(challenge: bytes, certificate: bytes, server: str) -> bytes:
    """Return the bytes to sign, from the hub's challenge, the PEM that is shown and the server's name as it was dialled.

    The purpose comes first, for the key signs other things, too; each part follows its length, so that no other parts give the same bytes.
    """
    parts = (_PURPOSE, challenge, hashlib.sha256(certificate).digest(), server.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def server_name(address: str) -> str:
    """Return the host of `host:port`, as both ends write it."""
    return address.rpartition(":")[0].strip("[]").lower()
