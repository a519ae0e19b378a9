"""Git: which commit a reference stands for, how revisions are written, when content is made anew, what a Secret gives."""

import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from hub.model.gitrepository import GitRef, GitRepository
from hub.model.source import Artifact
from hub.sources import credentials, references, revision, transport
from hub.sources.content_config import ContentNeed, content_config_changed, content_need
from hub.sources.failure import FetchFailure
from hub.sources.references import repository_not_found_text
from hub.sources.signature import SignatureType, signature_type
from tests.conformance import support

COMMIT = "5394cb7f48332b2de7c17dd8b8384bbc84b7e738"
TAG_OBJECT = "a0b1c2d3e4f5a0b1c2d3e4f5a0b1c2d3e4f5a0b1"
URL = "https://example.com/repository.git"


def artifact(revision: str, digest: str = "") -> Artifact:
    return Artifact(path="", url="", revision=revision, digest=digest, last_update_time="")


# git/ref_select


def select_tag(tags: list[dict[str, Any]], constraint: str) -> str:
    times = {tag["name"]: datetime.fromisoformat(tag["commit_time"]).timestamp() for tag in tags}
    best = references.best_tags(constraint, times)
    return references.newest({name: times[name] for name in best})


def advertised(repository: dict[str, Any]) -> references.RemoteRefs:
    names = [f"refs/heads/{name}" for name in [repository["default_branch"], *repository["branches"]]]
    names += [f"refs/tags/{name}" for name in repository["tags"]]
    hashes = dict.fromkeys(["HEAD", *names, *repository["refs"]], COMMIT)
    # Every other tag is an annotated one: only its peeled hash is the commit's.
    for name in names[-len(repository["tags"]) :: 2]:
        hashes |= {name: TAG_OBJECT, name + references.PEELED: COMMIT}
    return references.RemoteRefs(hashes=hashes)


@pytest.mark.parametrize("row", support.cases("git/ref_select.json"))
def test_a_reference_stands_for_a_commit(row: dict[str, Any]) -> None:
    if row["source"] == "git-tags":
        if row.get("error"):
            with pytest.raises(FetchFailure, match=row["message_contains"]):
                select_tag(row["tags"], row["reference"]["semver"])
        else:
            assert select_tag(row["tags"], row["reference"]["semver"]) == row["expected"]["tag"]
        return
    reference = {key: text.replace("<commit>", COMMIT) for key, text in (row["reference"] or {}).items()}
    ref = msgspec.convert(reference, GitRef)
    (resolved,) = references.resolve(ref, advertised(row["repository"]), URL)
    expected = row["expected"]
    assert resolved.revision == expected["revision"].replace("<commit>", COMMIT)
    stored = row.get("existing_artifact_revision")
    need = content_need(
        revision=resolved.revision,
        stored=artifact(stored.replace("<commit>", COMMIT)) if stored else None,
        config_changed=row.get("ignore_changed", False),
    )
    assert (need is ContentNeed.NONE) == (expected["result"] == "unchanged")
    if "reconciling" in expected:
        assert need.is_new_revision == expected["reconciling"]
        assert (need is ContentNeed.NEWER) == expected["artifact_outdated"]


# git/revision

SIGNATURE_NAMES = {
    SignatureType.OPENPGP: {"openpgp", "pgp"},
    SignatureType.SSH: {"ssh"},
    SignatureType.X509: {"x509"},
    SignatureType.EMPTY: {"empty"},
    SignatureType.UNKNOWN: {"unknown"},
}


def answer(row: dict[str, Any]) -> object:
    match row["op"]:
        case "transform":
            return revision.current_form(row["revision"])
        case "split":
            pointer, commit = revision.split(row["revision"])
            return {"pointer": pointer, "hash": commit}
        case "pointer":
            return revision.split(row["revision"])[0]
        case "hash":
            return revision.split(row["revision"])[1]
        case "hash-algorithm":
            return revision.hash_algorithm(row["hash"])
        case "hash-digest":
            return revision.hash_digest(row["hash"])
        case "commit-string":
            return revision.short_revision(row["reference"], row["hash"])
        case "commit-absolute":
            return revision.absolute_revision(row["reference"], row["hash"])
        case "tag-string":
            return revision.tag_text(row["tag_name"], row["hash"])
        case "short-message":
            return revision.shorten_subject(row["message"])
        case "repo-not-found-text":
            return repository_not_found_text(row["message"], row["url"])
        case "is-signed":
            kind = signature_type(row["signature"])
            return {"pgp": kind is SignatureType.OPENPGP, "ssh": kind is SignatureType.SSH}
        case "is-annotated-tag":
            name = "refs/tags/v1"
            hashes = (
                {name: TAG_OBJECT, name + references.PEELED: COMMIT}
                if row["has_tag_object"]
                else {name: COMMIT}
            )
            return bool(references.RemoteRefs(hashes=hashes).tag_object_of(name))
    raise AssertionError(f"unknown op {row['op']}")


@pytest.mark.parametrize("row", support.cases("git/revision.json"))
def test_a_revision_is_written_and_read(row: dict[str, Any]) -> None:
    if row["op"] == "signature-type":
        assert row["expected"] in SIGNATURE_NAMES[signature_type(row["signature"])]
    else:
        assert answer(row) == row["expected"]


# git/content_config


