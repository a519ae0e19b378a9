"""Collections by what their objects name."""

from typing import Any

from hub.delivery.dependencies import dependencies_of
from hub.mirror import Collection, Index
from hub.model.kinds import Kind
from hub.model.kustomization import Kustomization
from tests.hub.model.samples import kustomization, resource


def needing(name: str, *needed: str, version: int = 1) -> dict[str, Any]:
    spec = kustomization(dependsOn=[{"name": one} for one in needed])
    return resource(Kind.KUSTOMIZATION, spec, name=name, uid=f"uid-{name}", resourceVersion=str(version))


def collection() -> Collection[Kustomization]:
    found: Collection[Kustomization] = Collection(None, Kustomization.parse)  # type: ignore[arg-type]
    found.changed(needing("a", "x", "y"))
    return found


def test_it_is_kept_up_as_objects_come_change_and_go() -> None:
    deliveries = collection()
    index = Index(deliveries, dependencies_of)
    deliveries.changed(needing("b", "x"))
    assert index.of(("apps", "x")) == (("apps", "a"), ("apps", "b"))
    deliveries.changed(needing("a", "y", version=2))
    assert index.of(("apps", "x")) == (("apps", "b"),)
    deliveries.removed(("apps", "b"))
    assert (index.of(("apps", "x")), index.of(("apps", "y"))) == ((), (("apps", "a"),))


def test_what_cannot_be_read_names_nothing() -> None:
    deliveries = collection()
    index = Index(deliveries, dependencies_of)
    deliveries.changed({**needing("a", version=2), "spec": {"dependsOn": 7}})
    assert ("apps", "a") in deliveries.malformed
    assert index.of(("apps", "x")) == ()


def test_it_knows_before_any_listener_that_came_later() -> None:
    deliveries = collection()
    index, seen = Index(deliveries, dependencies_of), []
    deliveries.listen(lambda key: seen.append(index.of(("apps", "z"))))
    deliveries.changed(needing("c", "z"))
    assert seen == [(("apps", "c"),)]
