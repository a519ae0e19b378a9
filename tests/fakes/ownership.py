"""What writes do to managedFields: updates take what they change, applies take what they name and give up what they leave out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from agent.kube.api import Object
from agent.kube.errors import Conflict
from tests.fakes.fields import (
    Fields,
    Path,
    fields_of,
    from_v1,
    merge,
    to_v1,
    values_at,
    with_parents,
    without,
)

BEFORE_FIRST_APPLY = "before-first-apply"
_ALWAYS_THERE: Fields = frozenset({("f:metadata",)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Under which name, how and through what a field is owned."""

    manager: str
    operation: str
    subresource: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of managedFields."""

    writer: Writer
    api_version: str
    time: str
    fields: Fields


def entries_of(value: Object) -> list[Entry]:
    """Read an object's managedFields."""
    return [
        Entry(
            writer=Writer(
                manager=one["manager"], operation=one["operation"], subresource=one.get("subresource", "")
            ),
            api_version=one["apiVersion"],
            time=one.get("time", ""),
            fields=from_v1(one.get("fieldsV1") or {}),
        )
        for one in value["metadata"].get("managedFields") or ()
        if one
    ]


def managed(value: Object, entries: Sequence[Entry]) -> Object:
    """Return an object with these managedFields."""
    metadata = {name: part for name, part in value["metadata"].items() if name != "managedFields"}
    if written := [_written(entry) for entry in entries if entry.fields]:
        metadata["managedFields"] = written
    return {**value, "metadata": metadata}


def updated(before: Object | None, after: Object, new: Entry, *, custom: bool) -> list[Entry]:
    """Return the entries after an update: the writer owns what it changed, nobody what is gone."""
    old_fields = fields_of(before, custom=custom, maps=True) if before else frozenset()
    new_fields = fields_of(after, custom=custom, maps=True)
    old = values_at(before, old_fields | new_fields, custom=custom) if before else {}
    now = values_at(after, new_fields, custom=custom)
    changed = frozenset(path for path in new_fields if path not in old or old[path] != now[path])
    kept = [
        replace(entry, fields=_living(entry.fields, after, custom=custom) - changed)
        for entry in entries_of(after if "managedFields" in after["metadata"] else before or after)
        if entry.writer != new.writer
    ]
    mine = [entry for entry in entries_of(before) if entry.writer == new.writer] if before else []
    fields = changed | (mine[0].fields if mine else frozenset())
    living = _living(fields, after, custom=custom)
    if changed or not mine:
        return [*kept, replace(new, fields=living)]
    return [*kept, replace(mine[0], fields=living)]


def applied(
    live: Object | None, wanted: Object, new: Entry, *, force: bool, custom: bool
) -> tuple[Object, list[Entry]]:
    """Merge an applied configuration into the live object. Raises Conflict."""
    mine = fields_of(wanted, custom=custom)
    if live is None:
        return wanted, [replace(new, fields=mine)]
    entries = entries_of(live)
    if not entries:
        unknown = Writer(manager=BEFORE_FIRST_APPLY, operation="Update")
        entries = [
            replace(new, writer=unknown, fields=fields_of(live, custom=custom, maps=True) - {("f:status",)})
        ]
    others = [entry for entry in entries if entry.writer != new.writer]
    own = [entry for entry in entries if entry.writer == new.writer]
    there, asked = values_at(live, mine, custom=custom), values_at(wanted, mine, custom=custom)
    differing = frozenset(path for path in mine if there.get(path) != asked.get(path))
    contested = [(entry, entry.fields & differing) for entry in others if entry.fields & differing]
    if contested and not force:
        raise _conflict(contested)
    others = [replace(entry, fields=entry.fields - differing) for entry in others]
    theirs = with_parents(path for entry in others for path in entry.fields)
    before = with_parents(own[0].fields) if own else frozenset()
    gone = before - with_parents(mine) - theirs - _ALWAYS_THERE
    result = merge(without(live, gone, custom=custom), wanted, custom=custom)
    others = [replace(entry, fields=_living(entry.fields, result, custom=custom)) for entry in others]
    if own and own[0].fields == mine and own[0].api_version == new.api_version and not gone and not differing:
        return result, [*others, own[0]]
    return result, [*others, replace(new, fields=mine)]


def _living(fields: Fields, value: Object, *, custom: bool) -> Fields:
    return frozenset(values_at(value, fields, custom=custom))


def _written(entry: Entry) -> dict[str, Any]:
    value = {
        "manager": entry.writer.manager,
        "operation": entry.writer.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": to_v1(entry.fields),
    }
    return value | ({"subresource": entry.writer.subresource} if entry.writer.subresource else {})


def _conflict(contested: Sequence[tuple[Entry, Fields]]) -> Conflict:
    causes = tuple(
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{entry.writer.manager}"',
            "field": _shown(path),
        }
        for entry, fields in contested
        for path in sorted(fields)
    )
    told = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    plural = "conflict" if len(causes) == 1 else "conflicts"
    return Conflict(
        f"Apply failed with {len(causes)} {plural}: {told}", status=409, reason="Conflict", causes=causes
    )


def _shown(path: Path) -> str:
    return "".join(f".{part[2:]}" if part.startswith("f:") else f"[{part[2:]}]" for part in path)
