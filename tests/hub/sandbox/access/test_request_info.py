"""What a request is about, held to what a real server said of the same request to somebody who may nothing."""

import pytest

from hub.sandbox.access.rbac import forbidden_by
from hub.sandbox.access.request_info import Attributes, attributes_of
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller, Request

_REFUSED = [
    ("GET", "/zzz", "", 'forbidden: User "u" cannot get path "/zzz"'),
    ("OPTIONS", "/zzz", "", 'forbidden: User "u" cannot options path "/zzz"'),
    (
        "GET",
        "/api/v1/namespaces/ns",
        "",
        'namespaces "ns" is forbidden: User "u" cannot get resource "namespaces" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/api/v1/namespaces/ns/status",
        "",
        'namespaces "ns" is forbidden: User "u" cannot get resource "namespaces/status" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/api/v1/namespaces",
        "",
        'namespaces is forbidden: User "u" cannot list resource "namespaces" in API group "" at the cluster scope',
    ),
    (
        "GET",
        "/api/v1/namespaces/ns/configmaps/x",
        "",
        'configmaps "x" is forbidden: User "u" cannot get resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/apis/apps/v1/deployments",
        "",
        'deployments.apps is forbidden: User "u" cannot list resource "deployments" in API group "apps" at the cluster scope',
    ),
    (
        "GET",
        "/api/v1/namespaces/ns/configmaps",
        "fieldSelector=metadata.name=a",
        'configmaps "a" is forbidden: User "u" cannot list resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/apis/apps/v1/log",
        "limit=zz&fieldSelector=metadata.name=x",
        'log.apps is forbidden: User "u" cannot list resource "log" in API group "apps" at the cluster scope',
    ),
    (
        "GET",
        "/api/v1/namespaces/ns/configmaps",
        "watch=",
        'configmaps is forbidden: User "u" cannot watch resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/api/v1/watch/namespaces/ns/configmaps",
        "",
        'configmaps is forbidden: User "u" cannot watch resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/api/v1/proxy/pods/x",
        "",
        'pods "x" is forbidden: User "u" cannot proxy resource "pods" in API group "" at the cluster scope',
    ),
    (
        "GET",
        "/api/v1/namespaces/ns/pods/a/proxy/b/c",
        "",
        'pods "a" is forbidden: User "u" cannot get resource "pods/proxy" in API group "" in the namespace "ns"',
    ),
    (
        "GET",
        "/api/v1//pods",
        "",
        'forbidden: User "u" cannot get resource "" in API group "" at the cluster scope',
    ),
    (
        "OPTIONS",
        "/api/v1/namespaces/ns/configmaps",
        "",
        'configmaps is forbidden: User "u" cannot  resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "POST",
        "/api/v1/namespaces/ns/configmaps",
        "",
        'configmaps is forbidden: User "u" cannot create resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "DELETE",
        "/api/v1/namespaces/ns/configmaps",
        "",
        'configmaps is forbidden: User "u" cannot deletecollection resource "configmaps" in API group "" in the namespace "ns"',
    ),
    (
        "PUT",
        "/apis/apps/v1/namespaces/ns/deployments/d/scale",
        "",
        'deployments.apps "d" is forbidden: User "u" cannot update resource "deployments/scale" in API group "apps" in the namespace "ns"',
    ),
    (
        "PATCH",
        "/apis/apps/v1/namespaces/ns/deployments/d",
        "",
        'deployments.apps "d" is forbidden: User "u" cannot patch resource "deployments" in API group "apps" in the namespace "ns"',
    ),
]


def _asked(method: str, path: str, query: str = "") -> Attributes:
    pairs = (part.partition("=") for part in query.split("&") if part)
    return attributes_of(Request(method=method, path=path, query={key: (value,) for key, _, value in pairs}))


@pytest.mark.parametrize(
    ("method", "path", "query", "message"), _REFUSED, ids=[f"{m} {p} {q}" for m, p, q, _ in _REFUSED]
)
def test_a_request_is_refused_in_the_servers_words(method: str, path: str, query: str, message: str) -> None:
    assert forbidden_by(Caller(name="u"), _asked(method, path, query)).message == message


def test_the_details_of_a_refusal_name_what_was_asked_for() -> None:
    status = forbidden_by(Caller(name="u"), _asked("GET", "/apis/apps/v1/namespaces/ns/deployments/d")).status
    assert status["details"] == {"name": "d", "group": "apps", "kind": "deployments"}
    assert forbidden_by(Caller(name="u"), _asked("GET", "/zzz")).status["details"] == {}
    assert forbidden_by(Caller(name="u"), _asked("GET", "/api/v1//pods")).status["details"] == {
        "name": "pods"
    }


def test_what_follows_a_subresource_is_kept_for_who_serves_it() -> None:
    asked = _asked("GET", "/api/v1/namespaces/ns/pods/a/proxy/b/c")
    assert (asked.version, asked.name, asked.subresource, asked.rest) == ("v1", "a", "proxy", ("b", "c"))
    assert _asked("GET", "/api/v1/namespaces/ns/configmaps/a").rest == ()


def test_a_proxy_by_its_old_path_has_no_subresource() -> None:
    asked = _asked("GET", "/api/v1/proxy/pods/x/log")
    assert (asked.verb, asked.name, asked.subresource, asked.rest) == ("proxy", "x", "", ("log",))


def test_a_watch_of_nothing_cannot_be_read() -> None:
    with pytest.raises(Refused, match="unable to determine kind and namespace from url, /api/v1/watch"):
        _asked("GET", "/api/v1/watch")
