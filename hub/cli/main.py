"""The command `hub`: finds the commands, each a file of `commands/`, and turns failures into a line that says what to do."""

import sys
import traceback
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import click

from agent.kit.errors import CartwheelError
from agent.kube.access import AccessInvalid
from agent.kube.errors import Forbidden, Unauthorized, Unreachable
from agent.version import VERSION
from hub.cli import commands, output
from hub.cli.client import Caller, caller_of_this_process, common_options


class Hub(click.Group):
    """The root. A failure that names its object and the next step is a line, anything else a defect and a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CartwheelError as problem:
            caller = ctx.find_object(Caller)
            if caller is not None and caller.options.verbose:
                click.echo("".join(traceback.format_exception(problem)), err=True, nl=False)
            output.failure(explain(problem))
            ctx.exit(1)


def explain(problem: CartwheelError) -> str:
    """Return the message, with the next step where the API server's words have none."""
    match problem:
        case Unreachable():
            return f"{problem.message}; is the API server up, and are --kubeconfig and --context right?"
        case AccessInvalid():
            return f"{problem.message}; choose others with --kubeconfig and --context"
        case Unauthorized():
            return f"{problem.message}; log in again, or choose another context with --context"
        case Forbidden():
            return (
                f"{problem.message}; ask for these rights, or choose a context that has them with --context"
            )
        case _:
            return problem.message


@click.group(cls=Hub, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(VERSION, prog_name="hub", message="hub version %(version)s")
@common_options
def hub() -> None:
    """GitOps for fleets of Kubernetes clusters.

    Every command acts on the Kubernetes API of the management cluster, with your kubeconfig and nothing else. Start with
    `hub install`, then `hub cluster add NAME --context CTX` for every workload cluster, then `hub status`.
    """


for _module in sorted(one.name for one in iter_modules(commands.__path__)):
    hub.add_command(import_module(f"{commands.__name__}.{_module}").COMMAND)


def main() -> None:
    """Run the command of this process."""
    # Marks and names are UTF-8 whatever the terminal's locale says; an unprintable one must not end a command half done.
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    hub(obj=caller_of_this_process(), prog_name="hub")
