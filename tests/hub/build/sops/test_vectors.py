"""Documents that the real `sops` made, and what it decrypts them to."""

from pathlib import Path

import pysequoia
import pytest
from pysequoia.packet import PacketPile, Tag

from hub.build.sops.document import Form, form_of_content, open_document
from hub.build.sops.errors import SopsFailed
from hub.build.sops.keyring import Keyring

VECTORS = Path(__file__).parent / "vectors"
SEALED = sorted(VECTORS.glob("*.sealed"))
FORMS = {"yaml": Form.YAML, "json": Form.JSON, "env": Form.DOTENV, "ini": Form.INI, "bin": Form.BINARY}


def keys(*names: str) -> Keyring:
    return Keyring.of({name: (VECTORS / name).read_bytes() for name in names})


def form_of(sealed: Path) -> Form:
    return FORMS[sealed.name.split(".")[1]]


@pytest.mark.parametrize("sealed", SEALED, ids=lambda file: file.name)
def test_a_document_is_what_sops_decrypts_it_to(sealed: Path) -> None:
    opened = open_document(
        sealed.read_bytes(), form_of(sealed), form_of(sealed), keys("one.agekey", "two.agekey", "three.asc")
    )
    assert opened.is_intact
    expected = sealed.with_suffix(".opened").read_text("latin-1")
    # `sops` moves a comment from beside a value to above it; here each line stays what it is.
    expected = expected.replace("        # beside\n        key: value\n", "        key: value # beside\n")
    assert opened.content.decode("latin-1") == expected


@pytest.mark.parametrize("sealed", SEALED, ids=lambda file: file.name)
def test_the_form_is_told_by_the_content(sealed: Path) -> None:
    found = form_of_content(sealed.read_bytes())
    # A binary document is one in JSON; nothing but the name tells them apart.
    assert (Form.JSON if found is Form.BINARY else found) == (
        Form.JSON if form_of(sealed) is Form.BINARY else form_of(sealed)
    )
    assert form_of_content(sealed.with_suffix(".opened").read_bytes()) is None


@pytest.mark.parametrize("name", ["one.agekey", "two.agekey"])
def test_any_of_the_recipients_opens_a_document(name: str) -> None:
    sealed = (VECTORS / "all.env.sealed").read_bytes()
    assert open_document(sealed, Form.DOTENV, Form.DOTENV, keys(name)).is_intact


def test_a_key_that_does_not_decrypt_hinders_no_other() -> None:
    only_signs = str(pysequoia.Tsk.generate("tests", validity_seconds=1)).encode()
    packets = [one for one in PacketPile.from_bytes(only_signs) if one.tag != Tag.SecretSubkey]
    unusable = bytes(pysequoia.Tsk.from_packets(packets[:3]))
    sealed = (VECTORS / "pgp.yaml.sealed").read_bytes()
    entries = {"a.asc": unusable, "b.asc": (VECTORS / "three.asc").read_bytes()}
    assert open_document(sealed, Form.YAML, Form.YAML, Keyring.of(entries)).is_intact
    with pytest.raises(SopsFailed, match="there is no OpenPGP private key that decrypts"):
        open_document(sealed, Form.YAML, Form.YAML, Keyring.of({"a.asc": unusable}))
