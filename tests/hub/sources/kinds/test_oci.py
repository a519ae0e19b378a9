"""OCIRepositories over a registry: what is pulled, stored and told, and what a registry that fails or lies leaves in place."""

import base64
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from agent.kit.errors import Stalled, Transient
from agent.kit.reconcile import Again
from hub.artifacts.contents import Contents, TreeDigest
from hub.artifacts.storage import ArtifactStorage
from hub.model.annotations import TRACEPARENT
from hub.model.ocirepository import OciRepository
from hub.model.source import NO_TREE, TREE_DIGEST
from hub.sources.controller import SourceReconciler
from hub.sources.fetch import Limits
from hub.sources.kinds.oci import OciRepositories
from hub.sources.shelf import Shelf
from hub.sources.workers import Workers
from tests.hub.sources.fakes import MemoryStore, Middle, StillClock
from tests.hub.sources.registry import NAME, OCI_INDEX, Layer, RegistryStub, basic, digest, targz

ONE, TWO = targz({"a.yaml": b"a: 1\n"}), targz({"a.yaml": b"a: 2\n"})
CANARY = "c4nary-s3cret"


class World:
    """A reconciler of OCIRepositories, a store in memory and a registry."""

    def __init__(self, root: Path, registry: RegistryStub, workers: Workers) -> None:
        self.root, self.registry, self.workers = root, registry, workers
        self.clock = StillClock()
        self.contents = Contents(root)
        self.shelf = Shelf(ArtifactStorage(root), self.contents, address="hub:9090")
        self.store: MemoryStore[OciRepository] = MemoryStore(OciRepository.parse, self.resource())
        self.limit(Limits())

    def resource(self) -> dict[str, Any]:
        return {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "OCIRepository",
            "metadata": {
                "name": "app",
                "namespace": "apps",
                "uid": "u-1",
                "generation": 1,
                "finalizers": ["finalizers.fluxcd.io"],
            },
            "spec": {"url": self.registry.url, "interval": "1m", "insecure": self.registry.ssl is None},
            "status": {"observedGeneration": -1},
        }

    def limit(self, limits: Limits) -> None:
        self.reconciler = SourceReconciler(
            OciRepositories(self.workers, self.store, limits),
            store=self.store,
            shelf=self.shelf,
            clock=self.clock,
            randomness=Middle(),
        )

    async def reconcile(self) -> Any:
        self.clock.at += timedelta(minutes=1)
        return await self.reconciler.reconcile("apps", "app")

    async def fails(self, reason: str, text: str, *, error: type[Exception] = Transient) -> str:
        """Reconcile, and return the message of Ready, which says this; nothing secret is anywhere."""
        with pytest.raises(error):
            await self.reconcile()
        ready = self.store.condition("Ready")
        assert ready is not None
        assert ready[:2] == ("False", reason), ready
        assert text in ready[2]
        assert CANARY not in json.dumps(self.store.status)
        assert CANARY not in repr(self.store.events)
        return ready[2]

    async def keeps(self, reason: str, text: str) -> str:
        """The same with what was stored before still there."""
        artifact = self.store.status["artifact"]
        message = await self.fails(reason, text)
        assert self.store.status["artifact"] == artifact
        assert self.store.condition("ArtifactInStorage") is not None
        assert (self.root / artifact["path"]).exists()
        assert not list((self.root / ".staging").iterdir())
        return message

    def files(self) -> dict[str, bytes]:
        tree = self.contents.tree(TreeDigest(self.store.status["artifact"]["metadata"][TREE_DIGEST]))
        assert tree is not None
        return dict(tree)

    @property
    def revision(self) -> str:
        return str(self.store.status["artifact"]["revision"])

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(event.reason, event.message) for event in self.store.events]

    def log_in(self, host: str = "", *, secret: str = "pull", **entry: str) -> None:
        entry = entry or {"username": "ada", "password": CANARY}
        config = {"auths": {host or self.registry.host: entry}}
        self.store.secrets[f"apps/{secret}"] = {".dockerconfigjson": json.dumps(config).encode()}


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    found = Workers(parallel=1)
    yield found
    await found.close()


@pytest.fixture
async def world(tmp_path: Path, workers: Workers) -> AsyncIterator[World]:
    async with RegistryStub() as registry:
        registry.push("latest", Layer(content=ONE))
        yield World(tmp_path / "store", registry, workers)


