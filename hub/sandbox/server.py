"""An API server in memory: what is answered to a request. Everything that travels, by HTTP or within the process, ends here.

    server = Server(SystemClock(), {"secret": Caller(name="admin", groups=("system:masters",))})
    answer = server.answer(Request(method="GET", path="/api/v1/namespaces", headers={"authorization": "Bearer secret"}))

State: the stored objects, the served kinds, and what passes between it and its clients. A request takes effect at one instant; only the
stream of a watch goes on.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from agent.model.names import timestamp
from hub.sandbox import pod_parts, scaling
from hub.sandbox.access.aggregation import aggregated
from hub.sandbox.access.gate import Gate
from hub.sandbox.access.request_info import Attributes, attributes_of
from hub.sandbox.access.reviews import AUTHENTICATION, AUTHORIZATION, self_subject
from hub.sandbox.behaviour import Behaviour, built_in_behaviour
from hub.sandbox.calls import Call, call_of
from hub.sandbox.decoding import body_of, read_json, read_yaml
from hub.sandbox.definitions import KIND as DEFINITIONS
from hub.sandbox.definitions import DefinitionKind, Definitions
from hub.sandbox.discovery import AGGREGATED, discovery, paths
from hub.sandbox.drafts import (
    APPLY,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    Draft,
    Options,
    Target,
)
from hub.sandbox.kinds.access import requested_by
from hub.sandbox.kinds.catalogue import Served
from hub.sandbox.kinds.remote import KIND as API_SERVICES
from hub.sandbox.kinds.remote import RemoteGroup
from hub.sandbox.kinds.served import Kinds
from hub.sandbox.kinds.values import mapping_at
from hub.sandbox.listing import page_of
from hub.sandbox.openapi import serve as openapi
from hub.sandbox.options import deletion_as, deletion_of, options_of
from hub.sandbox.patches import cannot_decode
from hub.sandbox.pod_parts import PodParts
from hub.sandbox.refusals import (
    Refused,
    answer_of,
    bad_request,
    method_not_allowed,
    no_such_path,
    not_built,
    unsupported_media_type,
)
from hub.sandbox.schema import with_always
from hub.sandbox.services import KIND as SERVICES
from hub.sandbox.services import ServiceKind
from hub.sandbox.shapes import Shape, shape_of
from hub.sandbox.storage import KindKey, Place, Storage
from hub.sandbox.tables import Printer, scale_printer
from hub.sandbox.traffic import Traffic
from hub.sandbox.verbs import Verbs, Written, namespace_guard
from hub.sandbox.watching import events, watch_of
from hub.sandbox.wire import Answer, Caller, Request

_PATCHES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY)
CLUSTER_ROLES: KindKey = ("rbac.authorization.k8s.io", "clusterroles")
_CERTIFICATE_REQUESTS: KindKey = ("certificates.k8s.io", "certificatesigningrequests")
_HEALTH = ("/healthz", "/livez", "/readyz")
_NOTHING_THERE = Answer(status=404, text="404 page not found\n", media_type="text/plain; charset=utf-8")
_AGGREGATION = "clusterrole-aggregation-controller"
_TOKEN_REQUESTS = Resource(
    group="authentication.k8s.io", version="v1", plural="tokenrequests", kind="TokenRequest", namespaced=True
)
_TOKEN_S = 3600
_UNBOOKED = frozenset({"selfsubjectrulesreviews", "selfsubjectreviews"})
"""Reviews of which no books are kept."""
_UNHEEDED_GROUPS = frozenset({"admissionregistration.k8s.io"})
_UNHEEDED: frozenset[KindKey] = frozenset({("", "resourcequotas"), ("", "limitranges")})
"""Kinds that nobody here would act by: to store one would be to promise what is not done."""
_RETURNED: frozenset[KindKey] = frozenset(
    {
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "podtemplates"),
        ("", "resourcequotas"),
        ("", "serviceaccounts"),
        ("", "services"),
        ("storage.k8s.io", "csidrivers"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "storageclasses"),
        ("storage.k8s.io", "volumeattachments"),
    }
)
"""Kinds of which a deletion answers the object that is gone."""
_SUBRESOURCES = frozenset({"status", "token", "scale", "finalize", "approval", *pod_parts.NAMES})


class Remote(Protocol):
    """Answers for the groups that are served elsewhere."""

    async def answer(self, request: Request, group: str, version: str, caller: Caller) -> Answer: ...


def random_id() -> str:
    """Return an id that nobody can guess."""
    return str(uuid.uuid4())


class Server:
    """One API server. `tokens` are those that no ServiceAccount has; `remote` is the way to the servers behind APIServices.

    It begins with what is in `storage`, which no other server may use. `new_id` makes the ids of objects, and whatever else is to be unique.
    """

    def __init__(
        self,
        clock: Clock,
        tokens: Mapping[str, Caller],
        *,
        storage: Storage | None = None,
        new_id: Callable[[], str] = random_id,
    ) -> None:
        self._clock = clock
        self.storage = Storage() if storage is None else storage
        self.traffic = Traffic(describe=self._described, answer=self.answer, wake=self.storage.wake)
        self._gate = Gate(self.storage, clock=clock, fixed=tokens, new_id=new_id)
        self.kinds = Kinds()
        self.verbs = Verbs(
            self.storage,
            clock=clock,
            new_id=new_id,
            guard=namespace_guard(self.storage),
            find=self._behaviour_of_kind,
            changed=self._changed,
        )
        self.remote: Remote | None = None
        self._definitions = Definitions(self.storage, self.kinds, clock, self.verbs.take_along)
        self._take_over()

    def crash(self) -> None:
        """Break all connections, and answer nothing until `restart`."""
        self.traffic.stop()

    def restart(self) -> None:
        """Begin anew with nothing but what is stored: what was served is found there, and how it came to be is forgotten."""
        self.traffic.stop()
        self.storage.compact()
        self.kinds = Kinds()
        self._definitions = Definitions(self.storage, self.kinds, self._clock, self.verbs.take_along)
        self._take_over()
        self.traffic.resume()

    def _take_over(self) -> None:
        """Serve what is stored."""
        for place, _ in self.storage.all(DEFINITIONS):
            self._definitions.stored(place)
        self._find_remote()
        self.verbs.collector.take_over()

    def answer(self, request: Request) -> Answer:
        """Return what is answered to a request."""
        try:
            asked = attributes_of(request)
            known = self._gate.identities.caller_of(request.headers)
            caller = self._gate.admit(known, request.headers, asked)
            if not asked.is_resource:
                return self._about(request, caller)
            return self._resource(request, asked, caller)
        except Refused as refusal:
            return answer_of(refusal)

    def _described(self, request: Request) -> Call:
        try:
            return call_of(request, self._gate.identities.caller_of(request.headers).name)
        except Refused:
            return call_of(request, "")

    def target(self, kind: KindKey, place: Place, subresource: str = "") -> Target:
        """Return what names an object to the verbs, for those that write without a request. Raises Refused."""
        behaviour = self._behaviour_of_kind(kind)
        if behaviour is None:
            raise no_such_path()
        return Target(behaviour=behaviour, namespace=place[0], name=place[1], subresource=subresource)

    def _about(self, request: Request, caller: Caller) -> Answer:
        """Answer what is asked of the server itself."""
        path = request.path.rstrip("/") or "/"
        if path in _HEALTH:
            return Answer(text="ok", media_type="text/plain; charset=utf-8")
        match path.strip("/").split("/"):
            case ["apis", group, version] if self.kinds.remote(group, version):
                return self._elsewhere(request, group, version, caller)
        if path == "/":
            return Answer(value={"paths": paths(self.kinds)})
        if path == openapi.OLD:
            return openapi.old(request)
        if path.startswith(openapi.ROOT) and (
            described := openapi.answer(request, self.kinds, self._defined, self._clock.now())
        ):
            return described
        is_aggregated = "apidiscovery.k8s.io" in request.headers.get("accept", "")
        found = discovery(self.kinds, path, is_aggregated=is_aggregated)
        if found is None:
            return _NOTHING_THERE
        return Answer(value=found, media_type=AGGREGATED if "items" in found else "application/json")

    def _elsewhere(self, request: Request, group: str, version: str, caller: Caller) -> Answer:
        """Have the server behind an APIService answer, where there is a way to it."""
        remote = self.remote
        if remote is None:
            return Answer(status=503, text="service unavailable\n", media_type="text/plain; charset=utf-8")
        return Answer(later=lambda: remote.answer(request, group, version, caller))

    def _defined(self) -> list[Object]:
        return [value for _, value in self.storage.all(DEFINITIONS)]

    def _resource(self, request: Request, asked: Attributes, caller: Caller) -> Answer:
        if self.kinds.remote(asked.group, asked.version):
            return self._elsewhere(request, asked.group, asked.version, caller)
        served = self.kinds.find(asked.group, asked.version, asked.resource)
        if served is None and asked.group and asked.version not in self.kinds.versions(asked.group):
            return _NOTHING_THERE
        if served is None:
            raise no_such_path()
        self._check_verb(served, asked)
        if served.resource.group in (AUTHORIZATION, AUTHENTICATION):
            body = self._booked(request, served.resource)
            return Answer(status=201, value=self._review(caller, asked, body))
        if (asked.resource, asked.subresource) == ("serviceaccounts", "token"):
            body = self._booked(request, _TOKEN_REQUESTS, asked.subresource)
            return Answer(status=201, value=self._gate.token_request(body, asked.namespace, asked.name))
        behaviour = self._behaviour(served)
        namespace = asked.namespace if served.resource.namespaced else ""
        target = Target(
            behaviour=behaviour, namespace=namespace, name=asked.name, subresource=asked.subresource
        )
        is_scale = asked.subresource == scaling.NAME

        def printer() -> Printer:
            return scale_printer(is_custom=served.is_custom) if is_scale else behaviour.printer

        shape = shape_of(request, served.resource, printer, self._clock, is_custom=served.is_custom)
        match asked.verb:
            case "list":
                return self._list(request, target, shape)
            case "watch":
                return self._watch(request, target, shape)
            case "get":
                found = self.verbs.get(target)
                return Answer(value=shape.one(scaling.shown(target, found) if is_scale else found))
            case "delete":
                return self._delete(request, target, shape)
            case "deletecollection":
                return self._delete_all(request, target, shape)
            case _:
                return self._write(request, asked, target, shape, caller)

    def _behaviour_of_kind(self, kind: KindKey) -> Behaviour | None:
        served = self.kinds.any_of(*kind)
        return self._behaviour(served) if served is not None else None

    def _changed(self, kind: KindKey, place: Place, gone: Object | None) -> None:
        """Act on what was written where the server itself depends on it."""
        if kind == DEFINITIONS and gone is not None:
            self._definitions.removed(gone)
        elif kind == DEFINITIONS:
            self._definitions.stored(place)
        elif kind == API_SERVICES:
            self._find_remote()
        elif kind == CLUSTER_ROLES:
            for role in list(aggregated(value for _, value in self.storage.all(kind))):
                self._aggregate(role)
        elif gone is not None and (definition := self._definition_of(kind)):
            self._definitions.stored(definition)

    def _find_remote(self) -> None:
        specs = [value["spec"] for _, value in self.storage.all(API_SERVICES)]
        self.kinds.set_remote(
            {(one["group"], one["version"]): RemoteGroup.of(one) for one in specs if one.get("service")}
        )

    def _aggregate(self, role: Object) -> None:
        """Give a cluster role the rules that it gathers, as a real cluster's controller does."""
        name = role["metadata"]["name"]
        target = self.target(CLUSTER_ROLES, ("", name))
        head = {"apiVersion": target.behaviour.resource.api_version, "kind": target.behaviour.resource.kind}
        applied = {**head, "metadata": {"name": name}, "rules": role["rules"]}
        self.verbs.apply(target, applied, Options(manager=_AGGREGATION, force=True))

    def _definition_of(self, kind: KindKey) -> Place | None:
        """Return where the definition of a custom kind is, when it waits for its objects to go."""
        place = ("", f"{kind[1]}.{kind[0]}")
        value = self.storage.get(DEFINITIONS, place)
        is_leaving = value is not None and value["metadata"].get("deletionTimestamp")
        return place if is_leaving else None

    def _booked(self, request: Request, resource: Resource, subresource: str = "") -> Object:
        """Return what is answered at once, with the books that a create keeps of it. Raises Refused."""
        sent = body_of(request, resource.kind)
        body: Object = sent
        behaviour = built_in_behaviour(resource)
        if behaviour is None or not isinstance(sent, dict) or resource.plural in _UNBOOKED:
            return body
        options = options_of(request, "create")
        target = Target(behaviour=behaviour, namespace="", subresource=subresource)
        whole = behaviour.rules.with_defaults(with_always(body, behaviour.type))
        if resource is _TOKEN_REQUESTS and isinstance(whole.get("spec"), dict):
            whole["spec"].setdefault("expirationSeconds", _TOKEN_S)
        owned = self.verbs.drafts.owned(target, None, Draft(value=whole), options)
        managed = owned["metadata"].get("managedFields")
        if not managed:
            return body
        return {**body, "metadata": {**(body.get("metadata") or {}), "managedFields": managed}}

    def _review(self, caller: Caller, asked: Attributes, body: Object) -> Object:
        reviewer = self._gate.reviewer
        match asked.resource:
            case "subjectaccessreviews":
                return reviewer.subject_access(body)
            case "localsubjectaccessreviews":
                return reviewer.local_subject_access(body, asked.namespace)
            case "selfsubjectaccessreviews":
                return reviewer.self_subject_access(caller, body)
            case "selfsubjectrulesreviews":
                return reviewer.self_subject_rules(caller, body)
            case "selfsubjectreviews":
                return self_subject(caller, timestamp(self._clock.now()))
            case _:
                return reviewer.token(body)

    def _services(self) -> Iterable[Object]:
        return (value for _, value in self.storage.all(SERVICES))

    def _behaviour(self, served: Served) -> Behaviour:
        if served.is_custom:
            custom = self._definitions.behaviour(served.resource)
            if custom is None:
                raise no_such_path()
            return custom
        found = built_in_behaviour(served.resource)
        kind = (served.resource.group, served.resource.plural)
        if found is not None and kind == DEFINITIONS:
            return DefinitionKind(found.resource, found.rules, found.type, clock=self._clock)
        if found is not None and kind == SERVICES:
            return ServiceKind(found.resource, found.rules, found.type, others=self._services)
        if found is None:
            raise not_built(f"kind {served.resource.kind}")
        return found

    def _check_verb(self, served: Served, asked: Attributes) -> None:
        if asked.subresource:
            sub = served.subresource(asked.subresource)
            if sub is None:
                raise no_such_path()
            if sub.name not in _SUBRESOURCES:
                raise not_built(f"{served.resource.plural}/{sub.name}")
            verbs = sub.verbs
        else:
            verbs = served.verbs
        is_nameless = asked.verb in ("update", "patch") and not asked.name
        if (
            is_nameless
            or asked.verb not in verbs
            or (asked.verb == "create" and bool(asked.name) != bool(asked.subresource))
        ):
            raise method_not_allowed()
        kind = (served.resource.group, served.resource.plural)
        is_unheeded = kind[0] in _UNHEEDED_GROUPS or kind in _UNHEEDED
        if is_unheeded and asked.verb in ("create", "update", "patch"):
            raise not_built(f"what {served.resource.plural} ask for")

    def _list(self, request: Request, target: Target, shape: Shape) -> Answer:
        resource = target.behaviour.resource
        page = page_of(request, resource, target.namespace, self.storage, target.behaviour.selectable)
        items = [value for (_, name), value in page.items if target.name in ("", name)]
        metadata: Object = {"resourceVersion": str(page.version)}
        if page.following:
            metadata["continue"] = page.following
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        return Answer(value=shape.many(items, metadata))

    def _watch(self, request: Request, target: Target, shape: Shape) -> Answer:
        watch = watch_of(
            request,
            target.behaviour.resource,
            target.namespace,
            storage=self.storage,
            shows=shape.in_turn(),
            name=target.name,
            selectable=target.behaviour.selectable,
        )
        return Answer(stream=events(watch, self.storage, self._clock, self.traffic))

    def _delete(self, request: Request, target: Target, shape: Shape) -> Answer:
        value, is_gone = self.verbs.delete(target, deletion_of(request))
        if not is_gone or target.kind in _RETURNED:
            return Answer(value=shape.one(value))
        resource = target.behaviour.resource
        group = {"group": resource.group} if resource.group else {}
        details = {"name": target.name, **group, "kind": resource.plural, "uid": value["metadata"]["uid"]}
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return Answer(value=status)

    def _delete_all(self, request: Request, target: Target, shape: Shape) -> Answer:
        """Delete a selection; what is answered is what was there before."""
        deletion = deletion_of(request)
        behaviour = target.behaviour
        page = page_of(request, behaviour.resource, target.namespace, self.storage, behaviour.selectable)
        for (namespace, name), _ in page.items:
            one = Target(behaviour=target.behaviour, namespace=namespace, name=name)
            self.verbs.delete(one, deletion)
        items = [value for _, value in page.items]
        return Answer(value=shape.many(items, {"resourceVersion": str(page.version)}))

    def _write(
        self, request: Request, asked: Attributes, target: Target, shape: Shape, caller: Caller
    ) -> Answer:
        kind, media_type = target.behaviour.resource.kind, request.media_type
        is_apply = asked.verb == "patch" and media_type == APPLY
        if asked.verb == "patch" and media_type not in _PATCHES:
            raise unsupported_media_type(media_type)
        options = replace(
            options_of(request, asked.verb, is_apply=is_apply),
            guard=lambda new, old: self._guard(caller, asked, target, new, old),
            complete=lambda new: requested_by(new, caller) if target.kind == _CERTIFICATE_REQUESTS else new,
        )
        if asked.subresource == scaling.NAME:
            body = _configuration_of(request) if is_apply else _body_of(request, asked.verb, "Scale")
            return _told(scaling.write(self.verbs, target, scaling.Sent(body, media_type), options), shape)
        if asked.subresource in pod_parts.NAMES:
            return self._at_pod(request, target, options)
        match asked.verb:
            case "create":
                written = self.verbs.create(target, body_of(request, kind), options)
            case "update":
                written = self.verbs.replace(target, body_of(request, kind), options)
            case _ if is_apply:
                written = self.verbs.apply(target, _configuration_of(request), options)
            case _:
                written = self.verbs.patch(target, _patch_of(request, kind), media_type, options)
        return _told(written, shape)

    def _at_pod(self, request: Request, target: Target, options: Options) -> Answer:
        parts = PodParts(verbs=self.verbs, storage=self.storage, clock=self._clock)
        body = body_of(request, target.subresource.capitalize())
        if target.subresource == "binding":
            parts.bind(target, body, dry_run=options.dry_run)
        else:
            deletion = deletion_as(mapping_at(body, "deleteOptions"), request)
            parts.evict(target, body, self.target(pod_parts.BUDGETS, target.place), deletion)
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return Answer(status=201, value=status)

    def _guard(
        self, caller: Caller, asked: Attributes, target: Target, new: Object, old: Object | None
    ) -> None:
        """Refuse what a caller may not store: an object that a change makes, and roles beyond the caller's own."""
        if old is None and asked.verb != "create":
            self._gate.require(caller, replace(asked, verb="create"))
        if asked.subresource == "approval":
            self._gate.require_approver(caller, new)
        self._gate.guard(caller, asked, target.behaviour.resource, new=new, old=old)


