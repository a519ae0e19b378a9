"""From the entries of a Secret to the services that it has credentials for. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from agent.kit.clock import Clock
from hub.build import kubeyaml
from hub.build.key_services.asking import KeyService
from hub.build.key_services.aws_kms import AwsKms, Credentials
from hub.build.key_services.azure_kv import AUTHORITY, Application, AzureKeyVault
from hub.build.key_services.gcp_kms import GcpKms, ServiceAccount
from hub.build.key_services.vault import VaultTransit
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import ENTRIES
from hub.build.sops.metadata import KeyKind

_VAULT: Final = ENTRIES[KeyKind.VAULT]
_AWS: Final = ENTRIES[KeyKind.AWS_KMS]
_GCP: Final = ENTRIES[KeyKind.GCP_KMS]
_TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105
_AZURE: Final = ENTRIES[KeyKind.AZURE_KEY_VAULT]
_FIELDS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How services are asked; the endpoints are for those that are not the makers' own."""

    clock: Clock
    timeout_s: float
    aws_endpoint: str = ""
    gcp_endpoint: str = ""


def services_of(entries: Mapping[str, bytes], asking: Asking) -> dict[KeyKind, KeyService]:
    """Return them by the kind of their keys. Raises SopsFailed, naming the entry."""
    found: dict[KeyKind, KeyService] = {}
    if _VAULT in entries:
        token = entries[_VAULT].decode("latin-1").strip()
        if not (token and token.isascii() and token.isprintable()):
            raise SopsFailed(f"'{_VAULT}' holds no token")
        found[KeyKind.VAULT] = VaultTransit(token=token, timeout_s=asking.timeout_s)
    if _AWS in entries:
        found[KeyKind.AWS_KMS] = AwsKms(
            credentials=_aws(entries[_AWS]),
            clock=asking.clock,
            timeout_s=asking.timeout_s,
            endpoint=asking.aws_endpoint,
        )
    if _GCP in entries:
        found[KeyKind.GCP_KMS] = GcpKms(
            _gcp(entries[_GCP]), clock=asking.clock, timeout_s=asking.timeout_s, endpoint=asking.gcp_endpoint
        )
    if _AZURE in entries:
        found[KeyKind.AZURE_KEY_VAULT] = AzureKeyVault(_azure(entries[_AZURE]), timeout_s=asking.timeout_s)
    return found


def _azure(content: bytes) -> Application:
    try:
        value = kubeyaml.load(content)
    except kubeyaml.YAMLInvalid as problem:
        raise SopsFailed(f"'{_AZURE}' is no YAML: {problem}") from None
    given = value if isinstance(value, dict) else {}
    # The second names are those that Azure's own command writes for a service principal.
    names = (("tenantId", "tenant"), ("clientId", "appId"), ("clientSecret", "password"))
    found = [given.get(name) or given.get(other) for name, other in names]
    texts = [one for one in (*found, given.get("authorityHost") or AUTHORITY) if isinstance(one, str)]
    if len(texts) != len(names) + 1:
        raise SopsFailed(
            f"'{_AZURE}' needs tenantId, clientId and clientSecret, as text; others are not supported"
        )
    tenant, id_, secret, authority = texts
    if not authority.startswith(("https://", "http://")):
        raise SopsFailed(f"the authorityHost in '{_AZURE}' is no address")
    return Application(tenant=tenant, id=id_, secret=secret, authority=authority)


def _gcp(content: bytes) -> ServiceAccount:
    # Other types name files and programs of the hub's own machine.
    try:
        value = json.loads(content)
        if value["type"] != "service_account":
            raise ValueError
        key = load_pem_private_key(value["private_key"].encode(), None)
        if not isinstance(key, RSAPrivateKey):
            raise ValueError
        uri, email = value.get("token_uri") or _TOKEN_URI, value["client_email"]
        if not isinstance(email, str) or not uri.startswith(("https://", "http://")):
            raise ValueError
        return ServiceAccount(
            email=email, key=key, key_id=str(value.get("private_key_id") or ""), token_uri=uri
        )
    except (ValueError, KeyError, TypeError, AttributeError, UnsupportedAlgorithm):
        raise SopsFailed(f"'{_GCP}' holds no key of a service account, as JSON") from None


def _aws(content: bytes) -> Credentials:
    try:
        value = kubeyaml.load(content)
    except kubeyaml.YAMLInvalid as problem:
        raise SopsFailed(f"'{_AWS}' is no YAML: {problem}") from None
    given = [value.get(name) or "" for name in _FIELDS] if isinstance(value, dict) else []
    if (
        not given
        or not all(isinstance(one, str) and one.isascii() and one.isprintable() for one in given)
        or not all(given[:2])
    ):
        raise SopsFailed(f"'{_AWS}' needs {_FIELDS[0]} and {_FIELDS[1]}, as text")
    return Credentials(id=given[0], secret=given[1], session=given[2])
