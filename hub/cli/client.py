"""How a command reaches the API servers it acts on, and the options that all commands share.

An option counts wherever it is written, before or after the command's name; the later one wins. Nothing is read or dialled before
a command needs it, so that `--help` and `--print` work without a cluster.
"""

import asyncio
import functools
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Concatenate, ParamSpec, Protocol

import click

from agent.kit.clock import Clock, SystemClock
from agent.kit.errors import Stalled
from agent.kit.tracing import NO_TRACE, Traceparent, read_traceparent
from agent.kube.api import Api
from hub.model import installation
from hub.model.durations import Duration, MalformedDuration

P = ParamSpec("P")


class Connect(Protocol):
    """Opens the door to the API server that a kubeconfig's context names, the default ones when None."""

    def __call__(self, kubeconfig: str | None, context: str | None) -> AbstractAsyncContextManager[Api]: ...


@dataclass(slots=True)
class Options:
    """What the shared options said; None where nothing was said."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    timeout: timedelta | None = None
    verbose: bool | None = None


@dataclass(slots=True)
class Caller:
    """Who runs a command: the options, the way to an API server, the time, and the trace that the command is a step of."""

    connect: Connect
    clock: Clock
    options: Options = field(default_factory=Options)
    poll_s: float = 2.0
    traceparent: Traceparent = NO_TRACE

    @property
    def namespace(self) -> str:
        return self.options.namespace or installation.CLUSTERS_NAMESPACE

    @property
    def timeout_s(self) -> float:
        return (self.options.timeout or timedelta(minutes=5)).total_seconds()

    def management(self) -> AbstractAsyncContextManager[Api]:
        """Return the door to the management cluster."""
        return self.connect(self.options.kubeconfig, self.options.context)

    def deadline_s(self) -> float:
        """Return when the whole command's time is over, on the monotonic clock."""
        return self.clock.monotonic_s() + self.timeout_s


class GoDuration(click.ParamType[timedelta]):
    """`30s`, `5m`, `1h30m`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            return Duration.parse(value)
        except MalformedDuration as problem:
            self.fail(str(problem), param, ctx)


class Failed(Stalled):
    """A command cannot do what it was asked, and what to do about it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="CommandFailed")


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command."""
    context = click.option(
        "--context", metavar="CTX", help="Kubeconfig context of the management cluster.", **_SHARED
    )
    return options_without_context(context(command))


def options_without_context(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command whose --context names another cluster than the management cluster."""
    for option in (
        click.option(
            "--timeout", type=GoDuration(), metavar="DURATION", help="How long to wait (5m).", **_SHARED
        ),
        click.option(
            "--verbose", is_flag=True, default=None, help="Say of a failure where it came from.", **_SHARED
        ),
        click.option("-n", "--namespace", metavar="NS", help="Namespace (flux-system).", **_SHARED),
        click.option("--kubeconfig", metavar="FILE", help="Kubeconfig of the management cluster.", **_SHARED),
    ):
        command = option(command)
    return command


def asynchronous(
    work: Callable[Concatenate[Caller, P], Awaitable[None]],
) -> Callable[P, None]:
    """Make a command of a coroutine function that takes the caller first."""

    @functools.wraps(work)
    def run(*args: P.args, **given: P.kwargs) -> None:
        caller = click.get_current_context().find_object(Caller)
        assert caller is not None
        asyncio.run(_await(work(caller, *args, **given)))

    return run


async def _await(work: Awaitable[None]) -> None:
    await work


def _remember(context: click.Context, parameter: click.Parameter, value: object) -> None:
    caller = context.find_object(Caller)
    if caller is not None and value is not None and parameter.name is not None:
        setattr(caller.options, parameter.name, value)


_SHARED: dict[str, Any] = {"expose_value": False, "callback": _remember}


@asynccontextmanager
async def connect(kubeconfig: str | None, context: str | None) -> AsyncIterator[Api]:
    """Open the door to the API server that a kubeconfig's context names."""
    # The kubernetes package reads kubeconfigs and is slow to load; commands that reach no cluster do without.
    from agent.kube.access import from_kubeconfig
    from agent.kube.client import Client
    from agent.kube.transport import HttpTransport

    transport = HttpTransport(from_kubeconfig(kubeconfig, context))
    async with Client(transport, clock=SystemClock(), user_agent="hub-cli") as api:
        yield api


def caller_of_this_process() -> Caller:
    """Return who a person at a terminal is: kubeconfigs from files, the machine's time."""
    options = Options(namespace=os.environ.get("FLUX_SYSTEM_NAMESPACE") or None)
    # Pipelines hand their trace to the commands they run in this variable.
    traceparent = read_traceparent(os.environ.get("TRACEPARENT"))
    return Caller(connect=connect, clock=SystemClock(), options=options, traceparent=traceparent)
