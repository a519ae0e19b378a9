"""What a real server said, one case a line, and what a change of an object means."""

from pathlib import Path
from typing import Any

import msgspec

from hub.sandbox.kinds.values import at
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


class RecordedPool:
    """Gives what the real server gave to a Service, and nothing else."""

    def __init__(self, service: Any) -> None:
        ports = [one["nodePort"] for one in at(service, "spec", "ports") or () if "nodePort" in one]
        health = at(service, "spec", "healthCheckNodePort")
        self._ports = [*ports, *([health] if health else [])]
        self._address = str(at(service, "spec", "clusterIP") or "10.0.0.1")

    def free_address(self) -> str:
        return self._address

    def take_address(self, address: str) -> str:
        return ""

    def free_port(self) -> int:
        return int(self._ports.pop(0)) if self._ports else 30000

    def take_port(self, port: int) -> str:
        return ""
