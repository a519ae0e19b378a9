"""An API server in memory, asked within the process and in virtual time."""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from e2e.contract.table.case import Case
from e2e.contract.table.normal import Said
from e2e.contract.table.player import Call, play
from e2e.contract.table.setting import SETTING, namespace_of
from hub.sandbox.cluster import new_cluster
from hub.sandbox.wire import Caller, Request
from tests.fakes.clock import FakeClock, VirtualLoop

_TOKEN = "root"
_ROOT = Caller(name="root", groups=("system:masters",))


class MemoryServer:
    """A cluster of its own, with the kinds of the table. `close` it."""

    def __init__(self) -> None:
        self._loop = VirtualLoop()
        self._server = self._loop.run_until_complete(self._new())
        for call in SETTING:
            said = self.ask(call)
            assert said.code == 201, said

    def play(self, case: Case) -> list[Any]:
        """Return what is answered to the requests of a case, normalised."""
        said = self.ask(namespace_of(case.slug))
        assert said.code == 201, said
        return play(case, self, case.slug)

    async def _new(self) -> Any:
        return new_cluster(FakeClock(), {_TOKEN: _ROOT})

    def ask(self, call: Call) -> Said:
        return self._loop.run_until_complete(self._answered(call))

    def pause(self) -> bool:
        """Whatever a request causes has happened when it is answered."""
        return False

    def close(self) -> None:
        """Give up the loop."""
        self._loop.close()

    async def _answered(self, call: Call) -> Said:
        parts = urlsplit(call.target)
        answer = self._server.answer(
            Request(
                method=call.method,
                path=unquote(parts.path),
                query=parse_qs(parts.query, keep_blank_values=True),
                headers={
                    **{name.lower(): value for name, value in call.headers.items()},
                    "authorization": f"Bearer {_TOKEN}",
                    "user-agent": "table/1",
                },
                body=call.body or b"",
            )
        )
        if answer.stream is not None:
            return Said(code=answer.status, events=[event async for event in answer.stream])
        warning = answer.headers.get("Warning")
        value = answer.text if answer.text is not None else answer.value
        return Said(code=answer.status, value=value, warnings=[warning] if warning else ())
