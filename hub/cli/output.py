"""What people and programs read: progress and verdicts on stderr with Flux's marks, tables and documents on stdout."""

import json
import re
from collections.abc import Sequence
from enum import StrEnum

import click
import yaml

from agent.kube.api import Object

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line break, and those that turn the direction of writing."""


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def write(text: str, *, err: bool = False) -> None:
    """Print a line. What others wrote may be in it, commits and agents among them: their signs must not steer the terminal."""
    click.echo(_STEERING.sub(lambda found: f"\\x{ord(found.group()):02x}", text), err=err)


def action(text: str) -> None:
    """Say what is being done."""
    write(f"► {text}", err=True)


def generated(text: str) -> None:
    """Say what was made."""
    write(f"✚ {text}", err=True)


def waiting(text: str) -> None:
    """Say what is waited for."""
    write(f"◎ {text}", err=True)


def success(text: str) -> None:
    """Say what is done."""
    write(f"✔ {text}", err=True)


def warning(text: str) -> None:
    """Say what is not as it should be, though the command goes on."""
    write(f"⚠️ {text}", err=True)


def failure(text: str) -> None:
    """Say what could not be done."""
    write(f"✗ {text}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, with_header: bool = True) -> None:
    """Print rows as Flux does: every cell padded to its column's width and followed by a tab."""
    lines = [tuple(name.upper() for name in header), *(tuple(map(_on_one_line, row)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines if with_header else lines[1:]:
        cells = (cell.ljust(width) + "\t" for cell, width in zip(line, widths, strict=True))
        write("".join(cells))


def _on_one_line(cell: str) -> str:
    return "; ".join(line for line in cell.split("\n") if line.strip())


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
