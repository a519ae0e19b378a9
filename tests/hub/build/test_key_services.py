"""Keys that services keep: what they open is decrypted with, what they refuse is told, and nothing of a key or a credential is."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from agent.kit.clock import SystemClock
from e2e.servers.key_services import ARN, RESOURCE, Azure, Gcp, Kms, Vault, serving
from hub.build.decrypt import Decryption, Opening, with_keys
from hub.build.errors import BuildFailed
from hub.build.key_services.azure_kv import AzureKeyVault, scope_of
from hub.build.key_services.credentials import Asking, services_of
from hub.build.render import Rendered
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import Keyring
from hub.build.sops.metadata import KeyKind
from tests.hub.build.sops.sealing import Sealing, identity
from tests.hub.hand import at_once

CANARY = "canary-8e21"
CLEAR = ("apiVersion", "kind", "metadata")
AWS = b"aws_access_key_id: AKIATESTS\naws_secret_access_key: secret/of+tests\n"

Entry = dict[str, Any]


def sealed(kind: str, *entries: Entry, sealing: Sealing | None = None) -> Rendered:
    """Return a resource whose key a service has."""
    sealing = sealing or Sealing([])
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": CANARY}}
    found = sealing.object(value, clear=CLEAR)
    found["sops"][kind] = list(entries)
    return Rendered(text="", object=found)


def by_vault(vault: Vault, address: str) -> Rendered:
    sealing = Sealing([])
    entry = {
        "vault_address": address,
        "engine_path": "transit",
        "key_name": "sops",
        "created_at": "2026-01-02T03:04:05Z",
    }
    return sealed("hc_vault", entry | {"enc": "vault:v1:" + vault.kept.seal(sealing.key)}, sealing=sealing)


def by_kms(kms: Kms, **more: Any) -> Rendered:
    sealing = Sealing([])
    beside = json.dumps(more.get("context") or {}, sort_keys=True).encode()
    return sealed("kms", {"arn": ARN, "enc": kms.kept.seal(sealing.key, beside), **more}, sealing=sealing)


def by_gcp(gcp: Gcp) -> Rendered:
    sealing = Sealing([])
    entry = {"resource_id": RESOURCE, "enc": gcp.kept.seal(sealing.key, RESOURCE.encode())}
    return sealed("gcp_kms", entry, sealing=sealing)


async def opened(
    entries: Mapping[str, bytes], *rendered: Rendered, aws: str = "", gcp: str = "", timeout_s: float = 5.0
) -> list[Any]:
    asking = Asking(
        clock=SystemClock(), timeout_s=timeout_s, aws_endpoint=aws and f"{aws}/", gcp_endpoint=gcp
    )
    services = services_of(entries, asking)
    decryption = Decryption(keys=Keyring.of(entries, services), identity="1", services=services)
    opening = Opening(decryption)
    found = await with_keys(decryption, at_once, lambda: opening.resources(rendered, {}))
    return [one.object["data"]["a"] for one in found]


async def test_vault_opens_what_its_token_may() -> None:
    vault = Vault()
    async with serving(vault) as address:
        entries = {"sops.vault-token": b"token-of-tests\n"}
        one, another = by_vault(vault, address), by_vault(vault, address)
        assert await opened(entries, one, another, one) == [CANARY] * 3
    # Once for each key, whatever the number of resources.
    assert vault.asked == ["decrypt", "decrypt"]


async def test_vault_refuses_a_stranger() -> None:
    vault = Vault()
    async with serving(vault) as address:
        with pytest.raises(
            BuildFailed, match=r"hc_vault http://127.0.0.1:\d+: it answered 403: permission denied"
        ) as refused:
            await opened({"sops.vault-token": b"another-token"}, by_vault(vault, address))
    assert "another-token" not in str(refused.value)


@pytest.mark.parametrize("context", [None, {"app": "web", "team": "a"}])
async def test_kms_opens_what_its_access_key_may(context: dict[str, str] | None) -> None:
    kms = Kms()
    async with serving(kms) as address:
        assert await opened({"sops.aws-kms": AWS}, by_kms(kms, context=context), aws=address) == [CANARY]


async def test_kms_is_asked_with_the_token_of_a_session() -> None:
    kms = Kms(session="a-session")
    async with serving(kms) as address:
        entries = {"sops.aws-kms": AWS + b"aws_session_token: a-session\n"}
        assert await opened(entries, by_kms(kms), aws=address) == [CANARY]


async def test_kms_refuses_a_wrong_signature() -> None:
    kms = Kms()
    async with serving(kms) as address:
        entries = {"sops.aws-kms": AWS.replace(b"secret/of+tests", b"another-secret")}
        with pytest.raises(
            BuildFailed, match=f"kms {ARN}: it answered 400 InvalidSignatureException"
        ) as refused:
            await opened(entries, by_kms(kms), aws=address)
    assert "another-secret" not in str(refused.value)


async def test_a_role_to_assume_is_refused_by_name() -> None:
    with pytest.raises(BuildFailed, match="names a role to assume, which is not supported"):
        await opened({"sops.aws-kms": AWS}, by_kms(Kms(), role="arn:aws:iam::1:role/a"))


async def test_google_opens_what_the_service_account_may() -> None:
    gcp = Gcp()
    async with serving(gcp) as address:
        entries = {"sops.gcp-kms": gcp.account(address)}
        assert await opened(entries, by_gcp(gcp), by_gcp(gcp), gcp=address) == [CANARY] * 2
    # One token for all.
    assert gcp.asked == ["token", "decrypt", "decrypt"]


async def test_google_refuses_another_service_account() -> None:
    gcp, another = Gcp(), Gcp()
    async with serving(gcp) as address:
        entries = {"sops.gcp-kms": another.account(address)}
        with pytest.raises(BuildFailed, match="the service account gets no token: 400 Invalid JWT Signature"):
            await opened(entries, by_gcp(gcp), gcp=address)


async def test_google_does_not_open_what_is_encrypted_with_another_key() -> None:
    gcp, another = Gcp(), Gcp()
    async with serving(gcp) as address:
        entries = {"sops.gcp-kms": gcp.account(address)}
        with pytest.raises(
            BuildFailed, match=f"gcp_kms {RESOURCE}: it answered 400: Decryption failed: verify that"
        ):
            await opened(entries, by_gcp(another), gcp=address)


AZURE = b"tenantId: tenant\nclientId: app\nclientSecret: secret&of=tests\n"


async def opened_by_azure(vault: Azure, address: str, entry: bytes, **facts: str) -> list[Any]:
    """Open two resources; a vault on loopback passes for one of Azure."""
    kind = KeyKind.AZURE_KEY_VAULT
    entries = {"sops.azure-kv": entry + f"authorityHost: {address}\n".encode()}
    application = vars(services_of(entries, Asking(clock=SystemClock(), timeout_s=5))[kind])["_application"]
    services = {
        kind: AzureKeyVault(application, timeout_s=5, scope=lambda _: "https://vault.azure.net/.default")
    }
    decryption = Decryption(keys=Keyring.of({}, services), identity="1", services=services)
    rendered = []
    for _ in range(2):
        sealing = Sealing([])
        known = {"vault_url": address, "name": "sops", "version": "1a", "enc": vault.seal(sealing.key)}
        rendered.append(sealed("azure_kv", known | facts, sealing=sealing))
    opening = Opening(decryption)
    found = await with_keys(decryption, at_once, lambda: opening.resources(rendered, {}))
    return [one.object["data"]["a"] for one in found]


async def test_azure_opens_what_the_application_may() -> None:
    vault = Azure()
    async with serving(vault) as address:
        assert await opened_by_azure(vault, address, AZURE) == [CANARY] * 2
    assert vault.asked == ["token", "decrypt", "decrypt"]


async def test_azure_refuses_a_wrong_secret_and_a_wrong_key() -> None:
    vault = Azure()
    async with serving(vault) as address:
        with pytest.raises(
            BuildFailed, match="the application gets no token: 401 AADSTS7000215: Invalid client secret"
        ) as refused:
            await opened_by_azure(vault, address, AZURE.replace(b"&of", b"-of"))
        assert "secret-of" not in str(refused.value)
        with pytest.raises(BuildFailed, match=r"it answered 400: Failed to decrypt the value\."):
            await opened_by_azure(vault, address, AZURE, enc=Azure().seal(b"x"))
        with pytest.raises(BuildFailed, match="the document names no key of a vault"):
            await opened_by_azure(vault, address, AZURE, name="../secrets/x")


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("https://v.vault.azure.net/", "https://vault.azure.net/.default"),
        ("https://v.managedhsm.azure.net", "https://managedhsm.azure.net/.default"),
        ("https://v.vault.azure.cn", "https://vault.azure.cn/.default"),
        ("https://v.vault.azure.net.evil.example", None),
        ("https://v.vault.azure.net@evil.example", None),
        ("http://v.vault.azure.net", None),
        ("https://evilvault.azure.net", None),
        ("https://127.0.0.1", None),
    ],
)
def test_a_token_is_shown_to_azures_vaults_alone(url: str, scope: str | None) -> None:
    assert scope_of(url) == scope


async def test_a_service_that_is_away_is_told() -> None:
    vault = Vault()
    async with serving(vault) as address:
        one = by_vault(vault, address)
    with pytest.raises(BuildFailed, match="it cannot be reached: ClientConnectorError"):
        await opened({"sops.vault-token": b"token-of-tests"}, one)


async def test_without_credentials_the_entry_is_named() -> None:
    with pytest.raises(
        BuildFailed, match=r"put them into the entry sops.vault-token of the decryption Secret"
    ):
        await opened({}, by_vault(Vault(), "http://127.0.0.1:1"))
    with pytest.raises(BuildFailed, match="keys of this kind are not supported by this version of Cartwheel"):
        await opened({}, sealed("hckms", {"key_id": "a:b", "enc": "x"}))


async def test_an_answer_that_is_none_is_refused_without_being_shown() -> None:
    class Chatty(Vault):
        def _data(self, **data: str) -> Any:
            response = super()._data()
            response.text = CANARY
            return response

    vault = Chatty()
    async with serving(vault) as address:
        with pytest.raises(BuildFailed, match="it answered 200, and not as Vault does") as refused:
            await opened({"sops.vault-token": b"token-of-tests"}, by_vault(vault, address))
    assert CANARY not in str(refused.value)


async def test_who_has_another_key_of_the_group_asks_nobody() -> None:
    key, recipient = identity()
    vault = Vault()
    async with serving(vault) as address:
        sealing = Sealing([recipient])
        entry = {"vault_address": address, "engine_path": "transit", "key_name": "sops", "enc": "vault:v1:x"}
        one = sealed("hc_vault", entry, sealing=sealing)
        assert await opened({"a.agekey": key.encode(), "sops.vault-token": b"t"}, one) == [CANARY]
    assert vault.asked == []


async def test_the_next_key_of_a_group_is_asked_for_when_the_first_is_refused() -> None:
    vault, other = Vault(), Vault(token="another")
    async with serving(vault) as address, serving(other) as elsewhere:
        sealing = Sealing([])
        entry = {
            "engine_path": "transit",
            "key_name": "sops",
            "enc": "vault:v1:" + vault.kept.seal(sealing.key),
        }
        one = sealed(
            "hc_vault",
            entry | {"vault_address": elsewhere},
            entry | {"vault_address": address},
            sealing=sealing,
        )
        assert await opened({"sops.vault-token": b"token-of-tests"}, one) == [CANARY]
    assert other.asked == ["decrypt"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"sops.vault-token": b" \n"}, "'sops.vault-token' holds no token"),
        ({"sops.vault-token": b"a\nb"}, "'sops.vault-token' holds no token"),
        ({"sops.aws-kms": b"a: ["}, "'sops.aws-kms' is no YAML"),
        (
            {"sops.aws-kms": b"aws_access_key_id: a"},
            "'sops.aws-kms' needs aws_access_key_id and aws_secret_access_key",
        ),
        (
            {"sops.gcp-kms": b'{"type": "external_account", "credential_source": {"file": "/etc/passwd"}}'},
            "'sops.gcp-kms' holds no key of a service account",
        ),
        (
            {"sops.gcp-kms": b'{"type": "service_account", "private_key": "x", "client_email": "e"}'},
            "'sops.gcp-kms' holds no key",
        ),
        (
            {"sops.azure-kv": b"tenantId: a\nclientId: b\nclientCertificate: c"},
            "'sops.azure-kv' needs tenantId, clientId and clientSecret",
        ),
        (
            {"sops.azure-kv": AZURE + b"authorityHost: file:///etc"},
            "the authorityHost in 'sops.azure-kv' is no address",
        ),
        ({"sops.aws-kms": b"[]"}, "'sops.aws-kms' needs aws_access_key_id and aws_secret_access_key"),
    ],
)
def test_credentials_that_are_none_are_refused(entries: dict[str, bytes], message: str) -> None:
    with pytest.raises(SopsFailed, match=message):
        services_of(entries, Asking(clock=SystemClock(), timeout_s=1))


async def test_a_file_whose_key_has_to_be_asked_for_is_checked_all_the_same() -> None:
    key, recipient = identity()
    vault = Vault()
    async with serving(vault) as address:
        sealing = Sealing([recipient])
        one = sealed("hc_vault", sealing=sealing)
        entry = {"vault_address": address, "engine_path": "transit", "key_name": "sops"}
        entry["enc"] = "vault:v1:" + vault.kept.seal(sealing.key)
        # The file is for the service alone, and not what it was.
        sops = {**one.object["sops"], "age": [], "hc_vault": [entry]}
        file = json.dumps({**one.object, "kind": "Other", "sops": sops}).encode()
        entries = {"a.agekey": key.encode(), "sops.vault-token": b"token-of-tests"}
        services = services_of(entries, Asking(clock=SystemClock(), timeout_s=5))
        decryption = Decryption(keys=Keyring.of(entries, services), identity="1", services=services)
        opening = Opening(decryption)
        await with_keys(decryption, at_once, lambda: opening.resources([one], {"file.json": file}))
    assert opening.changed == ["file.json"]