async def test_what_is_pulled_is_stored_and_told(world: World) -> None:
    annotations = {
        "org.opencontainers.image.source": "https://example.com/app.git",
        "org.opencontainers.image.revision": "main@sha1:abc",
    }
    pushed = world.registry.push("latest", Layer(content=ONE), annotations=annotations)
    assert await world.reconcile() == Again(after_s=60.0)
    status, revision = world.store.status, f"latest@{pushed}"
    artifact = status["artifact"]
    assert (artifact["revision"], artifact["path"]) == (revision, f"ocirepository/apps/app/{pushed}.tar.gz")
    assert artifact["metadata"] == annotations | {TREE_DIGEST: artifact["metadata"][TREE_DIGEST]}
    assert world.files() == {"a.yaml": b"a: 1\n"}
    message = f"stored artifact for digest '{revision}'"
    assert [(one["type"], one["status"], one["reason"], one["message"]) for one in status["conditions"]] == [
        ("Ready", "True", "Succeeded", message),
        ("ArtifactInStorage", "True", "Succeeded", message),
    ]
    assert status["observedGeneration"] == 1
    told = f"stored artifact with revision '{revision}' from '{world.registry.url}'"
    origin = ", origin source 'https://example.com/app.git', origin revision 'main@sha1:abc'"
    assert world.told == [("NewArtifact", told + origin)]


async def test_a_poll_without_news_asks_once_and_writes_nothing(world: World) -> None:
    await world.reconcile()
    writes, told = world.store.writes, len(world.told)
    world.registry.asked.clear()
    await world.reconcile()
    assert world.registry.asked == [("HEAD", "manifests/latest")]
    assert (world.store.writes, len(world.told)) == (writes, told)


async def test_a_request_without_news_is_answered_by_an_event(world: World) -> None:
    await world.reconcile()
    world.store.request("now")
    await world.reconcile()
    assert world.store.status["lastHandledReconcileAt"] == "now"
    assert world.told[-1] == (
        "ArtifactUpToDate",
        f"artifact up-to-date with remote revision: '{world.revision}'",
    )


async def test_a_tag_that_moved_is_pulled_anew(world: World) -> None:
    await world.reconcile()
    moved = world.registry.push("latest", Layer(content=TWO))
    await world.reconcile()
    assert world.revision == f"latest@{moved}"
    assert world.files() == {"a.yaml": b"a: 2\n"}


async def test_the_highest_version_of_all_pages_is_pulled(world: World) -> None:
    world.registry.page = 2
    for number in range(7):
        world.registry.push(f"1.{number}.0", Layer(content=ONE))
    best = world.registry.push("1.10.0", Layer(content=TWO))
    world.registry.push("2.0.0", Layer(content=ONE))
    world.registry.push("1.11.0-rc.1", Layer(content=ONE))
    world.store.change(ref={"semver": "1.x"})
    await world.reconcile()
    assert world.revision == f"1.10.0@{best}"
    assert sum(what == "tags/list" for _, what in world.registry.asked) > 3


@pytest.mark.parametrize("page", ["http://127.0.0.1:1/v2/x/tags/list", "file:///etc/passwd", "//[", ""])
async def test_a_page_elsewhere_is_not_asked_for(world: World, page: str) -> None:
    world.registry.push("1.0.0", Layer(content=ONE))
    world.registry.next_page = page
    world.store.change(ref={"semver": "1.x"})
    if page:
        await world.fails("ReadOperationFailed", "the next page of tags is not the registry's own")
    else:
        await world.reconcile()


async def test_a_filter_is_not_anchored_and_takes_linear_time(world: World) -> None:
    wanted = world.registry.push("1.11.0-rc.1", Layer(content=TWO))
    world.registry.push("1.12.0", Layer(content=ONE))
    world.registry.push("a" * 120, Layer(content=ONE))
    world.store.change(ref={"semver": ">=1.0.0-0", "semverFilter": "rc|^(a+)+$"})
    await world.reconcile()
    assert world.revision == f"1.11.0-rc.1@{wanted}"


