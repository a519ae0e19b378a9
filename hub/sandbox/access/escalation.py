"""Keeps a caller from granting rights that the caller does not hold. Pure over what it reads."""

from collections.abc import Sequence

from agent.kube.api import Object, Resource
from hub.sandbox.access.rbac import GROUP, MASTERS, Policies, authorize, grants, rules_of_reference
from hub.sandbox.access.request_info import Attributes
from hub.sandbox.access.rules import EVERYTHING, Rule, compact, described, not_covered, quoted_list
from hub.sandbox.refusals import Refused, forbidden, not_found
from hub.sandbox.wire import Caller
from hub.sandbox.wording import quoted

_ROLES = ("roles", "clusterroles")
_BINDINGS = ("rolebindings", "clusterrolebindings")
_GARBAGE_FIELDS = ("ownerReferences", "finalizers", "managedFields")


def refuse_escalation(
    policies: Policies,
    caller: Caller,
    asked: Attributes,
    resource: Resource,
    *,
    new: Object,
    old: Object | None,
) -> None:
    """Refuse a role or binding about to be stored that grants what the caller may not grant. Raises Refused.

    `new` is whole, as it would be stored; `old` is None where it is created. Other resources pass.
    """
    guarded = resource.group == GROUP and resource.plural in (*_ROLES, *_BINDINGS)
    if not guarded or MASTERS in caller.groups or (old is not None and _is_garbage_only(new, old)):
        return
    name = new["metadata"].get("name", "")
    guard = _Guard(policies, caller, asked.namespace)
    if resource.plural in _ROLES:
        if not guard.may("escalate", asked.resource, asked.name):
            _check_role(guard, resource, name, new, old)
    else:
        _check_binding(guard, resource, name, new)


class _Guard:
    """What one caller holds in one namespace, or (empty) in the whole cluster."""

    def __init__(self, policies: Policies, caller: Caller, namespace: str) -> None:
        self.policies = policies
        self.namespace = namespace
        self._caller = caller

    def may(self, verb: str, resource: str, name: str) -> bool:
        asked = Attributes(verb=verb, group=GROUP, resource=resource, name=name, namespace=self.namespace)
        return authorize(self.policies, self._caller, asked).allowed

    def lacking(self, rules: Sequence[Rule]) -> str:
        """Say which of the rules are not held, empty where all are."""
        held = list(grants(self.policies, self._caller, self.namespace))
        missing = not_covered([rule for grant in held for rule in grant.rules], rules)
        if not missing:
            return ""
        who = f"user {quoted(self._caller.name)} (groups={quoted_list(self._caller.groups)})"
        lines = "\n".join(sorted({described(rule) for rule in compact(missing)}))
        problems = list(dict.fromkeys(grant.problem for grant in held if grant.problem))
        unread = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        more = f"; resolution errors: [{unread}]" if problems else ""
        return f"{who} is attempting to grant RBAC permissions not currently held:\n{lines}{more}"


def _check_role(guard: _Guard, resource: Resource, name: str, new: Object, old: Object | None) -> None:
    if why := guard.lacking(new.get("rules") or ()):
        raise forbidden(resource, name, why)
    # A role that gathers others' rules may come to hold any of them.
    if (_gathers(new) or (old is not None and _gathers(old))) and guard.lacking(EVERYTHING):
        raise forbidden(resource, name, "must have cluster-admin privileges to use the aggregationRule")


def _check_binding(guard: _Guard, resource: Resource, name: str, new: Object) -> None:
    reference = new["roleRef"]
    if guard.may("bind", f"{reference['kind'].lower()}s", reference["name"]):
        return
    try:
        rules = rules_of_reference(guard.policies, reference, guard.namespace)
    except Refused as missing:
        # The real server, too, names the binding's resource here, not the role's.
        raise not_found(resource, reference["name"]) from missing
    if why := guard.lacking(rules):
        raise forbidden(resource, name, why)


def _gathers(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _is_garbage_only(new: Object, old: Object) -> bool:
    """Tell whether a change touches only what the garbage collector needs to delete an object."""
    return _without_garbage_fields(new) == _without_garbage_fields(old)


def _without_garbage_fields(value: Object) -> Object:
    metadata = {key: field for key, field in value["metadata"].items() if key not in _GARBAGE_FIELDS}
    return {**value, "metadata": metadata}
