"""What differs from run to run taken out of answers, the same for every server. Pure.

UIDs become uid-1, uid-2 in the order in which they appear; versions of objects v1, v2 in their order; versions of lists and bookmarks
the newest of those that they include; times, generated ends of names, addresses and ports that a server chose become a word.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_ADDRESS = re.compile(r"\b10\.0\.0\.\d+\b|\bfd00::[0-9a-f]+\b")
_MOUNTED = re.compile(r"\bkube-api-access-[a-z0-9]{5}\b")
_AGE = re.compile(r"\d+[smhd]")
_JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
_VERSIONS_IN_TEXT = re.compile(
    r"(resource version: |current: |precondition \(|record \(|ResourceVersion: |resourceVersion: )(\d+)(?![\w-])"
)
_ENTRY = ("operation", "manager", "apiVersion", "subresource")


class Told(Protocol):
    """A request that can be written as a person does."""

    def told(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a server answered: a value, or the events of a watch."""

    code: int
    value: Any = None
    warnings: Sequence[str] = ()
    events: Sequence[Any] | None = None

    def parts(self) -> Mapping[str, Any]:
        """Return it as a JSON value."""
        shown = {"events": _told_events(self.events)} if self.events is not None else {"body": self.value}
        warned = {"warnings": list(self.warnings)} if self.warnings else {}
        return {"code": self.code, **shown, **warned}


def _told_events(events: Sequence[Any]) -> list[Any]:
    """Return events without the bookmarks that come when a server likes; the one that ends the initial events stays."""
    return [one for one in events if one["type"] != "BOOKMARK" or "annotations" in one["object"]["metadata"]]


def normalised(said: Sequence[Said], namespace: str) -> list[Any]:
    """Return what was said in a case without what differs from run to run."""
    values = [one.parts() for one in said]
    words = _Words(namespace=namespace, versions=sorted(set(_versions(values))))
    for prefix, name in _generated(values):
        words.names.setdefault(name, f"{prefix}<random>")
    return [words.of(value) for value in values]


@dataclass(slots=True, kw_only=True)
class _Words:
    """What stands for what, in one case."""

    namespace: str
    versions: list[int]
    uids: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def of(self, value: Any, key: str = "") -> Any:
        match value:
            case dict():
                return self._mapping(value)
            case list():
                return self._list(value, key)
            case str() if key == "continue" and value:
                return "<more>"
            case str() if key == "resourceVersion":
                return self._version(value)
            case str():
                return self._text(value)
            case int() if key in ("nodePort", "healthCheckNodePort") and value:
                return "<port>"
        return value

    def _mapping(self, value: dict[str, Any]) -> dict[str, Any]:
        # The order of names decides who is first among UIDs.
        named = {self._text(key): self.of(value[key], key) for key in sorted(value)}
        if "columnDefinitions" in named:
            columns = named["columnDefinitions"] or []
            # Servers in memory have no prose.
            named["columnDefinitions"] = [{**one, "description": "<prose>"} for one in columns]
        return named

    def _list(self, value: list[Any], key: str) -> list[Any]:
        if key == "cells":
            return [
                "<age>" if isinstance(one, str) and _AGE.fullmatch(one) else self.of(one) for one in value
            ]
        if key == "managedFields":
            value = sorted(value, key=lambda one: [str(one.get(name, "")) for name in _ENTRY])
        elif key == "causes":
            value = sorted(value, key=lambda one: [one.get("field", ""), one.get("message", "")])
        elif key in ("resourceRules", "nonResourceRules"):
            # Those of several bindings come in any order.
            value = sorted(value, key=json.dumps)
        return [self.of(one) for one in value]

    def _version(self, text: str) -> str:
        if not text.isdecimal() or text == "0":
            return text
        rank = bisect_right(self.versions, int(text))
        return f"v{rank}"

    def _text(self, text: str) -> str:
        text = _VERSIONS_IN_TEXT.sub(lambda found: found[1] + self._version(found[2]), text)
        text = _UID.sub(lambda found: self.uids.setdefault(found[0], f"uid-{len(self.uids) + 1}"), text)
        text = _JWT.sub("<token>", _ADDRESS.sub("<address>", _TIME.sub("<time>", text)))
        text = _MOUNTED.sub("kube-api-access-<random>", text)
        for name, word in self.names.items():
            text = text.replace(name, word)
        return text.replace(self.namespace, "NS") if self.namespace else text


def _versions(value: Any) -> Iterator[int]:
    """Yield the versions of objects: of what has a UID."""
    for one in _mappings(value):
        metadata = one.get("metadata")
        if isinstance(metadata, dict) and metadata.get("uid"):
            version = str(metadata.get("resourceVersion", ""))
            if version.isdecimal():
                yield int(version)


def _generated(value: Any) -> Iterator[tuple[str, str]]:
    for one in _mappings(value):
        metadata = one.get("metadata")
        if isinstance(metadata, dict) and (prefix := metadata.get("generateName")):
            name = metadata.get("name", "")
            if isinstance(name, str) and name.startswith(prefix) and len(name) > len(prefix):
                yield prefix, name


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _mappings(part)
    elif isinstance(value, list):
        for part in value:
            yield from _mappings(part)


def told_differences(steps: Sequence[Told], real: Sequence[Any], memory: Sequence[Any]) -> str:
    """Return a text with every difference of a case, below the request that it was an answer to; empty when there is none."""
    lines: list[str] = []
    for number, (step, one, other) in enumerate(zip(steps, real, memory, strict=True)):
        found = list(differences(one, other))
        if found:
            lines += [f"request {number}: {step.told()}", *(f"    {line}" for line in found)]
    return "\n".join(["", *lines]) if lines else ""


def differences(real: Any, memory: Any, path: str = "") -> Iterator[str]:
    """Yield where two normalised values differ, with what each says."""
    if isinstance(real, dict) and isinstance(memory, dict):
        for key in sorted({*real, *memory}):
            yield from differences(real.get(key, _ABSENT), memory.get(key, _ABSENT), f"{path}.{key}")
    elif isinstance(real, list) and isinstance(memory, list) and len(real) == len(memory):
        for number, (one, other) in enumerate(zip(real, memory, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif real != memory or type(real) is not type(memory):
        yield f"{path or '.'}\n      real:   {_shown(real)}\n      memory: {_shown(memory)}"


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


_ABSENT = _Absent()


def _shown(value: Any) -> str:
    return repr(value) if value is _ABSENT else json.dumps(value, ensure_ascii=False)
