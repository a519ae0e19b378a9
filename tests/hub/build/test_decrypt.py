"""What is encrypted in a source comes out of a build in the clear, is confidential, and is told nowhere."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest

from hub.build import kubeyaml
from hub.build.decrypt import Decryption, Opening, render_opened
from hub.build.errors import BuildFailed
from hub.build.kustomize import select
from hub.build.render import BuildRequest, Rendered, RenderUnavailable
from hub.build.sops.forms import yaml_form
from hub.build.sops.keyring import Keyring
from hub.build.sops.tree import Branch, plain
from hub.build.substitute import Substitution, substitute
from tests.hub.build.adapter import renderers
from tests.hub.build.sops.sealing import Sealing, identity

KEY, RECIPIENT = identity()
DECRYPTION = Decryption(keys=Keyring.of({"a.agekey": KEY.encode()}), identity="1")
CANARY = "canary-3c9f"
CLEAR = ("apiVersion", "kind", "metadata", "type")

Object = dict[str, Any]


def sealed(value: Object) -> Branch:
    return Sealing([RECIPIENT]).branch(value, clear=[key for key in CLEAR if key in value])


def as_yaml(value: Object) -> bytes:
    return yaml_form.write((sealed(value),))


def secret(name: str = "keys", **fields: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, **fields}


def whole(text: str) -> bytes:
    """Encrypt a file that is neither YAML nor JSON."""
    return Sealing([RECIPIENT]).document({"data": text})


async def built(
    files: Mapping[str, bytes], decryption: Decryption = DECRYPTION, **spec: Any
) -> tuple[list[Rendered], list[str]]:
    """Build the root of a tree with the real renderer; return what came, and what was changed since it was encrypted."""
    opening = Opening(decryption)
    selection = select(files, spec)
    async with renderers() as pool:
        outcome = await render_opened(pool, selection, opening.sources(selection))
    return opening.resources(outcome.rendered, selection.used(outcome)), opening.changed


def data_of(rendered: Rendered) -> dict[str, str]:
    return {key: base64.b64decode(text).decode() for key, text in rendered.object["data"].items()}


async def test_a_whole_secret_is_decrypted_and_its_file_is_checked() -> None:
    value = secret(stringData={"password": CANARY, "port": "1"}, type="Opaque")
    (one,), changed = await built({"secret.yaml": as_yaml(value)}, targetNamespace="prod", commonMetadata={})
    assert one.object == value | {"metadata": {"name": "keys", "namespace": "prod"}}
    assert one.is_confidential
    assert changed == []


async def test_any_kind_is_decrypted() -> None:
    value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": CANARY}}
    (one,), _ = await built({"map.yaml": as_yaml(value)})
    assert one.object == value
    assert one.is_confidential


async def test_what_is_not_encrypted_is_not_confidential() -> None:
    value = secret(stringData={"a": "b"})
    (one,), _ = await built({"secret.yaml": json.dumps(value).encode()})
    assert one.object == value
    assert not one.is_confidential


async def test_what_may_stay_encrypted_stays_so() -> None:
    value = secret(stringData={"a": CANARY})
    value["metadata"]["annotations"] = {"kustomize.toolkit.fluxcd.io/decrypt": "Disabled"}
    (one,), _ = await built({"secret.yaml": as_yaml(value)})
    assert one.object["stringData"]["a"].startswith("ENC[")
    assert "sops" in one.object


async def test_the_files_of_a_generator_are_decrypted_by_their_keys() -> None:
    kustomization = """\
secretGenerator:
- name: files
  files: [token.txt, config.json=sealed.txt, plain.txt]
  options: {disableNameSuffixHash: true}
- name: lines
  envs: [app.env]
  options: {disableNameSuffixHash: true}
