"""What the real `sops` encrypts today, it and the hub decrypt to the same: random texts and numbers, in every form and between forms."""

import json
import random
from pathlib import Path

import pytest

from e2e.sops.foreign import Sops, new_identity
from hub.build.sops.document import Form, open_document
from hub.build.sops.keyring import Keyring

FORMS = {"yaml": Form.YAML, "json": Form.JSON, "env": Form.DOTENV, "ini": Form.INI, "bin": Form.BINARY}
PIECES = (
    *"abZ019 -:#'\"\\|>&*!%@`{}[],?=~.eE+_ü✓<😀\n\t\x07", "null", "true", "yes", "0x", "1:30", "2026-01-02", "---",
)  # fmt: skip


@pytest.fixture
def sops(tmp_path: Path) -> Sops:
    return Sops(folder=tmp_path, identities="")


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
def test_both_decrypt_to_the_same(sops: Sops, form: str, target: str, seed: int) -> None:
    identity, recipient = new_identity()
    sops = Sops(folder=sops.folder, identities=identity)
    sealed = sops.encrypt(content(form, seed), form, f"age: {recipient}")
    opened = open_document(sealed, FORMS[form], FORMS[target], Keyring.of({"a.agekey": identity.encode()}))
    assert opened.is_intact
    assert opened.content.decode("latin-1") == sops.decrypt(sealed, form, target).decode("latin-1")
