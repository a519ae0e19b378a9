"""A Git server for tests: real repositories behind `git http-backend`, on loopback, with what a test wants to see or refuse."""

import base64
import os
import ssl
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from hub.sandbox.git import BackendRequest, backend_answer

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


@dataclass
class Repository:
    """A bare repository that is committed to with real Git."""

    path: Path
    clock: int = 1_700_000_000

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self.git("init", "--quiet", "--bare", "--initial-branch=main", ".")

    def git(self, *arguments: str, data: bytes = b"", index: str = "") -> str:
        stamp = f"{self.clock} +0000"
        dates = {"GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp, "GIT_DIR": str(self.path)}
        environment = ENVIRONMENT | dates | ({"GIT_INDEX_FILE": index} if index else {})
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, input=data, env=environment, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(
        self,
        files: dict[str, bytes],
        *,
        branch: str = "main",
        message: str = "Change something",
        modes: dict[str, str] | None = None,
    ) -> str:
        """Make these the whole content of a branch."""
        self.clock += 60
        index = str(self.path / "index.tmp")
        Path(index).unlink(missing_ok=True)
        for path, data in files.items():
            blob = self.git("hash-object", "-w", "--stdin", data=data)
            mode = (modes or {}).get(path, "100644")
            self.git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", index=index)
        tree = self.git("write-tree", index=index)
        parents = [
            f"-p{line}"
            for line in self.git("for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}").split()
        ]
        commit = self.git("commit-tree", tree, *parents, "-m", message)
        self.git("update-ref", f"refs/heads/{branch}", commit)
        return commit


@dataclass
class GitServer:
    """Serves every repository below a folder. A set `authorization` is demanded, `redirect_to` is where everything
    is sent, `adds_suffix` sends who leaves out `.git` to the right path."""

    root: Path
    authorization: str = ""
    redirect_to: str = ""
    adds_suffix: bool = False
    delay_s: float = 0.0
    requests: list[str] = field(default_factory=list)
    credentials_seen: list[str] = field(default_factory=list)
    certificate: tuple[Path, Path] | None = None

    def __enter__(self) -> "GitServer":
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                serve(served, self)

            do_POST = do_GET

            def log_message(self, format: str, *_: object) -> None:
                served.requests.append(f"{self.command} {self.path}")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    def url(self, name: str) -> str:
        return f"{'https' if self.certificate else 'http'}://{self.address}/{name}"

    def demand_basic(self, username: str, password: str) -> None:
        self.authorization = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def serve(server: GitServer, request: BaseHTTPRequestHandler) -> None:
    time.sleep(server.delay_s)
    given = request.headers.get("Authorization", "")
    server.credentials_seen.append(given)
    if server.redirect_to:
        answer(request, 302, {"Location": server.redirect_to + request.path}, b"")
    elif server.adds_suffix and ".git/" not in request.path:
        answer(request, 301, {"Location": request.path.replace("/info", ".git/info")}, b"")
    elif server.authorization and given != server.authorization:
        answer(request, 401, {"WWW-Authenticate": 'Basic realm="test"'}, b"no")
    else:
        run_backend(server, request)


def run_backend(server: GitServer, request: BaseHTTPRequestHandler) -> None:
    path, _, query = request.path.partition("?")
    length = int(request.headers.get("Content-Length", 0))
    body = request.rfile.read(length) if length else read_chunks(request)
    asked = BackendRequest(
        root=server.root,
        method=request.command,
        path=path,
        query=query,
        length=len(body),
        header=lambda name: request.headers.get(name, ""),
    )
    done = subprocess.run(
        ["git", "http-backend"], input=body, env=asked.environment(), capture_output=True, check=False
    )
    answer(request, *backend_answer(done.stdout))


def read_chunks(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("Transfer-Encoding") != "chunked":
        return b""
    body = b""
    while size := int(request.rfile.readline(), 16):
        body += request.rfile.read(size)
        request.rfile.readline()
    return body


def answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(content)))
    request.end_headers()
    request.wfile.write(content)
