"""How the objects of a kind are shown in a Table: its columns, as a real server's (`python -m e2e.controlplane.columns`), and its rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from agent.kube.api import Object, Resource
from hub.sandbox.crds import columns as custom
from hub.sandbox.tables import control, core, network, pods, storage, workloads
from hub.sandbox.tables.row import Cells, Row

_FILE = Path(__file__).with_name("columns.json")
_CELLS: Mapping[str, Cells] = {
    **control.CELLS,
    **core.CELLS,
    **network.CELLS,
    **pods.CELLS,
    **storage.CELLS,
    **workloads.CELLS,
}
_DEFAULT = (("Name", "string", "name", 0), ("Created At", "date", "", 0))
SCALE = "autoscaling/scales"
_CUSTOM_SCALE = (
    ("Name", "string", "name"),
    ("Desired", "integer", ""),
    ("Available", "integer", ""),
    ("Age", "date", ""),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Printer:
    """The columns of a kind, and what makes the cells of one object at a time. `is_default`: the kind has no rows of its own."""

    headers: Sequence[Mapping[str, Any]]
    cells: Callable[[Object, datetime], list[Any]]
    conditions: Callable[[Object], Sequence[Mapping[str, str]]] = lambda value: ()
    is_default: bool = False


def printer_of(resource: Resource) -> Printer:
    """Return how a built-in kind is shown."""
    return _built_in(f"{resource.group}/{resource.plural}")


def custom_printer(columns: Sequence[Mapping[str, Any]] | None) -> Printer:
    """Return how a custom kind is shown whose definition has these columns."""
    return Printer(
        headers=custom.definitions(columns), cells=lambda value, now: custom.cells(value, columns, now)
    )


def scale_printer(*, is_custom: bool) -> Printer:
    """Return how the Scale of a built-in or custom object is shown: the columns differ in what they say of themselves."""
    found = _built_in(SCALE)
    if not is_custom:
        return found
    return replace(found, headers=[_header(*one, 0) for one in _CUSTOM_SCALE])


def names() -> frozenset[str]:
    """Return the built-in kinds, as group/plural, that have rows of their own."""
    return frozenset(_CELLS)


def columns() -> Mapping[str, Sequence[tuple[str, str, str, int]]]:
    """Return the columns (name, type, format, priority) of the built-in kinds that have some of their own."""
    return msgspec.json.decode(_FILE.read_bytes(), type=dict[str, tuple[tuple[str, str, str, int], ...]])


@cache
def _built_in(name: str) -> Printer:
    cells = _CELLS.get(name, _default)
    return Printer(
        headers=[_header(*one) for one in columns().get(name, _DEFAULT)],
        cells=lambda value, now: cells(Row(value=value, now=now)),
        conditions=pods.conditions if name == "/pods" else lambda value: (),
        is_default=name not in _CELLS,
    )


def _default(row: Row) -> list[Any]:
    return [row.name, row.text("metadata", "creationTimestamp")]


def _header(name: str, kind: str, form: str, priority: int) -> Mapping[str, Any]:
    return {"name": name, "type": kind, "format": form, "description": "", "priority": priority}