async def test_a_digest_is_pulled_as_it_is_and_asked_for_once(world: World) -> None:
    wanted = world.registry.tags["latest"]
    world.registry.push("latest", Layer(content=TWO))
    world.store.change(ref={"digest": wanted, "tag": "latest", "semver": "1.x"})
    await world.reconcile()
    assert (world.revision, world.files()) == (wanted, {"a.yaml": b"a: 1\n"})
    world.registry.asked.clear()
    await world.reconcile()
    assert world.registry.asked == []


async def test_of_an_index_the_default_platform_is_pulled_under_the_digest_of_the_index(world: World) -> None:
    arm, amd = (world.registry.push("x", Layer(content=content)) for content in (ONE, TWO))
    children = [
        {"mediaType": "m", "digest": one, "size": 1, "platform": {"os": "linux", "architecture": name}}
        for one, name in ((arm, "arm64"), (amd, "amd64"))
    ]
    index = world.registry.put("latest", {"mediaType": OCI_INDEX, "manifests": children})
    await world.reconcile()
    assert (world.revision, world.files()) == (f"latest@{index}", {"a.yaml": b"a: 2\n"})


async def test_a_registry_that_answers_no_head_is_asked_again(world: World) -> None:
    world.registry.answers_head = False
    await world.reconcile()
    assert world.revision == f"latest@{world.registry.tags['latest']}"


async def test_the_layer_of_a_media_type_is_taken_and_may_be_kept_as_it_is(world: World) -> None:
    json_layer = Layer(content=b'{"a": 1}', media_type="application/json")
    pushed = world.registry.push("latest", Layer(content=ONE), json_layer)
    selector = {"mediaType": "application/json", "operation": "copy"}
    world.store.change(layerSelector=selector)
    await world.reconcile()
    artifact = world.store.status["artifact"]
    assert (artifact["digest"], artifact["path"].rpartition("/")[2]) == (
        digest(json_layer.content),
        f"{pushed}.tar.gz",
    )
    assert artifact["metadata"][TREE_DIGEST] == NO_TREE
    assert (world.root / artifact["path"]).read_bytes() == json_layer.content
    assert world.store.status["observedLayerSelector"] == selector
    writes = world.store.writes
    await world.reconcile()
    assert world.store.writes == writes


async def test_another_selection_of_the_same_artifact_is_made_anew(world: World) -> None:
    world.registry.push("latest", Layer(content=ONE), Layer(content=TWO, media_type="two"))
    await world.reconcile()
    world.store.change(layerSelector={"mediaType": "two"})
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 2\n"}
    world.store.change(ignore="a.yaml")
    await world.reconcile()
    assert (world.files(), world.store.status["observedIgnore"]) == ({}, "a.yaml")


@pytest.mark.parametrize(
    ("spec", "reason", "text"),
    [
        ({"ref": {"tag": "v9"}}, "OCIArtifactPullFailed", "failed to determine artifact digest: GET http"),
        ({"ref": {"tag": "v9"}}, "OCIArtifactPullFailed", "MANIFEST_UNKNOWN: manifest unknown"),
        ({"ref": {"tag": "a b"}}, "ReadOperationFailed", "spec.ref.tag 'a b' is not a tag"),
        ({"ref": {"digest": "sha256:12"}}, "ReadOperationFailed", "spec.ref.digest 'sha256:12' must be"),
        (
            {"ref": {"digest": f"sha256:{'0' * 64}"}},
            "OCIArtifactPullFailed",
            "failed to pull artifact from 'oci:",
        ),
        ({"ref": {"semver": "9.x"}}, "ReadOperationFailed", "no match found for semver: 9.x"),
        ({"ref": {"semver": "one"}}, "ReadOperationFailed", "semver 'one' parse error: "),
        (
            {"ref": {"semver": "*", "semverFilter": "("}},
            "ReadOperationFailed",
            "failed to compile regexp '('",
        ),
        (
            {"layerSelector": {"mediaType": "x/y"}},
            "OCIArtifactLayerOperationFailed",
            "failed to find layer with media type 'x/y' in artifact",
        ),
    ],
)
async def test_what_the_registry_does_not_have_keeps_the_artifact(
    world: World, spec: dict[str, Any], reason: str, text: str
) -> None:
    await world.reconcile()
    world.store.change(**spec)
    await world.keeps(reason, text)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("oci://example.com/app:v1", "URL must not contain a tag; remove ':v1'"),
        ("oci://example.com/app@sha256:12", "URL must not contain a tag; remove '@sha256:12'"),
        ("https://example.com/app", "URL must be in format 'oci://<domain>/<org>/<repo>'"),
        ("oci://example.com", "could not parse reference"),
        ("oci://ada:c4nary-s3cret@example.com/app", "could not parse reference"),
        ("oci://example.com/App/../x", "could not parse reference"),
    ],
)
async def test_a_url_that_names_no_repository_is_stalled(world: World, url: str, text: str) -> None:
    await world.reconcile()
    assert world.store.held is not None
    world.store.change(url=url)
    message = await world.fails("URLInvalid", text, error=Stalled)
    assert message.startswith("URL validation failed for 'oci://example.com" if url[0] == "o" else "URL val")
    assert world.store.condition("Stalled") is not None


