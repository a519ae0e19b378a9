"""Which names of a definition are its own, and what its conditions say of that. Definitions of one group share one space."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from agent.kube.api import Object
from hub.sandbox.wording import quoted

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
ACCEPTED, ESTABLISHED, TERMINATING = "NamesAccepted", "Established", "Terminating"
_ORDER = ("plural", "singular", "shortNames", "kind", "listKind", "categories")


def settle(definition: Object, others: Iterable[Object], now: datetime) -> Object:
    """Return a definition as the real controllers leave it: names accepted or not, and with that established or not.

    `others` are the other definitions; the same object comes back when there is nothing to say. Names that are free
    again let others be accepted: whoever changes or removes a definition settles its group once more.
    """
    spec, status = definition["spec"], definition["status"]
    group = [one for one in others if one["spec"]["group"] == spec["group"]]
    accepted, reason, message = _names(spec["names"], status.get("acceptedNames") or {}, [definition, *group])
    conditions = list(status.get("conditions") or ())
    conditions = _with(
        conditions,
        _condition(ACCEPTED, not reason, reason or "NoConflicts", message or "no conflicts found"),
        now,
    )
    if not is_true(definition, ESTABLISHED):
        told = (
            ("NotAccepted", "not all names are accepted")
            if reason
            else ("InitialNamesAccepted", "the initial names have been accepted")
        )
        conditions = _with(conditions, _condition(ESTABLISHED, not reason, *told), now)
    settled = {**status, "conditions": conditions, "acceptedNames": accepted}
    return definition if settled == status else {**definition, "status": settled}


def is_true(definition: Object, kind: str) -> bool:
    """Tell whether a condition holds."""
    found = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == kind and one["status"] == "True" for one in found)


def begin_deletion(definition: Object, now: datetime) -> Object:
    """Return a definition that was asked to go: it waits until its objects are gone.

    The server then deletes every object of the kind, lets none be created, and tells by `objects_going` that it does;
    when no object is left, by `objects_gone`, and takes the finalizer off.
    """
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    finalizers = definition["metadata"].get("finalizers") or []
    kept = finalizers if FINALIZER in finalizers else [*finalizers, FINALIZER]
    marked = {**definition, "metadata": {**definition["metadata"], "finalizers": kept}}
    return _saying(marked, _condition(TERMINATING, True, "InstanceDeletionPending", text), now)


def objects_going(definition: Object, now: datetime) -> Object:
    """Return a definition whose objects are being deleted."""
    text = "CustomResource deletion is in progress"
    return _saying(definition, _condition(TERMINATING, True, "InstanceDeletionInProgress", text), now)


def objects_gone(definition: Object, now: datetime) -> Object:
    """Return a definition that has no objects any more and may go."""
    told = _saying(
        definition, _condition(TERMINATING, False, "InstanceDeletionCompleted", "removed all instances"), now
    )
    finalizers = [one for one in definition["metadata"].get("finalizers") or () if one != FINALIZER]
    metadata = {name: part for name, part in told["metadata"].items() if name != "finalizers"}
    return {**told, "metadata": {**metadata, **({"finalizers": finalizers} if finalizers else {})}}


def _names(asked: Object, accepted: Object, group: Sequence[Object]) -> tuple[Object, str, str]:
    """Return the names that are accepted, and of what is not the last reason and message."""
    taken = [(one.get("status") or {}).get("acceptedNames") or {} for one in group]
    resources = {
        name
        for one in taken
        for name in (one.get("plural"), one.get("singular"), *(one.get("shortNames") or ()))
    }
    kinds = {name for one in taken for name in (one.get("kind"), one.get("listKind"))}
    mine, reason, message = dict(accepted), "", ""
    for name, used, why in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        wanted, had = asked.get(name), accepted.get(name)
        clashes = _clashes(wanted, had, used)
        if clashes:
            reason, message = why, _aggregate(clashes)
        else:
            mine[name] = wanted
    mine["categories"] = asked.get("categories")
    shown = {
        name: mine[name] for name in _ORDER if mine.get(name) or (name in ("plural", "kind") and name in mine)
    }
    return {"plural": "", "kind": "", **shown}, reason, message


def _clashes(wanted: Any, had: Any, used: set[Any]) -> list[str]:
    if wanted == had:
        return []
    names = [one for one in wanted if one not in (had or ())] if isinstance(wanted, list) else [wanted]
    return [f"{quoted(one)} is already in use" for one in names if one and one in used]


def _aggregate(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _condition(kind: str, holds: bool, reason: str, message: str) -> Object:
    return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": message}


def _saying(definition: Object, condition: Object, now: datetime) -> Object:
    status = definition["status"]
    return {
        **definition,
        "status": {**status, "conditions": _with(status.get("conditions") or [], condition, now)},
    }


def _with(conditions: Sequence[Object], new: Object, now: datetime) -> list[Object]:
    """Return conditions with one set; its time changes with its status only."""
    old = next((one for one in conditions if one["type"] == new["type"]), None)
    since = (
        now.strftime("%Y-%m-%dT%H:%M:%SZ")
        if old is None or old["status"] != new["status"]
        else old["lastTransitionTime"]
    )
    made = {
        "type": new["type"],
        "status": new["status"],
        "lastTransitionTime": since,
        "reason": new["reason"],
        "message": new["message"],
    }
    return [*conditions, made] if old is None else [made if one is old else one for one in conditions]
