"""A real API server, asked over HTTPS; every thread keeps its connection."""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from e2e.contract.table.case import CUSTOM, Case
from e2e.contract.table.normal import Said
from e2e.contract.table.player import Call, play
from e2e.contract.table.setting import SETTING, namespace_of
from e2e.planes.plane import Plane

_THREADS = 16
_PAUSE_S = 0.02
_CONTROLLERS = "kube-controller-manager"


class RealServer:
    """An API server at an address, asked by the bearer of a token."""

    def __init__(self, address: str, token: str, context: ssl.SSLContext) -> None:
        self._host = urlsplit(address).netloc
        self._token = token
        self._context = context
        self._local = threading.local()

    def ask(self, call: Call) -> Said:
        connection = self._connection()
        headers = {**call.headers, "Authorization": f"Bearer {self._token}", "User-Agent": "table/1"}
        try:
            connection.request(call.method, call.target, body=call.body, headers=headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            raise
        # What is asked for by its name is no stream, whatever the query says.
        if call.is_watch and answer.headers.get("Content-Length") is None:
            return Said(code=answer.status, events=[json.loads(line) for line in content.splitlines()])
        warnings = answer.headers.get_all("Warning") or ()
        return Said(code=answer.status, value=_value(content), warnings=_joined(warnings))

    def pause(self) -> bool:
        time.sleep(_PAUSE_S)
        return True

    def prepare(self) -> None:
        """Bring the kinds of the table, and wait until they are served."""
        for call in SETTING:
            said = self.ask(call)
            assert said.code in (201, 409), said
        for one in CUSTOM:
            path = f"/apis/{one.group}/{one.version}/{one.plural}"
            while (
                self.ask(Call(method="GET", target=path, body=None, headers={}, is_watch=False)).code != 200
            ):
                self.pause()

    def _connection(self) -> http.client.HTTPSConnection:
        found: http.client.HTTPSConnection | None = getattr(self._local, "connection", None)
        if found is None:
            found = http.client.HTTPSConnection(self._host, context=self._context, timeout=60)
            self._local.connection = found
        return found


def server_of(plane: Plane) -> RealServer:
    """Return the API server of a plane, asked as root."""
    token = json.loads(plane.kubeconfig("root").read_text())["users"][0]["user"]["token"]
    return RealServer(plane.server, token, ssl.create_default_context(cafile=str(plane.ca)))


def played_on(plane: Plane, cases: Sequence[Case]) -> dict[str, list[Any]]:
    """Return what a plane answers to cases, by the case's name and in their order."""
    server = server_of(plane)
    server.prepare()
    said = play_all([one for one in cases if one.needs_controllers], server)
    with undisturbed(plane):
        said |= play_all([one for one in cases if not one.needs_controllers], server)
    return {one.name: said[one.name] for one in cases}


@contextmanager
def undisturbed(plane: Plane) -> Iterator[None]:
    """Keep a plane's controllers, which would come between a case's requests, from writing."""
    plane.freeze(_CONTROLLERS)
    try:
        yield
    finally:
        plane.thaw(_CONTROLLERS)


def play_all(cases: Sequence[Case], server: RealServer, suffix: str = "") -> dict[str, list[Any]]:
    """Return what a real server answers to the requests of cases, by the case's name. They are played side by side."""

    def played(case: Case) -> tuple[str, list[Any]]:
        namespace = case.slug[: 62 - len(suffix)] + suffix
        said = server.ask(namespace_of(namespace))
        assert said.code == 201, said
        return case.name, play(case, server, namespace)

    with ThreadPoolExecutor(_THREADS) as threads:
        return dict(threads.map(played, cases))


def _value(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode()


def _joined(warnings: Sequence[str]) -> Sequence[str]:
    return [", ".join(warnings)] if warnings else ()