@pytest.mark.parametrize("row", support.cases("git/content_config.json"))
def test_a_changed_content_configuration_is_noticed(row: dict[str, Any]) -> None:
    def complete(found: dict[str, str]) -> dict[str, Any]:
        return {"path": "", "url": "", "lastUpdateTime": "", **found}

    status = {**row["status"]}
    if "includedArtifacts" in status:
        status["includedArtifacts"] = [complete(found) for found in status["includedArtifacts"]]
    repository = GitRepository.parse(
        {
            "kind": "GitRepository",
            "metadata": {"name": "app", "namespace": "default"},
            "spec": {"url": URL, "interval": "1m", **row["spec"]},
            "status": status,
        }
    )
    included = [artifact(found["revision"], found["digest"]) for found in row["included_artifacts"]]
    assert content_config_changed(repository.spec, repository.status, included) is row["expected"]


# git/auth_options


@cache
def material() -> dict[str, str]:
    key = ed25519.Ed25519PrivateKey.generate()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat
    plain = key.private_bytes(pem, form.OpenSSH, serialization.NoEncryption()).decode()
    locked = key.private_bytes(pem, form.PKCS8, serialization.BestAvailableEncryption(b"foobar")).decode()
    public = (
        key.public_key()
        .public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
        .decode()
    )
    return {
        "{{ssh-private-key}}": plain,
        "{{ssh-private-key-with-passphrase-foobar}}": locked,
        "{{known-hosts}}": f"example.com {public}",
        "{{ssh-public-key}}": public,
        "{{ca-cert}}": certificate(key),
        "{{tls-cert}}": certificate(key),
        "{{tls-key}}": key.private_bytes(pem, form.PKCS8, serialization.NoEncryption()).decode(),
    }


def certificate(key: ed25519.Ed25519PrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, None)
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def filled(text: str) -> str:
    return material().get(text, text)


OPTION_NAMES = {
    "identity": "identity",
    "known_hosts": "known_hosts",
    "ca": "ca",
    "client_cert": "client_certificate",
    "client_key": "client_key",
}


def options_from(given: dict[str, str]) -> credentials.AuthOptions:
    fields: dict[str, Any] = {}
    for name, text in given.items():
        fields[OPTION_NAMES.get(name, name)] = filled(text).encode() if name in OPTION_NAMES else text
    return credentials.AuthOptions(**fields)


@pytest.mark.parametrize("row", support.cases("git/auth_options.json"))
def test_authentication_options_are_read_and_checked(row: dict[str, Any]) -> None:
    def read() -> credentials.AuthOptions:
        if row["op"] == "validate":
            options = options_from(row["options"])
            options.check()
            return options
        data = {key: filled(text).encode() for key, text in row["data"].items()}
        return credentials.auth_options(row["url"], data)

    if row.get("error"):
        with pytest.raises(credentials.InvalidCredentials) as caught:
            read()
        assert row["message_contains"] in str(caught.value)
        return
    options = read()
    if row["op"] == "validate":
        assert row["expected"] == "ok"
        return
    for name, wanted in row["expected"].items():
        found = getattr(options, OPTION_NAMES.get(name, name))
        text = found.decode() if isinstance(found, bytes) else found
        assert text == filled(wanted or "")


# git/secret_auth

METHODS: dict[str, Callable[[credentials.AuthOptions], bool]] = {
    "basic": lambda found: bool(found.username and found.transport == "https"),
    "bearer": lambda found: bool(found.bearer_token),
    "ssh": lambda found: bool(found.identity),
    "tls": lambda found: bool(found.ca),
}
LEGACY = {"caFile": "ca.crt", "certFile": "tls.crt", "keyFile": "tls.key"}


def way(row: dict[str, Any], data: dict[str, bytes]) -> object:
    """What a Secret says of the way to a server, in the words of the rows."""
    if row["op"] == "proxy":
        return transport.proxy(data, "default/secret").address
    found = transport.certificates(data, "default/secret")
    assert transport.tls(found).verify_mode is ssl.CERT_REQUIRED
    used = {old: new for old, new in LEGACY.items() if old in data and new not in data}
    return {
        "client_certificate": bool(found.certificate),
        "custom_ca": bool(found.authorities),
        "legacy_keys_used": used,
    }


@pytest.mark.parametrize("row", support.cases("git/secret_auth.json"))
def test_a_secret_gives_what_it_holds(row: dict[str, Any]) -> None:
    data = {key: filled(text).encode() for key, text in row["data"].items()}
    if row["op"] in ("tls", "proxy"):
        if row.get("error"):
            with pytest.raises(transport.InvalidTransport) as caught:
                way(row, data)
            assert row.get("message_contains", "") in str(caught.value)
        else:
            assert way(row, data) == row["expected"]
        return
    scheme = "ssh" if "identity" in data else "https"
    options = credentials.auth_options(f"{scheme}://example.com/repository.git", data)
    expected = row["expected"]
    match row["op"]:
        case "auth-methods":
            assert [name for name, is_given in METHODS.items() if is_given(options)] == expected
        case "basic":
            assert {"username": options.username, "password": options.password} == expected
        case "bearer":
            assert options.bearer_token == expected
        case "ssh":
            # The public key is not needed: it follows from the private one.
            found_keys = {"identity": options.identity.decode(), "known_hosts": options.known_hosts.decode()}
            wanted = {key: filled(text) for key, text in expected.items() if key != "identity.pub"}
            assert found_keys | {"password": options.password} == wanted
        case other:
            raise AssertionError(f"unknown op {other}")
