"""Stored objects, their versions, and collections as they were."""

import pytest

from agent.kube.api import Object
from hub.sandbox.storage import MAX_CHANGES, Storage, TooOld

KIND = ("", "configmaps")


def named(name: str, **more: str) -> Object:
    return {"metadata": {"name": name, "namespace": "apps"}, "data": more}


def names(found: list[tuple[tuple[str, str], Object]]) -> list[str]:
    return ["/".join(place) for place, _ in found]


def test_every_write_has_the_next_version_and_leaves_what_was_read_alone() -> None:
    storage = Storage()
    first = storage.put(KIND, ("apps", "a"), named("a"))
    second = storage.put(KIND, ("apps", "a"), named("a", x="1"))
    assert int(second["metadata"]["resourceVersion"]) == int(first["metadata"]["resourceVersion"]) + 1
    assert first["data"] == {}
    assert storage.get(KIND, ("apps", "a")) is second


def test_a_list_has_the_order_of_keys_in_which_a_namespace_ends_with_a_slash() -> None:
    storage = Storage()
    for namespace in ("a", "a-b", "a0"):
        storage.put(KIND, (namespace, "x"), named("x"))
    assert names(storage.all(KIND)) == ["a-b/x", "a/x", "a0/x"]
    assert names(storage.all(KIND, "a")) == ["a/x"]


def test_a_collection_is_told_as_it_was_at_a_version() -> None:
    storage = Storage()
    storage.put(KIND, ("apps", "a"), named("a", x="1"))
    then = storage.version
    storage.put(KIND, ("apps", "a"), named("a", x="2"))
    storage.put(KIND, ("apps", "b"), named("b"))
    storage.remove(KIND, ("apps", "a"))
    assert [value["data"] for _, value in storage.all_at(KIND, "", then)] == [{"x": "1"}]
    assert names(storage.all(KIND)) == ["apps/b"]


def test_what_is_older_than_the_known_changes_is_not_told() -> None:
    storage = Storage()
    storage.put(KIND, ("apps", "a"), named("a"))
    then = storage.version
    storage.put(KIND, ("apps", "a"), named("a"))
    storage.compact()
    with pytest.raises(TooOld):
        storage.all_at(KIND, "", then)
    with pytest.raises(TooOld):
        storage.since(KIND, then)
    assert storage.since(KIND, storage.version) == []


def test_only_so_many_changes_are_kept() -> None:
    storage = Storage()
    start = storage.version
    for _ in range(MAX_CHANGES + 1):
        storage.put(KIND, ("apps", "a"), named("a"))
    with pytest.raises(TooOld):
        storage.since(KIND, start)
    assert len(storage.since(KIND, start + 1)) == MAX_CHANGES


def test_news_come_with_the_next_change_of_that_kind_only() -> None:
    storage = Storage()
    news = storage.news(KIND)
    storage.put(("", "secrets"), ("apps", "a"), named("a"))
    assert not news.is_set()
    storage.put(KIND, ("apps", "a"), named("a"))
    assert news.is_set()
    assert not storage.news(KIND).is_set()
