"""The distribution registry as a process, with or without TLS and a login, and what pushes artifacts to it.

with Registry(folder, tls=Authority(folder), login=("ada", "s3cret")) as registry:
    registry.push("team/app", "latest", Layer(content=...))
"""

import base64
import hashlib
import json
import ssl
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e import tools
from e2e.planes.process import Program
from e2e.servers.certificates import Authority
from hub.sandbox.ports import free_port
from tests.hub.sources.registry import FLUX_CONFIG, OCI_IMAGE, Layer, digest

LOGIN = ("ada", "s3cret")
# Of LOGIN's password, by bcrypt, which is the only form that the registry reads.
_HTPASSWD = "ada:$2y$04$jaYh/mf8vIq1tmSUZt4pz.z8vJlNgX8kqmeVjw.obd13c7GqwJw6O\n"
_PATIENCE_S = 30.0


class Registry:
    """One registry on a port of its own; `guarded` asks for LOGIN."""

    def __init__(self, folder: Path, *, tls: Authority | None = None, guarded: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self._tls = tls
        self._guarded = guarded
        config: dict[str, Any] = {
            "version": 0.1,
            "log": {"accesslog": {"disabled": True}, "level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
            "http": {"addr": self.host},
        }
        if tls is not None:
            pem = str(tls.server_file())
            config["http"]["tls"] = {"certificate": pem, "key": pem}
        if guarded:
            (folder / "htpasswd").write_text(_HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "harness", "path": str(folder / "htpasswd")}}
        (folder / "config.yml").write_text(json.dumps(config))
        command: list[str | Path] = [tools.path("registry"), "serve", folder / "config.yml"]
        self._program = Program(
            "registry", command, folder / "registry.log", env={"OTEL_TRACES_EXPORTER": "none"}
        )

    def __enter__(self) -> Self:
        self._program.start()
        deadline = time.monotonic() + _PATIENCE_S
        while not self._answers():
            if self._program.exit_code() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the registry does not serve:\n{self._program.tail()}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._program.kill()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, name: str, tag: str, *layers: Layer, annotations: Mapping[str, str] | None = None) -> str:
        """Push an artifact as `flux push artifact` lays it out; return its digest."""
        config = b"{}"
        for content in (config, *(one.content for one in layers)):
            self._push_blob(name, content)
        manifest: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": {"mediaType": FLUX_CONFIG, "digest": digest(config), "size": len(config)},
            "layers": [
                {"mediaType": one.media_type, "digest": digest(one.content), "size": len(one.content)}
                for one in layers
            ],
            "annotations": dict(annotations or {}),
        }
        raw = json.dumps(manifest).encode()
        self._send("PUT", f"/v2/{name}/manifests/{tag}", raw, OCI_IMAGE)
        return f"sha256:{hashlib.sha256(raw).hexdigest()}"

    def _push_blob(self, name: str, content: bytes) -> None:
        begun = self._send("POST", f"/v2/{name}/blobs/uploads/", b"", "application/octet-stream")
        location = begun.headers["Location"]
        joint = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{joint}digest={digest(content)}", content, "application/octet-stream")

    def _answers(self) -> bool:
        try:
            self._send("GET", "/v2/", None, "")
        except OSError:
            return False
        return True

    def _send(self, method: str, path: str, body: bytes | None, type_: str) -> Any:
        base = f"{'https' if self._tls else 'http'}://{self.host}"
        request = urllib.request.Request(path if "://" in path else base + path, data=body, method=method)
        if type_:
            request.add_header("Content-Type", type_)
        if self._guarded:
            request.add_header(
                "Authorization", "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
            )
        context = ssl.create_default_context(cafile=str(self._tls.ca)) if self._tls is not None else None
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            answer.read()
            return answer
