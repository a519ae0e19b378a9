"""How a call ends that is not answered: the reason and the message in the status, for the caller to read."""

import logging
from collections.abc import Awaitable
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio

from agent.kit.errors import CartwheelError, Stalled

_LOG = logging.getLogger(__name__)
Context: TypeAlias = grpc.aio.ServicerContext
T = TypeVar("T")


async def or_refuse(context: Context, asked: Awaitable[T]) -> T:
    """Return what was asked for, or end the call with the reason."""
    try:
        return await asked
    except Stalled as problem:
        _LOG.warning("refused", extra={"reason": problem.reason, "error": str(problem)})
        await refuse(context, grpc.StatusCode.PERMISSION_DENIED, problem)
        raise
    except CartwheelError as problem:
        _LOG.warning("failed", extra={"reason": problem.reason, "error": str(problem)})
        await refuse(context, grpc.StatusCode.UNAVAILABLE, problem)
        raise


async def refuse(context: Context, code: grpc.StatusCode, problem: CartwheelError) -> None:
    """End the call."""
    await context.abort(code, f"{problem.reason}: {problem}")
