"""Label and field selectors, as an API server reads them. Pure.

A selector is a test for objects; what cannot be read is refused in the server's words.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Object
from hub.sandbox.refusals import Refused, bad_request

Selector = Callable[[Object], bool]
_TOKEN = re.compile(r"\s*(!=|==|=|!|<|>|\(|\)|,|[^\s!=<>(),]+)")
_SYMBOLS = frozenset({"!=", "==", "=", "!", "<", ">", "(", ")", ","})
_OPERATORS = ("=", "==", "!=", "in", "notin", "<", ">")
_KEY = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)")
_COMMON_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "Pod"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "Node"): ("spec.unschedulable",),
    ("", "Namespace"): ("status.phase",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.type"),
    ("", "ReplicationController"): ("status.replicas",),
    ("", "Event"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("apps", "ReplicaSet"): ("status.replicas",),
    ("batch", "Job"): ("status.successful",),
    ("certificates.k8s.io", "CertificateSigningRequest"): ("spec.signerName",),
}


def everything(_: Object) -> bool:
    """Select every object."""
    return True


def by_labels(text: str) -> Selector:
    """Read a label selector. Raises Refused."""
    if not text.strip():
        return everything
    terms = tuple(_Reader(text).read())
    return lambda value: all(one.holds((value["metadata"].get("labels")) or {}) for one in terms)


def by_fields(text: str, group: str, kind: str, more: tuple[str, ...] = ()) -> Selector:
    """Read a field selector for a kind; `more` are the fields that a definition lets be selected by. Raises Refused."""
    if not text.strip():
        return everything
    known = (*_COMMON_FIELDS, *_FIELDS.get((group, kind), ()), *more)
    terms = [_field_term(one, known) for one in text.split(",") if one]
    return lambda value: all(
        (_value_at(value, path) == wanted) is not negated for path, wanted, negated in terms
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Term:
    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def holds(self, labels: Mapping[str, str]) -> bool:
        found = labels.get(self.key)
        match self.operator:
            case "exists":
                return found is not None
            case "!":
                return found is None
            case "=" | "==" | "in":
                return found in self.values
            case "!=" | "notin":
                return found not in self.values
            case _:
                return found is not None and _is_beyond(found, self.operator, self.values)


def _is_beyond(found: str, operator: str, values: frozenset[str]) -> bool:
    try:
        (limit,) = map(int, values)
        number = int(found)
    except ValueError:
        return False
    return number > limit if operator == ">" else number < limit


class _Reader:
    """Reads the terms of a label selector, one after the other."""

    def __init__(self, text: str) -> None:
        self._tokens = [one.group(1) for one in _TOKEN.finditer(text)]
        self._at = 0

    def read(self) -> list[_Term]:
        terms = []
        while True:
            if self._peek() in _SYMBOLS - {"!"} or not self._peek():
                raise bad_request(f"found '{self._peek()}', expected: !, identifier, or 'end of string'")
            try:
                terms.append(self._term())
            except _Unread as problem:
                raise bad_request(f"unable to parse requirement: {problem}") from problem
            following = self._take()
            if not following:
                return terms
            if following != ",":
                raise bad_request(f"found '{following}', expected: ',' or 'end of string'")
            if self._peek() != "!" and (not self._peek() or self._peek() in _SYMBOLS):
                raise bad_request(f"found '{self._peek()}', expected: identifier after ','")

    def _term(self) -> _Term:
        negated = self._peek() == "!"
        if negated:
            self._take()
        key = self._take()
        if not _is_key(key):
            raise _Unread(f"found '{key}', expected: identifier")
        if negated:
            return _Term(key=key, operator="!")
        if self._peek() in ("", ","):
            return _Term(key=key, operator="exists")
        operator = self._take()
        if operator not in _OPERATORS:
            raise _Unread(
                f"found '{operator}', expected: {', '.join(sorted((*_OPERATORS, '')))}".rstrip(", ")
            )
        if operator in ("in", "notin"):
            return _Term(key=key, operator=operator, values=self._values())
        value = "" if self._peek() in ("", ",") else self._take()
        if value in _SYMBOLS:
            raise _Unread(f"found '{value}', expected: identifier")
        return _Term(key=key, operator=operator, values=frozenset({value}))

    def _values(self) -> frozenset[str]:
        if (opening := self._take()) != "(":
            raise _Unread(f"found '{opening}' expected: '('")
        if self._peek() == ")":
            raise bad_request("for 'in', 'notin' operators, values set can't be empty")
        values: set[str] = set()
        value = ""
        while True:
            match self._take():
                case "," | ")" as end:
                    # Nothing between two commas is the empty value.
                    values.add(value)
                    value = ""
                    if end == ")":
                        return frozenset(values)
                case word if not word or word in _SYMBOLS:
                    raise _Unread(f"found '{word}', expected: ',', ')' or identifier")
                case word:
                    value = word

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self._at += 1
        return token


class _Unread(Exception):
    """A term that is none."""


def _is_key(text: str) -> bool:
    name = text.rpartition("/")[2]
    return bool(_KEY.fullmatch(name)) and len(name) <= 63


def _field_term(text: str, known: tuple[str, ...]) -> tuple[str, str, bool]:
    for sign in ("!=", "==", "="):
        path, found, wanted = text.partition(sign)
        if found:
            if path not in known:
                raise _unknown_field(path, known)
            return path, wanted, sign == "!="
    raise bad_request(f"invalid selector: '{text}'; can't understand '{text}'")


def _unknown_field(path: str, known: tuple[str, ...]) -> Refused:
    if known == _COMMON_FIELDS:
        listed = ", ".join(f'"{one}"' for one in known)
        return bad_request(f'"{path}" is not a known field selector: only {listed}')
    return bad_request(f"field label not supported: {path}")


def _value_at(value: Object, path: str) -> str:
    part: Any = value
    for key in path.split("."):
        part = part.get(key) if isinstance(part, dict) else None
    if isinstance(part, bool):
        return "true" if part else "false"
    return "" if part is None else str(part)


def text_of_labels(labels: Mapping[str, str] | None) -> str:
    """Return the selector of exactly these labels."""
    return ",".join(f"{name}={value}" for name, value in sorted((labels or {}).items()))


def text_of(selector: Mapping[str, Any] | None) -> str:
    """Return the selector of an object as one text, empty when it has no term."""
    selector = selector or {}
    found = [(name, f"{name}={value}") for name, value in (selector.get("matchLabels") or {}).items()]
    found += [(term["key"], _text_of_term(term)) for term in selector.get("matchExpressions") or ()]
    return ",".join(text for _, text in sorted(found, key=lambda one: one[0]))


def _text_of_term(term: Mapping[str, Any]) -> str:
    key, listed = term["key"], ",".join(sorted(term.get("values") or ()))
    match term.get("operator"):
        case "In":
            return f"{key} in ({listed})"
        case "NotIn":
            return f"{key} notin ({listed})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return str(key)
