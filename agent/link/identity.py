"""Who the agent is to the hub: a key that never leaves this cluster, and the certificate over it.

State: one Secret in the agent's namespace. The key is saved before it is shown to anybody, so that an agent killed between asking and
saving asks again with the same key.
"""

import base64
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.kit.errors import Stalled
from agent.kube.api import Api, Object
from agent.kube.errors import NotFound
from agent.kube.resources import SECRETS
from agent.model.names import CLUSTER_URI, ClusterId

SECRET = "cartwheel-agent-identity"  # noqa: S105  (a name)
FIELD_MANAGER = "cartwheel-agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """PEM texts; certificate and CA are empty before enrolment. `token_id` is the first half of the join token that was used."""

    key: bytes = field(repr=False)
    certificate: bytes = b""
    ca: bytes = b""
    token_id: str = ""

    @property
    def is_enrolled(self) -> bool:
        return bool(self.certificate)

    @property
    def cluster(self) -> ClusterId:
        """Return the cluster that the certificate names. Raises Stalled when it names none."""
        names = _certificate(self).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
            if uri.startswith(CLUSTER_URI):
                return ClusterId(uri.removeprefix(CLUSTER_URI))
        raise Stalled(f"the certificate in Secret {SECRET} names no cluster; enrol anew", reason="NoIdentity")

    @property
    def lifetime(self) -> tuple[datetime, datetime]:
        """Return from when until when the certificate is good."""
        certificate = _certificate(self)
        return certificate.not_valid_before_utc, certificate.not_valid_after_utc

    def is_good_at(self, now: datetime) -> bool:
        """Tell whether there is a certificate that is good then."""
        if not self.is_enrolled:
            return False
        begin, end = self.lifetime
        return begin <= now < end

    def request(self) -> bytes:
        """Return a certificate signing request over the key."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cartwheel-agent")])
        builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
        return builder.sign(self._private_key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def sign(self, data: bytes) -> bytes:
        """Return a signature by the key."""
        return self._private_key().sign(data, ec.ECDSA(hashes.SHA256()))

    def _private_key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.key, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key


class IdentityStore:
    """The Secret that holds the credentials."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api = api
        self._namespace = namespace
        self._version = ""

    async def load(self) -> Credentials:
        """Return what is saved; a key is made and saved when there is none."""
        try:
            value = await self._api.get(SECRETS, self._namespace, SECRET)
        except NotFound:
            key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            fresh = Credentials(key=key)
            await self.save(fresh)
            return fresh
        self._version = value["metadata"]["resourceVersion"]
        data = {name: base64.b64decode(text) for name, text in (value.get("data") or {}).items()}
        if "tls.key" not in data:
            raise Stalled(
                f"Secret {self._namespace}/{SECRET} holds no key; delete it to enrol anew",
                reason="NoIdentity",
            )
        return Credentials(
            key=data["tls.key"],
            certificate=data.get("tls.crt", b""),
            ca=data.get("ca.crt", b""),
            token_id=data.get("token-id", b"").decode(),
        )

    async def save(self, credentials: Credentials) -> None:
        """Save durably, over what was loaded."""
        parts = {
            "tls.key": credentials.key,
            "tls.crt": credentials.certificate,
            "ca.crt": credentials.ca,
            "token-id": credentials.token_id.encode(),
        }
        metadata: Object = {
            "name": SECRET,
            "namespace": self._namespace,
            "labels": {"app.kubernetes.io/part-of": "cartwheel"},
        }
        body: Object = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": metadata,
            "data": {name: base64.b64encode(data).decode() for name, data in parts.items() if data},
        }
        if self._version:
            metadata["resourceVersion"] = self._version
            written = await self._api.replace(SECRETS, self._namespace, body, field_manager=FIELD_MANAGER)
        else:
            written = await self._api.create(SECRETS, self._namespace, body, field_manager=FIELD_MANAGER)
        self._version = written["metadata"]["resourceVersion"]

    async def enrolled(
        self, credentials: Credentials, certificate: bytes, ca: bytes, *, token_id: str = ""
    ) -> Credentials:
        """Save a certificate that the hub issued, for a join token, as a renewal or for a proof, and return the credentials with it."""
        credentials = replace(
            credentials,
            certificate=certificate,
            ca=ca or credentials.ca,
            token_id=token_id or credentials.token_id,
        )
        await self.save(credentials)
        return credentials


def _certificate(credentials: Credentials) -> x509.Certificate:
    return x509.load_pem_x509_certificates(credentials.certificate)[0]
