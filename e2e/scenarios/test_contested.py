"""Somebody who takes a field back whenever it is put right is named on the delivery, and not fought at every turn."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.scenarios.fleet import Fleet, config_map
from e2e.scenarios.single import Single, delivered
from e2e.servers.git_http import GitHttp


@pytest.mark.slow
def test_a_manager_that_keeps_taking_a_field_back_is_named_and_left_until_the_interval(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place = f"{namespace}-work"
    with delivered(fleet, git_server, namespace, {"a": config_map("a", place, text="one")}) as single:
        fleet.until_ready(namespace)
        with operator(single):
            fleet.until(lambda: fleet.condition("kustomization", namespace, "DriftContested")[0] == "True")
            message = fleet.condition("kustomization", namespace, "DriftContested")[2]
            assert message == f"east: operator keeps changing data.text of ConfigMap/{place}/a"
            kept = f"operator keeps changing data.text of ConfigMap/{place}/a"
            put_back = f"ConfigMap/{place}/a: data.text was changed by operator and is put back"
            fleet.until(
                lambda: (
                    told(single)
                    == {
                        ("DriftCorrected", put_back): 3,
                        (
                            "DriftDetected",
                            f"{kept}; from now on it is put back at the interval only",
                        ): 1,
                    }
                ),
                lambda: str(told(single)),
            )
            # The third time it is put back is told before the operator has looked again; after that it is left.
            fleet.until(lambda: text(single) == "theirs", lambda: text(single))
        # A new wish does not wait.
        commit = single.commit({"a": config_map("a", place, text="two")})
        fleet.until_ready(namespace, revision=commit)
        assert text(single) == "two"


@contextmanager
def operator(single: Single) -> Iterator[None]:
    """Take the text back whenever it is what Git says, until the block ends."""
    ends = threading.Event()

    def take() -> None:
        patch = ("patch", "configmap", "a", "--type=merge", "-p", '{"data": {"text": "theirs"}}')
        while not ends.wait(0.2):
            if text(single) == "one":
                single.plane.kubectl(*patch, "--field-manager=operator", "-n", single.place)

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def text(single: Single) -> str:
    return str(single.plane.get("configmap", "a", "-n", single.place)["data"]["text"])


def told(single: Single) -> dict[tuple[str, str], int]:
    """Return the events about drift of the delivery, by reason and message, and how often each was told."""
    events = single.fleet.management.get("events", "-n", "flux-system")["items"]
    return {
        (one["reason"], one["message"]): one.get("count", 1)
        for one in events
        if one["involvedObject"]["name"] == single.name and one["reason"].startswith("Drift")
    }
