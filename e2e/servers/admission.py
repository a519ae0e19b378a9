"""A gate before an API server: an admission webhook that holds back the writes to one object until they may pass.

    with Gate(folder, plane, namespace="shop", name="settings") as gate:
        ...                                       # something writes ConfigMap shop/settings
        gate.until_reached()                      # its request has come this far, and waits
        ...                                       # kill whoever sent it, or whoever told it to
    # the gate is open: what waits passes, and what comes

Whoever writes is in the middle of it for as long as the gate is shut: faults can be put between two requests. Dry runs pass.
"""

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from e2e.planes.plane import Plane
from e2e.servers.certificates import Authority
from hub.sandbox.ports import free_port

_PATIENCE_S = 30
"""An API server waits for a webhook no longer; then it lets the write pass."""


class Gate:
    """Shut between `__enter__` and `__exit__`, for one ConfigMap."""

    def __init__(self, folder: Path, plane: Plane, *, namespace: str, name: str) -> None:
        self.reached = 0
        self._plane = plane
        self._namespace = namespace
        self._name = name
        self._port = free_port()
        self._authority = Authority(folder)
        self._news = threading.Event()
        self._is_open = threading.Event()
        self._dry_runs = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        self._server.daemon_threads = True
        context = self._authority.server_context()
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._plane.kubectl("apply", "-f", "-", input=json.dumps(self._configuration()))
        # The API server hears of its webhooks a moment later.
        self._wait(self._is_asked, "the API server does not ask the gate")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open.set()
        self._plane.kubectl("delete", "validatingwebhookconfiguration", self._namespace)
        self._server.shutdown()
        self._server.server_close()

    def until_reached(self, times: int = 1) -> None:
        """Wait until so many writes have come this far."""
        self._wait(lambda: self.reached >= times, f"no write to {self._namespace}/{self._name} came")

    def _is_asked(self) -> bool:
        probe = ("create", "configmap", self._name, "-n", self._namespace, "--dry-run=client", "-o", "json")
        value = json.loads(self._plane.kubectl(*probe))
        self._plane.kubectl(
            "apply",
            "--server-side",
            "--dry-run=server",
            "--field-manager=gate",
            "-f",
            "-",
            input=json.dumps(value),
        )
        return self._dry_runs > 0

    def _wait(self, holds: Callable[[], bool], problem: str, timeout_s: float = 30.0) -> None:
        end = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > end:
                raise AssertionError(problem)
            self._news.wait(0.1)
            self._news.clear()

    def _configuration(self) -> dict[str, Any]:
        """Return the webhook. A gate that is gone, with all of its run, holds nobody back."""
        ca = base64.b64encode(self._authority.ca.read_bytes()).decode()
        rule = {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "resources": ["configmaps"],
            "operations": ["CREATE", "UPDATE"],
        }
        hook = {
            "name": "gate.harness.test",
            "clientConfig": {"url": f"https://127.0.0.1:{self._port}/", "caBundle": ca},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self._namespace}},
            "matchConditions": [{"name": "it", "expression": f"request.name == '{self._name}'"}],
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "timeoutSeconds": _PATIENCE_S,
            "admissionReviewVersions": ["v1"],
        }
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": self._namespace},
            "webhooks": [hook],
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 60

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = json.loads(body)["request"]
                gate._pass(is_dry_run=bool(request.get("dryRun")))
                answer = json.dumps(_allowed(request["uid"])).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler

    def _pass(self, *, is_dry_run: bool) -> None:
        """Return when a write may pass."""
        if is_dry_run:
            self._dry_runs += 1
        else:
            self.reached += 1
        self._news.set()
        if not is_dry_run:
            self._is_open.wait(_PATIENCE_S)


def _allowed(uid: str) -> dict[str, Any]:
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": uid, "allowed": True},
    }
