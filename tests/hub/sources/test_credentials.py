import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from hub.sources.credentials import AuthOptions, InvalidCredentials, auth_options, refuse_unusable

KEY = ed25519.Ed25519PrivateKey.generate()


def openssh(cipher: bytes) -> bytes:
    content = b"openssh-key-v1\0" + len(cipher).to_bytes(4, "big") + cipher + b"\0" * 40
    lines = base64.encodebytes(content)
    return b"-----BEGIN OPENSSH PRIVATE KEY-----\n" + lines + b"-----END OPENSSH PRIVATE KEY-----\n"


LOCKED = {
    "openssh": openssh(b"aes256-ctr"),
    "pkcs8": KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    ),
    "pem": b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n",
}


def options(identity: bytes, password: str = "") -> AuthOptions:
    return AuthOptions(transport="ssh", host="example.com", identity=identity, password=password)


@pytest.mark.parametrize("identity", LOCKED.values(), ids=LOCKED)
def test_a_locked_key_needs_its_passphrase(identity: bytes) -> None:
    with pytest.raises(InvalidCredentials, match="its passphrase is required under 'password'"):
        refuse_unusable(options(identity))
    refuse_unusable(options(identity, password="secret"))


@pytest.mark.parametrize(
    "identity",
    [
        openssh(b"none"),
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ),
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nnot base64 !\n-----END OPENSSH PRIVATE KEY-----\n",
    ],
)
def test_an_open_key_needs_none(identity: bytes) -> None:
    refuse_unusable(options(identity))


def test_a_client_certificate_is_refused_by_name() -> None:
    given = auth_options("https://example.com", {"tls.crt": b"c", "tls.key": b"k"})
    with pytest.raises(InvalidCredentials, match=r"tls\.crt"):
        refuse_unusable(given)


def test_nothing_secret_is_shown() -> None:
    data = {"username": b"ada", "password": b"canary", "tls.key": b"canary", "identity": b"canary"}
    shown = [auth_options("https://u:canary@example.com", data), options(b"canary", "canary")]
    shown.append(auth_options("https://example.com", {"bearerToken": b"canary"}))
    assert "canary" not in repr(shown)


def test_a_token_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidCredentials, match="line break"):
        auth_options("https://example.com", {"bearerToken": b"token\n"})
