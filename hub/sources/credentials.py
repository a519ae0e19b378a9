"""What a Secret and a URL give to authenticate at a Git server. Pure; reads and checks, never connects.

Nothing of a value here may reach a log, an error or a status: `repr` shows field names only where they hold no secret.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from hub.model.urls import without_userinfo

DEFAULT_SSH_USER = "git"
OPENSSH_MAGIC = b"openssh-key-v1\0"
OPENSSH_NO_CIPHER = b"\0\0\0\x04none"
MTLS_REFUSED = (
    "client certificates (tls.crt and tls.key) are not supported for Git over HTTPS; "
    "use username and password or bearerToken, with ca.crt for a private authority"
)


class InvalidCredentials(ValueError):
    """The Secret, or the URL, does not hold what the transport needs. The text names the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Everything that one connection needs to authenticate; empty is absent.

    `password` is the passphrase of `identity` when the transport is ssh.
    """

    transport: str = ""
    host: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    bearer_token: str = field(default="", repr=False)
    identity: bytes = field(default=b"", repr=False)
    known_hosts: bytes = b""
    ca: bytes = b""
    client_certificate: bytes = b""
    client_key: bytes = field(default=b"", repr=False)

    @property
    def has_http_credentials(self) -> bool:
        """Tell whether something goes with requests that other hosts must not get."""
        return self.transport != "ssh" and bool(self.username or self.bearer_token)

    def check(self) -> None:
        """Raise InvalidCredentials when something is missing that the transport needs, or cannot be sent."""
        match self.transport:
            case "http" | "https":
                if any(ord(character) < 0x20 for character in self.bearer_token):
                    raise self._invalid("'bearerToken' holds a line break or another control character")
                if self.password and not self.username:
                    raise self._invalid("'password' requires 'username' to be set")
            case "ssh":
                for name in ("host", "identity", "known_hosts"):
                    if not getattr(self, name):
                        raise self._invalid(f"'{name}' is required")
            case "":
                raise InvalidCredentials("no transport type set")
            case other:
                raise InvalidCredentials(f"unknown transport type: {other}")

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown, as they are and as they travel."""
        return tuple(text for text in (self.password, self.bearer_token) if text)

    def _invalid(self, detail: str) -> InvalidCredentials:
        return InvalidCredentials(f"invalid '{self.transport}' auth option: {detail}")


def auth_options(url: str, data: Mapping[str, bytes]) -> AuthOptions:
    """Read what the transport of the URL uses of a Secret's data. Raises InvalidCredentials.

    Userinfo in the URL fills what the Secret leaves out.
    """
    try:
        parts = urlsplit(url)
        user, secret = unquote(parts.username or ""), unquote(parts.password or "")
        host = parts.netloc.rpartition("@")[2]
    except ValueError as problem:
        raise InvalidCredentials(f"{without_userinfo(url)!r} is not a URL: {problem}") from problem
    if parts.scheme == "ssh":
        options = _ssh_options(host, user, secret, data)
    else:
        options = _http_options(parts.scheme, host, (user, secret), data)
    options.check()
    return options


def _ssh_options(host: str, user: str, secret: str, data: Mapping[str, bytes]) -> AuthOptions:
    return AuthOptions(
        transport="ssh",
        host=host,
        username=user or DEFAULT_SSH_USER,
        password=_text(data, "password") or secret,
        identity=data.get("identity", b""),
        known_hosts=data.get("known_hosts", b""),
    )


def _http_options(
    transport: str, host: str, userinfo: tuple[str, str], data: Mapping[str, bytes]
) -> AuthOptions:
    bearer = _text(data, "bearerToken")
    # A token makes the Secret's own user and password moot, but not what the author wrote into the URL.
    username, password = ("", "") if bearer else (_text(data, "username"), _text(data, "password"))
    return AuthOptions(
        transport=transport,
        host=host,
        username=username or userinfo[0],
        password=password or userinfo[1],
        bearer_token=bearer,
        ca=data.get("ca.crt", b"") or data.get("caFile", b""),
        client_certificate=data.get("tls.crt", b""),
        client_key=data.get("tls.key", b""),
    )


def refuse_unusable(options: AuthOptions) -> None:
    """Raise InvalidCredentials for a client certificate, which the Git transport cannot present, and for a locked key."""
    if options.client_certificate or options.client_key:
        raise InvalidCredentials(MTLS_REFUSED)
    if options.identity and not options.password and _is_encrypted(options.identity):
        raise InvalidCredentials("'identity' is encrypted: its passphrase is required under 'password'")


def _is_encrypted(identity: bytes) -> bool:
    if b"ENCRYPTED" in identity:
        return True
    _, _, rest = identity.partition(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    if not rest:
        return False
    try:
        content = base64.b64decode(b"".join(rest.partition(b"-----")[0].split()), validate=True)
    except binascii.Error:
        return False
    # RFC 4251 string after the magic: the cipher's name.
    return content.startswith(OPENSSH_MAGIC) and not content.startswith(OPENSSH_MAGIC + OPENSSH_NO_CIPHER)


def _text(data: Mapping[str, bytes], key: str) -> str:
    raw = data.get(key, b"")
    try:
        return raw.decode()
    except UnicodeDecodeError as problem:
        raise InvalidCredentials(f"key '{key}' is not valid UTF-8") from problem
