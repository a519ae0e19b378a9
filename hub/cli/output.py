"""What people and programs read: progress and verdicts on stderr with Flux's marks, tables and documents on stdout."""

import json
from collections.abc import Sequence
from enum import StrEnum

import click
import yaml

from agent.kube.api import Object


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def action(text: str) -> None:
    """Say what is being done."""
    click.echo(f"► {text}", err=True)


def generated(text: str) -> None:
    """Say what was made."""
    click.echo(f"✚ {text}", err=True)


def waiting(text: str) -> None:
    """Say what is waited for."""
    click.echo(f"◎ {text}", err=True)


def success(text: str) -> None:
    """Say what is done."""
    click.echo(f"✔ {text}", err=True)


def warning(text: str) -> None:
    """Say what is not as it should be, though the command goes on."""
    click.echo(f"⚠️ {text}", err=True)


def failure(text: str) -> None:
    """Say what could not be done."""
    click.echo(f"✗ {text}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, with_header: bool = True) -> None:
    """Print rows as Flux does: every cell padded to its column's width and followed by a tab."""
    lines = [tuple(name.upper() for name in header), *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines if with_header else lines[1:]:
        cells = (cell.ljust(width) + "\t" for cell, width in zip(line, widths, strict=True))
        click.echo("".join(cells))


def documents(objects: Sequence[Object]) -> None:
    """Print objects as a stream of YAML documents that `kubectl apply` reads."""
    for one in objects:
        click.echo("---")
        click.echo(yaml.safe_dump(one, sort_keys=False, default_flow_style=False), nl=False)


def data(value: object, form: Format) -> None:
    """Print a value as JSON or YAML."""
    match form:
        case Format.JSON:
            click.echo(json.dumps(value, indent=2))
        case Format.YAML | Format.TABLE:
            click.echo(yaml.safe_dump(value, sort_keys=False, default_flow_style=False), nl=False)
