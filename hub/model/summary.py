"""How several conditions become one: Flux's merge, by which Ready follows from the others.

The conditions are grouped by how bad they are, the worst group decides the status, and its most important member gives
reason and message.
"""

from collections.abc import Iterable, Sequence
from functools import cmp_to_key

import msgspec

from hub.model.conditions import READY, Condition, Conditions, ConditionStatus, place
from hub.model.value import Value


class MergeOptions(Value, frozen=True, kw_only=True):
    """What takes part in a merge and how the result is worded.

    `only` restricts the types and orders them by importance. `negative` are the types that are bad when True.
    `latest_generation` lets only the newest generation compete. `step_counter` words the message as `1 of 2 completed`, unless a
    condition outside `step_counter_only_if` is present. `source_ref_if` adds the object to the reason when one of these is present.
    """

    only: tuple[str, ...] | None = None
    negative: frozenset[str] = frozenset()
    latest_generation: bool = False
    step_counter: bool = False
    step_counter_only_if: tuple[str, ...] | None = None
    source_ref_if: tuple[str, ...] = ()


class Origin(Value, frozen=True, kw_only=True):
    """An object whose conditions are aggregated with those of others."""

    kind: str
    name: str
    conditions: Conditions


class _Localized(Value, frozen=True, kw_only=True):
    condition: Condition
    kind: str = ""
    name: str = ""


DEFAULTS = MergeOptions()


def merge(conditions: Iterable[Condition], target: str, options: MergeOptions = DEFAULTS) -> Condition | None:
    """Return the conditions as one of the type `target`, None when there are none."""
    everything = [_Localized(condition=condition) for condition in conditions]
    return _merge(everything, target, options, total=len(everything))


def summary(
    conditions: Conditions, target: str = READY, options: MergeOptions = DEFAULTS
) -> Condition | None:
    """Return `target` as it follows from the other conditions of the same object."""
    others = [
        item
        for item in conditions.items
        if item.type != target and (options.only is None or item.type in options.only)
    ]
    steps = options.step_counter_only_if or options.only
    everything = [_Localized(condition=item) for item in others]
    return _merge(everything, target, options, total=len(others) if steps is None else len(steps))


def aggregate(
    origins: Sequence[Origin], target: str = READY, options: MergeOptions = DEFAULTS
) -> Condition | None:
    """Return the conditions of several objects as one."""
    everything = [
        _Localized(condition=item, kind=origin.kind, name=origin.name)
        for origin in origins
        for item in origin.conditions.items
        if options.only is None or item.type in options.only
    ]
    return _merge(everything, target, options, total=len(origins))


def mirror(conditions: Conditions, target: str) -> Condition | None:
    """Return Ready under another type, None when there is no Ready."""
    ready = conditions.get(READY)
    return None if ready is None else msgspec.structs.replace(ready, type=target)


def _merge(
    conditions: list[_Localized], target: str, options: MergeOptions, *, total: int
) -> Condition | None:
    competing = conditions
    if options.latest_generation:
        newest = max((item.condition.observed_generation for item in conditions), default=0)
        competing = [item for item in conditions if item.condition.observed_generation == newest]
    if not competing:
        return None
    worst = min(_priority(item.condition, options) for item in competing)
    deciding = [item for item in competing if _priority(item.condition, options) == worst]
    first = _most_important(deciding, options)
    reason = first.condition.reason
    if any(item.condition.type in options.source_ref_if for item in conditions) and "@" not in reason:
        reason = f"{reason} @ {first.kind}/{first.name}"
    return Condition(
        type=target,
        status=_status(first.condition, target, options),
        reason=reason,
        message=_message(competing, total, options) or first.condition.message,
    )


def _priority(condition: Condition, options: MergeOptions) -> int:
    negative = condition.type in options.negative
    match condition.status:
        case ConditionStatus.TRUE:
            return 0 if negative else 2
        case ConditionStatus.FALSE:
            return 3 if negative else 1
        case ConditionStatus.UNKNOWN:
            return 4


def _most_important(deciding: list[_Localized], options: MergeOptions) -> _Localized:
    rank = {type_: number for number, type_ in reversed(list(enumerate(options.only or ())))}
    stored = sorted(deciding, key=cmp_to_key(_compare))
    return min(stored, key=lambda item: rank.get(item.condition.type, len(rank)))


def _compare(one: _Localized, other: _Localized) -> int:
    """Order as conditions are stored; the same type of two objects by name, since their generations are unrelated."""
    if one.condition.type == other.condition.type:
        return (one.name > other.name) - (one.name < other.name)
    return -1 if place(one.condition) < place(other.condition) else 1


def _status(condition: Condition, target: str, options: MergeOptions) -> ConditionStatus:
    """A good group makes a good target: when the polarities differ, good is the other value."""
    if (condition.type in options.negative) == (target in options.negative):
        return condition.status
    match condition.status:
        case ConditionStatus.TRUE:
            return ConditionStatus.FALSE
        case ConditionStatus.FALSE:
            return ConditionStatus.TRUE
        case ConditionStatus.UNKNOWN:
            return ConditionStatus.UNKNOWN


def _message(items: list[_Localized], total: int, options: MergeOptions) -> str:
    """Return `n of m completed`, empty when the message is to be that of the deciding condition."""
    counted = options.step_counter_only_if
    if not options.step_counter or (
        counted is not None and any(item.condition.type not in counted for item in items)
    ):
        return ""
    done = sum(
        item.condition.status is ConditionStatus.TRUE and item.condition.type not in options.negative
        for item in items
    )
    return f"{done} of {total} completed"