"""
    lines = Sealing([RECIPIENT])
    env = lines.branch({"USER": "ada", "PASSWORD": CANARY})
    files = {
        "kustomization.yaml": kustomization.encode(),
        "token.txt": whole(CANARY),
        "sealed.txt": Sealing([RECIPIENT]).document({"a": CANARY}),
        "plain.txt": b"plain",
        "app.env": dotenv(env),
    }
    rendered, changed = await built(files)
    found = {one.object["metadata"]["name"]: data_of(one) for one in rendered}
    assert found == {
        "files": {"token.txt": CANARY, "config.json": f'{{\n\t"a": "{CANARY}"\n}}\n', "plain.txt": "plain"},
        "lines": {"USER": "ada", "PASSWORD": CANARY},
    }
    assert changed == []
    assert all(one.is_confidential for one in rendered)


def dotenv(branch: Branch) -> bytes:
    """Write an encrypted document as lines, its metadata beside them."""
    metadata = plain(branch.get("sops"))
    entry = metadata.pop("age")[0]
    flat = {f"age__list_0__map_{name}": value for name, value in entry.items()} | metadata
    lines = {f"sops_{name}": value for name, value in flat.items()}
    values = {str(key): value for key, value in branch.without("sops").items} | lines
    return "".join(
        f"{key}={value}\n".replace("\n", "\\n", value.count("\n")) for key, value in values.items()
    ).encode()


async def test_a_data_entry_is_decrypted_where_it_stands() -> None:
    entry = base64.b64encode(Sealing([RECIPIENT]).document({"a": CANARY})).decode()
    value = secret(data={"config.json": entry, "other": "cGxhaW4=", "broken": "%"})
    (one,), changed = await built({"secret.yaml": json.dumps(value).encode()})
    assert json.loads(base64.b64decode(one.object["data"]["config.json"])) == {"a": CANARY}
    assert one.object["data"]["other"] == "cGxhaW4="
    assert one.is_confidential
    assert changed == []


async def test_patches_of_folders_that_are_built_too_are_decrypted() -> None:
    target = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "1"}}
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"b": CANARY}}
    files = {
        "kustomization.yaml": b"resources: [base]",
        "base/kustomization.yaml": b"resources: [map.yaml]\npatches: [{path: patch.yaml}]",
        "base/map.yaml": json.dumps(target).encode(),
        "base/patch.yaml": as_yaml(patch),
    }
    (one,), _ = await built(files)
    assert one.object["data"] == {"a": "1", "b": CANARY}
    assert one.is_confidential


@pytest.mark.parametrize("requires", [False, True])
async def test_a_file_that_was_changed_is_told_or_refused(requires: bool) -> None:
    value = secret(stringData={"password": CANARY})
    changed_file = as_yaml(value).replace(b"name: keys", b"name: others")
    decryption = Decryption(keys=DECRYPTION.keys, identity="1", requires_mac=requires)
    if requires:
        with pytest.raises(
            BuildFailed, match=r"failed to verify sops data integrity: secret.yaml was changed after it"
        ):
            await built({"secret.yaml": changed_file}, decryption)
        return
    (one,), changed = await built({"secret.yaml": changed_file}, decryption)
    assert one.object["stringData"] == {"password": CANARY}
    assert changed == ["secret.yaml"]


async def test_a_file_that_cannot_be_checked_is_told_and_its_resources_are_decrypted() -> None:
    rendered = Rendered(text="", object=kubeyaml.load(as_yaml(secret(stringData={"password": CANARY}))))
    opening = Opening(DECRYPTION)
    # The file has the resource's MAC, and is no document of SOPS.
    (one,) = opening.resources(
        [rendered], {"secret.yaml": b"- " + json.dumps({"mac": rendered.object["sops"]["mac"]}).encode()}
    )
    assert one.object["stringData"] == {"password": CANARY}
    assert opening.changed == ["secret.yaml"]


async def test_without_the_key_nothing_is_built() -> None:
    none = Decryption(keys=Keyring(), identity="2")
    with pytest.raises(
        BuildFailed,
        match=r"^decryption failed for 'keys': failed to decrypt and format '/keys' Secret data: cannot get sops data key: ",
    ):
        await built({"secret.yaml": as_yaml(secret(stringData={"a": CANARY}))}, none)
    files = {"kustomization.yaml": b"secretGenerator: [{name: a, files: [token]}]", "token": whole(CANARY)}
    with pytest.raises(BuildFailed, match=r"^error decrypting sources: token: cannot get sops data key: "):
        await built(files, none)


async def test_a_failure_on_decrypted_content_does_not_quote_it() -> None:
    patch = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CANARY}, "data": {"a": "b"}}
    files = {
        "kustomization.yaml": b"resources: [map.yaml]\npatches: [{path: patch.yaml}]",
        "map.yaml": b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
        "patch.yaml": yaml_form.write((Sealing([RECIPIENT]).branch(patch, clear=("apiVersion", "kind")),)),
    }
    # In the clear kustomize says which name it did not find.
    clear = {**files, "patch.yaml": json.dumps(patch).encode()}
    with pytest.raises(BuildFailed, match=CANARY):
        await built(clear)
    with pytest.raises(BuildFailed) as refused:
        await built(files)
    assert CANARY not in str(refused.value)
    assert refused.value.__context__ is None
    assert "see patch.yaml" in str(refused.value)


async def test_a_failure_that_has_nothing_to_do_with_it_is_told() -> None:
    files = {
        "kustomization.yaml": b"resources: [missing.yaml]\nsecretGenerator: [{name: a, files: [token]}]",
        "token": whole(CANARY),
    }
    with pytest.raises(BuildFailed, match=r"missing.yaml"):
        await built(files)


async def test_a_renderer_that_dies_says_nothing_of_what_it_read() -> None:
    class Dying:
        async def build(self, request: BuildRequest) -> list[Rendered]:
            raise RenderUnavailable(f"the renderer ended: panic: {CANARY}")

    selection = select(
        {"kustomization.yaml": b"secretGenerator: [{name: a, files: [token]}]", "token": b"x"}, {}
    )
    with pytest.raises(RenderUnavailable) as refused:
        await render_opened(Dying(), selection, {"token": CANARY.encode()})
    assert CANARY not in str(refused.value)
    assert refused.value.__suppress_context__


async def test_substitution_says_nothing_of_what_was_encrypted() -> None:
    (one,), _ = await built(
        {"secret.yaml": as_yaml(secret(stringData={"a": f"x${{{CANARY.replace('-', '_')}}}"}))}
    )
    with pytest.raises(
        BuildFailed, match=r"^post build failed for 'Secret.v1.\[noGrp\]/keys': envsubst error: "
    ) as refused:
        substitute(one, Substitution(variables={"A": "1"}))
    assert "canary" not in str(refused.value)


async def test_variables_are_replaced_in_what_was_encrypted() -> None:
    (one,), _ = await built({"secret.yaml": as_yaml(secret(stringData={"a": "${HOST}:1", "b": "x: y"}))})
    found = substitute(one, Substitution(variables={"HOST": "db"}))
    assert found["stringData"] == {"a": "db:1", "b": "x: y"}


async def test_two_kustomization_files_are_refused() -> None:
    with pytest.raises(BuildFailed, match="found multiple kustomization files"):
        await built({"kustomization.yaml": b"", "kustomization.yml": b""})


async def test_names_that_leave_the_tree_are_left_to_kustomize() -> None:
    kustomization = b"secretGenerator: [{name: a, files: [../../token, /etc/hostname]}]"
    with pytest.raises(BuildFailed, match="kustomize build failed"):
        await built({"kustomization.yaml": kustomization})


async def test_what_is_too_large_is_refused() -> None:
    big = whole("x" * (5 << 20))
    with pytest.raises(
        BuildFailed, match=r"cannot decrypt file with size \(\d+ bytes\) exceeding limit \(5242880\)"
    ):
        await built({"kustomization.yaml": b"secretGenerator: [{name: a, files: [big]}]", "big": big})
