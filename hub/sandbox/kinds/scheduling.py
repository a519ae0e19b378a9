"""What is wrong with where a Pod wants to run. Pure."""

from collections.abc import Iterator

from agent.kube.api import Object
from hub.sandbox.kinds import names
from hub.sandbox.kinds.faults import required, unsupported, wrong, wrongs
from hub.sandbox.kinds.services import is_address
from hub.sandbox.kinds.values import indexed, items_at
from hub.sandbox.refusals import Cause

_ANY_KEY = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
_EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_WAYS = ("DoNotSchedule", "ScheduleAnyway")


def faults_of_scheduling(path: str, spec: Object) -> Iterator[Cause]:
    """Yield what is wrong with gates, spreading, tolerations and names of hosts."""
    for place, one in indexed(f"{path}.schedulingGates", items_at(spec, "schedulingGates")):
        name = one.get("name") or ""
        yield from wrongs(place, name, names.qualified(name))
    for place, one in indexed(
        f"{path}.topologySpreadConstraints", items_at(spec, "topologySpreadConstraints")
    ):
        yield from _faults_of_spread(place, one)
    for place, one in indexed(f"{path}.tolerations", items_at(spec, "tolerations")):
        yield from _faults_of_toleration(place, one)
    for place, one in indexed(f"{path}.hostAliases", items_at(spec, "hostAliases")):
        if not is_address(one.get("ip") or ""):
            why = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            yield wrong(f"{place}.ip", one.get("ip") or "", why)
        for index, name in enumerate(one.get("hostnames") or ()):
            yield from wrongs(f"{place}.hostnames[{index}]", name, names.subdomain(name))


def _faults_of_spread(path: str, constraint: Object) -> Iterator[Cause]:
    if (skew := constraint.get("maxSkew") or 0) <= 0:
        yield wrong(f"{path}.maxSkew", skew, "must be greater than zero")
    if not constraint.get("topologyKey"):
        yield required(f"{path}.topologyKey", "can not be empty")
    if (way := constraint.get("whenUnsatisfiable")) not in _WAYS:
        yield unsupported(f"{path}.whenUnsatisfiable", way or "", _WAYS)


def _faults_of_toleration(path: str, toleration: Object) -> Iterator[Cause]:
    key, operator, text = (toleration.get(name) or "" for name in ("key", "operator", "value"))
    if key:
        yield from wrongs(f"{path}.key", key, names.qualified(key))
    elif operator != "Exists":
        yield wrong(f"{path}.operator", operator, _ANY_KEY)
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield wrong(
            f"{path}.effect",
            toleration.get("effect") or "",
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        )
    match operator:
        case "" | "Equal":
            for why in names.label_value(text)[:1]:
                yield wrong(f"{path}.operator", text, why)
        case "Exists":
            if text:
                yield wrong(f"{path}.operator", text, "value must be empty when `operator` is 'Exists'")
        case _:
            yield unsupported(f"{path}.operator", operator, ("Equal", "Exists"))
    if (effect := toleration.get("effect")) and effect not in _EFFECTS:
        yield unsupported(f"{path}.effect", effect, _EFFECTS)
