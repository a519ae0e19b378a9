"""A case: requests to an API server, one after the other, as a table has them. Pure values.

    Case("a field is given up", apply("configmaps/a", {"data": {"x": "1"}}, by="one"), apply("configmaps/a", {}, by="one"))

`on` is plural/name/subresource, in the case's own namespace where the kind has such, or a whole path. In paths, queries and bodies
`NS` stands for that namespace, and `<0.metadata.uid>` for what the answer to the first request has there; `<-1.metadata.uid>` is of the
last answer that was an object. What a case wrote is read back at its end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from agent.kube.api import Resource
from hub.sandbox.kinds.catalogue import built_in

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
NS = "NS"
GROUP = "table.test"
"""The group of the kinds that the table brings."""
CUSTOM = (
    Resource(group=GROUP, version="v1", plural="widgets", kind="Widget", namespaced=True),
    Resource(group=GROUP, version="v1", plural="gadgets", kind="Gadget", namespaced=False),
)

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request. `body` is sent as JSON, or as it is when it is a text. `until` repeats a request until its answer is so."""

    method: str
    on: str
    body: Any = None
    query: Query = field(default_factory=dict)
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    until: Callable[[int, Any], bool] | None = None

    @property
    def is_watch(self) -> bool:
        return self.query.get("watch") == "true"

    def told(self) -> str:
        """Return the request as a person writes it."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        who = self.headers.get("Impersonate-User")
        form = "" if self.media_type == JSON else f" ({self.media_type.split('/')[1]})"
        text = f"{self.method} {self.on}{'?' if query else ''}{query}{form}"
        return text + (f" as {who}" if who else "") + ("" if self.body is None else f" {self.body}")


@dataclass(frozen=True, slots=True)
class Case:
    """Requests under a name that says what they are to show. `needs_controllers`: on a real plane they have to run."""

    name: str
    steps: tuple[Step, ...]
    needs_controllers: bool = False

    @property
    def slug(self) -> str:
        """Return the name of the case's namespace."""
        words = "".join(one if one.isalnum() else "-" for one in self.name.lower())
        return "-".join(word for word in words.split("-") if word)[:60].rstrip("-")


def case(name: str, *steps: Step, needs_controllers: bool = False) -> Case:
    """Return a case."""
    return Case(name, steps, needs_controllers)


@cache
def _resources() -> Mapping[str, Resource]:
    return {one.resource.plural: one.resource for one in reversed(built_in())} | {
        one.plural: one for one in CUSTOM
    }


def resource_of(on: str) -> Resource:
    """Return the resource that a step is about. Raises KeyError for a whole path."""
    return _resources()[on.split("/")[0]]


def path_of(on: str, *, create: bool = False) -> str:
    """Return the path of a step, with NS for the namespace; a name is left out where one is created."""
    if on.startswith("/"):
        return on
    resource, (plural, *rest) = resource_of(on), on.split("/")
    root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
    folder = f"{root}/namespaces/{NS}" if resource.namespaced else root
    named = [] if create else rest
    return "/".join([folder, plural, *named])


def whole(on: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return an object with its head: kind and name are those of the step."""
    resource, name = resource_of(on), on.split("/")[1] if "/" in on else ""
    given = dict(body or {})
    metadata = ({"name": name} if name else {}) | given.pop("metadata", {})
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **given}


def data(**parts: Any) -> dict[str, Any]:
    """Return what an object has as its data."""
    return {"data": parts}


def spec(**parts: Any) -> dict[str, Any]:
    """Return what an object has as its spec."""
    return {"spec": parts}


def meta(**parts: Any) -> dict[str, Any]:
    """Return what an object has as its metadata, beside its name."""
    return {"metadata": parts}


def _query(by: str, dry: bool, more: Query, force: bool = False) -> Query:
    named = {"fieldManager": by} if by else {}
    return {**named, **({"force": "true"} if force else {}), **({"dryRun": "All"} if dry else {}), **more}


def create(
    on: str, body: Mapping[str, Any] | None = None, *, by: str = "maker", dry: bool = False, **query: str
) -> Step:
    """Return the request that creates an object."""
    return Step(
        method="POST", on=path_of(on, create=True), body=whole(on, body), query=_query(by, dry, query)
    )


def update(
    on: str, body: Mapping[str, Any] | None = None, *, by: str = "editor", dry: bool = False, **query: str
) -> Step:
    """Return the request that puts an object in the place of another."""
    return Step(method="PUT", on=path_of(on), body=whole(on, body), query=_query(by, dry, query))


def apply(
    on: str,
    body: Mapping[str, Any] | None = None,
    *,
    by: str = "one",
    force: bool = False,
    dry: bool = False,
    **query: str,
) -> Step:
    """Return the request that server-side applies an object."""
    asked = _query(by, dry, query, force)
    return Step(method="PATCH", on=path_of(on), body=whole(on, body), query=asked, media_type=APPLY)


def patch(
    on: str,
    body: Any,
    *,
    by: str = "editor",
    dry: bool = False,
    media_type: str = MERGE,
    **query: str,
) -> Step:
    """Return the request that patches an object, by a merge patch when nothing else is said."""
    asked = _query(by, dry, query)
    return Step(method="PATCH", on=path_of(on), body=body, query=asked, media_type=media_type)


def strategic(on: str, body: Any, *, by: str = "editor", dry: bool = False, **query: str) -> Step:
    """Return the request that patches an object as kubectl does."""
    return patch(on, body, by=by, dry=dry, media_type=STRATEGIC, **query)


def json_patch(on: str, *operations: Any, by: str = "editor", dry: bool = False, **query: str) -> Step:
    """Return the request that patches an object by operations."""
    return patch(on, list(operations), by=by, dry=dry, media_type=JSON_PATCH, **query)


def delete(on: str, options: Mapping[str, Any] | None = None, **query: str) -> Step:
    """Return the request that deletes an object, or a collection."""
    head = {"apiVersion": "v1", "kind": "DeleteOptions"}
    return Step(
        method="DELETE",
        on=path_of(on),
        query=query,
        body={**head, **options} if options is not None else None,
    )


def get(on: str, accept: str = "", **query: str) -> Step:
    """Return the request that reads an object or a collection."""
    return Step(method="GET", on=path_of(on), query=query, headers={"Accept": accept} if accept else {})


def watch(on: str, since: str = "", accept: str = "", **query: str) -> Step:
    """Return the request that watches for a moment; `since` is a version."""
    asked = {"watch": "true", "timeoutSeconds": "1", **({"resourceVersion": since} if since else {}), **query}
    return get(on, accept, **asked)


def as_(user: str, step: Step, *groups: str) -> Step:
    """Return a request in the name of somebody."""
    headers = {**step.headers, "Impersonate-User": user}
    if groups:
        headers["Impersonate-Group"] = ",".join(groups)
    return replace(step, headers=headers)


def until(step: Step, is_so: Callable[[int, Any], bool]) -> Step:
    """Return a request that is repeated until its answer is so."""
    return replace(step, until=is_so)


def until_code(step: Step, code: int) -> Step:
    """Return a request that is repeated until it is answered so."""
    return replace(step, until=lambda found, body: found == code)
