"""The templates that a StatefulSet or a DaemonSet has had, each in a ControllerRevision."""

from agent.kube.api import Object
from hub.sandbox.kinds.values import at, copied
from hub.sandbox.life.kinds import REVISIONS
from hub.sandbox.life.reading import hash_of
from hub.sandbox.life.world import World
from hub.sandbox.storage import KindKey

LABEL = "controller-revision-hash"


def revision_of(world: World, kind: KindKey, owner: Object, *, label: str) -> Object:
    """Return the revision of an owner's template, made when it is new, the newest when it is one of before. `label` is where the revision
    carries the hash of the template."""
    template, name = owner["spec"]["template"], owner["metadata"]["name"]
    named = hash_of(template)
    known = world.children(owner, REVISIONS)
    newest = max((one["revision"] for one in known), default=0)
    found = next((one for one in known if one["metadata"]["name"] == f"{name}-{named}"), None)
    if found is not None:
        is_newest = found["revision"] == newest
        return found if is_newest else world.update(REVISIONS, {**found, "revision": newest + 1})
    labels = {**(at(template, "metadata", "labels") or {}), label: named}
    annotations = at(owner, "metadata", "annotations") or {}
    revision = {
        "metadata": {
            "name": f"{name}-{named}",
            "namespace": owner["metadata"]["namespace"],
            "labels": labels,
            **({"annotations": annotations} if annotations else {}),
            "ownerReferences": world.owned_by(kind, owner),
        },
        "data": {"spec": {"template": {**copied(template), "$patch": "replace"}}},
        "revision": newest + 1,
    }
    return world.create(REVISIONS, revision)


def forget_revisions(world: World, owner: Object, used: set[str]) -> None:
    """Delete the oldest revisions beyond those that are kept to go back to; `used` are the names of those that are no history."""
    unused = [one for one in world.children(owner, REVISIONS) if one["metadata"]["name"] not in used]
    unused.sort(key=lambda one: int(one["revision"]))
    limit = at(owner, "spec", "revisionHistoryLimit")
    for one in unused[: max(len(unused) - (10 if limit is None else limit), 0)]:
        world.delete(REVISIONS, one)
