"""What a request is about, read from its method, path and query: the verb, the resource, the object. Pure.

Both who may do it and where it goes are decided by these words.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Request

_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_PATH_VERBS = ("proxy", "watch")
_NAMESPACE_SUBRESOURCES = ("status", "finalize")
_FALSE = ("false", "0")
_NUMBERS = ("limit", "timeoutSeconds")
_INTEGER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What is asked for. A path that names no resource has only a verb (the method in lower case) and the path.

    `rest` is what follows the subresource in the path. A list by exact name carries the name, as with a real server.
    """

    verb: str
    path: str = ""
    is_resource: bool = True
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    rest: tuple[str, ...] = ()

    @property
    def combined(self) -> str:
        """Return resource and subresource as rules name them."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def attributes_of(request: Request) -> Attributes:
    """Read a request. Raises Refused where a path that begins with a verb says nothing more."""
    parts = [part for part in request.path.strip("/").split("/") if request.path.strip("/")]
    head = _head(parts)
    if head is None:
        return Attributes(verb=request.method.lower(), path=request.path, is_resource=False)
    group, version, parts = head
    verb = _VERBS.get(request.method, "")
    if parts[0] in _PATH_VERBS:
        if len(parts) < 2:
            raise _unreadable(request.path)
        verb, parts = parts[0], parts[1:]
    namespace, parts = _namespace(parts)
    name = parts[1] if len(parts) > 1 else ""
    has_subresource = len(parts) > 2 and verb != "proxy"
    verb, name = _of_many(verb, request.query) if not name else (verb, name)
    return Attributes(
        verb=verb,
        path=request.path,
        group=group,
        version=version,
        resource=parts[0],
        subresource=parts[2] if has_subresource else "",
        namespace=namespace,
        name=name,
        rest=tuple(parts[3:] if has_subresource else parts[2:]),
    )


def _head(parts: list[str]) -> tuple[str, str, list[str]] | None:
    match parts:
        case ["api", version, _, *_]:
            return "", version, parts[2:]
        case ["apis", group, version, _, *_]:
            return group, version, parts[3:]
        case _:
            return None


def _namespace(parts: list[str]) -> tuple[str, list[str]]:
    """Return the namespace and what follows it; a Namespace itself is in the namespace that it is."""
    if parts[0] != "namespaces" or len(parts) < 2:
        return "", parts
    is_inside = len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES
    return parts[1], parts[2:] if is_inside else parts


def _of_many(verb: str, query: Mapping[str, Sequence[str]]) -> tuple[str, str]:
    """Return the verb for a path without a name, and the name that a selector asks for."""
    match verb:
        case "get":
            watch = query.get("watch") or ("false",)
            is_watch = watch[0].lower() not in _FALSE
            return "watch" if is_watch else "list", _selected_name(query)
        case "delete":
            return "deletecollection", ""
        case _:
            return verb, ""


def _selected_name(query: Mapping[str, Sequence[str]]) -> str:
    """Return the name that a field selector asks for; where one parameter cannot be read, none is."""
    terms = [term for term in (query.get("fieldSelector") or ("",))[0].split(",") if term]
    numbers = [query[name][0] for name in _NUMBERS if query.get(name)]
    if not all("=" in term for term in terms) or not all(map(_INTEGER.fullmatch, numbers)):
        return ""
    for term in terms:
        field, _, name = term.partition("=")
        name = name.removeprefix("=")
        if field == "metadata.name" and name and _is_segment(name):
            return name
    return ""


def _is_segment(name: str) -> bool:
    return name not in (".", "..") and "/" not in name and "%" not in name


def _unreadable(path: str) -> Refused:
    message = f"failed to create RequestInfo: unable to determine kind and namespace from url, {path}"
    return Refused(500, "InternalError", message)
