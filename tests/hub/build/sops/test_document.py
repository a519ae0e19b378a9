"""Documents that tests encrypt themselves: whatever is in them comes back, and what was changed or is for others is refused."""

import json
import time
import traceback
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.build.sops.document import Form, form_of_name, open_document, open_object
from hub.build.sops.errors import SopsFailed
from hub.build.sops.forms.yaml_form import read_text, write
from hub.build.sops.keyring import Keyring
from hub.build.sops.tree import plain, tree_of
from tests.hub.build.sops.sealing import Sealing, as_yaml, encrypt, identity

KEY, RECIPIENT = identity()
OTHER, ANOTHER = identity()
KEYS = Keyring.of({"a.agekey": f"# made for tests\n{KEY}\n".encode()})
CANARY = "canary-7d1e"

# A whole number has no point in JSON, so that its type is lost there.
fractions = st.floats(allow_nan=False, allow_infinity=False).filter(lambda one: not one.is_integer())
texts = st.text(st.characters(codec="utf-8"), max_size=12)
leaves = texts | st.integers(-(2**63), 2**63 - 1) | st.booleans() | fractions | st.none()
names = st.text("abcXYZ_.:- é", min_size=1, max_size=8)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
documents = st.dictionaries(names, values, min_size=1, max_size=5)


def as_read(content: bytes) -> Any:
    """Read YAML as `sops` does."""
    text = read_text(content.rstrip(b" ") + b"sops: {}\n")
    return plain(text.branches[0])


@given(documents)
def test_every_value_comes_back_with_its_type(value: dict[str, Any]) -> None:
    opened = open_document(Sealing([RECIPIENT]).document(value), Form.JSON, Form.JSON, KEYS)
    assert opened.is_intact
    assert json.loads(opened.content) == value
    assert str(json.loads(opened.content)) == str(value)


@given(documents)
def test_an_object_is_opened_like_a_document(value: dict[str, Any]) -> None:
    assert open_object(Sealing([RECIPIENT]).object(value), KEYS) == value


@given(documents)
def test_yaml_is_the_same_however_it_is_laid_out(value: dict[str, Any]) -> None:
    sealed = as_yaml(Sealing([RECIPIENT]).branch(value))
    # In blocks, in flow, and in flow below the keys of a block.
    block = write((tree_of(json.loads(sealed)),))
    mixed = "".join(
        f"{json.dumps(key)}: {json.dumps(one)}\n" for key, one in json.loads(sealed).items()
    ).encode()
    for layout in (sealed, block, mixed):
        opened = open_document(layout, Form.YAML, Form.YAML, KEYS)
        assert opened.is_intact
        assert as_read(opened.content) == value
        assert json.loads(open_document(layout, Form.YAML, Form.JSON, KEYS).content) == value


def test_a_value_that_was_moved_does_not_open() -> None:
    sealed = Sealing([RECIPIENT]).object({"a": CANARY, "b": "other"})
    with pytest.raises(
        SopsFailed,
        match=r"^error decrypting sops tree: could not decrypt the value of a: it does not decrypt",
    ):
        open_object(sealed | {"a": sealed["b"], "b": sealed["a"]}, KEYS)


def test_a_value_that_was_left_out_shows_in_the_mac_alone() -> None:
    sealed = Sealing([RECIPIENT]).object({"a": CANARY, "b": "other"})
    del sealed["b"]
    opened = open_document(json.dumps(sealed).encode(), Form.JSON, Form.JSON, KEYS)
    assert not opened.is_intact
    assert json.loads(opened.content) == {"a": CANARY}


def test_a_clear_value_that_was_changed_shows_in_the_mac_alone() -> None:
    sealed = plain(Sealing([RECIPIENT]).branch({"kind": "Secret", "data": {"a": CANARY}}, clear=("kind",)))
    assert open_document(json.dumps(sealed).encode(), Form.JSON, Form.JSON, KEYS).is_intact
    changed = json.dumps(sealed | {"kind": "ConfigMap"}).encode()
    assert not open_document(changed, Form.JSON, Form.JSON, KEYS).is_intact


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param(Keyring(), "there is no age identity", id="none"),
        pytest.param(
            Keyring.of({"o.agekey": OTHER.encode()}),
            "no identity matched any of the recipients",
            id="another",
        ),
        pytest.param(
            Keyring.of({"identity.txt": KEY.encode()}), "there is no age identity", id="under another name"
        ),
    ],
)
def test_what_is_for_others_is_not_opened(keys: Keyring, message: str) -> None:
    sealed = Sealing([RECIPIENT]).document({"a": CANARY})
    with pytest.raises(SopsFailed, match=message) as refused:
        open_document(sealed, Form.JSON, Form.JSON, keys)
    assert str(refused.value).startswith(
        "cannot get sops data key: Error getting data key: 1 successful groups required, got 0"
    )
    assert RECIPIENT in str(refused.value)


