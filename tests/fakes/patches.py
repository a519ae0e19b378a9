"""JSON patches (RFC 6902), merge patches (RFC 7386) and selectors, as an API server understands them."""

import copy
from typing import Any

from agent.kube.api import Object
from agent.kube.errors import BadRequest, Invalid


def merge_patched(before: Any, patch: Any) -> Any:
    """Return what a merge patch makes."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(before) if isinstance(before, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patched(result.get(name), value)
    return result


def json_patched(before: Object, patch: Any) -> Object:
    """Return what a JSON patch makes. Raises Invalid when a test fails or a path is not there."""
    result = copy.deepcopy(before)
    for step in patch:
        try:
            _step(result, step)
        except (KeyError, IndexError, TypeError, ValueError) as problem:
            raise Invalid(
                "the server rejected our request due to an error in our request", status=422, reason="Invalid"
            ) from problem
    return result


def _step(document: Any, step: dict[str, Any]) -> None:
    path = _tokens(step["path"])
    match step["op"]:
        case "test":
            if _at(document, path) != step.get("value"):
                raise ValueError(step["path"])
        case "add":
            _add(document, path, copy.deepcopy(step["value"]))
        case "replace":
            _at(document, path)
            _remove(document, path)
            _add(document, path, copy.deepcopy(step["value"]))
        case "remove":
            _remove(document, path)
        case "move":
            source = _tokens(step["from"])
            value = _at(document, source)
            _remove(document, source)
            _add(document, path, value)
        case "copy":
            _add(document, path, copy.deepcopy(_at(document, _tokens(step["from"]))))
        case other:
            raise ValueError(other)


def _tokens(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


def _at(document: Any, path: list[str]) -> Any:
    for token in path:
        document = document[int(token)] if isinstance(document, list) else document[token]
    return document


def _add(document: Any, path: list[str], value: Any) -> None:
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        position = len(parent) if last == "-" else int(last)
        if position > len(parent):
            raise IndexError(last)
        parent.insert(position, value)
    else:
        parent[last] = value


def _remove(document: Any, path: list[str]) -> None:
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]


def selects_labels(selector: str, value: Object) -> bool:
    """Tell whether a label selector (equality and set terms) chooses an object."""
    labels = value["metadata"].get("labels") or {}
    return all(_label_term(term.strip(), labels) for term in _terms(selector))


def selects_fields(selector: str, value: Object) -> bool:
    """Tell whether a field selector chooses an object."""
    return all(_field_term(term.strip(), value) for term in _terms(selector))


def _terms(selector: str) -> list[str]:
    terms, depth, last = [], 0, ""
    for char in selector:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            terms.append(last)
            last = ""
        else:
            last += char
    return [term for term in (*terms, last) if term]


def _label_term(term: str, labels: dict[str, str]) -> bool:
    for word, wanted in ((" notin ", False), (" in ", True)):
        name, found, rest = term.partition(word)
        if found:
            values = {one.strip() for one in rest.strip().strip("()").split(",")}
            return (labels.get(name.strip()) in values) is wanted
    if "=" in term:
        name, wanted_value, negated = _equality(term)
        return (labels.get(name) == wanted_value) is not negated
    if term.startswith("!"):
        return term[1:] not in labels
    return term in labels


def _field_term(term: str, value: Object) -> bool:
    if "=" not in term:
        raise BadRequest(f"invalid field selector: {term}", status=400, reason="BadRequest")
    name, wanted, negated = _equality(term)
    part: Any = value
    for key in name.split("."):
        part = part.get(key) if isinstance(part, dict) else None
    return (str(part or "") == wanted) is not negated


def _equality(term: str) -> tuple[str, str, bool]:
    negated = "!=" in term
    name, _, wanted = term.partition("!=" if negated else "=")
    return name.strip(), wanted.lstrip("=").strip(), negated
