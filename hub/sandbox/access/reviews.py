"""Answers the questions about access that a client asks by creating a review. Pure; nothing of it is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.kube.api import Object, Resource
from hub.sandbox.access.identities import Identities
from hub.sandbox.access.rbac import Authorize, Policies, grants, joined
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.access.review_selectors import selector_causes, unread_selectors
from hub.sandbox.access.tokens import API_AUDIENCES, Rejected
from hub.sandbox.refusals import Cause, Refused, bad_request, invalid
from hub.sandbox.wire import Caller
from hub.sandbox.wording import quoted

AUTHORIZATION, AUTHENTICATION = "authorization.k8s.io", "authentication.k8s.io"
# The real server leaves out the kind where it refuses a review.
_REVIEWS = Resource(group=AUTHORIZATION, version="v1", plural="", kind="", namespaced=False)
_EITHER = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
# The order in which the real server writes metadata into its messages.
_METADATA = (
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
)
_RESOURCE, _PATH = "resourceAttributes", "nonResourceAttributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewer:
    """Answers reviews in one cluster. Bodies are decoded and carry the managedFields that a create gives them."""

    policies: Policies
    authorize: Authorize
    identities: Identities

    def subject_access(self, body: Object) -> Object:
        """Say whether the one named may do what is named. Raises Refused."""
        named = [*_attribute_causes(body), *_user_causes(body), *_selector_causes(body)]
        _refuse([*named, *_metadata_causes(body, "must be empty")])
        return self._decided(body, _named(body["spec"]))

    def local_subject_access(self, body: Object, namespace: str) -> Object:
        """Say the same in one namespace. Raises Refused."""
        metadata = {**(body.get("metadata") or {}), "namespace": namespace}
        if (body.get("metadata") or {}).get("namespace", namespace) != namespace:
            raise bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        local = {**body, "metadata": metadata}
        outside = _metadata_causes(local, "must be empty except for namespace", but=("namespace",))
        named = [*_attribute_causes(body), *_user_causes(body), *_selector_causes(body)]
        _refuse([*named, *outside, *_local_causes(body, namespace)])
        return self._decided(local, _named(body["spec"]))

    def self_subject_access(self, caller: Caller, body: Object) -> Object:
        """Say whether the caller may do what is named. Raises Refused."""
        _refuse([*_attribute_causes(body), *_selector_causes(body), *_metadata_causes(body, "must be empty")])
        return self._decided(body, caller)

    def self_subject_rules(self, caller: Caller, body: Object) -> Object:
        """List what the caller may do in a namespace. Raises Refused."""
        namespace = (body.get("spec") or {}).get("namespace")
        if not namespace:
            raise bad_request("no namespace on request")
        held = list(grants(self.policies, caller, namespace))
        rules = [rule for grant in held for rule in grant.rules]
        problems = [grant.problem for grant in held if grant.problem]
        status = {
            "resourceRules": [
                _picked(rule, ("verbs", "apiGroups", "resources", "resourceNames"))
                for rule in rules
                if rule.get("resources")
            ],
            "nonResourceRules": [
                _picked(rule, ("verbs", "nonResourceURLs")) for rule in rules if rule.get("nonResourceURLs")
            ],
            "incomplete": False,
            **({"evaluationError": joined(problems)} if problems else {}),
        }
        kind, api_version = "SelfSubjectRulesReview", f"{AUTHORIZATION}/v1"
        return {"kind": kind, "apiVersion": api_version, "metadata": {}, "spec": {}, "status": status}

    def token(self, body: Object) -> Object:
        """Say who a token is. Raises Refused."""
        spec = body.get("spec") or {}
        if not spec.get("token"):
            raise bad_request("token is required for TokenReview in authentication")
        review = {"kind": "TokenReview", "apiVersion": f"{AUTHENTICATION}/v1", "metadata": {}, **body}
        try:
            known = self.identities.authenticate(spec["token"], spec.get("audiences") or API_AUDIENCES)
        except Rejected as problem:
            return {**review, "status": {"user": {}, "error": str(problem)}}
        status = {"authenticated": True, "user": user_info(known.caller), "audiences": list(known.audiences)}
        return {**review, "status": status}

    def _decided(self, body: Object, caller: Caller) -> Object:
        decision = self.authorize(caller, _asked(body["spec"]))
        words = {
            "reason": decision.reason,
            "evaluationError": unread_selectors(body["spec"].get(_RESOURCE) or {}),
        }
        said = {key: text for key, text in words.items() if text}
        return {"metadata": {}, **body, "status": {"allowed": decision.allowed, **said}}


def self_subject(caller: Caller, now: str) -> Object:
    """Say who the caller is; whatever was sent is not answered."""
    return {
        "kind": "SelfSubjectReview",
        "apiVersion": f"{AUTHENTICATION}/v1",
        "metadata": {"creationTimestamp": now},
        "status": {"userInfo": user_info(caller)},
    }


def user_info(caller: Caller) -> Object:
    """Write a caller as reviews do."""
    extra = {key: list(caller.extra[key]) for key in sorted(caller.extra)}
    fields = {"username": caller.name, "uid": caller.uid, "groups": list(caller.groups), "extra": extra}
    return {key: value for key, value in fields.items() if value}


def _named(spec: Mapping[str, Any]) -> Caller:
    extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
    groups = tuple(spec.get("groups") or ())
    return Caller(name=spec.get("user", ""), uid=spec.get("uid", ""), groups=groups, extra=extra)


def _asked(spec: Mapping[str, Any]) -> Attributes:
    path = spec.get(_PATH)
    if path is not None:
        return Attributes(verb=path.get("verb", ""), path=path.get("path", ""), is_resource=False)
    words = spec[_RESOURCE]
    fields = ("verb", "group", "version", "resource", "subresource", "namespace", "name")
    return Attributes(**{field: words.get(field, "") for field in fields})


def _attribute_causes(body: Object) -> list[Cause]:
    spec = body.get("spec") or {}
    resource, path = spec.get(_RESOURCE), spec.get(_PATH)
    if resource is not None and path is not None:
        return [
            _wrong(
                f"spec.{_PATH}",
                _path_in_go(path),
                "cannot be specified in combination with resourceAttributes",
            )
        ]
    if resource is None and path is None:
        return [_wrong(f"spec.{_RESOURCE}", "null", _EITHER)]
    return []


def _selector_causes(body: Object) -> Sequence[Cause]:
    return selector_causes((body.get("spec") or {}).get(_RESOURCE) or {})


def _user_causes(body: Object) -> list[Cause]:
    spec = body.get("spec") or {}
    if spec.get("user") or spec.get("groups"):
        return []
    return [_wrong("spec.user", '""', "at least one of user or group must be specified")]


def _metadata_causes(body: Object, why: str, but: Sequence[str] = ()) -> list[Cause]:
    metadata = body.get("metadata") or {}
    if not any(value for key, value in metadata.items() if key not in ("managedFields", *but)):
        return []
    ordered = {key: metadata[key] for key in sorted(metadata, key=_place_of_field)}
    return [_wrong("metadata", msgspec.json.encode(ordered).decode(), why)]


def _place_of_field(key: str) -> int:
    return _METADATA.index(key) if key in _METADATA else len(_METADATA)


def _local_causes(body: Object, namespace: str) -> list[Cause]:
    spec, causes = body.get("spec") or {}, []
    resource = spec.get(_RESOURCE)
    if resource is not None and resource.get("namespace", "") != namespace:
        given = quoted(resource.get("namespace", ""))
        causes.append(_wrong("spec.resourceAttributes.namespace", given, "must match metadata.namespace"))
    if spec.get(_PATH) is not None:
        causes.append(_wrong(f"spec.{_PATH}", _path_in_go(spec[_PATH]), "disallowed on this kind of request"))
    return causes


def _wrong(field: str, value: str, why: str) -> Cause:
    return Cause(reason="FieldValueInvalid", message=f"Invalid value: {value}: {why}", field=field)


def _path_in_go(path: Mapping[str, str]) -> str:
    return msgspec.json.encode({"Path": path.get("path", ""), "Verb": path.get("verb", "")}).decode()


def _refuse(causes: Sequence[Cause]) -> None:
    if not causes:
        return
    refusal = invalid(_REVIEWS, "", causes)
    details = {key: value for key, value in (refusal.details or {}).items() if value}
    raise Refused(refusal.code, refusal.reason, refusal.message, details)


def _picked(rule: Mapping[str, Any], fields: Sequence[str]) -> Mapping[str, Any]:
    return {field: rule[field] for field in fields if rule.get(field)}