async def test_a_field_that_is_not_served_stalls_and_what_there_is_stays(world: World) -> None:
    await world.reconcile()
    world.store.change(verify={"provider": "cosign"})
    await world.fails("UnsupportedField", "spec.verify = ", error=Stalled)
    assert (world.root / world.store.status["artifact"]["path"]).exists()


# A registry that lies or fails.


async def test_a_layer_that_is_not_what_its_digest_says_keeps_the_artifact(world: World) -> None:
    await world.reconcile()
    world.registry.push("latest", Layer(content=TWO))
    world.registry.blobs[digest(TWO)] = bytes(len(TWO))
    await world.keeps(
        "OCIArtifactPullFailed", f"error verifying sha256 checksum after reading {len(TWO)} bytes"
    )
    world.registry.blobs[digest(TWO)] = TWO + b"more"
    await world.keeps("OCIArtifactPullFailed", "error verifying sha256 checksum")
    world.registry.blobs[digest(TWO)] = TWO[:-1]
    await world.keeps("OCIArtifactPullFailed", "error verifying sha256 checksum")
    world.registry.blobs[digest(TWO)] = TWO
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 2\n"}
    assert world.told[-1][0] == "NewArtifact"


async def test_a_manifest_that_is_not_what_its_digest_says_keeps_the_artifact(world: World) -> None:
    await world.reconcile()
    pushed = world.registry.push("latest", Layer(content=TWO))
    world.registry.manifests[pushed] += b" "
    await world.keeps("OCIArtifactPullFailed", "does not match requested digest")


@pytest.mark.parametrize(
    ("manifest", "reason", "text"),
    [
        (b"x" * (5 << 20), "OCIArtifactPullFailed", "more than 4194304 bytes, which is the limit"),
        (b"{", "OCIArtifactPullFailed", "the manifest cannot be read"),
        ({"layers": []}, "OCIArtifactLayerOperationFailed", "no layers found in artifact"),
        (
            {"layers": [{"mediaType": "a", "digest": "../../x", "size": 1}]},
            "OCIArtifactPullFailed",
            "no sha256",
        ),
        ({"layers": "x"}, "OCIArtifactPullFailed", "the manifest cannot be read"),
        ({"layers": [], "annotations": {"a": "x" * 70_000}}, "OCIArtifactPullFailed", "65536 bytes"),
        (
            {"mediaType": OCI_INDEX, "manifests": []},
            "OCIArtifactPullFailed",
            "no child with platform linux/amd64",
        ),
    ],
)
async def test_a_manifest_that_cannot_be_used_keeps_the_artifact(
    world: World, manifest: bytes | dict[str, Any], reason: str, text: str
) -> None:
    await world.reconcile()
    world.registry.put("latest", manifest)
    await world.keeps(reason, text)


async def test_an_index_of_indexes_ends(world: World) -> None:
    child = world.registry.put("x", {"mediaType": OCI_INDEX, "manifests": []})
    for _ in range(3):
        child = world.registry.put(
            "latest",
            {"mediaType": OCI_INDEX, "manifests": [{"mediaType": OCI_INDEX, "digest": child, "size": 1}]},
        )
    await world.fails("OCIArtifactPullFailed", "an index leads to another index")


