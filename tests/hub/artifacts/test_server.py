from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import yarl
from aiohttp import ClientSession
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request

from hub.artifacts.server import artifact_application
from hub.artifacts.staging import staging_folder
from hub.artifacts.storage import ArtifactStorage, file_digest

PATH = "gitrepository/flux-system/app/5394cb7f.tar.gz"
DATA = b"\x1f\x8b not really gzip, never unpacked"

Client = TestClient[Request, Application]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    storage = ArtifactStorage(tmp_path / "storage")
    (tmp_path / "secret").write_text("secret")
    with staging_folder(storage.root) as folder:
        (folder / "archive").write_bytes(DATA)
        storage.store(folder / "archive", path=PATH, digest=file_digest(folder / "archive"))
    server = TestServer(artifact_application(storage))
    async with TestClient(server, cookie_jar=None) as client:
        yield client


async def test_an_artifact_is_served_with_its_bytes_untouched(client: Client) -> None:
    response = await client.get(f"/{PATH}", headers={"Accept-Encoding": "gzip"})
    assert (response.status, await response.read()) == (200, DATA)
    assert response.headers["Content-Type"] == "application/gzip"
    assert "Content-Encoding" not in response.headers


async def test_head_gives_length_time_and_tag(client: Client) -> None:
    response = await client.head(f"/{PATH}")
    assert (response.status, response.headers["Content-Length"]) == (200, str(len(DATA)))
    assert response.headers["Last-Modified"].endswith("GMT")
    assert response.headers["ETag"]


async def test_a_known_tag_is_not_sent_again(client: Client) -> None:
    tag = (await client.head(f"/{PATH}")).headers["ETag"]
    assert (await client.get(f"/{PATH}", headers={"If-None-Match": tag})).status == 304


async def test_a_range_is_served(client: Client) -> None:
    response = await client.get(f"/{PATH}", headers={"Range": "bytes=2-5"})
    assert (response.status, await response.read()) == (206, DATA[2:6])


@pytest.mark.parametrize(
    "path",
    [
        "",
        "gitrepository/",
        "gitrepository/flux-system/app/",
        f"{PATH}.digest",
        f"{PATH}x",
        "gitrepository/flux-system/app/..%2f..%2f..%2f..%2fsecret",
        "%2e%2e/secret",
    ],
)
async def test_everything_else_is_not_there(client: Client, path: str) -> None:
    assert (await client.get(f"/{path}")).status == 404


async def test_a_raw_path_cannot_climb_out(client: Client) -> None:
    async with ClientSession() as session:
        url = client.make_url("/")
        raw = yarl.URL(f"{url}gitrepository/../../secret", encoded=True)
        assert (await session.get(raw)).status == 404


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
async def test_nothing_can_be_written(client: Client, method: str) -> None:
    assert (await client.request(method, f"/{PATH}", data=b"x")).status == 405
