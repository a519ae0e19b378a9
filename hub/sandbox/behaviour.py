"""How objects of a kind are read, prepared, judged and owned: of built-in kinds by their rules, of custom ones by their definition."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from agent.kube.api import Object, Resource
from hub.sandbox.crds.kind import CustomKind
from hub.sandbox.decoding import check_types, declared, strict_faults
from hub.sandbox.fields import Fields, path
from hub.sandbox.fields.paths import NOTHING
from hub.sandbox.kinds.admission import admitted
from hub.sandbox.kinds.rules import CUSTOM, Rules, rules_of
from hub.sandbox.kinds.scales import CustomScalable, Scalable, scalable
from hub.sandbox.kinds.values import mapping_at
from hub.sandbox.refusals import Cause, Refused, bad_request, invalid, no_such_kind
from hub.sandbox.schema import Type, builtin, of_custom_resource, with_always
from hub.sandbox.tables import Printer, custom_printer, printer_of

STATUS = "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An object as its kind knows it, defaults filled in, and what of it the kind does not know, each in a text."""

    value: Object
    unknown: Sequence[str] = ()


class Behaviour(Protocol):
    """What differs between kinds. Nothing given is changed."""

    @property
    def resource(self) -> Resource: ...

    @property
    def type(self) -> Type: ...

    @property
    def printer(self) -> Printer: ...

    @property
    def scalable(self) -> Scalable | None: ...

    @property
    def is_custom(self) -> bool: ...

    @property
    def selectable(self) -> tuple[str, ...]: ...

    @property
    def creates_on_update(self) -> bool: ...

    @property
    def needs_version(self) -> bool: ...

    def decoded(self, raw: Any, *, is_merged: bool = False) -> Decoded:
        """Read an object; one that was merged by the server keeps its nulls. Raises Refused."""
        ...

    def new(self, value: Object, suffix: str) -> Object:
        """Return what a new object is stored as. `suffix` is for names that are made for it."""
        ...

    def check_new(self, value: Object) -> None:
        """Judge a new object. Raises Refused."""
        ...

    def changed(self, before: Object, after: Object, subresource: str) -> Object:
        """Return what an object becomes by an update."""
        ...

    def check_change(self, before: Object, after: Object, subresource: str) -> None:
        """Judge a change. Raises Refused."""
        ...

    def leaving(self, value: Object, time: str, grace_s: int) -> Object:
        """Return an object that is being deleted but stays for now."""
        ...

    def grace_s(self, value: Object, asked_s: int | None) -> int:
        """Return how long an object has to end by itself."""
        ...

    def is_held(self, value: Object) -> bool:
        """Tell whether something keeps an object that is being deleted from going."""
        ...

    def reset(self, subresource: str) -> Fields:
        """Return the fields that a write at this endpoint leaves alone."""
        ...


@dataclass(frozen=True)
class BuiltIn:
    """A kind that every server has. Those that need more of the server override what differs."""

    resource: Resource
    rules: Rules
    type: Type
    is_custom: bool = False
    selectable: tuple[str, ...] = ()

    @property
    def printer(self) -> Printer:
        return printer_of(self.resource)

    @property
    def scalable(self) -> Scalable | None:
        return scalable(self.resource)

    @property
    def creates_on_update(self) -> bool:
        return self.rules.creates_on_update

    @property
    def needs_version(self) -> bool:
        return self.rules.needs_version

    def decoded(self, raw: Any, *, is_merged: bool = False) -> Decoded:
        resource = self.resource
        _check_kind(raw, resource)
        unknown = tuple(strict_faults(raw, self.type))
        value = declared(raw, self.type)
        try:
            check_types(value, self.type, resource.kind)
        except Refused as problem:
            head = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
            raise bad_request(f"{head}: {problem.message}") from problem
        made = self.rules.with_defaults(with_always(value, self.type))
        if mapping_at(value, "metadata").get("managedFields") == []:
            # Whoever sends an empty list wants the books closed.
            made["metadata"]["managedFields"] = []
        return Decoded(value=made, unknown=unknown)

    def new(self, value: Object, suffix: str) -> Object:
        return self.rules.for_create(admitted(self.resource.group, self.resource.kind, value, suffix))

    def check_new(self, value: Object) -> None:
        refuse(self.resource, value, self.rules.faults_of(value))

    def changed(self, before: Object, after: Object, subresource: str) -> Object:
        if subresource:
            return self.rules.for_subresource(subresource, before, after)
        return self.rules.for_update(before, after)

    def check_change(self, before: Object, after: Object, subresource: str) -> None:
        refuse(self.resource, before, self.rules.faults_of_update(before, after, subresource))

    def leaving(self, value: Object, time: str, grace_s: int) -> Object:
        return self.rules.for_deletion(value, time, grace_s)

    def grace_s(self, value: Object, asked_s: int | None) -> int:
        return self.rules.grace_s_of(value, asked_s)

    def is_held(self, value: Object) -> bool:
        return self.rules.is_held(value)

    def reset(self, subresource: str) -> Fields:
        return _reset(subresource, has_status=self.rules.status is not None)


