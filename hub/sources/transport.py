"""What Secrets say of the way to a server: certificates to show and to trust, and a proxy. Pure; connects nowhere."""

import contextlib
import os
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit, urlunsplit

CA, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"
_LEGACY = {CA: "caFile", CERTIFICATE: "certFile", KEY: "keyFile"}
_PROXY_SCHEMES = ("http", "https", "socks5")
_MAX_PROXY_ADDRESS = 2048


class InvalidTransport(ValueError):
    """A Secret does not hold what a connection needs. The text shows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """In PEM form: our certificate with its key, and the authorities to trust beside the system's; empty is absent."""

    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    authorities: bytes = b""


def certificates(data: Mapping[str, bytes], name: str) -> Certificates:
    """Read the data of a Secret of that name, its legacy keys too. Raises InvalidTransport."""
    found = {key: data.get(key) or data.get(legacy, b"") for key, legacy in _LEGACY.items()}
    for one, other in ((CERTIFICATE, KEY), (KEY, CERTIFICATE)):
        if found[one] and not found[other]:
            raise InvalidTransport(f"secret '{name}' contains '{one}' but missing '{other}'")
    if not any(found.values()):
        raise InvalidTransport(
            f"secret '{name}' must contain either '{CA}' or both '{CERTIFICATE}' and '{KEY}'"
        )
    return Certificates(certificate=found[CERTIFICATE], key=found[KEY], authorities=found[CA])


def tls(given: Certificates) -> ssl.SSLContext:
    """Return what to connect with: the system's authorities and these. Raises InvalidTransport."""
    context = ssl.create_default_context()
    try:
        if given.authorities:
            context.load_verify_locations(cadata=given.authorities.decode())
    except (ssl.SSLError, ValueError) as problem:
        raise InvalidTransport(
            f"failed to parse CA certificate: key '{CA}' holds no certificates in PEM form"
        ) from problem
    try:
        if given.certificate:
            with _in_memory(given.certificate) as certificate, _in_memory(given.key) as key:
                # Without the password an encrypted key would be asked for at a terminal.
                context.load_cert_chain(certificate, key, password=b"")
    except (ssl.SSLError, OSError, ValueError) as problem:
        raise InvalidTransport(
            f"failed to parse TLS certificate and key: '{CERTIFICATE}' and '{KEY}' are no pair in PEM form"
        ) from problem
    return context


def unverified_tls() -> ssl.SSLContext:
    """Return what to connect with to a server that may be anybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where requests go through. The address holds the credentials."""

    address: str = field(repr=False)

    @property
    def is_socks(self) -> bool:
        return self.address.startswith("socks5:")

    def secrets(self) -> tuple[str, ...]:
        """Return the texts that must never be shown."""
        password = urlsplit(self.address).password
        return (password,) if password else ()


def proxy(data: Mapping[str, bytes], name: str) -> Proxy:
    """Read the data of a Secret of that name. Raises InvalidTransport."""
    if "address" not in data:
        raise InvalidTransport(f"secret '{name}': key 'address' not found")
    address, username, password = (
        data.get(key, b"").decode("utf-8", "replace").strip() for key in ("address", "username", "password")
    )
    if not address:
        raise InvalidTransport(f"secret '{name}': proxy address is empty")
    if len(address) > _MAX_PROXY_ADDRESS:
        raise InvalidTransport(
            f"secret '{name}': proxy URL exceeds maximum length of {_MAX_PROXY_ADDRESS} characters"
        )
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as problem:
        raise InvalidTransport(f"secret '{name}': failed to parse proxy address") from problem
    if address.startswith(":"):
        raise InvalidTransport(f"secret '{name}': failed to parse proxy address: missing protocol scheme")
    if parts.scheme not in _PROXY_SCHEMES:
        raise InvalidTransport(
            f"secret '{name}': proxy URL must use one of the supported schemes ({', '.join(_PROXY_SCHEMES)}), got '{parts.scheme}'"
        )
    if not parts.hostname:
        raise InvalidTransport(f"secret '{name}': proxy URL must have a host")
    if username:
        given = quote(username, safe="") + (f":{quote(password, safe='')}" if password else "")
        parts = parts._replace(netloc=f"{given}@{parts.netloc.rpartition('@')[2]}")
    return Proxy(address=urlunsplit(parts))


@contextlib.contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Give a name under which a library can read the content, which no disk ever holds."""
    with os.fdopen(os.memfd_create("pem"), "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}"