def _patch_of(request: Request, kind: str) -> Any:
    # Strategic merge patches are read elsewhere in a real server.
    head = "" if request.media_type == STRATEGIC_PATCH else "error decoding patch: "
    if not request.body.strip():
        raise bad_request(f"{head}unexpected end of JSON input")
    patch = read_json(request.body, kind)
    if request.media_type != JSON_PATCH and patch is not None and not isinstance(patch, dict):
        found = cannot_decode(patch, "map[string]interface {}").message.removeprefix("error decoding patch: ")
        raise bad_request(head + found)
    return patch


def _body_of(request: Request, verb: str, kind: str) -> Any:
    return _patch_of(request, kind) if verb == "patch" else body_of(request, kind)


def _configuration_of(request: Request) -> Object:
    applied = read_yaml(request.body)
    if applied is None:
        return {}
    if not isinstance(applied, dict):
        found = cannot_decode(applied, "map[string]interface {}").message
        why = found.replace("error decoding patch: ", "error unmarshaling JSON: while decoding JSON: ")
        raise bad_request(f"error decoding YAML: {why}")
    return applied


def _told(written: Written, shape: Shape) -> Answer:
    headers: Mapping[str, str] = {}
    if written.warnings:
        quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in written.warnings)
        headers = {"Warning": ", ".join(f'299 - "{one}"' for one in quoted)}
    return Answer(status=201 if written.created else 200, value=shape.one(written.value), headers=headers)
