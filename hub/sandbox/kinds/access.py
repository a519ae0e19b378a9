"""Roles, bindings and certificate requests. Pure."""

from collections.abc import Iterator, Mapping

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import required, unsupported, wrong, wrongs
from hub.sandbox.kinds.metadata import faults_of_selector
from hub.sandbox.kinds.rule import Check, Rules, keeping
from hub.sandbox.kinds.values import at, child, copied, fill, indexed, items_at, mapping_at, put
from hub.sandbox.refusals import Cause
from hub.sandbox.wire import Caller

_GROUP = "rbac.authorization.k8s.io"
_SHORTEST_LIFE_S = 600


def _default_role(value: Object) -> None:
    value["rules"] = value.get("rules") or None


def _faults_of_rules(is_namespaced: bool) -> Check:
    def check(value: Object) -> Iterator[Cause]:
        for path, rule in indexed("rules", items_at(value, "rules")):
            yield from _faults_of_rule(path, rule, is_namespaced)
        yield from _faults_of_aggregation(value)

    return check


def _faults_of_rule(path: str, rule: Object, is_namespaced: bool) -> Iterator[Cause]:
    if not rule.get("verbs"):
        yield required(f"{path}.verbs", "verbs must contain at least one value")
    if urls := rule.get("nonResourceURLs"):
        if is_namespaced:
            yield wrong(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(key) for key in ("apiGroups", "resources", "resourceNames")):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            yield wrong(f"{path}.nonResourceURLs", urls, why)
        return
    if not rule.get("apiGroups"):
        yield required(f"{path}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{path}.resources", "resource rules must supply at least one resource")


def _faults_of_aggregation(value: Object) -> Iterator[Cause]:
    if value.get("aggregationRule") is None:
        return
    field = "aggregationRule.clusterRoleSelectors"
    selectors = items_at(value, "aggregationRule", "clusterRoleSelectors")
    if not selectors:
        yield required(field, "at least one clusterRoleSelector required if aggregationRule is non-nil")
    for path, one in indexed(field, selectors):
        yield from faults_of_selector(path, one)


def _default_binding(value: Object) -> None:
    fill(child(value, "roleRef"), apiGroup=_GROUP)
    for one in items_at(value, "subjects"):
        if one.get("kind") in ("User", "Group"):
            fill(one, apiGroup=_GROUP)
        elif not one.get("apiGroup"):
            one.pop("apiGroup", None)


def _faults_of_binding(is_namespaced: bool) -> Check:
    kinds = ("Role", "ClusterRole") if is_namespaced else ("ClusterRole",)

    def check(value: Object) -> Iterator[Cause]:
        role = mapping_at(value, "roleRef")
        if role.get("apiGroup") != _GROUP:
            yield unsupported("roleRef.apiGroup", role.get("apiGroup"), (_GROUP,))
        if role.get("kind") not in kinds:
            yield unsupported("roleRef.kind", role.get("kind") or "", kinds)
        if not (name := role.get("name")):
            yield required("roleRef.name")
        else:
            yield from wrongs("roleRef.name", name, names.path_segment(name))
        for path, one in indexed("subjects", items_at(value, "subjects")):
            yield from _faults_of_subject(path, one, is_namespaced)

    return check


def _faults_of_subject(path: str, subject: Object, is_namespaced: bool) -> Iterator[Cause]:
    name, group = subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        yield required(f"{path}.name")
    match subject.get("kind"):
        case "ServiceAccount":
            if name:
                yield from wrongs(f"{path}.name", name, names.subdomain(name))
            if group:
                yield unsupported(f"{path}.apiGroup", group, ("",))
            if not is_namespaced and not subject.get("namespace"):
                yield required(f"{path}.namespace")
        case "User" | "Group":
            if group != _GROUP:
                yield unsupported(f"{path}.apiGroup", group, (_GROUP,))
        case kind:
            yield unsupported(f"{path}.kind", kind or "", ("ServiceAccount", "User", "Group"))


def _faults_of_binding_change(before: Object, after: Object) -> Iterator[Cause]:
    if before.get("roleRef") != after.get("roleRef"):
        yield wrong("roleRef", _shown(after), "cannot change roleRef")


def _shown(binding: Object) -> Object:
    """Return a reference as the real server's messages show it."""
    role = mapping_at(binding, "roleRef")
    return {"APIGroup": role.get("apiGroup"), "Kind": role.get("kind"), "Name": role.get("name")}


def _default_request(value: Object) -> None:
    child(value, "spec")
    child(value, "status")


def requested_by(request: Object, caller: Caller) -> Object:
    """Return a certificate request that says who asks for it, whatever it said itself."""
    made: Object = copied(request)
    spec = child(made, "spec")
    put(spec, "username", caller.name or None)
    put(spec, "uid", caller.uid or None)
    put(spec, "groups", list(caller.groups) or None)
    put(spec, "extra", {key: list(values) for key, values in caller.extra.items()} or None)
    return made


def _faults_of_request(value: Object) -> Iterator[Cause]:
    spec = mapping_at(value, "spec")
    if not spec.get("usages"):
        yield required("spec.usages")
    if not spec.get("signerName"):
        yield required("spec.signerName")
    life_s = spec.get("expirationSeconds")
    if life_s is not None and life_s < _SHORTEST_LIFE_S:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        yield wrong("spec.expirationSeconds", life_s, why)


def _approve(before: Object, made: Object) -> None:
    """Let an approval change conditions only."""
    conditions = at(made, "status", "conditions")
    keeping(("spec",), ("status",))(before, made)
    put(child(made, "status"), "conditions", conditions or None)


def _role(is_namespaced: bool) -> Rules:
    return Rules(
        named=names.path_segment,
        defaults=_default_role,
        checks=_faults_of_rules(is_namespaced),
        creates_on_update=True,
    )


def _binding(is_namespaced: bool) -> Rules:
    return Rules(
        named=names.path_segment,
        defaults=_default_binding,
        checks=_faults_of_binding(is_namespaced),
        checks_change=_faults_of_binding_change,
        creates_on_update=True,
    )


KINDS: Mapping[str, Rules] = {
    "Role": _role(is_namespaced=True),
    "ClusterRole": _role(is_namespaced=False),
    "RoleBinding": _binding(is_namespaced=True),
    "ClusterRoleBinding": _binding(is_namespaced=False),
}
CERTIFICATES: Mapping[str, Rules] = {
    "CertificateSigningRequest": Rules(
        defaults=_default_request,
        checks=_faults_of_request,
        keeps=keeping(("spec",)),
        status={},
        subresources={"approval": _approve},
        rechecks_metadata=False,
    )
}