@dataclass(frozen=True, slots=True)
class Custom:
    """A kind that a definition makes."""

    kind: CustomKind
    type: Type
    is_custom: bool = True
    creates_on_update: bool = False
    needs_version: bool = True

    @property
    def resource(self) -> Resource:
        return self.kind.resource

    @property
    def selectable(self) -> tuple[str, ...]:
        return self.kind.selectable

    @property
    def printer(self) -> Printer:
        return custom_printer(self.kind.columns)

    @property
    def scalable(self) -> Scalable | None:
        return CustomScalable(self.kind.scale, self.kind.replicas) if self.kind.scale else None

    def decoded(self, raw: Any, *, is_merged: bool = False) -> Decoded:
        _check_kind(raw, self.resource)
        read = self.kind.read(raw, keeps_nulls=is_merged)
        return Decoded(value=read.item, unknown=[f'unknown field "{one}"' for one in read.unknown])

    def new(self, value: Object, suffix: str) -> Object:
        return self.kind.prepare_new(value)

    def check_new(self, value: Object) -> None:
        refuse(self.resource, value, CUSTOM.faults_of(value))
        if found := self.kind.faults_of_new(value):
            raise self.kind.refuse(value, found)

    def changed(self, before: Object, after: Object, subresource: str) -> Object:
        after = CUSTOM.for_update(before, after)
        if subresource == STATUS:
            return self.kind.prepare_status(after, before)
        return self.kind.prepare_update(after, before)

    def check_change(self, before: Object, after: Object, subresource: str) -> None:
        refuse(self.resource, before, CUSTOM.faults_of_update(before, after, subresource))
        find = self.kind.faults_of_status if subresource == STATUS else self.kind.faults_of_update
        if found := find(after, before):
            raise self.kind.refuse(after, found)

    def leaving(self, value: Object, time: str, grace_s: int) -> Object:
        return CUSTOM.for_deletion(value, time, grace_s)

    def grace_s(self, value: Object, asked_s: int | None) -> int:
        return 0

    def is_held(self, value: Object) -> bool:
        return CUSTOM.is_held(value)

    def reset(self, subresource: str) -> Fields:
        found = _reset(subresource, has_status=self.kind.has_status)
        return found | {path("metadata")} if subresource == STATUS else found


def refuse(resource: Resource, value: Object, causes: Sequence[Cause]) -> None:
    """Refuse an object if anything is wrong with it."""
    if causes:
        raise invalid(resource, value["metadata"].get("name", ""), causes)


def built_in_behaviour(resource: Resource) -> BuiltIn | None:
    """Return how a built-in kind behaves; None for one that no schema describes."""
    of = builtin().type_of(resource.group, resource.version, resource.kind)
    return BuiltIn(resource, rules_of(resource.group, resource.kind), of) if of is not None else None


def custom_behaviour(kind: CustomKind) -> Custom:
    """Return how a custom kind behaves."""
    resource = kind.resource
    return Custom(kind, of_custom_resource(resource.group, resource.version, resource.kind, kind.schema))


def _check_kind(raw: Any, resource: Resource) -> None:
    if not isinstance(raw, dict):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {resource.kind}): couldn't get version/kind; it is no object"
        )
    kind, api_version = raw.get("kind") or resource.kind, raw.get("apiVersion") or resource.api_version
    if (kind, api_version) == (resource.kind, resource.api_version):
        return
    if api_version == resource.api_version or "/" in str(api_version) or not resource.group:
        head = f'{kind} in version "{str(api_version).rpartition("/")[2]}" cannot be handled as a {resource.kind}'
        raise bad_request(f"{head}: {_why_unfit(kind, str(api_version), resource)}")
    raise bad_request(
        f"the API version in the data ({api_version}) does not match the expected API version ({resource.api_version})"
    )


def _why_unfit(kind: str, api_version: str, resource: Resource) -> str:
    group, _, version = api_version.rpartition("/")
    if builtin().type_of(group, version, kind) is None:
        return no_such_kind(kind, api_version)
    inside = resource.group.partition(".")[0] or "core"
    return f"converting ({version}.{kind}) to ({inside}.{resource.kind}): unknown conversion"


def _reset(subresource: str, *, has_status: bool) -> Fields:
    if not has_status:
        return NOTHING
    return frozenset({path("spec") if subresource == STATUS else path("status")})