async def test_a_layer_that_is_too_large_is_not_even_begun(world: World) -> None:
    await world.reconcile()
    world.registry.push("latest", Layer(content=TWO))
    world.limit(Limits(received_bytes=10))
    world.registry.asked.clear()
    await world.keeps("OCIArtifactPullFailed", "more than 10, which is the limit")
    assert not any(what.startswith("blobs") for _, what in world.registry.asked)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (targz({"../up.yaml": b""}), "tar contained invalid name error '../up.yaml'"),
        (targz({"zeros": bytes(300_000)}), "it unpacks to more than the limit of 1000 bytes"),
        (b"kind: ConfigMap", "requires gzip-compressed body"),
    ],
)
async def test_a_layer_that_cannot_be_unpacked_keeps_the_artifact(
    world: World, layer: bytes, text: str
) -> None:
    await world.reconcile()
    world.registry.push("latest", Layer(content=layer))
    world.limit(Limits(content_bytes=1000, files=10))
    await world.keeps(
        "OCIArtifactLayerOperationFailed", f"failed to extract layer contents from artifact: {text}"
    )


async def test_annotations_do_not_speak_for_the_hub(world: World) -> None:
    theirs = {TREE_DIGEST: "sha256:theirs", TRACEPARENT: "00-theirs", "a": "b"}
    world.registry.push("latest", Layer(content=ONE), annotations=theirs)
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 1\n"}
    assert world.store.status["artifact"]["metadata"].keys() == {TREE_DIGEST, "a"}


async def test_a_registry_that_is_away_or_out_of_order_keeps_the_artifact(world: World) -> None:
    await world.reconcile()
    world.registry.broken = 503
    await world.keeps("OCIArtifactPullFailed", "unexpected status code 503")
    world.registry.broken = 0
    await world.reconcile()
    assert world.told[-1][0] == "Succeeded"
    port = world.registry.port
    await world.registry.__aexit__(None, None, None)
    await world.keeps("OCIArtifactPullFailed", f"127.0.0.1:{port}")


async def test_a_registry_that_is_silent_is_given_its_time(world: World) -> None:
    await world.reconcile()
    world.registry.push("latest", Layer(content=TWO))
    world.registry.hangs = True
    world.store.change(timeout="300ms")
    text = f"failed to pull artifact from '{world.registry.url}': no result within spec.timeout of 0.3s"
    await world.keeps("OCIArtifactPullFailed", text)


# Credentials.


async def test_a_token_is_asked_for_with_the_login_of_the_registry(world: World) -> None:
    world.registry.login = ("ada", CANARY)
    world.log_in()
    world.store.change(secretRef={"name": "pull"})
    await world.reconcile()
    assert ("/token", basic("ada", CANARY)) in world.registry.sent
    assert not any(CANARY in sent for path, sent in world.registry.sent if path != "/token")


async def test_a_registry_that_asks_for_the_login_itself_gets_it(world: World) -> None:
    world.registry.basic = ("ada", CANARY)
    world.log_in()
    world.store.change(secretRef={"name": "pull"})
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 1\n"}


@pytest.mark.parametrize(
    "entry",
    [
        {"auth": base64.b64encode(f"ada:{CANARY}".encode()).decode()},
        {"identitytoken": CANARY},
        {"registrytoken": "t0ken"},
    ],
    ids=lambda entry: next(iter(entry)),
)
async def test_every_form_of_a_login_works(world: World, entry: dict[str, str]) -> None:
    world.registry.login = ("ada", CANARY)
    world.log_in(**entry)
    world.store.change(secretRef={"name": "pull"})
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 1\n"}


async def test_the_pull_secrets_of_a_service_account_are_used_beside_the_named_one(world: World) -> None:
    world.registry.login = ("ada", CANARY)
    world.log_in(secret="of-account")
    world.log_in("other.example.com")
    world.store.accounts["apps/puller"] = ("of-account",)
    world.store.change(secretRef={"name": "pull"}, serviceAccountName="puller")
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 1\n"}


