"""A request as logs and faults see it: who asks for what, of which object. Pure."""

from dataclasses import dataclass
from typing import Any

import msgspec

from hub.sandbox.access.request_info import Attributes, attributes_of
from hub.sandbox.drafts import APPLY
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Request

_READS = ("get", "list", "watch", "head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `verb` is Kubernetes' own, but `apply` for a server-side apply; what asks of the server itself has no resource.

    `name` is also that of an object to be created; `uid` and `resource_version` are what a write supposes.
    """

    verb: str
    user: str
    path: str
    group: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    is_dry_run: bool = False
    uid: str = ""
    resource_version: str = ""

    @property
    def is_write(self) -> bool:
        """Tell whether the request could change something."""
        return self.verb not in _READS and not self.is_dry_run


def call_of(request: Request, user: str) -> Call:
    """Describe a request."""
    try:
        asked = attributes_of(request)
    except Refused:
        asked = Attributes(verb=request.method.lower(), is_resource=False)
    body = _body_of(request) if asked.verb not in _READS else {}
    supposed = _mapping(body, "preconditions") or _mapping(body, "metadata")
    return Call(
        verb="apply" if asked.verb == "patch" and request.media_type == APPLY else asked.verb,
        user=user,
        path=request.path,
        group=asked.group,
        resource=asked.resource,
        namespace="" if asked.resource == "namespaces" else asked.namespace,
        name=asked.name or str(_mapping(body, "metadata").get("name") or ""),
        subresource=asked.subresource,
        is_dry_run=bool(request.asked("dryRun") or body.get("dryRun")),
        uid=str(supposed.get("uid") or ""),
        resource_version=str(supposed.get("resourceVersion") or ""),
    )


def _body_of(request: Request) -> dict[str, Any]:
    """Return the body where it is an object in JSON; of anything else nothing is told."""
    try:
        return msgspec.json.decode(request.body, type=dict[str, Any]) if request.body else {}
    except msgspec.MsgspecError:
        return {}


def _mapping(value: dict[str, Any], name: str) -> dict[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}
