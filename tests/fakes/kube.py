"""An API server in memory. `tests/fakes/contract.py` holds it to what the real one does.

    cluster = FakeCluster(FakeClock())
    cluster.add_namespace("apps")
    api = cluster.api("agent")

State: all objects, the history of changes since the last `compact`, and every request in `calls`. A request takes effect at one instant;
what interferes with requests (`interference`) is called before and after that instant and may wait or raise, so an `Unreachable` raised
after it is a write that took effect without an answer. `born` gives a new object its UID.
Schemas, defaults and controllers are absent, but for namespaces and owners: deleting
one deletes what it holds.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC
from typing import Any

import msgspec

from agent.kit.clock import Clock
from agent.kube.api import (
    Applied,
    Listing,
    Object,
    PatchType,
    Propagation,
    Resource,
    WatchEvent,
)
from agent.kube.errors import (
    AlreadyExists,
    ApiError,
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    ServerFailed,
)
from agent.kube.resources import NAMESPACES
from tests.fakes.door import Call, FakeApi, Interference
from tests.fakes.history import History
from tests.fakes.ownership import Entry, Writer, applied, entries_of, managed, updated
from tests.fakes.patches import json_patched, merge_patched, selects_fields, selects_labels
from tests.fakes.rules import (
    GIVEN_BY_SERVER,
    Key,
    as_version,
    check_form,
    check_immutable,
    check_preconditions,
    check_uid,
    content,
    copied,
    invalid,
    key_in,
    not_found,
    only,
    timeless,
    told,
    with_string_data,
    without_server_fields,
)
from tests.fakes.served import Served, built_in, defined_by, discovery

KindKey = tuple[str, str, str]
"""Group, version, plural."""
_SERVICES = ("apiregistration.k8s.io", "apiservices")
_DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions")


class FakeCluster:
    """The server and what it stores."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.calls: list[Call] = []
        self.interference: Interference | None = None
        self.born: Callable[[Object], Mapping[str, Any]] = lambda _: {"uid": str(uuid.uuid4())}
        self.kinds: dict[KindKey, Served] = {}
        self._objects: dict[Key, Object] = {}
        self.history = History()
        self._restricted: dict[str, str] = {}
        self._away: dict[str, tuple[str, str]] = {}
        for served in built_in():
            self._serve(served)
        for name in ("default", "kube-system"):
            self.add_namespace(name)

    def api(self, user: str = "admin") -> "FakeApi":
        """Return the door for a user, who may do everything unless restricted."""
        return FakeApi(self, user)

    def restrict(self, user: str, namespace: str) -> "FakeApi":
        """Return the door for a user who may do everything in one namespace and nothing elsewhere."""
        self._restricted[user] = namespace
        return self.api(user)

    def add_namespace(self, name: str) -> None:
        """Have a namespace there."""
        metadata = {"name": name}
        self.create(
            NAMESPACES, "", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, manager="setup"
        )

    @property
    def writes(self) -> list[Call]:
        """Return the requests that could change something, in order."""
        return [call for call in self.calls if call.writes]

    @property
    def stored(self) -> Mapping[Key, Object]:
        """Return the objects as they are stored, by group, plural, namespace and name; nobody is told of what is changed in one."""
        return self._objects

    @property
    def watches(self) -> int:
        """Return how many watches are open."""
        return self.history.watches

    def compact(self) -> None:
        """Forget the history: whoever watches on from an older resourceVersion is told Expired."""
        self.history.compact()

    def end_watches(self, problem: ApiError | None = None) -> None:
        """End all open watches, quietly or by a problem."""
        self.history.end_watches(problem)

    def bookmark(self) -> None:
        """Send a bookmark on all open watches."""
        self.history.bookmark()

    def served(self, resource: Resource) -> Served:
        """Return what is known of a kind. Raises NotFound when it is not served, ServerFailed when its server is away."""
        self._check_presence(resource.group, resource.version)
        found = self.kinds.get((resource.group, resource.version, resource.plural))
        if found is None:
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        return found

    def may(self, call: Call, resource: Resource) -> bool:
        """Tell whether the caller may do that. A namespace itself counts as lying within itself."""
        home = self._restricted.get(call.user)
        place = call.namespace if resource.namespaced else call.name * (resource == NAMESPACES)
        return home is None or place == home

    # What follows are the verbs at their instant.

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """Return a copy of an object."""
        self.served(resource)
        return as_version(copied(self._find(resource, namespace, name)), resource)

    def list(
        self, resource: Resource, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> Listing:
        """Return copies of the objects of a collection, by namespace and name."""
        self.served(resource)
        selected = [
            as_version(copied(value), resource)
            for key, value in sorted(self._objects.items())
            if key[:2] == (resource.group, resource.plural)
            and (not namespace or key[2] == namespace)
            and selects_labels(label_selector, value)
            and selects_fields(field_selector, value)
        ]
        return Listing(items=selected, resource_version=str(self.history.version))

    def create(
        self,
        resource: Resource,
        namespace: str,
        value: Mapping[str, Any],
        *,
        manager: str,
    ) -> Object:
        """Create an object."""
        served = self.served(resource)
        new = copied(dict(value))
        metadata = new.setdefault("metadata", {})
        if metadata.get("resourceVersion"):
            raise BadRequest(
                "resourceVersion should not be set on objects to be created", status=400, reason="BadRequest"
            )
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + uuid.uuid4().hex[:5]
        check_form(resource, namespace, new)
        self._check_namespace(resource, namespace)
        key = key_in(resource, namespace, metadata["name"])
        if key in self._objects:
            text = f'{told(resource)} "{metadata["name"]}" already exists'
            raise AlreadyExists(text, status=409, reason="AlreadyExists")
        new = self._begun(served, namespace, new)
        writer = Writer(manager=manager, operation="Update")
        new = managed(new, updated(None, new, self._entry(writer, resource), custom=served.is_custom))
        return as_version(self._store(key, None, new), resource)

    def replace(
        self, resource: Resource, namespace: str, value: Mapping[str, Any], *, manager: str, subresource: str
    ) -> Object:
        """Put an object."""
        served = self.served(resource)
        new = copied(dict(value))
        check_form(resource, namespace, new)
        before = self._find(resource, namespace, new["metadata"]["name"])
        if served.needs_version and not new["metadata"].get("resourceVersion"):
            raise invalid(
                resource,
                new["metadata"]["name"],
                "metadata.resourceVersion",
                "Invalid value: 0: must be specified for an update",
            )
        return self._update(served, before, new, manager=manager, subresource=subresource)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: object,
        *,
        kind: PatchType,
        manager: str,
        subresource: str,
    ) -> Object:
        """Patch an object."""
        served = self.served(resource)
        before = self._find(resource, namespace, name)
        seen = as_version(copied(before), resource)
        change = json_patched if kind is PatchType.JSON else merge_patched
        new = copied(change(seen, copied(patch)))
        check_form(resource, namespace, new)
        check_uid(resource, before, new["metadata"])
        return self._update(served, before, new, manager=manager, subresource=subresource)

    def apply(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: bytes,
        *,
        manager: str,
        force: bool,
        dry_run: bool,
        subresource: str,
    ) -> Applied:
        """Server-side apply."""
        served = self.served(resource)
        wanted: Object = msgspec.json.decode(body)
        metadata = wanted.setdefault("metadata", {})
        if metadata.get("managedFields"):
            raise BadRequest("metadata.managedFields must be nil", status=400, reason="BadRequest")
        metadata.setdefault("name", name)
        if metadata["name"] != name:
            text = f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            raise BadRequest(text, status=400, reason="BadRequest")
        check_form(resource, namespace, wanted)
        key = key_in(resource, namespace, name)
        before = self._objects.get(key)
        asked = without_server_fields(with_string_data(resource, wanted))
        asked = self._through(served, asked, subresource)
        writer = Writer(manager=manager, operation="Apply", subresource=subresource)
        entry = self._entry(writer, resource)
        if before is None:
            if subresource:
                raise not_found(resource, name)
            self._check_namespace(resource, namespace)
            if metadata.get("uid"):
                raise Conflict(
                    f'Operation cannot be fulfilled on {told(resource)} "{name}": uid mismatch: the provided object'
                    f" specified uid {metadata['uid']}, and no existing object was found",
                    status=409,
                    reason="Conflict",
                )
            _, entries = applied(None, asked, entry, force=force, custom=served.is_custom)
            new = managed(self._begun(served, namespace, asked), entries)
            return Applied(
                object=as_version(self._store(key, None, new, dry_run=dry_run), resource), created=True
            )
        check_uid(resource, before, metadata)
        check_preconditions(resource, before, metadata)
        live = as_version(before, resource)
        merged, entries = applied(live, asked, entry, force=force, custom=served.is_custom)
        new = self._prepared(served, before, managed(merged, entries), subresource)
        return Applied(object=self._settle(served, before, new, dry_run=dry_run), created=False)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        resource_version: str = "",
        propagation: Propagation = Propagation.BACKGROUND,
    ) -> None:
        """Delete an object, or mark it as being deleted while it has finalizers."""
        self.served(resource)
        value = self._find(resource, namespace, name)
        check_preconditions(resource, value, {"uid": uid, "resourceVersion": resource_version})
        if propagation is Propagation.ORPHAN:
            self._orphan(value["metadata"]["uid"])
        self._delete(key_in(resource, namespace, name))

    def read(self, path: str) -> bytes:
        """Answer discovery and version."""
        match path.strip("/").split("/"):
            case ["apis", group, version]:
                self._check_presence(group, version)
        found = discovery(self.kinds, self._away.values(), path)
        if found is None:
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        return msgspec.json.encode(found)

    def watch(
        self, resource: Resource, namespace: str, *, resource_version: str, selects: Callable[[Object], bool]
    ) -> AsyncIterator[WatchEvent]:
        """Yield what changes after a resourceVersion, for ever."""
        self.served(resource)
        return self.history.watch(
            resource,
            namespace,
            resource_version=resource_version,
            selects=selects,
            present=lambda: self.list(resource, namespace).items,
        )

    def _check_presence(self, group: str, version: str) -> None:
        if (group, version) in self._away.values():
            message = "the server is currently unable to handle the request"
            raise ServerFailed(message, status=503, reason="ServiceUnavailable")

    def _serve(self, served: Served) -> None:
        one = served.resource
        self.kinds[(one.group, one.version, one.plural)] = served

    def _find(self, resource: Resource, namespace: str, name: str) -> Object:
        found = self._objects.get(key_in(resource, namespace, name))
        if found is None:
            raise not_found(resource, name)
        return found

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        place = self._objects.get(("", "namespaces", "", namespace))
        if place is None:
            raise NotFound(f'namespaces "{namespace}" not found', status=404, reason="NotFound")
        if place["metadata"].get("deletionTimestamp"):
            raise Forbidden(
                f"unable to create new content in namespace {namespace} because it is being terminated",
                status=403,
                reason="Forbidden",
                causes=({"reason": "NamespaceTerminating", "field": "metadata.namespace"},),
            )

    def _entry(self, writer: Writer, resource: Resource) -> Entry:
        return Entry(writer=writer, api_version=resource.api_version, time=self._now(), fields=frozenset())

    def _now(self) -> str:
        return self.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _begun(self, served: Served, namespace: str, value: Object) -> Object:
        """Return a new object with what the server gives it."""
        resource = served.resource
        value = without_server_fields(with_string_data(resource, value))
        metadata = value["metadata"]
        metadata.pop("namespace", None)
        if resource.namespaced:
            metadata["namespace"] = namespace
        metadata |= {"creationTimestamp": self._now(), **self.born(value)}
        if served.counts_generations:
            metadata["generation"] = 1
        if served.has_status:
            value.pop("status", None)
        if resource == NAMESPACES:
            labels = dict(metadata.get("labels") or {})
            metadata["labels"] = labels | {"kubernetes.io/metadata.name": metadata["name"]}
            value["spec"] = {"finalizers": ["kubernetes"]}
            value["status"] = {"phase": "Active"}
        return value

    @staticmethod
    def _through(served: Served, value: Object, subresource: str) -> Object:
        """Return what of a request's object counts: all but status, or through `status` nothing but that."""
        if subresource and not (subresource == "status" and served.has_status):
            raise NotFound("the server could not find the requested resource", status=404, reason="NotFound")
        if subresource:
            named = {
                name: value["metadata"][name] for name in ("name", "namespace") if name in value["metadata"]
            }
            kept = {name: value[name] for name in ("apiVersion", "kind", "status") if name in value}
            return kept | {"metadata": named}
        if served.has_status:
            return {name: part for name, part in value.items() if name != "status"}
        return value

    def _update(
        self, served: Served, before: Object, new: Object, *, manager: str, subresource: str
    ) -> Object:
        resource = served.resource
        check_preconditions(resource, before, new["metadata"])
        new = with_string_data(resource, new)
        if subresource:
            self._through(served, new, subresource)
            new = {
                **before,
                "apiVersion": new["apiVersion"],
                **only(new, "status"),
                "metadata": before["metadata"],
            }
        given = new["metadata"].get("managedFields")
        new = self._prepared(served, before, new, subresource)
        live = as_version(before, resource)
        if given is not None and not any(given):
            new = managed(new, ())
        elif entries_of(before):
            entry = self._entry(
                Writer(manager=manager, operation="Update", subresource=subresource), resource
            )
            kept = new if given is not None else managed(new, entries_of(before))
            new = managed(new, updated(live, kept, entry, custom=served.is_custom))
        return self._settle(served, before, new)

    def _prepared(self, served: Served, before: Object, new: Object, subresource: str) -> Object:
        """Return an update with what only the server sets, and without what it does not reach."""
        old, metadata = before["metadata"], dict(new["metadata"])
        for name in (*GIVEN_BY_SERVER, "namespace", "resourceVersion"):
            metadata.pop(name, None)
            if name in old:
                metadata[name] = old[name]
        new = {**new, "metadata": metadata}
        if served.has_status and not subresource:
            new.pop("status", None)
            new |= only(before, "status")
        check_immutable(served, before, new)
        added = set(metadata.get("finalizers") or ()) - set(old.get("finalizers") or ())
        if old.get("deletionTimestamp") and added:
            raise invalid(
                served.resource,
                metadata["name"],
                "metadata.finalizers",
                "Forbidden: no new finalizers can be added if the object is being deleted",
            )
        return new

    def _settle(self, served: Served, before: Object, new: Object, *, dry_run: bool = False) -> Object:
        """Store an update unless it changes nothing, and let go what was only held by finalizers."""
        resource = served.resource
        old = as_version(before, resource)
        if timeless(new) == timeless(old):
            return copied(old)
        if served.counts_generations and content(new, served) != content(old, served):
            new["metadata"]["generation"] = int(old["metadata"].get("generation") or 0) + 1
        key = key_in(resource, old["metadata"].get("namespace", ""), old["metadata"]["name"])
        stored = self._store(key, before, new, dry_run=dry_run)
        if not dry_run and stored["metadata"].get("deletionTimestamp"):
            self._delete(key)
        return as_version(stored, resource)

    def _store(self, key: Key, before: Object | None, new: Object, *, dry_run: bool = False) -> Object:
        new = copied(new)
        if dry_run:
            if before is None:
                new["metadata"].pop("resourceVersion", None)
            return new
        new["metadata"]["resourceVersion"] = self.history.step()
        self._objects[key] = new
        if key[:2] == _DEFINITIONS:
            self._define(new)
        if key[:2] == _SERVICES and new["spec"].get("service"):
            # Nobody runs a server for it.
            self._away[key[3]] = (new["spec"]["group"], new["spec"]["version"])
        self.history.tell(key[:2], before, new, new)
        return copied(new)

    def _delete(self, key: Key) -> None:
        value = self._objects.get(key)
        if value is None:
            return
        is_namespace = key[:2] == ("", "namespaces")
        waits = bool(value["metadata"].get("finalizers"))
        if not value["metadata"].get("deletionTimestamp") and (waits or is_namespace):
            marked = copied(value)
            marked["metadata"] |= {"deletionTimestamp": self._now(), "deletionGracePeriodSeconds": 0}
            if is_namespace:
                marked["status"] = {"phase": "Terminating"}
            if "generation" in marked["metadata"]:
                marked["metadata"]["generation"] += 1
            self._store(key, value, marked)
        if is_namespace:
            for inner in [one for one in self._objects if one[2] == key[3]]:
                self._delete(inner)
            waits = waits or any(one[2] == key[3] for one in self._objects)
        # A namespace is gone already when the last thing in it took it along.
        if not waits and key in self._objects:
            self._remove(key)

    def _remove(self, key: Key) -> None:
        before = self._objects.pop(key)
        last = copied(before)
        last["metadata"]["resourceVersion"] = self.history.step()
        self.history.tell(key[:2], before, None, last)
        if key[:2] == _DEFINITIONS:
            self._undefine(before)
        if key[:2] == _SERVICES:
            self._away.pop(key[3], None)
        for dependent, value in list(self._objects.items()):
            owners = value["metadata"].get("ownerReferences") or ()
            if any(one.get("uid") == before["metadata"]["uid"] for one in owners):
                self._delete(dependent)
        place = self._objects.get(("", "namespaces", "", key[2]))
        if place is not None and place["metadata"].get("deletionTimestamp"):
            self._delete(("", "namespaces", "", key[2]))

    def _orphan(self, uid: str) -> None:
        for key, value in list(self._objects.items()):
            owners = value["metadata"].get("ownerReferences") or []
            kept = [one for one in owners if one.get("uid") != uid]
            if kept != owners:
                self._store(key, value, {**value, "metadata": {**value["metadata"], "ownerReferences": kept}})

    def _define(self, definition: Object) -> None:
        names = ("NamesAccepted", "Established")
        known = definition.get("status", {}).get("storedVersions", [])
        kept = [one["name"] for one in definition["spec"]["versions"] if one.get("storage")]
        definition["status"] = {
            "conditions": [{"type": name, "status": "True"} for name in names],
            "storedVersions": [*known, *(one for one in kept if one not in known)],
        }
        spec = definition["spec"]
        for key in [
            one for one in self.kinds if (one[0], one[2]) == (spec["group"], spec["names"]["plural"])
        ]:
            # A version may be served no more; the objects stay stored.
            del self.kinds[key]
        for served in defined_by(definition):
            self._serve(served)

    def _undefine(self, definition: Object) -> None:
        group, plural = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        for key in [key for key in self._objects if key[:2] == (group, plural)]:
            self._delete(key)
        for served in defined_by(definition):
            self.kinds.pop((group, served.resource.version, plural), None)
