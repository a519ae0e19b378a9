"""A scrape says of each resource what Flux's dashboards ask for, and nothing that only its owner may know."""

from typing import Any

import pytest

from agent.kit.reconcile import Backoff
from agent.model.names import ClusterId
from hub.model.kinds import Kind
from hub.model.wish import Boards, Presence
from hub.status.exposition import Exposition
from hub.store import Store
from tests.hub.hand import START, Hand, Middle
from tests.hub.management import Management
from tests.hub.model.samples import git, kustomization, resource


def exposed(
    *values: tuple[Kind, dict[str, Any]], boards: Boards | None = None
) -> dict[str, list[dict[str, str]]]:
    """Return the labels of every sample that is not 0, by metric."""
    store = Store(Management(Hand()), clock=Hand(), randomness=Middle(), backoff=Backoff())
    for kind, value in values:
        value["metadata"] |= {"resourceVersion": "1"}
        mirror = store.git_repositories if kind is Kind.GIT_REPOSITORY else store.kustomizations
        mirror.changed(value)
    found: dict[str, list[dict[str, str]]] = {}
    for family in Exposition(store, boards or Boards()).collect():
        for sample in family.samples:
            if sample.value:
                found.setdefault(sample.name, []).append(sample.labels)
    return found


def with_status(value: dict[str, Any], **status: Any) -> dict[str, Any]:
    return {**value, "status": status}


def ready(status: str) -> list[dict[str, str]]:
    return [
        {
            "type": "Ready",
            "status": status,
            "reason": "R",
            "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ]


@pytest.mark.parametrize("status", ["True", "False", "Unknown"])
def test_a_delivery_s_state_is_told(status: str) -> None:
    value = resource(Kind.KUSTOMIZATION, kustomization(suspend=True))
    told = exposed(
        (
            Kind.KUSTOMIZATION,
            with_status(value, conditions=ready(status), lastAppliedRevision="main@sha1:1"),
        )
    )
    (info,) = told["gotk_resource_info"]
    assert (info["ready"], info["suspended"], info["revision"]) == (status, "true", "main@sha1:1")
    place = {"kind": "Kustomization", "name": "webapp", "namespace": "apps"}
    assert told["gotk_suspend_status"] == [place]
    assert told["gotk_reconcile_condition"] == [place | {"type": "Ready", "status": status}]


def test_what_is_not_told_yet_is_unknown() -> None:
    (info,) = exposed((Kind.KUSTOMIZATION, resource(Kind.KUSTOMIZATION, kustomization())))[
        "gotk_resource_info"
    ]
    assert (info["ready"], info["suspended"], info["revision"]) == ("Unknown", "false", "")


def test_a_password_in_a_url_is_not_told() -> None:
    value = resource(Kind.GIT_REPOSITORY, git(url="https://ada:s3cret@example.com/webapp"))
    assert "s3cret" not in repr(exposed((Kind.GIT_REPOSITORY, value)))


def test_agents_are_counted_while_they_are_connected() -> None:
    boards = Boards()
    for name, connected in (("a", True), ("b", True), ("c", False)):
        boards.presence.put(
            ClusterId(name), Presence(connected=connected, since=START, last_seen=START, term=1)
        )
    family = next(
        one
        for one in Exposition(
            Store(Management(Hand()), clock=Hand(), randomness=Middle(), backoff=Backoff()), boards
        ).collect()
        if one.name == "cartwheel_agents_connected"
    )
    assert [sample.value for sample in family.samples] == [2]
