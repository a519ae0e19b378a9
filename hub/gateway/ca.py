"""The certificate authority of the fleet: issues what agents and listeners show. Pure but for the clock that is handed in.

The CA's key lives in a Secret of the hub's namespace. A certificate names its cluster by a URI; who may use it is decided elsewhere.
"""

import hashlib
import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.kit.errors import Stalled
from agent.model.names import CLUSTER_URI, ClusterId

SKEW = timedelta(minutes=5)
CA_LIFETIME = timedelta(days=3650)


class RequestRefused(Stalled):
    """A certificate signing request is not acceptable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate with its key's fingerprint and its end; `key` only for keys made here."""

    certificate: bytes
    fingerprint: str
    not_after: datetime
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a certificate of this authority names, by which key, and until when."""

    cluster: ClusterId
    key: ec.EllipticCurvePublicKey
    not_after: datetime

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.key)

    def has_signed(self, signature: bytes, data: bytes) -> bool:
        """Tell whether the certificate's key signed this."""
        try:
            self.key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class Authority:
    """A CA certificate with its key, PEM."""

    def __init__(self, certificate: bytes, key: bytes) -> None:
        loaded = serialization.load_pem_private_key(key, None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise Stalled("the CA's key is not an elliptic curve key", reason="InvalidCA")
        self.certificate = certificate
        self._key = loaded
        self._own = x509.load_pem_x509_certificate(certificate)

    def issue_agent(
        self, request: bytes, cluster: ClusterId, *, now: datetime, lifetime: timedelta
    ) -> Issued:
        """Certify the key of a request for a cluster. Nothing else of the request counts. Raises RequestRefused."""
        return self._certify(request_key(request), cluster, now, lifetime)

    def issue_again(self, holder: Holder, *, now: datetime, lifetime: timedelta) -> Issued:
        """Certify the same key for the same cluster."""
        return self._certify(holder.key, holder.cluster, now, lifetime)

    def holder(self, certificate: bytes) -> Holder:
        """Return whom a certificate names that this authority issued, even if it has ended. Raises RequestRefused for any other."""
        try:
            parsed = x509.load_pem_x509_certificate(certificate)
            # First: until then it is whatever somebody wrote.
            parsed.verify_directly_issued_by(self._own)
            cluster, _, not_after = read_certificate(certificate)
            key = parsed.public_key()
        except (
            ValueError,
            TypeError,
            InvalidSignature,
            UnsupportedAlgorithm,
            x509.ExtensionNotFound,
        ) as problem:
            raise RequestRefused(
                "the certificate is none of this fleet; enrol again with `hub cluster add NAME --context CONTEXT`",
                reason="CertificateUnknown",
            ) from problem
        if cluster is None or not isinstance(key, ec.EllipticCurvePublicKey):
            raise RequestRefused("the certificate names no cluster", reason="NoIdentity")
        return Holder(cluster=cluster, key=key, not_after=not_after)

    def issue_server(self, hosts: tuple[str, ...], *, now: datetime, lifetime: timedelta) -> Issued:
        """Make a key and certify it for the hub's listeners under some names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(
            key.public_key(), "cartwheel hub", [_host(one) for one in hosts], now, lifetime
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        issued = self._sign(builder.add_extension(usage, critical=False), key.public_key())
        return Issued(
            certificate=issued.certificate,
            fingerprint=issued.fingerprint,
            not_after=issued.not_after,
            key=_pem(key),
        )

    def _certify(
        self, key: CertificatePublicKeyTypes, cluster: ClusterId, now: datetime, lifetime: timedelta
    ) -> Issued:
        uri = x509.UniformResourceIdentifier(CLUSTER_URI + cluster)
        builder = self._builder(key, f"cluster {cluster}", [uri], now, lifetime)
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return self._sign(builder.add_extension(usage, critical=False), key)

    def _builder(
        self,
        key: CertificatePublicKeyTypes,
        name: str,
        names: list[x509.GeneralName],
        now: datetime,
        lifetime: timedelta,
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(self._own.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            # Clocks differ a little; a lifetime shorter than the allowance is for tests and starts now.
            .not_valid_before(now - min(SKEW, lifetime / 10))
            .not_valid_after(now + lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
        )

    def _sign(self, builder: x509.CertificateBuilder, key: CertificatePublicKeyTypes) -> Issued:
        signed = builder.sign(self._key, hashes.SHA256())
        return Issued(
            certificate=signed.public_bytes(serialization.Encoding.PEM),
            fingerprint=fingerprint(key),
            not_after=signed.not_valid_after_utc,
        )


def make_authority(*, now: datetime) -> tuple[bytes, bytes]:
    """Return the certificate and key of a new CA, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cartwheel")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + CA_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), _pem(key)


def request_key(request: bytes) -> CertificatePublicKeyTypes:
    """Return the public key of a signing request whose signature proves that the asker has the private one."""
    try:
        parsed = x509.load_pem_x509_csr(request)
        key = parsed.public_key()
        # Before the signature is checked: anybody may ask, and with a key of another kind that can take seconds.
        if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
            raise RequestRefused("the key must be on the curve P-256", reason="RequestInvalid")
        if not parsed.is_signature_valid:
            raise InvalidSignature
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm, InvalidSignature) as problem:
        raise RequestRefused(
            "the certificate signing request is not valid", reason="RequestInvalid"
        ) from problem
    return key


def fingerprint(key: CertificatePublicKeyTypes) -> str:
    """Return `SHA256:<hex>` of a public key."""
    data = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + hashlib.sha256(data).hexdigest()


def key_fingerprint(pem: bytes) -> str:
    """Return the fingerprint of a private key's public half. Raises ValueError."""
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("not a key on an elliptic curve")
    return fingerprint(key.public_key())


def read_certificate(pem: bytes) -> tuple[ClusterId | None, str, datetime]:
    """Return the cluster that a certificate names, its key's fingerprint and its end."""
    certificate = x509.load_pem_x509_certificate(pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    found = next((uri.removeprefix(CLUSTER_URI) for uri in uris if uri.startswith(CLUSTER_URI)), None)
    key = certificate.public_key()
    return (
        None if found is None else ClusterId(found),
        fingerprint(key),
        certificate.not_valid_after_utc,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
