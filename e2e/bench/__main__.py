"""The benches: `python -m e2e.bench [NAME ...] [--quick]`. One JSON line per figure on standard output."""

import argparse
import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from e2e.bench import apply, change, idle, quiet
from e2e.bench.figure import Figure, say
from e2e.bench.fleet import agent, enrol, hold, storm
from e2e.bench.fleet import change as fleet_change
from e2e.bench.fleet.ground import FleetGround, FleetSize
from e2e.bench.ground import Ground, Size, install
from e2e.planes.memory import memory_folder
from e2e.planes.plane import Plane
from e2e.servers.git_http import GitHttp

BENCHES: dict[str, Callable[[Ground], Awaitable[list[Figure]]]] = {
    "apply": apply.measure,
    "change": change.measure,
    "idle": idle.measure,
    "quiet": quiet.measure,
}
FLEET_BENCHES: Sequence[Callable[[FleetGround], Awaitable[list[Figure]]]] = (
    enrol.measure,
    fleet_change.measure,
    hold.measure,
    storm.measure,
)
"""In this order: the first brings the fleet into being."""

AGENT = "agent"
FLEETS = ("farm-100", "farm-1000")
QUICK = Size(deliveries=40, pushes=10, quiet_s=5.0)
QUICK_FLEET = FleetSize(clusters=20, pushes=3, quiet_s=5.0)


def main() -> None:
    """Run the benches: those of one cluster on one plane, those of a fleet each with a fleet of its own."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", type=_name, help=f"which of {', '.join(BENCHES)}, {AGENT}, farm-N (all)"
    )
    parser.add_argument("--quick", action="store_true", help="a fifth of the size, in three minutes")
    parser.add_argument("--deliveries", type=int, help="how many Kustomizations")
    options = parser.parse_args()
    size = QUICK if options.quick else Size()
    if options.deliveries:
        size = Size(deliveries=options.deliveries, pushes=size.pushes, quiet_s=size.quiet_s)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    names = options.names or [*BENCHES, AGENT, *FLEETS]
    with memory_folder() as folder, GitHttp(folder / "git") as git:
        if alone := [name for name in names if name in BENCHES]:
            with Plane("bench", folder, audits_reads=True) as plane:
                install(plane)
                asyncio.run(_run(plane, git, size, alone))
        if AGENT in names:
            asyncio.run(_run_agent(folder, git, quick=options.quick))
        sizes = [FleetSize(clusters=_clusters(name)) for name in names if name not in (*BENCHES, AGENT)]
        for fleet in [QUICK_FLEET] if sizes and options.quick else sizes:
            asyncio.run(_run_fleet(folder, git, fleet))
    say(f"done in {time.monotonic() - began:.0f} s")


def _name(text: str) -> str:
    """Return a bench's name. Raises ValueError for one that there is not."""
    if text not in (*BENCHES, AGENT) and _clusters(text) < 1:
        raise ValueError(text)
    return text


def _clusters(name: str) -> int:
    return int(name.removeprefix("farm-"))


async def _run(plane: Plane, git: GitHttp, size: Size, names: Sequence[str]) -> None:
    async with Ground(plane, git, size) as ground:
        for name in names:
            _print(await BENCHES[name](ground))


async def _run_agent(folder: Path, git: GitHttp, *, quick: bool) -> None:
    size = FleetSize(clusters=0, quiet_s=QUICK_FLEET.quiet_s if quick else 30.0)
    async with FleetGround(folder, git, size) as ground:
        _print(await agent.measure(ground, folder / AGENT, list(agent.AIMS_MB)[: 1 if quick else None]))


async def _run_fleet(folder: Path, git: GitHttp, size: FleetSize) -> None:
    async with FleetGround(folder, git, size) as ground:
        for bench in FLEET_BENCHES:
            _print(await bench(ground))


def _print(figures: Sequence[Figure]) -> None:
    for figure in figures:
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
