"""In which shape objects are answered: whole, their metadata alone, or as rows of a table. What a client accepts decides."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from hub.sandbox.refusals import Refused, bad_request
from hub.sandbox.tables import Printer
from hub.sandbox.wire import JSON, Request

_VERSIONS = ("v1", "v1beta1")
_KNOWN = (
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
)
_STREAMED = "application/json;stream=watch"


class Form(StrEnum):
    """How much of an object is shown."""

    WHOLE = ""
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"
    TABLE = "Table"


class Included(StrEnum):
    """How much of an object comes with its row."""

    NOTHING = "None"
    METADATA = "Metadata"
    OBJECT = "Object"


_FORMS = {one.value: one for one in Form}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A form, for objects of one kind. `printer` and `clock` make tables, `version` is the form's own."""

    resource: Resource
    printer: Callable[[], Printer]
    clock: Clock
    form: Form = Form.WHOLE
    included: Included = Included.METADATA
    version: str = "v1"
    is_custom: bool = False

    def one(self, value: Object) -> Object:
        """Return an object as it is shown."""
        match self.form:
            case Form.WHOLE:
                return self._whole(value)
            case Form.PARTIAL | Form.PARTIAL_LIST:
                return self._partial(value)
            case Form.TABLE:
                return self._table([value], _version_of(value))
            case _:
                assert_never(self.form)

    def many(self, values: Iterable[Object], metadata: Object) -> Object:
        """Return a list as it is shown; its items carry no kind where the list has one, but those of custom kinds do."""
        if self.form is Form.TABLE:
            return self._table(values, metadata)
        if self.form is Form.WHOLE:
            head = {"kind": f"{self.resource.kind}List", "apiVersion": self.resource.api_version}
            if self.is_custom:
                items, metadata = [self._whole(one) for one in values], {"continue": "", **metadata}
            else:
                items = [_kindless(one) for one in values]
            return {**head, "metadata": metadata, "items": items}
        items = [self.one(one) for one in values]
        return {**self._head(Form.PARTIAL_LIST.value), "metadata": metadata, "items": items or None}

    def in_turn(self) -> Callable[[Object], Object]:
        """Return what shows one object after the other: of tables only the first tells the columns."""
        if self.form is not Form.TABLE:
            return self.one
        is_told = False

        def show(value: Object) -> Object:
            nonlocal is_told
            shown = self._table([value], _version_of(value), has_headers=not is_told)
            is_told = True
            return shown

        return show

    def _partial(self, value: Object) -> Object:
        return {**self._head("PartialObjectMetadata"), "metadata": value["metadata"]}

    def _head(self, kind: str) -> Object:
        return {"kind": kind, "apiVersion": f"meta.k8s.io/{self.version}"}

    def _whole(self, value: Object) -> Object:
        return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, **value}

    def _table(self, values: Iterable[Object], metadata: Object, *, has_headers: bool = True) -> Object:
        printer, now = self.printer(), self.clock.now()
        rows = []
        for value in values:
            conditions = list(printer.conditions(value))
            rows.append(
                {
                    "cells": printer.cells(value, now),
                    **({"conditions": conditions} if conditions else {}),
                    "object": self._beside(value),
                }
            )
        return {
            **self._head(Form.TABLE.value),
            "metadata": metadata,
            "columnDefinitions": list(printer.headers) if has_headers else None,
            # Where there is no row, a kind without rows of its own has no list of them either.
            "rows": None if printer.is_default and not rows else rows,
        }

    def _beside(self, value: Object) -> Object | None:
        match self.included:
            case Included.NOTHING:
                return None
            case Included.METADATA:
                return self._partial(value)
            case Included.OBJECT:
                return self._whole(value)
            case _:
                assert_never(self.included)


def shape_of(
    request: Request, resource: Resource, printer: Callable[[], Printer], clock: Clock, *, is_custom: bool
) -> Shape:
    """Return the first acceptable shape that is known. Raises Refused."""
    accepted = request.headers.get("accept") or "*/*"
    for wish in accepted.split(","):
        media_type, _, parameters = wish.strip().partition(";")
        named = _parameters(parameters)
        if media_type.strip() not in (JSON, "*/*", "application/*"):
            continue
        if "as" not in named:
            return Shape(resource=resource, printer=printer, clock=clock, is_custom=is_custom)
        version = named.get("v", "")
        if named["as"] in _FORMS and named.get("g") == "meta.k8s.io" and version in _VERSIONS:
            form = _FORMS[named["as"]]
            included = _included(request) if form is Form.TABLE else Included.METADATA
            return Shape(
                resource=resource,
                printer=printer,
                clock=clock,
                form=form,
                included=included,
                version=version,
            )
    known = (*_KNOWN, _STREAMED) if request.is_asked("watch") else _KNOWN
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(known)}"
    raise Refused(406, "NotAcceptable", message, {})


def _included(request: Request) -> Included:
    asked = request.asked("includeObject")
    try:
        return Included(asked) if asked else Included.METADATA
    except ValueError as problem:
        why = "must be 'Metadata', 'Object', 'None', or empty"
        text = f'includeObject: Invalid value: "{asked}": {why}'
        raise bad_request(f"Unable to convert to Table as requested: {text}") from problem


def _version_of(value: Object) -> Object:
    version = value["metadata"].get("resourceVersion")
    return {"resourceVersion": version} if version else {}


def _parameters(text: str) -> Mapping[str, str]:
    pairs = (one.strip().partition("=") for one in text.split(";") if one.strip())
    return {name: value for name, _, value in pairs}


def _kindless(value: Object) -> Object:
    return {name: part for name, part in value.items() if name not in ("kind", "apiVersion")}
