"""What a real server said, one case a line, and what a change of an object means."""

from pathlib import Path
from typing import Any

import msgspec

from hub.sandbox.kinds.values import copied
from hub.sandbox.refusals import Cause

Fault = tuple[str, str, str]


def cases(name: str) -> list[Any]:
    """Return the cases of a recording."""
    lines = Path(__file__).with_name(name).read_bytes().splitlines()
    return [msgspec.json.decode(line) for line in lines]


def merged(value: Any, patch: Any) -> Any:
    """Return a value changed by a merge patch."""
    if not isinstance(patch, dict):
        return patch
    made = dict(value) if isinstance(value, dict) else {}
    for key, one in patch.items():
        if one is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), one)
    return made


def told(causes: tuple[Cause, ...]) -> list[Fault]:
    """Return faults in a form that compares with a recording's."""
    return [(one.field, one.reason, one.message) for one in causes]


def with_recorded_lots(service: Any, stored: Any) -> Any:
    """Return a Service with the addresses and ports that a real server drew, wherever it was given some."""
    made, drawn = copied(service), stored["spec"]
    spec = made["spec"]
    for key in ("clusterIP", "clusterIPs", "healthCheckNodePort"):
        if key in spec and key in drawn:
            spec[key] = drawn[key]
    for one, other in zip(spec.get("ports") or (), drawn.get("ports") or (), strict=False):
        if "nodePort" in one and "nodePort" in other:
            one["nodePort"] = other["nodePort"]
    return made
