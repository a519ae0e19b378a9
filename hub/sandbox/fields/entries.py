"""The entries of managedFields: read, written, kept to ten, and seen through the scale subresource."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from hub.sandbox.fields.errors import BadManagedFields
from hub.sandbox.fields.paths import NOTHING, Fields, Path, from_v1, path, to_v1

ANCIENT = "ancient-changes"
_MOST_UPDATERS = 10
_SCALE = "autoscaling/v1"
_SCALE_REPLICAS = path("spec.replicas")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: entries of equal writers are one. An applier is the same whatever version it applies."""

    manager: str
    operation: str
    api_version: str = ""
    subresource: str = ""

    def __str__(self) -> str:
        """Return the writer as conflicts name it."""
        text = json.dumps(self.manager, ensure_ascii=False)
        if self.subresource:
            text += f" with subresource {json.dumps(self.subresource, ensure_ascii=False)}"
        return f"{text} using {self.api_version}" if self.operation == "Update" else text

    @property
    def order(self) -> str:
        """Return what decides among writers of the same second."""
        parts = {"manager": self.manager, "operation": self.operation}
        parts |= {"apiVersion": self.api_version, "subresource": self.subresource}
        return json.dumps({name: part for name, part in parts.items() if part}, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one writer owns, in which version it said so, and since when."""

    api_version: str
    fields: Fields
    time: str = ""


Managed = dict[Writer, Entry]


def writer(manager: str, operation: str, api_version: str, subresource: str = "") -> Writer:
    """Return a writer under this name."""
    return Writer(
        manager=manager or "unknown",
        operation=operation,
        api_version=api_version if operation == "Update" else "",
        subresource=subresource,
    )


def read(entries: Any) -> Managed:
    """Read managedFields. Raises BadManagedFields."""
    found: Managed = {}
    for position, one in enumerate(entries or ()):
        operation, api_version = one.get("operation", ""), one.get("apiVersion", "")
        if operation not in ("Apply", "Update"):
            raise BadManagedFields("operation must be `Apply` or `Update`")
        if not api_version:
            raise BadManagedFields("apiVersion must not be empty")
        match one.get("fieldsType", ""):
            case "FieldsV1":
                pass
            case "":
                raise BadManagedFields(f"missing fieldsType in managed fields entry {position}")
            case other:
                raise BadManagedFields(f'invalid fieldsType "{other}" in managed fields entry {position}')
        who = Writer(
            manager=one.get("manager", ""),
            operation=operation,
            api_version=api_version if operation == "Update" else "",
            subresource=one.get("subresource", ""),
        )
        fields = from_v1(one.get("fieldsV1") or {})
        found[who] = Entry(api_version=api_version, fields=fields, time=one.get("time") or "")
    return found


def written(managed: Mapping[Writer, Entry]) -> list[dict[str, Any]]:
    """Return entries as managedFields has them: appliers first, then by age and name."""

    def order(one: tuple[Writer, Entry]) -> tuple[Any, ...]:
        who, entry = one
        return who.operation, _seconds(entry.time), who.manager, entry.api_version, who.subresource

    return [_written(who, entry) for who, entry in sorted(managed.items(), key=order)]


def capped(managed: Managed) -> Managed:
    """Return entries with at most ten updaters: the oldest of a version become one."""
    updaters = [who for who in managed if who.operation == "Update"]
    surplus = len(updaters) - _MOST_UPDATERS
    if surplus <= 0:
        return managed
    updaters.sort(key=lambda who: (_seconds(managed[who].time), who.order))
    result = dict(managed)
    first: dict[str, Writer] = {}
    for who in updaters:
        if surplus <= 0:
            break
        entry = managed[who]
        if entry.api_version not in first:
            first[entry.api_version] = who
            continue
        bucket = writer(ANCIENT, "Update", entry.api_version)
        if bucket not in result:
            result[bucket] = result.pop(first[entry.api_version])
        both = entry.fields | result[bucket].fields
        if who != bucket:
            del result[who]
        result[bucket] = replace(result[bucket], fields=both, time=entry.time)
        surplus -= 1
    return result


def of_scale(entries: Any, replicas: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return, as the managedFields of a Scale, who owns the replicas of an object. `replicas` has their path by version."""
    return written(
        {
            who: Entry(api_version=_SCALE, fields=frozenset({_SCALE_REPLICAS}), time=entry.time)
            for who, entry in read(entries).items()
            if replicas.get(entry.api_version) in entry.fields
        }
    )


def after_scale(
    entries: Any, scaled: Any, replicas: Mapping[str, Path], api_version: str
) -> list[dict[str, Any]]:
    """Return an object's managedFields after its Scale was written: who lost the replicas loses them here.

    A Scale of no replicas has no `spec.replicas`, neither before nor after: nobody owns a zero that was scaled to.
    """
    owners = read(scaled)
    before = read(entries)
    result: Managed = {}
    for who, entry in before.items():
        at = replicas.get(entry.api_version)
        if entry.api_version not in replicas:
            continue
        if at is None or at not in entry.fields:
            result[who] = entry
        elif who in owners:
            result[who] = entry
            del owners[who]
        elif left := entry.fields - {at}:
            result[who] = replace(entry, fields=left)
    for who, entry in owners.items():
        if _SCALE_REPLICAS in entry.fields:
            known = before.get(who)
            own = frozenset({replicas[api_version]})
            result[who] = Entry(api_version=api_version, fields=own, time=known.time if known else "")
    return written(result)


def same_but_times(one: Any, other: Any) -> bool:
    """Tell whether two managedFields differ in nothing but times: a write that changes nothing else changes nothing."""

    def timeless(entries: Any) -> list[dict[str, Any]]:
        return [{name: part for name, part in entry.items() if name != "time"} for entry in entries or ()]

    return timeless(one) == timeless(other)


def _written(who: Writer, entry: Entry) -> dict[str, Any]:
    result = {"manager": who.manager, "operation": who.operation, "apiVersion": entry.api_version}
    return {
        **result,
        **({"time": entry.time} if entry.time else {}),
        "fieldsType": "FieldsV1",
        "fieldsV1": to_v1(entry.fields or NOTHING),
        **({"subresource": who.subresource} if who.subresource else {}),
    }


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp()) if time else 0