def test_a_key_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(SopsFailed, match=r"^'bad.agekey' holds no age identities, one a line$"):
        Keyring.of({"bad.agekey": KEY[:-1].encode()})
    assert KEY not in repr(KEYS)
    assert "AGE-SECRET" not in repr(KEYS)


@pytest.mark.parametrize(
    ("content", "form", "message"),
    [
        pytest.param(b"a: 1", Form.YAML, "failed to load encrypted YAML data: sops metadata not found", id="no metadata"),
        pytest.param(b'{"a": ', Form.JSON, "failed to load encrypted JSON data: it is no JSON", id="no json"),
        pytest.param(b"{" * 100_000, Form.JSON, "it is no JSON", id="deep json"),
        pytest.param(b"a: &x 1\nb: *x\nsops: {mac: x}", Form.YAML, "anchors are not supported", id="an anchor"),
        pytest.param(b"a:\n " + b"- " * 300 + b"x", Form.YAML, "nested deeper than", id="deep yaml"),
        pytest.param(b"A\nsops_mac=x", Form.DOTENV, "one has no '='", id="no dotenv"),
        pytest.param(b"[sops]\nmac\n", Form.INI, "a line has no name with a value", id="no ini"),
        pytest.param(b"sops: {}\n", Form.YAML, "cannot get sops data key: Error getting data key: 1 successful", id="no keys"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(content: bytes, form: Form, message: str) -> None:
    with pytest.raises(SopsFailed, match=message):
        open_document(content, form, form, KEYS)


def test_a_value_that_is_not_what_it_says_is_not_shown() -> None:
    sealed = Sealing([RECIPIENT])
    value = sealed.object({"a": CANARY})
    # The type is not part of what is authenticated.
    value["a"] = value["a"].replace("type:str", "type:int")
    with pytest.raises(SopsFailed, match="it is no int, though it says so") as refused:
        open_object(value, KEYS)
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_a_pattern_takes_no_longer_than_its_text() -> None:
    sealed = Sealing([RECIPIENT]).object({"a" * 40: CANARY})
    del sealed["sops"]["unencrypted_suffix"]
    sealed["sops"]["encrypted_regex"] = "^(a+)+$"
    assert open_object(sealed, KEYS) == {"a" * 40: CANARY}


def test_one_text_is_written_into_another_form() -> None:
    sealed = Sealing([RECIPIENT]).document({"USER": "ada", "N": 1})
    assert open_document(sealed, Form.JSON, Form.DOTENV, KEYS).content == b"USER=ada\nN=1\n"
    assert open_document(sealed, Form.JSON, Form.YAML, KEYS).content == b'USER: ada\n"N": 1\n'
    with pytest.raises(
        SopsFailed, match=r"^failed to emit encrypted JSON file as decrypted binary: no binary data found"
    ):
        open_document(sealed, Form.JSON, Form.BINARY, KEYS)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("values.yaml", Form.YAML), ("values.yml", Form.YAML), ("a.json", Form.JSON), (".dockerconfigjson", Form.JSON),
        ("app.env", Form.DOTENV), ("app.ini", Form.INI), ("token", Form.BINARY), ("yaml", Form.BINARY),
    ],
)  # fmt: skip
def test_the_name_tells_the_form(name: str, form: Form) -> None:
    assert form_of_name(name) is form


def timed(content: bytes) -> None:
    """Have a document opened, or refused, in a time that its size explains."""
    began = time.process_time()
    with suppress(SopsFailed):
        open_document(content, Form.YAML, Form.YAML, KEYS)
    assert time.process_time() - began < 20


def test_a_deep_and_wide_document_takes_time_by_its_size() -> None:
    sealing = Sealing([RECIPIENT])
    deep = "{a: " * 90 + "{" + ", ".join(f"k{number}: 1" for number in range(50_000)) + "}" + "}" * 90
    metadata = json.dumps(plain(sealing.branch({"x": 1}, clear=("x",)).get("sops")))
    timed(f"a: {deep}\nsops: {metadata}\n".encode())


def test_many_comments_take_time_by_their_number() -> None:
    sealing = Sealing([RECIPIENT])
    lines = "".join(f"{'  ' * depth}a:\n" for depth in range(90))
    comment = encrypt("x", sealing.key, "nowhere:").replace("type:str", "type:comment")
    comments = "".join(f"{'  ' * 90}#{comment}\n{'  ' * 90}k{number}: 1\n" for number in range(3000))
    metadata = json.dumps(plain(sealing.branch({"a": 1}, clear=("a",)).get("sops")))
    timed(f"{lines}{comments}sops: {metadata}\n".encode())


def test_what_is_too_long_for_a_key_is_not_opened() -> None:
    sealed = Sealing([RECIPIENT]).object({"a": CANARY})
    sealed["sops"]["age"][0]["enc"] += "\n" * 5000
    with pytest.raises(SopsFailed, match="it is too long to hold a key"):
        open_object(sealed, KEYS)
