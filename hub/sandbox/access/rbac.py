"""Decides by roles and bindings who may do what, in the words of a real server's RBAC. Pure over what it reads."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from agent.kube.api import Object
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.access.rules import Rule, permits
from hub.sandbox.refusals import Refused
from hub.sandbox.wire import Caller
from hub.sandbox.wording import quoted

MASTERS = "system:masters"
GROUP = "rbac.authorization.k8s.io"


class Policies(Protocol):
    """The stored roles and bindings of one cluster."""

    def cluster_roles(self) -> Iterable[Object]: ...

    def cluster_role(self, name: str) -> Object | None: ...

    def role(self, namespace: str, name: str) -> Object | None: ...

    def cluster_role_bindings(self) -> Iterable[Object]: ...

    def role_bindings(self, namespace: str) -> Iterable[Object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether something is allowed, and why; a refusal has a reason only where roles could not be read."""

    allowed: bool
    reason: str = ""


Authorize = Callable[[Caller, Attributes], Decision]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """The rules that one binding gives a caller; `problem` where its role is missing."""

    source: str
    rules: tuple[Rule, ...] = ()
    problem: str = ""


def authorize(policies: Policies, caller: Caller, asked: Attributes) -> Decision:
    """Decide whether a caller may do what is asked."""
    if MASTERS in caller.groups:
        return Decision(allowed=True)
    problems: list[str] = []
    for grant in grants(policies, caller, asked.namespace):
        if grant.problem:
            problems.append(grant.problem)
        elif any(permits(rule, asked) for rule in grant.rules):
            return Decision(allowed=True, reason=f"RBAC: allowed by {grant.source}")
    return Decision(allowed=False, reason=f"RBAC: {joined(problems)}" if problems else "")


def grants(policies: Policies, caller: Caller, namespace: str) -> Iterator[Grant]:
    """Yield what each binding that names the caller gives, in a namespace or (empty) in the whole cluster."""
    for binding in policies.cluster_role_bindings():
        subject = _subject_of(binding, caller, "")
        if subject is not None:
            yield _grant(policies, binding, subject, "")
    for binding in policies.role_bindings(namespace) if namespace else ():
        subject = _subject_of(binding, caller, namespace)
        if subject is not None:
            yield _grant(policies, binding, subject, namespace)


def rules_of_reference(policies: Policies, reference: Mapping[str, Any], namespace: str) -> tuple[Rule, ...]:
    """Return the rules of the role that a binding names. Raises Refused (404) where there is none."""
    kind, name = reference["kind"], reference["name"]
    role = policies.cluster_role(name) if kind == "ClusterRole" else policies.role(namespace, name)
    if role is None:
        lower = kind.lower()
        details = {"name": name, "group": GROUP, "kind": lower}
        raise Refused(404, "NotFound", f"{lower}.{GROUP} {quoted(name)} not found", details)
    return tuple(role.get("rules") or ())


def forbidden_by(caller: Caller, asked: Attributes, reason: str = "") -> Refused:
    """Return the refusal of what a caller may not do."""
    why = f"User {quoted(caller.name)} cannot {asked.verb} {_object_of(asked)}" + (reason and f": {reason}")
    qualified = f"{asked.resource}.{asked.group}" if asked.group else asked.resource
    named = f" {quoted(asked.name)}" if asked.name and qualified else ""
    is_about = f"{qualified}{named} is forbidden" if qualified else "forbidden"
    words = {"name": asked.name, "group": asked.group, "kind": asked.resource}
    details = {key: value for key, value in words.items() if value}
    return Refused(403, "Forbidden", f"{is_about}: {why}", details)


def joined(problems: Iterable[str]) -> str:
    """Write several problems as one."""
    different = list(dict.fromkeys(problems))
    return different[0] if len(different) == 1 else f"[{', '.join(different)}]"


def _object_of(asked: Attributes) -> str:
    if not asked.is_resource:
        return f"path {quoted(asked.path)}"
    where = f"in the namespace {quoted(asked.namespace)}" if asked.namespace else "at the cluster scope"
    return f"resource {quoted(asked.combined)} in API group {quoted(asked.group)} {where}"


def _grant(policies: Policies, binding: Object, subject: Mapping[str, Any], namespace: str) -> Grant:
    reference = binding["roleRef"]
    name = binding["metadata"]["name"] + (namespace and f"/{namespace}")
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    role = f"{reference['kind']} {quoted(reference['name'])}"
    source = f"{kind} {quoted(name)} of {role} to {_described(subject, namespace)}"
    try:
        return Grant(source=source, rules=rules_of_reference(policies, reference, namespace))
    except Refused as missing:
        return Grant(source=source, problem=missing.message)


def _described(subject: Mapping[str, Any], namespace: str) -> str:
    name = subject["name"]
    if subject["kind"] == "ServiceAccount":
        name = f"{name}/{subject.get('namespace') or namespace}"
    return f"{subject['kind']} {quoted(name)}"


def _subject_of(binding: Object, caller: Caller, namespace: str) -> Mapping[str, Any] | None:
    return next((one for one in binding.get("subjects") or () if _is(one, caller, namespace)), None)


def _is(subject: Mapping[str, Any], caller: Caller, namespace: str) -> bool:
    match subject["kind"]:
        case "User":
            return bool(caller.name == subject["name"])
        case "Group":
            return subject["name"] in caller.groups
        case "ServiceAccount":
            home = subject.get("namespace") or namespace
            return bool(home) and caller.name == f"system:serviceaccount:{home}:{subject['name']}"
        case _:
            return False
