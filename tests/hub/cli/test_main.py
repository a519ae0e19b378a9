from collections.abc import Iterator

import click
import pytest

from agent.kit.errors import CartwheelError
from agent.kube.access import AccessInvalid
from agent.kube.errors import Forbidden, Unauthorized, Unreachable
from hub.cli.client import Failed
from hub.cli.main import explain, hub
from tests.hub.cli.support import World


def commands(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from commands(command, *words, name)


ALL = list(commands(hub))


@pytest.mark.parametrize(("words", "command"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_every_command_says_what_it_does_and_what_its_options_do(
    words: tuple[str, ...], command: click.Command
) -> None:
    world = World()
    result = world.run(*words, "--help")
    assert result.exit_code == 0, result.output
    assert command.help
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert [one.name for one in options if not one.help] == []
    assert world.dialled == []


@pytest.mark.parametrize(
    ("problem", "step"),
    [
        (Unreachable("no answer"), "--context"),
        (AccessInvalid("there is no kubeconfig x"), "--kubeconfig"),
        (Unauthorized("who are you", status=401, reason="Unauthorized"), "log in again"),
        (Forbidden("you may not", status=403, reason="Forbidden"), "ask for these rights"),
        (Failed("it is not there; look elsewhere"), "look elsewhere"),
    ],
)
def test_a_failure_names_the_next_step(problem: CartwheelError, step: str) -> None:
    assert problem.message in explain(problem)
    assert step in explain(problem)


@pytest.mark.parametrize("text", ["5", "x", ""])
def test_what_is_no_duration_is_refused_with_the_form_to_write(text: str) -> None:
    result = World().run("status", "--timeout", text)
    assert result.exit_code == 2
    assert "30s, 10m or 1h30m" in result.output


@pytest.mark.parametrize(("options", "told"), [((), False), (("--verbose",), True)])
def test_where_a_failure_came_from_is_told_when_asked_for(options: tuple[str, ...], told: bool) -> None:
    result = World().run("get", "kustomizations", *options)
    assert result.exit_code == 1
    assert ("Traceback" in result.stderr) is told
    last = '✗ no Kustomization objects found in "flux-system" namespace; -A looks in all of them'
    assert result.stderr.splitlines()[-1] == last