@pytest.mark.parametrize(
    ("spec", "data", "text"),
    [
        ({"secretRef": {"name": "x"}}, None, "failed to get secret 'apps/x': secrets \"x\" not found"),
        (
            {"serviceAccountName": "x"},
            None,
            "failed to get service account 'apps/x': serviceaccounts \"x\" not found",
        ),
        (
            {"serviceAccountName": "puller"},
            None,
            "failed to get image pull secret 'apps/gone' for service account 'apps/puller': ",
        ),
        (
            {"secretRef": {"name": "s"}},
            {"password": CANARY},
            "secret 'apps/s': key '.dockerconfigjson' not found",
        ),
        (
            {"secretRef": {"name": "s"}},
            {".dockerconfigjson": f'{{"auths": "{CANARY}'},
            "does not hold a Docker",
        ),
        (
            {"secretRef": {"name": "s"}},
            {".dockerconfigjson": json.dumps({"auths": {"a": {"auth": f"!{CANARY}"}}})},
            "'auth' of a in key '.dockerconfigjson' is not Base64",
        ),
    ],
)
async def test_credentials_that_are_missing_or_unusable_are_named_and_not_shown(
    world: World, spec: dict[str, Any], data: dict[str, str] | None, text: str
) -> None:
    world.store.accounts["apps/puller"] = ("gone",)
    if data is not None:
        world.store.secrets["apps/s"] = {key: value.encode() for key, value in data.items()}
    world.store.change(**spec)
    message = await world.fails("AuthenticationFailed", text)
    assert message.startswith("failed to get credentials: ")
    assert world.registry.asked == []


async def test_a_wrong_login_is_told_in_the_words_of_the_registry(world: World) -> None:
    await world.reconcile()
    world.registry.login = ("ada", "other")
    world.log_in()
    world.store.change(secretRef={"name": "pull"})
    message = await world.keeps("OCIArtifactPullFailed", "UNAUTHORIZED: incorrect username or password")
    assert message.startswith("failed to determine artifact digest: GET http")


async def test_without_a_login_the_refusal_is_told(world: World) -> None:
    world.registry.login = ("ada", CANARY)
    await world.fails("OCIArtifactPullFailed", "UNAUTHORIZED")


