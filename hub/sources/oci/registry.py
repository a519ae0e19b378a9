"""A client of container registries: the tags of a repository, and its manifests and layers by digest.

State: the token of one conversation. Whatever is read is bounded and compared with the digest that it was asked for by.
Credentials go to the registry and to the token server that it names, never after a redirect to another host, and never from TLS
to plain HTTP.
"""

import asyncio
import contextlib
import hashlib
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import aiohttp
import msgspec
from yarl import URL

from agent.version import VERSION
from hub.sources.failure import FailureKind, FetchFailure, without_secrets
from hub.sources.oci import manifest
from hub.sources.oci.docker_config import Login
from hub.sources.oci.manifest import Descriptor, Manifest
from hub.sources.oci.reference import Repository, is_digest
from hub.sources.transport import Proxy

MAX_TAGS = 200_000
PAGE = 1000
_MAX_BODY = 8 << 20
_MAX_REFUSAL = 64 << 10
_MAX_TEXT = 300
_MAX_HOPS = 6
_CHUNK = 1 << 20
_PROBE_S = 5.0
_REDIRECTS = (301, 302, 303, 307, 308)
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """How a registry is reached. `insecure` allows plain HTTP where there is no TLS."""

    login: Login
    tls: ssl.SSLContext
    insecure: bool = False
    proxy: Proxy | None = None


T = TypeVar("T", bound=msgspec.Struct)


