"""The fetching processes: started when needed, used again, killed when an order takes too long.

State: idle processes. Credentials of an order go through the pipe to the one process that serves it.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from dataclasses import dataclass
from pathlib import Path

import msgspec

import hub
from hub.sources.failure import FailureKind
from hub.sources.fetch import Answer, Failed, Order
from hub.sources.fetch_worker import LENGTH, framed

MODULE = "hub.sources.fetch_worker"
INHERITED = ("PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "LANG", "TMPDIR")


@dataclass(slots=True)
class _Worker:
    process: Process
    served: int = 0


class Workers:
    """At most `parallel` processes, each replaced after `orders_each` orders. Close it when done."""

    def __init__(self, *, parallel: int = 4, orders_each: int = 200) -> None:
        self._slots = asyncio.Semaphore(parallel)
        self._orders_each = orders_each
        self._idle: list[_Worker] = []
        self._answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)

    async def serve(self, order: Order) -> Answer:
        """Have an order carried out; the time of waiting for a free process does not count."""
        async with self._slots:
            timeout_s = order.request.timeout_s
            worker = self._idle.pop() if self._idle else None
            try:
                async with asyncio.timeout(timeout_s):
                    worker = worker or _Worker(await _start())
                    answer = await self._ask(worker.process, order)
            except TimeoutError:
                return Failed(
                    kind=FailureKind.TIMEOUT, message=f"no result within spec.timeout of {timeout_s:g}s"
                )
            except (asyncio.IncompleteReadError, ConnectionError):
                message = (
                    "the fetching process ended before it had a result; its last words are in the hub's log"
                )
                return Failed(kind=FailureKind.CRASHED, message=message)
            else:
                worker.served += 1
                if worker.served < self._orders_each and not order.request.spoils_process:
                    self._idle.append(worker)
                    worker = None
                return answer
            finally:
                if worker is not None:
                    await _kill(worker.process)

    async def close(self) -> None:
        """End the idle processes."""
        while self._idle:
            await _kill(self._idle.pop().process)

    async def _ask(self, process: Process, order: Order) -> Answer:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(framed(msgspec.msgpack.encode(order)))
        await process.stdin.drain()
        head = await process.stdout.readexactly(LENGTH.size)
        return self._answers.decode(await process.stdout.readexactly(LENGTH.unpack(head)[0]))


async def _start() -> Process:
    # An environment of its own: no proxy, no credential helper, nothing secret of the hub's.
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PYTHONPATH"] = str(Path(hub.__path__[0]).parent)
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", MODULE, stdin=PIPE, stdout=PIPE, env=environment
    )


async def _kill(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()
