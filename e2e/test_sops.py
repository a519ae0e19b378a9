"""What the real `sops` encrypts today, it and the hub decrypt to the same: random texts and numbers, in every form and between forms."""

import asyncio
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.kit.clock import SystemClock
from agent.kit.tasks import in_thread
from e2e.servers.key_services import ARN, RESOURCE, Gcp, Kms, Vault, serving
from e2e.sops.foreign import Sops, new_identity
from hub.build.decrypt import Decryption, with_keys
from hub.build.key_services.credentials import Asking, services_of
from hub.build.sops.document import Form, Opened, open_document
from hub.build.sops.keyring import Keyring

FORMS = {"yaml": Form.YAML, "json": Form.JSON, "env": Form.DOTENV, "ini": Form.INI, "bin": Form.BINARY}
PIECES = (
    *"abZ019 -:#'\"\\|>&*!%@`{}[],?=~.eE+_ü✓<😀\n\t\x07", "null", "true", "yes", "0x", "1:30", "2026-01-02", "---",
)  # fmt: skip


def content(form: str, seed: int) -> bytes:
    """Return a document with many values."""
    chance = random.Random(seed)

    def text() -> str:
        found = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 6)))
        # `sops` loses a block that begins with a tab: it writes null instead.
        return found.replace("\t", "") if "\n" in found else found

    def line() -> str:
        return text().replace("\n", "").replace("\\", "").strip(" \t'\"`#;\x07") or "x"

    names = [f"name{number}" for number in range(300)]
    match form:
        case "env":
            return "".join(f"{name}={line()}\n" for name in names).encode()
        case "ini":
            return (
                "[section]\n" + "".join(f"{name} = {chance.randint(0, 999)}\n" for name in names)
            ).encode()
        case "bin":
            return chance.randbytes(2000)
        case _:
            value = {name: text() for name in names} | {
                "float": chance.uniform(-1e9, 1e9),
                "int": -5,
                "yes": True,
            }
            return json.dumps(
                value | {"deep": {"list": [text(), {"a": text()}], "null": None}}, ensure_ascii=False
            ).encode()


@pytest.mark.parametrize(
    ("form", "target"),
    [("yaml", "yaml"), ("yaml", "json"), ("json", "json"), ("json", "yaml"), ("env", "env"), ("env", "json"), ("env", "yaml"),
     ("ini", "ini"), ("ini", "json"), ("bin", "bin")],
)  # fmt: skip
@pytest.mark.parametrize("seed", [1, 2])
def test_both_decrypt_to_the_same(tmp_path: Path, form: str, target: str, seed: int) -> None:
    identity, recipient = new_identity()
    sops = Sops(folder=tmp_path, identities=identity)
    sealed = sops.encrypt(content(form, seed), form, f"age: {recipient}")
    opened = open_document(sealed, FORMS[form], FORMS[target], Keyring.of({"a.agekey": identity.encode()}))
    assert opened.is_intact
    assert opened.content.decode("latin-1") == sops.decrypt(sealed, form, target).decode("latin-1")


async def both(sops: Sops, rule: str, entries: Mapping[str, bytes], **endpoints: str) -> None:
    """Have the real command encrypt with a service's key, and both ask for it to decrypt."""
    text = b"password: correct horse\n"
    sealed = await asyncio.to_thread(sops.encrypt, text, "yaml", rule)
    assert await asyncio.to_thread(sops.decrypt, sealed, "yaml") == text
    services = services_of(entries, Asking(clock=SystemClock(), timeout_s=10, **endpoints))
    keys = Keyring.of(entries, services)
    decryption = Decryption(keys=keys, identity="1", services=services)
    opened = await with_keys(decryption, in_thread, lambda: open_document(sealed, Form.YAML, Form.YAML, keys))
    assert opened == Opened(content=text, is_intact=True)


async def test_vaults_transit_engine_opens_for_both(tmp_path: Path) -> None:
    vault = Vault()
    async with serving(vault) as address:
        sops = Sops(folder=tmp_path, environment={"VAULT_TOKEN": vault.token})
        entries = {"sops.vault-token": vault.token.encode()}
        await both(sops, f'hc_vault_transit_uri: "{address}/v1/transit/keys/sops"', entries)
    assert vault.asked == ["encrypt", "decrypt", "decrypt"]


@pytest.mark.parametrize("session", ["", "a-session"])
@pytest.mark.parametrize("context", ["", "context: {app: web, team: a}"])
async def test_kms_opens_for_both(tmp_path: Path, session: str, context: str) -> None:
    kms = Kms(session=session)
    async with serving(kms) as address:
        environment = {
            "AWS_ACCESS_KEY_ID": kms.id, "AWS_SECRET_ACCESS_KEY": kms.secret, "AWS_SESSION_TOKEN": session,
            "AWS_ENDPOINT_URL": address, "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip
        lines = [
            f"aws_access_key_id: {kms.id}",
            f"aws_secret_access_key: {kms.secret}",
            f"aws_session_token: '{session}'",
        ]
        sops = Sops(folder=tmp_path, environment=environment)
        rule = f'key_groups: [{{kms: [{{arn: "{ARN}", {context}}}]}}]'
        await both(sops, rule, {"sops.aws-kms": "\n".join(lines).encode()}, aws_endpoint=f"{address}/")
    assert kms.asked == ["Encrypt", "Decrypt", "Decrypt"]


async def test_google_opens_for_both(tmp_path: Path) -> None:
    gcp = Gcp()
    async with serving(gcp) as address:
        account = gcp.account(address)
        environment = {
            "GOOGLE_CREDENTIALS": account.decode(), "SOPS_GCP_KMS_ENDPOINT": address, "SOPS_GCP_KMS_CLIENT_TYPE": "rest",
        }  # fmt: skip
        sops = Sops(folder=tmp_path, environment=environment)
        await both(sops, f"gcp_kms: {RESOURCE}", {"sops.gcp-kms": account}, gcp_endpoint=address)
    assert [one for one in gcp.asked if one != "token"] == ["encrypt", "decrypt", "decrypt"]
