"""Lists of objects: pages with continue tokens, and collections as they were at a version."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from agent.kube.api import Object, Resource
from hub.sandbox.refusals import Cause, Refused, bad_request, expired, refused_option
from hub.sandbox.selectors import Selector, by_fields, by_labels
from hub.sandbox.storage import Place, Storage, TooOld
from hub.sandbox.wire import Request

OPTIONS = "ListOptions"
_TOKEN_FORM = "meta.k8s.io/v1"  # noqa: S105  (a version)


class _Token(msgspec.Struct, omit_defaults=True):
    """Where a list goes on: at which version, after which key."""

    v: str
    rv: int
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Objects of a list, as of a version; `following` is the token of the next page, `remaining` how many come after this one."""

    items: Sequence[tuple[Place, Object]]
    version: int
    following: str = ""
    remaining: int | None = None


def selector_of(request: Request, resource: Resource, selectable: tuple[str, ...] = ()) -> Selector:
    """Return what a request selects; `selectable` are fields of a custom kind. Raises Refused."""
    labels = by_labels(request.asked("labelSelector"))
    fields = by_fields(request.asked("fieldSelector"), resource.group, resource.kind, selectable)
    return lambda value: labels(value) and fields(value)


def page_of(
    request: Request,
    resource: Resource,
    namespace: str,
    storage: Storage,
    selectable: tuple[str, ...] = (),
) -> Page:
    """Return the page that a request asks for. Raises Refused."""
    _check(request)
    selects = selector_of(request, resource, selectable)
    token = _read(request.asked("continue")) if request.asked("continue") else None
    if token and request.asked("resourceVersion") not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")
    version = token.rv if token else _exact_version(request, storage)
    kind = (resource.group, resource.plural)
    try:
        found = storage.all_at(kind, namespace, version) if version else storage.all(kind, namespace)
    except TooOld as problem:
        raise _expired_token() if token else expired(str(problem)) from problem
    after = [(place, value) for place, value in found if not token or "/".join(place) > token.start]
    selected = [(place, value) for place, value in after if selects(value)]
    version = version or storage.version
    limit = _number(request, "limit")
    if not limit or len(selected) <= limit:
        return Page(items=selected, version=version)
    page = selected[:limit]
    is_whole = not (request.asked("labelSelector") or request.asked("fieldSelector"))
    return Page(
        items=page,
        version=version,
        following=_write(_Token(v=_TOKEN_FORM, rv=version, start="/".join(page[-1][0]))),
        # What a selector leaves out would have to be read to be counted.
        remaining=len(selected) - limit if is_whole else None,
    )


def version_asked(request: Request) -> int:
    """Return the resourceVersion of a request, 0 for none. Raises Refused."""
    text = request.asked("resourceVersion")
    if not text:
        return 0
    if not text.isdecimal():
        raise bad_request(
            f'invalid resource version: resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _check(request: Request) -> None:
    match = request.asked("resourceVersionMatch")
    if not match:
        return
    if not request.asked("resourceVersion"):
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif request.asked("continue"):
        why = "resourceVersionMatch is forbidden when continue is provided"
    elif match == "Exact" and request.asked("resourceVersion") == "0":
        why = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
    elif match not in ("Exact", "NotOlderThan"):
        told = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
        raise refused_option(OPTIONS, "resourceVersionMatch", "FieldValueNotSupported", told)
    else:
        return
    raise refused_option(OPTIONS, "resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {why}")


def _exact_version(request: Request, storage: Storage) -> int:
    """Return the version a list has to be of exactly, 0 for the newest."""
    version = version_asked(request)
    if version > storage.version:
        raise too_new(version, storage.version)
    return version if request.asked("resourceVersionMatch") == "Exact" else 0


def too_new(version: int, newest: int) -> Refused:
    """Return the refusal of a version that does not exist yet."""
    cause = Cause(reason="ResourceVersionTooLarge", message="Too large resource version", field="")
    return Refused(
        504,
        "Timeout",
        f"Timeout: Too large resource version: {version}, current: {newest}",
        {"causes": [{"reason": cause.reason, "message": cause.message}], "retryAfterSeconds": 1},
    )


def _number(request: Request, name: str) -> int:
    text = request.asked(name)
    if not text:
        return 0
    try:
        return int(text)
    except ValueError as problem:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from problem


def _read(text: str) -> _Token:
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(data, type=_Token)
        return _Token(v=token.v, rv=token.rv, start=token.start.removeprefix("/").rstrip("\0"))
    except (ValueError, msgspec.MsgspecError) as problem:
        raise bad_request(f"invalid continue token: continue key is not valid: {problem}") from problem


def _write(token: _Token) -> str:
    data = msgspec.json.encode(_Token(v=token.v, rv=token.rv, start=f"/{token.start}\0"))
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _expired_token() -> Refused:
    return expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter."
    )
