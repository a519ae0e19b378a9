"""What new objects become: each line of `created.jsonl` is what was sent to a real server and what it stored."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from hub.sandbox.kinds.addresses import allocated
from hub.sandbox.kinds.admission import admitted
from hub.sandbox.kinds.rules import rules_of
from hub.sandbox.kinds.services import shown
from hub.sandbox.kinds.values import at, copied

_LINES = Path(__file__).with_name("created.jsonl").read_bytes().splitlines()
_CASES = [msgspec.json.decode(line) for line in _LINES]
_GIVEN_BY_SERVER = ("uid", "creationTimestamp", "namespace")


class _RecordedPool:
    """Gives what the real server gave."""

    def __init__(self, service: Any) -> None:
        ports = [one["nodePort"] for one in at(service, "spec", "ports") or () if "nodePort" in one]
        health = at(service, "spec", "healthCheckNodePort")
        self._ports = [*ports, *([health] if health else [])]
        self._address = str(at(service, "spec", "clusterIP"))

    def free_address(self) -> str:
        return self._address

    def take_address(self, address: str) -> str:
        return f"{address} was taken"

    def free_port(self) -> int:
        return int(self._ports.pop(0))

    def take_port(self, port: int) -> str:
        return f"{port} was taken"


def _token_suffix(stored: Any) -> str:
    volumes = at(stored, "spec", "volumes") or ()
    return next((one["name"][-5:] for one in volumes if one["name"].startswith("kube-api-access-")), "")


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["case"])
def test_a_new_object_is_stored_as_by_a_real_server(case: Any) -> None:
    sent, stored = case["sent"], case["stored"]
    before = copied(sent)
    group, kind = sent["apiVersion"].rpartition("/")[0], sent["kind"]
    rules = rules_of(group, kind)

    value = rules.with_defaults(sent)
    value["metadata"] |= {
        key: stored["metadata"][key] for key in _GIVEN_BY_SERVER if key in stored["metadata"]
    }
    value = admitted(group, kind, value, _token_suffix(stored))
    if kind == "Service":
        value, refused = allocated(None, value, _RecordedPool(stored))
        assert not refused
        value = shown(value)
    value = rules.for_create(value)

    assert value == stored
    assert rules.faults_of(value) == ()
    assert rules.with_defaults(value) == value
    assert sent == before
