"""Answers a TokenRequest, the subresource through which a ServiceAccount is given a token."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.kit.clock import Clock
from agent.kube.api import Object, Resource
from hub.sandbox.access.tokens import API_AUDIENCES, AccountTokens, Grant, Read
from hub.sandbox.refusals import Cause, bad_request, conflict, invalid, not_found
from hub.sandbox.wording import quoted

_KIND = "TokenRequest"
_REQUESTS = Resource(group="authentication.k8s.io", version="v1", plural=_KIND, kind=_KIND, namespaced=True)
_DEFAULT_S, _LEAST_S, _MOST_S = 3600, 600, 1 << 32
_BINDABLE = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


def _core(kind: str, plural: str) -> Resource:
    return Resource(group="", version="v1", plural=plural, kind=kind, namespaced=kind != "Node")


def answer_token_request(
    body: Object, *, namespace: str, name: str, tokens: AccountTokens, clock: Clock, read: Read
) -> Object:
    """Return the TokenRequest with the token in its status. Raises Refused; managedFields are left to who stores."""
    metadata, spec = dict(body.get("metadata") or {}), dict(body.get("spec") or {})
    _check_names(metadata, namespace, name)
    account = read("serviceaccounts", namespace, name)
    if account is None:
        raise not_found(_core("ServiceAccount", "serviceaccounts"), name)
    uid = account["metadata"]["uid"]
    if metadata.get("uid", uid) != uid:
        why = f"the UID in the token request ({metadata['uid']}) does not match the UID of the service account ({uid})"
        raise conflict(_REQUESTS, name, why)
    valid_s = spec.get("expirationSeconds")
    valid_s = _DEFAULT_S if valid_s is None else valid_s
    _check_duration(valid_s)
    audiences = spec.get("audiences") or list(API_AUDIENCES)
    reference = spec.get("boundObjectRef")
    bound = _bound(reference, namespace, name, read) if reference else {}
    now = clock.now()
    token = tokens.issue(Grant(account=account, audiences=audiences, valid_s=valid_s, bound=bound))
    created = {"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": _stamp(now)}
    return {
        "kind": _KIND,
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {**metadata, **created},
        "spec": {"audiences": audiences, "expirationSeconds": valid_s, "boundObjectRef": reference},
        "status": {"token": token, "expirationTimestamp": _stamp(now + timedelta(seconds=valid_s))},
    }


def _check_names(metadata: Mapping[str, Any], namespace: str, name: str) -> None:
    if metadata.get("namespace", namespace) != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if (given := metadata.get("name") or name) != name:
        message = f"Invalid value: {quoted(given)}: must match the service account name if specified"
        cause = Cause(reason="FieldValueInvalid", message=message, field="metadata.name")
        raise invalid(_REQUESTS, name, [cause])


def _check_duration(valid_s: int) -> None:
    if valid_s < _LEAST_S:
        why = "may not specify a duration less than 10 minutes"
    elif valid_s > _MOST_S:
        why = "may not specify a duration larger than 2^32 seconds"
    else:
        return
    message = f"Invalid value: {valid_s}: {why}"
    cause = Cause(reason="FieldValueInvalid", message=message, field="spec.expirationSeconds")
    raise invalid(_REQUESTS, "", [cause])


def _bound(reference: Mapping[str, Any], namespace: str, account: str, read: Read) -> Mapping[str, Object]:
    """Return the objects a token is bound to: the one named, and a Pod's node."""
    kind, api_version, name = (
        reference.get("kind", ""),
        reference.get("apiVersion", ""),
        reference.get("name", ""),
    )
    group, _, version = api_version.rpartition("/")
    if group or kind not in _BINDABLE:
        raise bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    found = read(_BINDABLE[kind], "" if kind == "Node" else namespace, name)
    if found is None:
        raise not_found(_core(kind, _BINDABLE[kind]), name)
    bound = {kind.lower(): found, **(_node_of(found, account, read) if kind == "Pod" else {})}
    if reference.get("uid") and reference["uid"] != found["metadata"]["uid"]:
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise conflict(_core(kind, kind), name, why)
    return bound


def _node_of(pod: Object, account: str, read: Read) -> Mapping[str, Object]:
    if pod["spec"].get("serviceAccountName") != account:
        raise bad_request(
            f"cannot bind token for serviceaccount {quoted(account)} to pod running with different serviceaccount name."
        )
    node = pod["spec"].get("nodeName")
    return {"node": read("nodes", "", node) or {"metadata": {"name": node}}} if node else {}


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
