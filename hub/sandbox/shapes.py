"""In which shape objects are answered: whole, or their metadata alone. What a client accepts decides."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent.kube.api import Object, Resource
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import JSON, Request

_PARTIAL = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
_KNOWN = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;stream=watch",
)


class Form(StrEnum):
    """How much of an object is shown."""

    WHOLE = ""
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"


_FORMS = {one.value: one for one in Form}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form, for objects of one kind."""

    resource: Resource
    form: Form = Form.WHOLE

    def one(self, value: Object) -> Object:
        """Return an object as it is shown."""
        if self.form is Form.WHOLE:
            return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, **value}
        return {**_PARTIAL, "metadata": value["metadata"]}

    def many(self, values: Iterable[Object], metadata: Object) -> Object:
        """Return a list as it is shown; its items carry no kind where the list has one."""
        if self.form is Form.WHOLE:
            head = {"kind": f"{self.resource.kind}List", "apiVersion": self.resource.api_version}
            return {**head, "metadata": metadata, "items": [_kindless(one) for one in values]}
        head = {"kind": Form.PARTIAL_LIST.value, "apiVersion": "meta.k8s.io/v1"}
        return {**head, "metadata": metadata, "items": [self.one(one) for one in values]}


def shape_of(request: Request, resource: Resource) -> Shape:
    """Return the first acceptable shape that is known. Raises Refused."""
    accepted = request.headers.get("accept") or "*/*"
    for wish in accepted.split(","):
        media_type, _, parameters = wish.strip().partition(";")
        named = _parameters(parameters)
        if media_type.strip() not in (JSON, "*/*", "application/*"):
            continue
        if "as" not in named:
            return Shape(resource=resource)
        if named["as"] in _FORMS and (named.get("g"), named.get("v")) == ("meta.k8s.io", "v1"):
            return Shape(resource=resource, form=_FORMS[named["as"]])
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(_KNOWN)}"
    raise Refused(406, "NotAcceptable", message, {})


def _parameters(text: str) -> Mapping[str, str]:
    pairs = (one.strip().partition("=") for one in text.split(";") if one.strip())
    return {name: value for name, _, value in pairs}


def _kindless(value: Object) -> Object:
    return {name: part for name, part in value.items() if name not in ("kind", "apiVersion")}
