"""The benches: `python -m e2e.bench [NAME ...] [--quick]`. One JSON line per figure on standard output."""

import argparse
import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence

from e2e.bench import apply, change, idle, quiet
from e2e.bench.figure import Figure, say
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
QUICK = Size(deliveries=40, pushes=10, quiet_s=5.0)


def main() -> None:
    """Start one plane, install hub and agent, and run the benches."""
    parser = argparse.ArgumentParser(prog="python -m e2e.bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHES, []], help="which benches (all)")
    parser.add_argument("--quick", action="store_true", help="a fifth of the size, in less than a minute")
    parser.add_argument("--deliveries", type=int, help="how many Kustomizations")
    options = parser.parse_args()
    size = QUICK if options.quick else Size()
    if options.deliveries:
        size = Size(deliveries=options.deliveries, pushes=size.pushes, quiet_s=size.quiet_s)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    with (
        memory_folder() as folder,
        GitHttp(folder / "git") as git,
        Plane("bench", folder, audits_reads=True) as plane,
    ):
        install(plane)
        asyncio.run(_run(plane, git, size, options.names or list(BENCHES)))
    say(f"done in {time.monotonic() - began:.0f} s")


async def _run(plane: Plane, git: GitHttp, size: Size, names: Sequence[str]) -> None:
    async with Ground(plane, git, size) as ground:
        for name in names:
            for figure in await BENCHES[name](ground):
                print(figure.line(), flush=True)


if __name__ == "__main__":
    main()
