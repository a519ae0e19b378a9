"""A container registry in this process, which answers as the real one does and lies where a test says so.

`e2e/contract/test_registry.py` runs the same conversation with the real one.
"""

import asyncio
import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

FLUX_CONFIG = "application/vnd.cncf.flux.config.v1+json"
FLUX_CONTENT = "application/vnd.cncf.flux.content.v1.tar+gzip"
OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
NAME = "team/app"
TOKEN = "t0ken"


def digest(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def targz(files: Mapping[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """Archive files as `flux push artifact` does; `more` are entries without content."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return gzip.compress(out.getvalue(), mtime=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    content: bytes
    media_type: str = FLUX_CONTENT


@dataclass
class RegistryStub:
    """`login` (user, password) asks for a token, `basic` for the login itself. Everything asked is in `asked`."""

    login: tuple[str, str] | None = None
    basic: tuple[str, str] | None = None
    ssl: Any = None
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    media_types: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    page: int = 1000
    answers_head: bool = True
    redirect_blobs_to: str = ""
    realm: str = ""
    next_page: str = ""
    broken: int = 0
    hangs: bool = False

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_get("/v2/", self._ping)
        application.router.add_get("/token", self._token)
        application.router.add_post("/token", self._token)
        application.router.add_route(
            "*", "/v2/{name:.+}/{what:tags|manifests|blobs}/{reference}", self._serve
        )
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self.ssl)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"oci://{self.host}/{NAME}"

    def push(self, tag: str, *layers: Layer, annotations: Mapping[str, str] | None = None) -> str:
        """Have an artifact there; return its digest."""
        config = b"{}"
        self.blobs[digest(config)] = config
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": {"mediaType": FLUX_CONFIG, "digest": digest(config), "size": len(config)},
            "layers": [
                {"mediaType": one.media_type, "digest": digest(one.content), "size": len(one.content)}
                for one in layers
            ],
        }
        if annotations is not None:
            manifest["annotations"] = dict(annotations)
        for one in layers:
            self.blobs[digest(one.content)] = one.content
        return self.put(tag, manifest)

    def put(self, tag: str, manifest: Mapping[str, Any] | bytes) -> str:
        """Have any manifest there."""
        raw = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        found = digest(raw)
        self.manifests[found], self.tags[tag] = raw, found
        if not isinstance(manifest, bytes):
            self.media_types[found] = str(manifest.get("mediaType", OCI_IMAGE))
        return found

    async def _ping(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def _token(self, request: web.Request) -> web.Response:
        authorization = request.headers.get("Authorization", "")
        self.sent.append((request.path, authorization))
        if request.method == "POST":
            form = await request.post()
            if self.login is not None and form["refresh_token"] == self.login[1]:
                return web.json_response({"access_token": TOKEN})
            return _refused(401, "UNAUTHORIZED", "bad refresh token")
        if self.login is not None and authorization == basic(*self.login):
            return web.json_response({"token": TOKEN})
        return _refused(401, "UNAUTHORIZED", "incorrect username or password")

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        what, reference = request.match_info["what"], request.match_info["reference"]
        self.asked.append((request.method, f"{what}/{reference}"))
        self.sent.append((request.path, request.headers.get("Authorization", "")))
        if self.broken:
            return web.Response(status=self.broken, text="<html>oh no</html>")
        if (challenge := self._challenge(request)) is not None:
            return challenge
        if request.match_info["name"] != NAME:
            return _refused(404, "NAME_UNKNOWN", "repository name not known to registry")
        match what:
            case "tags":
                return self._list(request)
            case "manifests":
                return self._manifest(request, reference)
            case _:
                if self.hangs:
                    await asyncio.Event().wait()
                return self._blob(reference)

    def _challenge(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.login is not None and given != f"Bearer {TOKEN}":
            scheme = "http" if self.ssl is None else "https"
            token = self.realm or f"{scheme}://{self.host}/token"
            realm = f'Bearer realm="{token}",service="stub",scope="repository:{NAME}:pull"'
            return _refused(401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": realm})
        if self.basic is not None and given != basic(*self.basic):
            return _refused(
                401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": 'Basic realm="stub"'}
            )
        return None

    def _list(self, request: web.Request) -> web.Response:
        size = min(self.page, int(request.query.get("n", self.page)))
        last, names = request.query.get("last", ""), sorted(self.tags)
        page = [name for name in names if name > last][:size]
        headers = {}
        if page and page[-1] != names[-1]:
            headers["Link"] = f'</v2/{NAME}/tags/list?last={page[-1]}&n={size}>; rel="next"'
        if self.next_page:
            headers["Link"] = f'<{self.next_page}>; rel="next"'
        return web.json_response({"name": NAME, "tags": page}, headers=headers)

    def _manifest(self, request: web.Request, reference: str) -> web.Response:
        found = self.tags.get(reference, reference)
        raw = self.manifests.get(found)
        if raw is None:
            return _refused(404, "MANIFEST_UNKNOWN", "manifest unknown")
        if request.method == "HEAD" and not self.answers_head:
            return web.Response(status=405)
        headers = {"Content-Type": self.media_types.get(found, OCI_IMAGE)}
        if self.answers_head:
            headers["Docker-Content-Digest"] = found
        return web.Response(body=raw, headers=headers)

    def _blob(self, reference: str) -> web.Response:
        if self.redirect_blobs_to:
            return web.Response(status=307, headers={"Location": f"{self.redirect_blobs_to}/{reference}"})
        raw = self.blobs.get(reference)
        return (
            _refused(404, "BLOB_UNKNOWN", "blob unknown to registry")
            if raw is None
            else web.Response(body=raw)
        )


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    errors = {"errors": [{"code": code, "message": message}]}
    return web.json_response(errors, status=status, headers=headers)
