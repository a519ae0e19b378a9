"""The keys of deliveries: what services opened is not asked for again, what they refused is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hub.build.decrypt import Decryption
from hub.build.errors import BuildFailed
from hub.build.sops.metadata import KeyKind, SealedKey
from hub.delivery.decrypting import Keys
from hub.delivery.settings import SopsSettings
from tests.hub.delivery.samples import delivery
from tests.hub.hand import Hand

SPEC = {"decryption": {"provider": "sops", "secretRef": {"name": "keys"}}}
ONE = SealedKey(kind=KeyKind.VAULT, name="http://vault", sealed="1")
TWO = SealedKey(kind=KeyKind.VAULT, name="http://vault", sealed="2")


@dataclass
class Secrets:
    """The Secrets of one namespace."""

    data: dict[str, Mapping[str, bytes]] = field(default_factory=dict)

    async def secret(self, namespace: str, name: str) -> Mapping[str, bytes] | None:
        return self.data.get(f"{namespace}/{name}")


async def read(keys: Keys, **spec: object) -> Decryption:
    found = await keys.of(delivery(spec=SPEC | spec))
    assert found is not None
    return found


async def test_what_was_opened_is_known_with_the_same_credentials_alone() -> None:
    secrets = Secrets({"apps/keys": {"sops.vault-token": b"a"}})
    keys = Keys(secrets, SopsSettings(), Hand())
    first = await read(keys)
    assert set(first.services) == first.keys.services == {KeyKind.VAULT}
    first.keys.answers.update({ONE: b"key", TWO: "it answered 503"})
    assert (await read(keys)).keys.answers == {ONE: b"key"}
    secrets.data["apps/keys"] = {"sops.vault-token": b"b"}
    assert (await read(keys)).keys.answers == {}
    assert (await read(keys)).identity != first.identity


async def test_nothing_is_known_of_a_delivery_that_is_gone() -> None:
    keys = Keys(Secrets({"apps/keys": {"sops.vault-token": b"a"}}), SopsSettings(), Hand())
    (await read(keys)).keys.answers[ONE] = b"key"
    keys.forget(("apps", "webapp"))
    assert (await read(keys)).keys.answers == {}


async def test_of_the_keys_of_all_only_ages_are_used() -> None:
    secrets = Secrets({"cartwheel-system/all": {"sops.vault-token": b"a", "sops.aws-kms": b"no yaml: ["}})
    found = await read(
        Keys(secrets, SopsSettings(age_secret="cartwheel-system/all"), Hand()),
        decryption={"provider": "sops"},
    )
    assert (found.services, found.keys.services) == ({}, frozenset())


async def test_without_any_keys_a_delivery_is_decrypted_with_none() -> None:
    found = await read(Keys(Secrets(), SopsSettings(), Hand()), decryption={"provider": "sops"})
    assert (found.keys.age, found.keys.pgp, found.services) == ((), (), {})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a.agekey": b"AGE-SECRET-KEY-1X"}, "'a.agekey' holds no age identities, one a line"),
        ({"a.asc": b"x"}, "'a.asc' holds no OpenPGP private keys"),
        (
            {"sops.aws-kms": b"{}"},
            "'sops.aws-kms' needs aws_access_key_id and aws_secret_access_key, as text",
        ),
    ],
)
async def test_an_entry_that_holds_none_is_named(entries: Mapping[str, bytes], message: str) -> None:
    keys = Keys(Secrets({"apps/keys": entries}), SopsSettings(), Hand())
    with pytest.raises(BuildFailed) as refused:
        await read(keys)
    assert str(refused.value) == f"failed to import data from sops decryption Secret 'apps/keys': {message}"
