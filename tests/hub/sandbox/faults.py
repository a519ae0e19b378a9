"""Faults that can be planted in the servers in memory, each with the area of the table that has to find it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import pytest

from hub.sandbox import fields, listing, options, server, verbs, watching
from hub.sandbox.access import rbac
from hub.sandbox.behaviour import BuiltIn
from hub.sandbox.fields import collect, compare, merge, writes
from hub.sandbox.kinds.rule import Rules
from hub.sandbox.storage import Change
from hub.sandbox.watching import Watch

Wrong = Callable[..., Any]
# In its package the function of that name stands before the module.
_JSON_PATCH = import_module("hub.sandbox.patches.json_patch")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: what is wrong then, in which area it shows, and what is replaced: the wrong one is made of the right one."""

    name: str
    area: str
    places: tuple[tuple[Any, str], ...]
    wrong: Callable[[Any], Wrong]

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for holder, name in self.places:
            monkeypatch.setattr(holder, name, self.wrong(getattr(holder, name)))


def _always(value: Any) -> Callable[[Any], Wrong]:
    return lambda right: lambda *given, **named: value


def _by_first_key(right: Any) -> Wrong:
    return lambda of, item: right(replace(of, keys=of.keys[:1]), item)


def _without_deletions(right: Any) -> Wrong:
    def event(watch: Watch, change: Change) -> Any:
        return None if change.after is None else right(watch, change)

    return event


def _blind_to_leaving(right: Any) -> Wrong:
    def event(watch: Watch, change: Change) -> Any:
        found = right(watch, change)
        return None if found and found["type"] == "DELETED" and change.after is not None else found

    return event


def _without_limit(right: Any) -> Wrong:
    def with_defaults(self: Rules, value: Any) -> Any:
        made = right(self, value)
        made.get("spec", {}).pop("revisionHistoryLimit", None)
        return made

    return with_defaults


def _with_spec(right: Any) -> Wrong:
    def for_subresource(self: Rules, name: str, before: Any, after: Any) -> Any:
        return {**right(self, name, before, after), **({"spec": after["spec"]} if "spec" in after else {})}

    return for_subresource


def _of_all_names(right: Any) -> Wrong:
    return lambda rule, asked: right(
        {key: value for key, value in rule.items() if key != "resourceNames"}, asked
    )


def _forceless(right: Any) -> Wrong:
    return lambda live, applied, write, *, force=False: right(live, applied, write, force=False)


def _from_the_start(right: Any) -> Wrong:
    def read(text: str) -> Any:
        token = right(text)
        return type(token)(v=token.v, rv=token.rv, start="")

    return read


def _without_end(right: Any) -> Wrong:
    return lambda watch, storage: (one for one in right(watch, storage) if one["type"] != "BOOKMARK")


def _any_version(right: Any) -> Wrong:
    return lambda self, target, metadata, deletion: right(
        self, target, metadata, replace(deletion, version="")
    )


def _never_orphan(right: Any) -> Wrong:
    return lambda finalizers, propagation: right(finalizers, "" if propagation == "Orphan" else propagation)


FAULTS = (
    Fault(
        "a manager is dropped",
        "ownership",
        ((writes, "written"),),
        lambda right: lambda held: right(held)[1:],
    ),
    Fault(
        "a key of a list is ignored",
        "keyed",
        ((collect, "item_name"), (compare, "item_name"), (merge, "item_name")),
        _by_first_key,
    ),
    Fault("a dry run is stored", "ownership", ((options, "_is_dry"),), _always(False)),
    Fault("a finalizer is skipped", "leaving", ((BuiltIn, "is_held"),), _always(False)),
    Fault("generations are not counted", "listing", ((Rules, "_count"),), _always(None)),
    Fault("watches do not tell deletions", "watching", ((watching, "_event"),), _without_deletions),
    Fault(
        "watches do not tell what goes out of sight", "watching", ((watching, "_event"),), _blind_to_leaving
    ),
    Fault(
        "a deletion ignores the version", "leaving", ((verbs.Verbs, "_check_preconditions"),), _any_version
    ),
    Fault("a default is lost", "directives", ((Rules, "with_defaults"),), _without_limit),
    Fault("nothing is orphaned", "leaving", ((verbs, "_with_propagation"),), _never_orphan),
    Fault("force is ignored", "ownership", ((fields, "apply"),), _forceless),
    Fault("names of a role are ignored", "access", ((rbac, "permits"),), _of_all_names),
    Fault("a continue token begins anew", "listing", ((listing, "_read"),), _from_the_start),
    Fault("the end of initial events is not told", "watching", ((watching, "_initial"),), _without_end),
    Fault("a status write changes the spec", "ownership", ((Rules, "for_subresource"),), _with_spec),
    Fault("a test in a JSON patch always holds", "directives", ((_JSON_PATCH, "_same"),), _always(True)),
    Fault("a write of nothing counts as one", "watching", ((verbs, "_is_unchanged"),), _always(False)),
    Fault("cluster roles gather nothing", "access", ((server, "aggregated"),), _always(())),
    Fault("managers are never folded", "ownership", ((writes, "capped"),), lambda right: lambda held: held),
    Fault(
        "a leaving namespace takes things in",
        "leaving",
        ((server, "namespace_guard"),),
        _always(lambda target: None),
    ),
)
