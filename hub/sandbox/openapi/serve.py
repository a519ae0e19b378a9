"""Answers what is asked below /openapi/v3: an index, and a document per group and version under a hash of what it is made of.

In the older form nothing is described: clients ask for it when a kind is not in the newer one, to hear that it is not there either.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from email.utils import format_datetime
from hashlib import sha512

import msgspec

from agent.kube.api import Object
from hub.sandbox.crds import openapi as custom
from hub.sandbox.discovery import VERSION
from hub.sandbox.kinds.catalogue import built_in
from hub.sandbox.kinds.served import Kinds
from hub.sandbox.openapi import builtin
from hub.sandbox.wire import Answer, Request

ROOT = "/openapi/v3"
OLD = "/openapi/v2"
_OLD_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_TITLE, _VERSION = "Kubernetes", VERSION["gitVersion"]
_CORE = ("", "v1")
_KEPT = timedelta(days=365)


def answer(
    request: Request, kinds: Kinds, definitions: Callable[[], Iterable[Object]], now: datetime
) -> Answer | None:
    """Return what is answered at a path of OpenAPI v3, None when nothing is there. `definitions` are those that are stored."""
    path = request.path.rstrip("/")
    if path == ROOT:
        return Answer(value={"paths": {_place(*one): _entry(one, definitions) for one in _served(kinds)}})
    asked = path.removeprefix(f"{ROOT}/")
    found = next((one for one in _served(kinds) if _place(*one) == asked), None)
    if found is None:
        return None
    digest = _digest(found, definitions)
    wanted = request.asked("hash")
    if wanted and wanted != digest:
        return Answer(status=301, text="", headers={"Location": _url(found, digest)})
    headers = {"ETag": f'"{digest}"', **(_for_ever(now) if wanted else {})}
    if _is_built_in(found):
        return Answer(value=builtin.document(*found), headers=headers)
    return Answer(value=custom.document(_of(found, definitions), found[1]), headers=headers)


def old(request: Request) -> Answer:
    """Return the older document, which describes nothing, in protobuf or JSON."""
    if "protobuf" not in request.headers.get("accept", ""):
        return Answer(value={"swagger": "2.0", "info": {"title": _TITLE, "version": _VERSION}, "paths": {}})
    info = _text(1, _TITLE) + _text(2, _VERSION)
    return Answer(text=_text(1, "2.0") + _text(2, info), media_type=_OLD_MEDIA_TYPE)


def _text(number: int, value: str) -> str:
    """Return a short field of a message, number and length a byte each."""
    return f"{chr(number << 3 | 2)}{chr(len(value))}{value}"


def _for_ever(now: datetime) -> Mapping[str, str]:
    """Return what says that a document under its hash never changes."""
    return {
        "Cache-Control": "public, immutable",
        "Expires": format_datetime(now + _KEPT, usegmt=True),
    }


def _served(kinds: Kinds) -> list[tuple[str, str]]:
    groups = [(one.name, version) for one in kinds.groups for version in one.versions]
    return [_CORE, *(one for one in groups if kinds.remote(*one) is None)]


def _is_built_in(found: tuple[str, str]) -> bool:
    return any((one.resource.group, one.resource.version) == found for one in built_in())


def _of(found: tuple[str, str], definitions: Callable[[], Iterable[Object]]) -> list[Object]:
    group, version = found
    return [
        one
        for one in definitions()
        if one["spec"]["group"] == group
        and any(of["name"] == version and of["served"] for of in one["spec"]["versions"])
    ]


def _digest(found: tuple[str, str], definitions: Callable[[], Iterable[Object]]) -> str:
    if _is_built_in(found):
        return builtin.digest(*found)
    specs = [one["spec"] for one in _of(found, definitions)]
    return sha512(msgspec.json.encode([found, specs], order="sorted")).hexdigest().upper()


def _entry(found: tuple[str, str], definitions: Callable[[], Iterable[Object]]) -> Object:
    return {"serverRelativeURL": _url(found, _digest(found, definitions))}


def _url(found: tuple[str, str], digest: str) -> str:
    return f"{ROOT}/{_place(*found)}?hash={digest}"


def _place(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"
