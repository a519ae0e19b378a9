"""Git over smart HTTP: git's own http-backend behind a small bridge that can demand credentials and fail in several ways.

with GitHttp(folder, tls=Authority(folder), credentials=Basic("ada", "s3cret")) as server:
    repository = server.repository("fleet.git")
    server.url("fleet.git"); server.listings; server.mode = Mode.HANG
"""

import base64
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

from e2e.servers.certificates import Authority
from e2e.servers.repository import Repository
from hub.sandbox.git import BackendRequest, backend_answer
from hub.sandbox.ports import free_port

_BLOCK = 65536


class Mode(StrEnum):
    """How the server behaves."""

    SERVE = "serve"
    HANG = "hang"
    REFUSE = "refuse"
    ERROR = "error"
    GARBAGE = "garbage"


@dataclass(frozen=True, slots=True)
class Basic:
    """A user name and a password to ask for."""

    user: str
    password: str

    @property
    def header(self) -> str:
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token to ask for."""

    token: str

    @property
    def header(self) -> str:
        return f"Bearer {self.token}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request, with what it was answered."""

    verb: str
    path: str
    status: int


class GitHttp:
    """Serves every repository below a folder on one port, also across `stop` and `start`."""

    def __init__(
        self, root: Path, *, tls: Authority | None = None, credentials: Basic | Bearer | None = None
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self.mode = Mode.SERVE
        self.credentials = credentials
        self.received: list[Received] = []
        self.port = free_port()
        self.tls = tls
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        self._stopping.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
        self._server.daemon_threads = True
        if self.tls is not None:
            # The handshake belongs to the connection's own thread: a client that stays silent must not hold up the others.
            context = self.tls.server_context()
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; who hangs is let go."""
        self._stopping.set()
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = None

    def repository(self, name: str, branch: str = "main") -> Repository:
        """Make a repository that is served under this name."""
        return Repository(self.root / name, branch)

    def url(self, name: str) -> str:
        return f"{'https' if self.tls is not None else 'http'}://127.0.0.1:{self.port}/{name}"

    @property
    def listings(self) -> int:
        """How often references were listed: what `git ls-remote` does, and every fetch at its beginning."""
        return sum("/info/refs" in one.path and one.status == 200 for one in self.received)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_GET(self) -> None:
                served._answer(self)

            do_POST = do_GET

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = b"".join(_body(request))
        status, mode = 0, self.mode
        match mode:
            case Mode.HANG:
                while not self._stopping.wait(0.05) and self.mode is mode:
                    pass
                request.close_connection = True
            case Mode.REFUSE:
                request.close_connection = True
            case Mode.ERROR:
                status = _reply(request, 500, b"the server is broken\n")
            case Mode.GARBAGE:
                service = parse_qs(urlsplit(request.path).query).get("service", ["git-upload-pack"])[0]
                kind = {"Content-Type": f"application/x-{service}-advertisement"}
                status = _reply(request, 200, b"\x00\xff this is no Git \xfe" * 20, kind)
            case Mode.SERVE if not self._is_known(request):
                status = _reply(request, 401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="git"'})
            case Mode.SERVE:
                status = _bridge(self.root, request, body)
        self.received.append(Received(verb=request.command, path=request.path, status=status))

    def _is_known(self, request: BaseHTTPRequestHandler) -> bool:
        return self.credentials is None or request.headers.get("Authorization") == self.credentials.header


def _body(request: BaseHTTPRequestHandler) -> Iterator[bytes]:
    if request.headers.get("Transfer-Encoding", "").lower() != "chunked":
        yield request.rfile.read(int(request.headers.get("Content-Length") or 0))
        return
    while size := int(request.rfile.readline().split(b";")[0], 16):
        yield request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()


def _reply(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
) -> int:
    request.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)
    return status


def _bridge(root: Path, request: BaseHTTPRequestHandler, body: bytes) -> int:
    """Run git's http-backend for one request, as a CGI program; return the status."""
    address = urlsplit(request.path)
    asked = BackendRequest(
        root=root,
        method=request.command,
        path=address.path,
        query=address.query,
        length=len(body),
        header=lambda name: request.headers.get(name, ""),
    )
    done = subprocess.run(
        ["git", "http-backend"], input=body, env=asked.environment(), capture_output=True, check=False
    )
    status, headers, content = backend_answer(done.stdout)
    return _reply(request, status, content or done.stderr, headers)
