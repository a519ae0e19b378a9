"""Pages of lists, and the words for what cannot be listed."""

import pytest

from agent.kube.resources import CONFIG_MAPS
from hub.sandbox.listing import Page, page_of
from hub.sandbox.refusals import Refused
from hub.sandbox.storage import Storage
from hub.sandbox.wire import Request

KIND = ("", "configmaps")


@pytest.fixture
def storage() -> Storage:
    found = Storage()
    for name in ("a", "b", "c"):
        found.put(
            KIND,
            ("apps", name),
            {"metadata": {"name": name, "labels": {"odd": "yes"} if name != "b" else {}}},
        )
    return found


def ask(storage: Storage, **query: str) -> Page:
    request = Request(method="GET", path="/", query={name: [value] for name, value in query.items()})
    return page_of(request, CONFIG_MAPS, "apps", storage)


def names(page: Page) -> list[str]:
    return [place[1] for place, _ in page.items]


def test_pages_go_on_as_of_the_version_of_the_first(storage: Storage) -> None:
    first = ask(storage, limit="2")
    storage.put(KIND, ("apps", "bb"), {"metadata": {"name": "bb"}})
    storage.remove(KIND, ("apps", "c"))
    second = ask(storage, limit="2", **{"continue": first.following})
    assert (names(first), first.remaining) == (["a", "b"], 1)
    assert (names(second), second.following) == (["c"], "")
    assert second.version == first.version


def test_how_many_follow_is_not_told_of_a_selection(storage: Storage) -> None:
    page = ask(storage, limit="1", labelSelector="odd")
    assert (names(page), page.remaining) == (["a"], None)


def test_a_token_that_is_too_old_is_refused(storage: Storage) -> None:
    token = ask(storage, limit="1").following
    storage.put(KIND, ("apps", "z"), {"metadata": {"name": "z"}})
    storage.compact()
    with pytest.raises(Refused) as refusal:
        ask(storage, **{"continue": token})
    assert (refusal.value.code, refusal.value.reason) == (410, "Expired")


@pytest.mark.parametrize(
    ("query", "code", "text"),
    [
        ({"resourceVersion": "abc"}, 400, 'strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"resourceVersion": "99"}, 504, "Timeout: Too large resource version: 99, current: 4"),
        ({"resourceVersionMatch": "Exact"}, 422, "is forbidden unless resourceVersion is provided"),
        ({"continue": "abc"}, 400, "invalid continue token: continue key is not valid"),
    ],
)
def test_what_cannot_be_listed_is_refused(
    storage: Storage, query: dict[str, str], code: int, text: str
) -> None:
    with pytest.raises(Refused) as refusal:
        ask(storage, **query)
    assert refusal.value.code == code
    assert text in refusal.value.message


def test_a_list_of_exactly_a_version_is_as_it_was(storage: Storage) -> None:
    then = storage.version
    storage.remove(KIND, ("apps", "a"))
    assert names(ask(storage, resourceVersion=str(then), resourceVersionMatch="Exact")) == ["a", "b", "c"]
    assert names(ask(storage, resourceVersion=str(then))) == ["b", "c"]
