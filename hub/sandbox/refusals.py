"""What an API server says instead of doing what was asked: a Status, in the words of the real one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.kube.api import Object, Resource
from hub.sandbox.wire import Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One reason of a refusal."""

    reason: str
    message: str
    field: str

    def encode(self) -> Mapping[str, str]:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class Refused(Exception):
    """A request that was not carried out. `details` is None where the real server leaves it out."""

    def __init__(
        self, code: int, reason: str, message: str, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    @property
    def status(self) -> Object:
        """Return the Status that is answered."""
        details = {} if self.details is None else {"details": dict(self.details)}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            **({"reason": self.reason} if self.reason else {}),
            **details,
            "code": self.code,
        }


def answer_of(refused: Refused) -> Answer:
    """Return how a refusal is answered."""
    after_s = (refused.details or {}).get("retryAfterSeconds")
    headers = {"Retry-After": str(after_s)} if after_s else {}
    return Answer(status=refused.code, value=refused.status, headers=headers)


def qualified(resource: Resource) -> str:
    """Return a resource as messages name it."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def no_such_kind(kind: str, version: str) -> str:
    """Return what is said of a kind that no version of its group has."""
    return f'no kind "{kind}" is registered for version "{version}" in scheme "pkg/runtime/scheme.go:111"'


def bad_request(message: str) -> Refused:
    return Refused(400, "BadRequest", message)


def no_such_path() -> Refused:
    """Return the refusal of a path at which no resource is served."""
    return Refused(404, "NotFound", "the server could not find the requested resource", {})


def not_found(resource: Resource, name: str) -> Refused:
    return Refused(404, "NotFound", f'{qualified(resource)} "{name}" not found', _details(resource, name))


def already_exists(resource: Resource, name: str, *, is_leaving: bool = False) -> Refused:
    message = f'{qualified(resource)} "{name}" already exists'
    message = f"object is being deleted: {message}" if is_leaving else message
    return Refused(409, "AlreadyExists", message, _details(resource, name))


def conflict(resource: Resource, name: str, why: str) -> Refused:
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return Refused(409, "Conflict", message, _details(resource, name))


def changed_meanwhile(resource: Resource, name: str) -> Refused:
    """Return the refusal of a write over a resourceVersion that is not the newest."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def invalid(resource: Resource, name: str, causes: Iterable[Cause], *, kind: str = "") -> Refused:
    """Return the refusal of an object that breaks rules; causes as the validation of its kind found them."""
    found, kind = tuple(causes), kind or resource.kind
    # The same fault may be found several times: it is told once, and listed as often as it was found.
    texts = list(dict.fromkeys(f"{one.field}: {one.message}" for one in found))
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": kind,
        "causes": [one.encode() for one in found],
    }
    qualified_kind = f"{kind}.{resource.group}" if resource.group else kind
    return Refused(422, "Invalid", f'{qualified_kind} "{name}" is invalid: {text}', details)


def forbidden(resource: Resource, name: str, why: str) -> Refused:
    named = f' "{name}"' if name else ""
    return Refused(
        403, "Forbidden", f"{qualified(resource)}{named} is forbidden: {why}", _details(resource, name)
    )


def method_not_allowed() -> Refused:
    message = "the server does not allow this method on the requested resource"
    return Refused(405, "MethodNotAllowed", message, {})


def unsupported_media_type(offered: str, supported: Iterable[str] = ()) -> Refused:
    """Return the refusal of a body in a form that is not read."""
    known = ", ".join(supported)
    more = f": the body of the request was in an unknown format - accepted media types include: {known}"
    message = more.removeprefix(": ") if known else "415: Unsupported Media Type"
    return Refused(415, "UnsupportedMediaType", message, None if known else {})


def expired(message: str) -> Refused:
    return Refused(410, "Expired", message)


def refused_option(kind: str, field: str, reason: str, message: str) -> Refused:
    """Return the refusal of an option of a request; `kind` is what the server reads the options as."""
    return refused_options(kind, Cause(reason=reason, message=message, field=field))


def refused_options(kind: str, *causes: Cause) -> Refused:
    """Return the refusal of options for several reasons."""
    texts = [f"{one.field}: {one.message}" for one in causes]
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details = {"group": "meta.k8s.io", "kind": kind, "causes": [one.encode() for one in causes]}
    return Refused(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {text}', details)


def unavailable() -> Refused:
    """Return the refusal of a server that cannot answer now."""
    return Refused(503, "ServiceUnavailable", "service unavailable")


def internal_error(why: str) -> Refused:
    """Return the refusal of a server that failed."""
    return Refused(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})


def timed_out(why: str = "request did not complete within the allotted timeout") -> Refused:
    """Return the refusal of what took too long; it may have taken effect all the same."""
    return Refused(504, "Timeout", f"Timeout: {why}", {})


def not_built(what: str) -> Refused:
    """Return the refusal of what these servers leave to real ones."""
    message = f"{what} does not exist in the sandbox; try it on a real cluster"
    return Refused(501, "NotImplemented", message)


def _details(resource: Resource, name: str) -> Mapping[str, str]:
    return {
        **({"name": name} if name else {}),
        **({"group": resource.group} if resource.group else {}),
        "kind": resource.plural,
    }
