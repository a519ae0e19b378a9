"""What the client of registries meets: the same conversation with the one of the unit tests and with the distribution registry."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from e2e.servers.certificates import Authority
from e2e.servers.registry import LOGIN, Registry
from hub.sources import transport
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.oci.docker_config import ANONYMOUS, Login
from hub.sources.oci.manifest import Descriptor
from hub.sources.oci.reference import Repository
from hub.sources.oci.registry import Door
from hub.sources.oci.registry import Registry as Conversation
from tests.hub.sources.registry import NAME, Layer, RegistryStub, digest, targz

CONTENT = targz({"a.yaml": b"a: 1\n"})
ANNOTATIONS = {"org.opencontainers.image.revision": "main@sha1:abc"}
TAGS = [f"1.{number}.0" for number in range(7)]
ADA = Login(username=LOGIN[0], password=LOGIN[1])


class Side:
    """One of the two, with what was pushed to it."""

    def __init__(self, host: str, push: Callable[..., str], authority: Authority) -> None:
        self.host, self.push, self.authority = host, push, authority

    def conversation(
        self, login: Login = ADA, *, path: str = NAME, tls: ssl.SSLContext | None = None
    ) -> Conversation:
        trusted = transport.Certificates(authorities=self.authority.ca.read_bytes())
        door = Door(login=login, tls=tls or transport.tls(trusted))
        return Conversation(Repository(host=self.host, path=path), door)


@pytest.fixture(params=["stub", "real"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    authority = Authority(tmp_path / "tls")
    async with AsyncExitStack() as stack:
        if request.param == "real":
            real = stack.enter_context(Registry(tmp_path / "registry", tls=authority, guarded=True))

            def push(tag: str, *layers: Layer) -> str:
                return real.push(NAME, tag, *layers, annotations=ANNOTATIONS)

            yield Side(real.host, push, authority)
        else:
            stub = await stack.enter_async_context(RegistryStub(ssl=authority.server_context(), basic=LOGIN))

            def push_to_stub(tag: str, *layers: Layer) -> str:
                return stub.push(tag, *layers, annotations=ANNOTATIONS)

            yield Side(stub.host, push_to_stub, authority)


async def test_what_was_pushed_is_pulled(side: Side, tmp_path: Path) -> None:
    pushed = side.push("latest", Layer(content=CONTENT))
    async with side.conversation() as registry:
        assert await registry.digest_of("latest") == pushed
        manifest = await registry.manifest(pushed)
        assert manifest.annotations == ANNOTATIONS
        (layer,) = manifest.layers
        await registry.pull(layer, tmp_path / "layer", most_bytes=1 << 20)
    assert (tmp_path / "layer").read_bytes() == CONTENT


async def test_a_tag_moves(side: Side) -> None:
    first = side.push("latest", Layer(content=CONTENT))
    second = side.push("latest", Layer(content=CONTENT), Layer(content=CONTENT))
    assert first != second
    async with side.conversation() as registry:
        assert await registry.digest_of("latest") == second
        assert len((await registry.manifest(first)).layers) == 1


async def test_tags_are_listed(side: Side) -> None:
    for tag in TAGS:
        side.push(tag, Layer(content=CONTENT))
    async with side.conversation() as registry:
        assert sorted(await registry.tags()) == TAGS


async def test_tags_are_listed_page_by_page(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sources.oci.registry.PAGE", 2)
    for tag in TAGS:
        side.push(tag, Layer(content=CONTENT))
    async with side.conversation() as registry:
        assert sorted(await registry.tags()) == TAGS


@pytest.mark.parametrize(
    ("path", "tag", "code"),
    [(NAME, "v9", "MANIFEST_UNKNOWN"), (NAME, f"sha256:{'0' * 64}", "MANIFEST_UNKNOWN")],
)
async def test_what_is_not_there_is_refused_in_the_same_words(
    side: Side, path: str, tag: str, code: str
) -> None:
    side.push("latest", Layer(content=CONTENT))
    async with side.conversation(path=path) as registry:
        with pytest.raises(FetchFailure) as caught:
            await registry.digest_of(tag)
    assert caught.value.kind is FailureKind.REFERENCE_NOT_FOUND
    assert f"{code}: manifest unknown" in str(caught.value)


async def test_the_tags_of_no_repository_are_refused_in_the_same_words(side: Side) -> None:
    async with side.conversation(path="no/such") as registry:
        with pytest.raises(FetchFailure, match="NAME_UNKNOWN: repository name not known to registry"):
            await registry.tags()


async def test_a_layer_that_is_not_there_is_refused_in_the_same_words(side: Side, tmp_path: Path) -> None:
    side.push("latest", Layer(content=CONTENT))
    layer = Descriptor(media_type="a/b", digest=digest(b"other"), size=5)
    async with side.conversation() as registry:
        with pytest.raises(FetchFailure, match="BLOB_UNKNOWN: blob unknown to registry"):
            await registry.pull(layer, tmp_path / "layer", most_bytes=1 << 20)


@pytest.mark.parametrize(
    "login", [ANONYMOUS, Login(username="ada", password="wrong")], ids=["nobody", "a wrong password"]
)
async def test_who_is_not_known_is_refused_in_the_same_words(side: Side, login: Login) -> None:
    side.push("latest", Layer(content=CONTENT))
    async with side.conversation(login) as registry:
        with pytest.raises(FetchFailure) as caught:
            await registry.digest_of("latest")
    assert caught.value.kind is FailureKind.AUTHENTICATION
    assert "UNAUTHORIZED: authentication required" in str(caught.value)
    assert "wrong" not in str(caught.value)


async def test_a_server_that_nobody_vouches_for_is_not_talked_to(side: Side) -> None:
    async with side.conversation(tls=ssl.create_default_context()) as registry:
        with pytest.raises(FetchFailure, match="certificate verify failed"):
            await registry.digest_of("latest")
