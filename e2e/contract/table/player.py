"""Plays cases on a server, whichever it is."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

from e2e.contract.table.case import APPLY, NS, Case, Step
from e2e.contract.table.normal import Said, normalised

PATIENCE_S = 60.0
_REFERENCE = re.compile(r"<(-?\d+)\.([\w.\-]+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as it travels."""

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]
    is_watch: bool


class Asked(Protocol):
    """A server that cases are played on."""

    def ask(self, call: Call) -> Said:
        """Return what is answered; a watch is followed until it ends."""
        ...

    def pause(self) -> bool:
        """Let a moment pass before a request is repeated; tell whether that may change the answer."""
        ...


def play(case: Case, server: Asked, namespace: str) -> list[Any]:
    """Return what a server answers to the requests of a case, normalised. The namespace has to be there."""
    said: list[Said] = []
    for step in (*case.steps, *_read_back(case)):
        said.append(_answered(step, server, _Place(namespace, said)))
    return normalised(said, namespace)


def played_steps(case: Case) -> tuple[Step, ...]:
    """Return the steps of a case with those that read back what it wrote."""
    return (*case.steps, *_read_back(case))


def _read_back(case: Case) -> list[Step]:
    written = dict.fromkeys(path for step in case.steps for path in _object_of(step))
    return [Step(method="GET", on=path) for path in written]


def _object_of(step: Step) -> Sequence[str]:
    """Return the path of the object that a step writes, without a subresource."""
    if step.method == "GET":
        return ()
    parts = step.on.strip("/").split("/")
    above = 2 if parts[0] == "api" else 3
    above += 2 if parts[above : above + 1] == ["namespaces"] and len(parts) > above + 2 else 0
    if step.method == "POST":
        name = step.body.get("metadata", {}).get("name") if isinstance(step.body, dict) else None
        return () if not name or len(parts) > above + 1 else ("/" + "/".join([*parts[: above + 1], name]),)
    return ("/" + "/".join(parts[: above + 2]),) if len(parts) > above + 1 else ()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a case is played, and what was answered so far."""

    namespace: str
    said: Sequence[Said]

    def text(self, text: str) -> str:
        return _REFERENCE.sub(self._referred, text.replace(NS, self.namespace))

    def value(self, value: Any) -> Any:
        match value:
            case dict():
                return {self.text(key): self.value(one) for key, one in value.items()}
            case list():
                return [self.value(one) for one in value]
            case str():
                return self.text(value)
        return value

    def _referred(self, found: re.Match[str]) -> str:
        number = int(found[1])
        answers = [one.value for one in self.said]
        if number < 0:
            answers = [one for one in answers if isinstance(one, dict) and one.get("metadata", {}).get("uid")]
        value: Any = answers[number] if -len(answers) <= number < len(answers) else None
        for name in found[2].split("."):
            if not isinstance(value, dict | list):
                break
            value = value[int(name)] if isinstance(value, list) else value.get(name)
        return str(value)


def _answered(step: Step, server: Asked, place: _Place) -> Said:
    call = _call(step, place)
    until = time.monotonic() + PATIENCE_S
    while True:
        said = server.ask(call)
        if step.until is None or step.until(said.code, said.value) or time.monotonic() > until:
            return said
        if not server.pause():
            return said


def _call(step: Step, place: _Place) -> Call:
    query = urlencode({name: place.text(value) for name, value in step.query.items()})
    body: bytes | None = None
    if isinstance(step.body, str) and step.media_type in ("", APPLY):
        body = place.text(step.body).encode()
    elif step.body is not None:
        body = json.dumps(place.value(step.body)).encode()
    headers = {"Accept": "application/json", "Content-Type": step.media_type}
    headers |= {name: place.text(value) for name, value in step.headers.items()}
    return Call(
        method=step.method,
        target=place.text(step.on) + (f"?{query}" if query else ""),
        body=body,
        headers=headers,
        is_watch=step.is_watch,
    )
