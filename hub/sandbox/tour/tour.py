"""Plays the tour: step after step, each at the press of Enter where somebody is there, and then leaves everything to that one."""

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

from hub.sandbox.tour.screen import Screen
from hub.sandbox.tour.shell import CommandFailed
from hub.sandbox.tour.stage import CLOCK, Stage
from hub.sandbox.tour.steps import steps

INTERRUPTED = 130
_ON = "Enter goes on, Ctrl-C ends the tour and takes everything down."


def tour(set_up: Callable[[Screen], AbstractContextManager[Stage]], *, waits: bool) -> int:
    """Set up, play, take down; return the exit code: 0 when every step came out as it should."""
    screen = Screen(waits=waits)
    # Also where whoever started this has interrupts ignored, as a shell does for what runs in the background.
    for end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(end, signal.default_int_handler)
    try:
        with set_up(screen) as stage:
            play(stage, waits=waits)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (AssertionError, RuntimeError, CommandFailed, OSError) as problem:
        screen.failed(str(problem))
        return 1
    return 0


def play(stage: Stage, *, waits: bool) -> None:
    """Install, play all steps, and leave everything to the person until that one ends it."""
    began = CLOCK.monotonic_s()
    screen = stage.screen
    if stage.install is not None:
        screen.heading("Install the hub, and add the clusters")
        screen.say(
            """
            Each command waits until what it started works. The hub runs in the management cluster, an agent in every cluster; agents
            dial the hub, which holds no credentials of theirs.
            """
        )
        stage.install()
    todo = list(steps(stage))
    for number, step in enumerate(todo, start=1):
        screen.ask(_ON)
        screen.heading(f"{number} of {len(todo)}: {step.title}")
        screen.say(step.words)
        step.act(stage)
    screen.heading("That was the tour")
    if waits:
        _offer(stage)
    else:
        screen.done(f"{len(todo)} steps came out as they should, in {CLOCK.monotonic_s() - began:.0f} s")


def _offer(stage: Stage) -> None:
    shell, screen = stage.shell, stage.screen
    screen.say("Everything is still there. Try it from another terminal:")
    for line in (
        f"export PATH={shell.programs}:$PATH KUBECONFIG={shell.kubeconfig}",
        "",
        "hub status --watch",
        "hub cluster list",
        "hub get all",
        *(f"kubectl --context {name} -n shop get all" for name in stage.regions),
        "",
        f"cd {stage.work}    # change something, then",
        "git commit -am 'Mine' && git push && hub reconcile source git shop",
    ):
        screen.output(line)
    screen.ask("Enter takes everything down.")
