"""The tour: `make demo`, or `python -m e2e.demo [--unattended]`. It needs root, because the clusters' own Pods get mounts of their own."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from e2e.demo.screen import Screen
from e2e.demo.stage import REGIONS, Stage, stage
from e2e.demo.tour import steps
from e2e.tools import ToolMissing

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tour; return the exit code: 0 when every step came out as it should."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__)
    parser.add_argument(
        "--unattended", action="store_true", help="do not wait for anybody, check every step, and end"
    )
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        print("the tour needs root: run `sudo make demo`", file=sys.stderr)
        return 1
    screen = Screen(waits=not options.unattended)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with stage(screen) as found:
            play(found, waits=not options.unattended)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AssertionError, RuntimeError, ToolMissing) as problem:
        screen.failed(str(problem))
        return 1
    return 0


def play(found: Stage, *, waits: bool) -> None:
    """Install, play all steps, and leave everything to the person until that one ends it."""
    began = time.monotonic()
    found.screen.heading("Install the hub, and add two clusters")
    found.screen.say(
        """
        Each command waits until what it started works. The hub runs in the management cluster, an agent in every cluster; agents dial
        the hub, which holds no credentials of theirs.
        """
    )
    found.install()
    todo = list(steps())
    for number, step in enumerate(todo, start=1):
        found.screen.ask("Enter goes on, Ctrl-C ends the tour and takes everything down.")
        found.screen.heading(f"{number} of {len(todo)}: {step.title}")
        found.screen.say(step.words)
        step.act(found)
    found.screen.heading("That was the tour")
    if waits:
        _offer(found)
    else:
        found.screen.done(f"{len(todo)} steps came out as they should, in {time.monotonic() - began:.0f} s")


def _offer(found: Stage) -> None:
    shell, screen = found.shell, found.screen
    screen.say("Everything is still there. Try it from another terminal, as root:")
    for line in (
        f"export PATH={shell.programs}:$PATH KUBECONFIG={shell.kubeconfig}",
        "",
        "hub status --watch",
        "hub cluster list",
        "hub get all",
        *(f"kubectl --context {name} -n shop get all" for name in REGIONS),
        "",
        f"cd {found.work}    # change something, then",
        "git commit -am 'Mine' && git push && hub reconcile source git shop",
    ):
        screen.output(line)
    screen.ask("Enter takes everything down.")


if __name__ == "__main__":
    sys.exit(main())