async def test_a_redirect_to_another_host_gets_no_credentials(world: World) -> None:
    world.registry.basic = ("ada", CANARY)
    world.log_in()
    world.store.change(secretRef={"name": "pull"})
    seen: list[str | None] = []

    async def serve(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=world.registry.blobs[request.match_info["digest"]])

    application = web.Application()
    application.router.add_get("/cdn/{digest}", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    world.registry.redirect_blobs_to = f"http://127.0.0.1:{runner.addresses[0][1]}/cdn"
    await world.reconcile()
    await runner.cleanup()
    assert (seen, world.files()) == ([None], {"a.yaml": b"a: 1\n"})


async def test_a_redirect_without_end_ends(world: World) -> None:
    world.registry.redirect_blobs_to = f"http://{world.registry.host}/v2/{NAME}/blobs"
    await world.fails("OCIArtifactPullFailed", "the registry redirects too often")


# TLS and proxies.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes, bytes]:
    """A folder with a certificate for 127.0.0.1 that vouches for itself: its file, the certificate and the key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "stub")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    certificate = made.public_bytes(serialization.Encoding.PEM)
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(private + certificate)
    return file, certificate, private


@pytest.fixture
async def encrypted(
    tmp_path: Path, workers: Workers, authority: tuple[Path, bytes, bytes]
) -> AsyncIterator[World]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority[0])
    async with RegistryStub(ssl=context) as registry:
        registry.push("latest", Layer(content=ONE))
        yield World(tmp_path / "store", registry, workers)


async def test_an_authority_of_ones_own_is_trusted_when_it_is_named(
    encrypted: World, authority: tuple[Path, bytes, bytes]
) -> None:
    await encrypted.fails("OCIArtifactPullFailed", "certificate verify failed")
    encrypted.store.secrets["apps/ca"] = {"ca.crt": authority[1]}
    encrypted.store.change(certSecretRef={"name": "ca"})
    await encrypted.reconcile()
    assert encrypted.files() == {"a.yaml": b"a: 1\n"}


async def test_from_tls_nothing_leads_to_plain_http(
    encrypted: World, authority: tuple[Path, bytes, bytes]
) -> None:
    encrypted.store.secrets["apps/ca"] = {"ca.crt": authority[1]}
    encrypted.log_in()
    encrypted.store.change(certSecretRef={"name": "ca"}, secretRef={"name": "pull"})
    encrypted.registry.redirect_blobs_to = "http://127.0.0.1:1/cdn"
    await encrypted.fails("OCIArtifactPullFailed", "to what cannot be trusted")
    encrypted.registry.login = ("ada", CANARY)
    encrypted.registry.realm = "http://127.0.0.1:1/token"
    await encrypted.fails("OCIArtifactPullFailed", "names no token server that can be trusted")


async def test_an_insecure_one_is_anybody(encrypted: World) -> None:
    encrypted.store.change(insecure=True)
    await encrypted.reconcile()
    assert encrypted.files() == {"a.yaml": b"a: 1\n"}


async def test_an_insecure_one_with_certificates_is_verified(encrypted: World) -> None:
    other = ssl.create_default_context().get_ca_certs(binary_form=True)[0]
    encrypted.store.secrets["apps/ca"] = {"ca.crt": ssl.DER_cert_to_PEM_cert(other).encode()}
    encrypted.store.change(insecure=True, certSecretRef={"name": "ca"})
    await encrypted.fails("OCIArtifactPullFailed", "")


async def test_a_certificate_is_shown_to_who_asks_for_one(
    tmp_path: Path, workers: Workers, authority: tuple[Path, bytes, bytes]
) -> None:
    file, certificate, key = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(file)
    async with RegistryStub(ssl=context) as registry:
        registry.push("latest", Layer(content=ONE))
        world = World(tmp_path / "store", registry, workers)
        world.store.secrets["apps/tls"] = {"ca.crt": certificate}
        world.store.change(certSecretRef={"name": "tls"})
        await world.fails("OCIArtifactPullFailed", "")
        world.store.secrets["apps/tls"] |= {"tls.crt": certificate, "tls.key": key}
        await world.reconcile()
        assert world.files() == {"a.yaml": b"a: 1\n"}


async def test_without_insecure_nothing_is_sent_without_tls(world: World) -> None:
    world.store.change(insecure=False)
    await world.fails("OCIArtifactPullFailed", f"https://{world.registry.host}/v2/")
    assert world.registry.sent == []


async def test_requests_go_through_the_proxy_that_is_named(world: World) -> None:
    seen: list[str] = []

    async def forward(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Proxy-Authorization", ""))
        if request.method == "CONNECT":
            return web.Response(status=403)
        wanted = request.path.rpartition("/")[2]
        wanted = world.registry.tags.get(wanted, wanted)
        found = world.registry.manifests.get(wanted) or world.registry.blobs[wanted]
        return web.Response(body=found, headers={"Docker-Content-Digest": wanted})

    server = web.ServerRunner(web.Server(forward))
    await server.setup()
    await web.TCPSite(server, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{server.addresses[0][1]}"
    world.store.secrets["apps/proxy"] = {
        "address": address.encode(),
        "username": b"ada",
        "password": CANARY.encode(),
    }
    world.store.change(proxySecretRef={"name": "proxy"})
    await world.reconcile()
    assert world.files() == {"a.yaml": b"a: 1\n"}
    assert world.registry.sent == []
    assert set(seen) == {basic("ada", CANARY)}
    await server.cleanup()


@pytest.mark.parametrize(
    ("spec", "data", "text"),
    [
        ({"certSecretRef": {"name": "x"}}, {}, "failed to get secret 'apps/x': "),
        (
            {"certSecretRef": {"name": "s"}},
            {"tls.crt": CANARY},
            "secret 'apps/s' contains 'tls.crt' but missing",
        ),
        (
            {"certSecretRef": {"name": "s"}},
            {"other": CANARY},
            "secret 'apps/s' must contain either 'ca.crt' or",
        ),
        ({"certSecretRef": {"name": "s"}}, {"ca.crt": CANARY}, "failed to parse CA certificate"),
        (
            {"certSecretRef": {"name": "s"}},
            {"tls.crt": CANARY, "tls.key": CANARY},
            "failed to parse TLS certificate and key",
        ),
        ({"proxySecretRef": {"name": "s"}}, {"username": CANARY}, "key 'address' not found"),
        ({"proxySecretRef": {"name": "s"}}, {"address": "socks5://a:1"}, "socks5 proxies are not supported"),
    ],
)
async def test_a_way_that_cannot_be_used_is_named_and_not_shown(
    world: World, spec: dict[str, Any], data: dict[str, str], text: str
) -> None:
    world.store.secrets["apps/s"] = {key: value.encode() for key, value in data.items()}
    world.store.change(**spec)
    message = await world.fails("AuthenticationFailed", text)
    assert message.startswith(f"failed to generate transport for '{world.registry.url}': ")
    assert world.registry.asked == []
