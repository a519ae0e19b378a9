"""Ends the guarding of deliveries, durably and without touching their objects or what is known of them; an assignment begins it again."""

import logging
from dataclasses import replace
from typing import Protocol

from agent.desk import Desk
from agent.kit.errors import CartwheelError
from agent.model.head import Head
from agent.model.names import HomeName

_LOG = logging.getLogger(__name__)


class Worker(Protocol):
    """Who works on what is on the desk."""

    def wake(self, home: HomeName) -> None:
        """The delivery's head changed."""
        ...


async def release(desk: Desk, worker: Worker, head: Head, reason: str) -> None:
    """Guard a delivery no more; one that leaves, or is guarded no more already, stays as it is."""
    if head.released or head.leaving:
        return
    home = head.assignment.home
    await desk.save(replace(head, released=True))
    _LOG.info("delivery released", extra={"delivery": str(home), "reason": reason})
    worker.wake(home)


async def release_all(desk: Desk, worker: Worker, reason: str) -> None:
    """Guard nothing any more: the cluster is in no fleet. What was to leave goes on leaving.

    Raises what failed first, after all were tried.
    """
    failed: list[CartwheelError] = []
    for head in tuple(desk.heads.values()):
        try:
            await release(desk, worker, head, reason)
        except CartwheelError as problem:
            failed.append(problem)
    if failed:
        raise failed[0]