class _Token(msgspec.Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class _Tags(msgspec.Struct, frozen=True):
    tags: tuple[str, ...] | None = None


class _Error(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class _Errors(msgspec.Struct, frozen=True):
    errors: tuple[_Error, ...] = ()


class Registry:
    """One conversation about one repository; everything raises FetchFailure."""

    def __init__(self, repository: Repository, door: Door) -> None:
        self._repository = repository
        self._door = door
        self._origin: URL | None = None
        self._authorization = f"Bearer {door.login.registry_token}" if door.login.registry_token else ""

    async def __aenter__(self) -> Self:
        # Nothing of the environment is to come between; what is packed stays so, since digests are over that.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._door.tls, limit=4),
            headers={"User-Agent": f"cartwheel/{VERSION}", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def tags(self) -> list[str]:
        """Return all tags of the repository."""
        found: list[str] = []
        at = f"tags/list?n={PAGE}"
        while at:
            async with self._asked("GET", at) as answer:
                page = _decoded(await _body(answer, _MAX_BODY), _Tags)
                at = _next_page(answer)
            found.extend(page.tags or ())
            if len(found) > MAX_TAGS:
                raise FetchFailure(
                    FailureKind.TOO_LARGE, f"the repository has more than {MAX_TAGS} tags, which is the limit"
                )
        return found

    async def digest_of(self, tag: str) -> str:
        """Return the digest that a tag stands for now."""
        with contextlib.suppress(FetchFailure):
            async with self._asked("HEAD", f"manifests/{tag}", accept=manifest.ACCEPTED) as answer:
                told = answer.headers.get("Docker-Content-Digest", "")
                if is_digest(told):
                    return told
        # Not every registry answers a HEAD, and its refusals say nothing.
        return _sha256(await self._manifest(tag))

    async def manifest(self, digest: str) -> Manifest:
        """Return the manifest of a digest; of an index the one for the default platform."""
        for _ in range(2):
            raw = await self._manifest(digest)
            if (found := _sha256(raw)) != digest:
                message = f'manifest digest: "{found}" does not match requested digest: "{digest}" for "{self._repository}"'
                raise FetchFailure(FailureKind.PROTOCOL, message)
            try:
                read = manifest.read(raw)
            except manifest.InvalidManifest as problem:
                raise FetchFailure(FailureKind.PROTOCOL, str(problem)) from problem
            if isinstance(read, Manifest):
                return read
            digest = read
        raise FetchFailure(FailureKind.PROTOCOL, "an index leads to another index")

    async def pull(self, layer: Descriptor, target: Path, *, most_bytes: int) -> None:
        """Write a layer to a file. Raises OSError, too."""
        if layer.size > most_bytes:
            message = f"the layer has {layer.size} bytes, more than {most_bytes}, which is the limit"
            raise FetchFailure(FailureKind.TOO_LARGE, message)
        hashed, size = hashlib.sha256(), 0
        with await asyncio.to_thread(target.open, "wb") as out:
            async with self._asked("GET", f"blobs/{layer.digest}") as answer:
                async for chunk in _chunks(answer):
                    size += len(chunk)
                    if size > layer.size:
                        break
                    await asyncio.to_thread(_write, out, hashed, chunk)
        if size != layer.size or f"sha256:{hashed.hexdigest()}" != layer.digest:
            message = (
                f'error verifying sha256 checksum after reading {size} bytes; got "sha256:{hashed.hexdigest()}", '
                f'want "{layer.digest}" of {layer.size} bytes'
            )
            raise FetchFailure(FailureKind.PROTOCOL, message)

    async def _manifest(self, reference: str) -> bytes:
        async with self._asked("GET", f"manifests/{reference}", accept=manifest.ACCEPTED) as answer:
            return await _body(answer, manifest.MAX_BYTES)

    @contextlib.asynccontextmanager
    async def _asked(
        self, method: str, path: str, *, accept: str = "*/*"
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request about the repository, with authorization where that is asked for; `path` may be a whole URL."""
        origin = self._origin = self._origin or await self._probe()
        url = URL(path) if "://" in path else origin.join(URL(f"/v2/{self._repository.path}/{path}"))
        was_refused = False
        for _ in range(_MAX_HOPS):
            is_ours = url.origin() == origin
            headers = {"Accept": accept}
            if self._authorization and is_ours:
                headers["Authorization"] = self._authorization
            async with self._sent(method, url, headers=headers) as answer:
                if answer.status == 401 and is_ours and not was_refused:
                    was_refused = True
                    await self._authorize(answer)
                elif answer.status in _REDIRECTS:
                    url = _followed(url, answer)
                elif answer.status >= 400:
                    raise await self._refusal(method, url, answer)
                else:
                    yield answer
                    return
        raise FetchFailure(FailureKind.PROTOCOL, f"{method} {url}: the registry redirects too often")

    @contextlib.asynccontextmanager
    async def _sent(self, method: str, url: URL, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        proxy = self._door.proxy.address if self._door.proxy is not None else None
        try:
            async with self._session.request(
                method, url, allow_redirects=False, proxy=proxy, **more
            ) as answer:
                yield answer
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as problem:
            if isinstance(problem, OSError) and not isinstance(
                problem, aiohttp.ClientError | ConnectionError
            ):
                raise
            # The cause may quote what was sent.
            raise FetchFailure(
                FailureKind.NETWORK, self._shown(f"{method} {url}: {_text(problem)}")
            ) from None

    async def _probe(self) -> URL:
        """Return where the registry is: over TLS, or where that is allowed and there is none, without. Sends no credentials."""
        secure = URL(f"https://{self._repository.host}")
        if not self._door.insecure:
            return secure
        with contextlib.suppress(FetchFailure, TimeoutError):
            async with asyncio.timeout(_PROBE_S), self._sent("GET", secure / "v2/"):
                return secure
        return URL(f"http://{self._repository.host}")

    async def _authorize(self, refused: aiohttp.ClientResponse) -> None:
        """Get what the registry asks for in its refusal."""
        challenges = refused.headers.getall("WWW-Authenticate", [])
        bearer = next((one for one in challenges if one.lower().startswith("bearer ")), None)
        login = self._door.login
        if bearer is not None:
            self._authorization = f"Bearer {await self._token(dict(_PARAMETER.findall(bearer)), refused.url)}"
        elif login.username and any(one.lower().startswith("basic") for one in challenges):
            self._authorization = aiohttp.encode_basic_auth(login.username, login.password)
        # Without either the same refusal comes again, and is told.

    async def _token(self, asked: dict[str, str], registry: URL) -> str:
        login, scope = self._door.login, f"repository:{self._repository.path}:pull"
        realm = URL(asked.get("realm", ""))
        if realm.scheme not in ("http", "https") or (registry.scheme, realm.scheme) == ("https", "http"):
            raise FetchFailure(
                FailureKind.PROTOCOL, f"the registry names no token server that can be trusted: '{realm}'"
            )
        wanted = {"service": asked.get("service", ""), "scope": asked.get("scope") or scope}
        if login.identity_token:
            grant = {
                "grant_type": "refresh_token",
                "refresh_token": login.identity_token,
                "client_id": "cartwheel",
            }
            sent = self._sent("POST", realm, data={**wanted, **grant})
        else:
            headers = {}
            if login.username:
                headers["Authorization"] = aiohttp.encode_basic_auth(login.username, login.password)
            sent = self._sent("GET", realm.update_query(wanted), headers=headers)
        async with sent as answer:
            if answer.status != 200:
                raise await self._refusal(answer.method, realm, answer)
            got = _decoded(await _body(answer, _MAX_BODY), _Token)
        return got.token or got.access_token

    async def _refusal(self, method: str, url: URL, answer: aiohttp.ClientResponse) -> FetchFailure:
        text = f"unexpected status code {answer.status} {answer.reason or ''}".rstrip()
        with contextlib.suppress(FetchFailure):
            if errors := _decoded(await _body(answer, _MAX_REFUSAL), _Errors).errors:
                text = "; ".join(f"{one.code}: {one.message}" for one in errors)
        kind = FailureKind.AUTHENTICATION if answer.status in (401, 403) else FailureKind.PROTOCOL
        if answer.status == 404:
            kind = FailureKind.REFERENCE_NOT_FOUND
        return FetchFailure(kind, self._shown(f"{method} {url.with_query(None)}: {text[:_MAX_TEXT]}"))

    def _shown(self, text: str) -> str:
        secrets = self._door.login.secrets() + (self._door.proxy.secrets() if self._door.proxy else ())
        return without_secrets(text, secrets)


def _next_page(answer: aiohttp.ClientResponse) -> str:
    """Return where the list of tags goes on, empty at its end."""
    found = _NEXT.search(answer.headers.get("Link", ""))
    if found is None:
        return ""
    with contextlib.suppress(ValueError):
        page = answer.url.join(URL(found[1]))
        if page.origin() == answer.url.origin():
            return str(page)
    raise FetchFailure(FailureKind.PROTOCOL, "the next page of tags is not the registry's own")


def _followed(url: URL, answer: aiohttp.ClientResponse) -> URL:
    target = url.join(URL(answer.headers.get("Location", "")))
    if target.scheme not in ("http", "https") or (url.scheme, target.scheme) == ("https", "http"):
        raise FetchFailure(
            FailureKind.PROTOCOL, f"the registry redirects from {url.origin()} to what cannot be trusted"
        )
    return target


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield a body in pieces that are worth a turn."""
    held = bytearray()
    async for piece in answer.content.iter_any():
        held += piece
        if len(held) >= _CHUNK:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


async def _body(answer: aiohttp.ClientResponse, most: int) -> bytes:
    held = bytearray()
    async for piece in answer.content.iter_any():
        held += piece
        if len(held) > most:
            raise FetchFailure(
                FailureKind.TOO_LARGE,
                f"{answer.method} {answer.url}: the answer has more than {most} bytes, which is the limit",
            )
    return bytes(held)


def _write(out: BinaryIO, hashed: "hashlib._Hash", chunk: bytes) -> None:
    hashed.update(chunk)
    out.write(chunk)


def _decoded(raw: bytes, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise FetchFailure(
            FailureKind.PROTOCOL, "the registry's answer is not what the protocol says"
        ) from problem


def _sha256(raw: bytes) -> str:
    return f"sha256:{hashlib.sha256(raw).hexdigest()}"


def _text(problem: Exception) -> str:
    return str(problem) or type(problem).__name__
