"""Certificates for servers on loopback: kubectl shows its token to nobody who has none."""

import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = timedelta(days=365)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loopback:
    """A certificate for 127.0.0.1 that is its own authority. `ca` is what clients trust (PEM)."""

    context: ssl.SSLContext
    ca: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A key and a certificate that is its own authority (PEM)."""

    key: bytes
    certificate: bytes

    def into(self, context: ssl.SSLContext) -> None:
        """Have a context show it. The library reads keys from files only; this one is gone before anybody is met."""
        with tempfile.TemporaryDirectory(prefix="cartwheel-") as folder:
            chain = Path(folder) / "chain.pem"
            chain.touch(mode=0o600)
            chain.write_bytes(self.key + self.certificate)
            context.load_cert_chain(chain)


def loopback(now: datetime) -> Loopback:
    """Make a key and a certificate; one is enough for all servers of a process."""
    made = identity("cartwheel sandbox", now)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.into(context)
    return Loopback(context=context, ca=made.certificate.decode())


def identity(common_name: str, now: datetime, *, host: str = "localhost") -> Identity:
    """Make a key and a certificate in a name, for a host and for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host), address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Identity(key=secret, certificate=certificate.public_bytes(serialization.Encoding.PEM))
