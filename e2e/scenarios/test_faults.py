"""What is killed, cut off, frozen or empty heals alone: nothing is applied twice, nothing deleted, and nobody says what nobody knows."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from e2e.planes.plane import Plane
from e2e.scenarios.fleet import AGENT, HUB_POD, SYSTEM, Fleet, config_map, namespace_manifest
from e2e.servers.admission import Gate
from e2e.servers.git_http import GitHttp
from e2e.servers.repository import Repository

pytestmark = pytest.mark.slow

RESOURCES = """\
apiVersion: fleet.cartwheel.dev/v1alpha1
kind: Fleet
metadata: {{name: prod, namespace: flux-system}}
spec: {{clusterSelector: {{matchLabels: {{tier: prod}}}}}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {{name: {id}, namespace: flux-system}}
spec: {{interval: 1m, url: "{url}", ref: {{branch: main}}}}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {{name: {id}, namespace: flux-system, labels: {{fleet.cartwheel.dev/fleet: prod}}}}
spec: {{interval: 10m, prune: true, path: ./it, sourceRef: {{kind: GitRepository, name: {id}}}}}
"""
NAMES = ("a", "b", "c")
FROZEN = "harness=frozen"
LEADING = '"event": "leading"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One delivery that runs in east and west: ConfigMaps in the namespace `place`, with one text each."""

    fleet: Fleet
    repository: Repository
    name: str
    place: str

    @property
    def east(self) -> Plane:
        return self.fleet.workloads["east"]

    @property
    def west(self) -> Plane:
        return self.fleet.workloads["west"]

    def commit(self, **texts: str | None) -> str:
        """Commit ConfigMaps with these texts; None takes one away."""
        files = {
            f"it/{name}.yaml": None if text is None else config_map(name, self.place, text=text)
            for name, text in texts.items()
        }
        return self.repository.commit(files, "Change something")

    def fetch(self) -> None:
        """Have the source fetched now, without waiting for it."""
        now = f"reconcile.fluxcd.io/requestedAt={datetime.now(UTC).isoformat()}"
        self.fleet.management.kubectl(
            "annotate", "gitrepository", self.name, now, "--overwrite", "-n", "flux-system"
        )

    def texts(self, plane: Plane) -> dict[str, str]:
        """Return the ConfigMaps that are in a cluster, each with its text."""
        found = plane.get("configmaps", "-n", self.place)["items"]
        return {one["metadata"]["name"]: one["data"]["text"] for one in found if "text" in one["data"]}

    def until_texts(self, *planes: Plane, **texts: str) -> None:
        """Wait until clusters hold exactly these."""

        def tell() -> str:
            return str([self.texts(plane) for plane in planes])

        self.fleet.until(lambda: all(self.texts(plane) == texts for plane in planes), tell, timeout_s=60.0)

    def drift(self, plane: Plane, name: str) -> None:
        """Change a ConfigMap past Git, and wait until that is put back."""
        patch = '{"data": {"text": "drift"}}'
        plane.kubectl("patch", "configmap", name, "--type=merge", "-p", patch, "-n", self.place)
        self.fleet.until(lambda: self.texts(plane)[name] != "drift", timeout_s=30.0)

    def until_told_of_drift(self, plane: Plane, name: str) -> None:
        """Wait until an event says that an object was put back in a cluster."""

        def events() -> list[str]:
            found = self.fleet.management.get("events", "-n", "flux-system")["items"]
            mine = [one for one in found if one["involvedObject"]["name"] == self.name]
            return [one["message"] for one in mine if one["reason"] == "DriftCorrected"]

        self.fleet.until(
            lambda: any(plane.name in one and f"{self.place}/{name}" in one for one in events()),
            lambda: str(events()),
            timeout_s=60.0,
        )

    def written(self, plane: Plane, since: datetime) -> list[str]:
        """Return the names of the objects that the agent really wrote in a cluster, one for each write."""
        return sorted(
            f"{one.name}{' deleted' if one.verb == 'delete' else ''}"
            for one in plane.audit(since)
            if self.place in (one.namespace, one.name)
            and one.user.endswith(":cartwheel-agent")
            and not one.dry_run
            and one.code < 300
        )

    def until_unknown(self, *clusters: str) -> None:
        """Wait until the hub says of clusters that it does not know how they are."""

        def said() -> list[set[str]]:
            return [self.conditions(type_, *clusters) for type_ in ("Connected", "Ready")]

        self.fleet.until(lambda: said() == [{"False"}, {"Unknown"}], lambda: str(said()), timeout_s=60.0)

    def sessions(self) -> list[dict[str, Any]]:
        """Return what the Clusters say of the sessions of their agents."""
        found = [
            self.fleet.management.get("cluster", name, "-n", "flux-system") for name in self.fleet.workloads
        ]
        return [one["status"]["session"] for one in found]

    def conditions(self, type_: str, *clusters: str) -> set[str]:
        """Return what a condition is on clusters, all of them when none is named."""
        return {self.fleet.condition("cluster", name, type_)[0] for name in clusters or self.fleet.workloads}


@pytest.fixture
def running(fleet: Fleet, git_server: GitHttp, namespace: str) -> Iterator[Running]:
    """A delivery, Ready in both clusters."""
    place = f"{namespace}-work"
    repository = git_server.repository(namespace)
    found = Running(fleet=fleet, repository=repository, name=namespace, place=place)
    repository.commit({"it/namespace.yaml": namespace_manifest(place)}, "Begin")
    commit = found.commit(**dict.fromkeys(NAMES, "one"))
    fleet.apply(RESOURCES.format(id=namespace, url=git_server.url(namespace)))
    fleet.until_ready(namespace, revision=commit)
    yield found
    kinds = "kustomization,gitrepository"
    fleet.management.kubectl("delete", kinds, namespace, "-n", "flux-system", "--timeout=60s")


def test_a_hub_killed_during_an_apply_leaves_the_agent_to_finish_it(running: Running, tmp_path: Path) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    with Gate(tmp_path, running.east, namespace=running.place, name="b") as gate:
        commit = running.commit(a="two", b="two")
        running.fetch()
        gate.until_reached()
        fleet.management.pods.kill9(SYSTEM, HUB_POD)
    running.until_texts(running.east, running.west, a="two", b="two", c="one")
    fleet.until_ready(running.name, revision=commit)
    for plane in fleet.workloads.values():
        assert running.written(plane, since) == ["a", "b"]


def test_an_agent_killed_during_an_apply_finishes_it_and_leaves_no_orphan(
    running: Running, tmp_path: Path
) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    with Gate(tmp_path, running.east, namespace=running.place, name="new") as gate:
        running.commit(a="two", new="one")
        running.fetch()
        gate.until_reached()
        running.east.pods.kill9(SYSTEM, AGENT)
        gate.until_reached(times=2)
    running.until_texts(running.east, running.west, a="two", b="one", c="one", new="one")
    assert running.written(running.east, since) == ["a", "new"]
    since = datetime.now(UTC)
    commit = running.commit(new=None)
    running.fetch()
    fleet.until_ready(running.name, revision=commit)
    running.until_texts(running.east, running.west, a="two", b="one", c="one")
    assert running.written(running.east, since) == ["new deleted"]


def test_drift_is_put_back_without_the_hub_and_told_when_it_is_there_again(running: Running) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    fleet.scale(fleet.management, HUB_POD, 0)
    try:
        running.east.pods.kill9(SYSTEM, AGENT)
        running.drift(running.east, "a")
        running.drift(running.west, "b")
    finally:
        fleet.scale(fleet.management, HUB_POD, 1)
    running.until_told_of_drift(running.east, "a")
    running.until_told_of_drift(running.west, "b")
    fleet.until_ready(running.name)
    assert running.written(running.east, since) == ["a"]
    assert running.written(running.west, since) == ["b"]


def test_a_workload_api_server_that_was_away_is_caught_up_with(running: Running) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    running.west.kill_apiserver()
    try:
        commit = running.commit(a="while away")
        running.fetch()
        running.until_texts(running.east, a="while away", b="one", c="one")
        running.until_unknown("west")
        fleet.until(lambda: "west" in fleet.ready(running.name)[2], lambda: str(fleet.ready(running.name)))
    finally:
        running.west.restart_apiserver()
    running.until_texts(running.west, a="while away", b="one", c="one")
    fleet.until(lambda: fleet.condition("cluster", "west", "Ready")[0] == "True", timeout_s=60.0)
    fleet.until_ready(running.name, revision=commit)
    for plane in fleet.workloads.values():
        assert running.written(plane, since) == ["a"]


def test_a_frozen_network_makes_status_unknown_and_heals(running: Running) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    fleet.management.pods.partition()
    try:
        running.drift(running.east, "c")
        running.until_unknown("east", "west")
        fleet.until(lambda: fleet.ready(running.name)[0] == "Unknown", lambda: str(fleet.ready(running.name)))
        commit = running.commit(a="while cut off")
        running.fetch()
    finally:
        fleet.management.pods.heal()
    fleet.until_ready(running.name, revision=commit)
    running.until_texts(running.east, running.west, a="while cut off", b="one", c="one")
    running.until_told_of_drift(running.east, "c")
    assert running.written(running.east, since) == ["a", "c"]
    assert running.written(running.west, since) == ["a"]


def ready_since(running: Running) -> tuple[str, str]:
    """Return the delivery's condition Ready, and since when it is so."""
    status = running.fleet.management.get("kustomization", running.name, "-n", "flux-system")["status"]
    return next(
        (one["status"], one["lastTransitionTime"]) for one in status["conditions"] if one["type"] == "Ready"
    )


def test_a_hub_with_an_empty_disk_and_no_git_server_touches_nothing(
    running: Running, git_server: GitHttp
) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    before = ready_since(running)
    git_server.stop()
    try:
        fleet.management.pods.kill9(SYSTEM, HUB_POD)
        fleet.scale(fleet.management, HUB_POD, 1)
        fleet.until(
            lambda: fleet.condition("gitrepository", running.name, "Ready")[0] == "False",
            lambda: str(fleet.condition("gitrepository", running.name, "Ready")),
            timeout_s=60.0,
        )
        # Everybody is there, and has what was seen ready at this very commit.
        fleet.until(
            lambda: running.conditions("Connected") == running.conditions("Ready") == {"True"},
            lambda: str(running.conditions("Ready")),
            timeout_s=60.0,
        )
        assert ready_since(running) == before
        running.drift(running.east, "a")
    finally:
        git_server.start()
    commit = running.commit(b="two")
    running.fetch()
    fleet.until_ready(running.name, revision=commit)
    running.until_texts(running.east, running.west, a="one", b="two", c="one")
    assert running.written(running.east, since) == ["a", "b"]
    assert running.written(running.west, since) == ["b"]


def acting(plane: Plane, selector: str) -> str:
    """Return the name of the Pod that acts: of all that run just the one that is ready and holds the Lease; empty when it is not so."""
    lease = plane.get("lease", selector.partition("=")[2], "-n", SYSTEM) or {"spec": {}}
    ready = [
        one["metadata"]["name"]
        for one in pods(plane, selector)
        if any((it["type"], it["status"]) == ("Ready", "True") for it in one["status"].get("conditions", ()))
    ]
    return "".join(ready) if ready == [lease["spec"].get("holderIdentity")] else ""


def pods(plane: Plane, selector: str) -> list[dict[str, Any]]:
    """Return the Pods that are to run and do."""
    found = plane.get("pods", "-l", selector, "-n", SYSTEM)["items"]
    return [
        one
        for one in found
        if one["status"].get("phase") == "Running" and "deletionTimestamp" not in one["metadata"]
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two hubs or two agents of one cluster, of which `first` acts."""

    fleet: Fleet
    plane: Plane
    selector: str
    first: str

    @property
    def second(self) -> str:
        """Return the one that waits."""
        (name,) = {str(one["metadata"]["name"]) for one in pods(self.plane, self.selector)} - {self.first}
        return name

    def log(self, name: str) -> str:
        return self.plane.pods.logs(SYSTEM, name)

    def mark_first(self) -> None:
        """Give the one that acts a label by which it alone can be frozen, and wait until that is seen."""
        self.plane.kubectl("label", "pod", self.first, FROZEN, "-n", SYSTEM)

        def is_seen() -> bool:
            try:
                return self.plane.pods.pid(SYSTEM, FROZEN) > 0
            except LookupError:
                return False

        self.fleet.until(is_seen)

    def until_followed(self) -> str:
        """Wait until another acts than the first, and return its name."""
        self.fleet.until(
            lambda: acting(self.plane, self.selector) not in ("", self.first),
            lambda: str(pods(self.plane, self.selector)),
            timeout_s=60.0,
        )
        return acting(self.plane, self.selector)


@contextmanager
def pair(fleet: Fleet, plane: Plane, selector: str) -> Iterator[Pair]:
    """Start two at once, and leave one in the end."""
    try:
        fleet.scale(plane, selector, 2)
        fleet.until(lambda: len(pods(plane, selector)) == 2 and acting(plane, selector), timeout_s=60.0)
        yield Pair(fleet=fleet, plane=plane, selector=selector, first=acting(plane, selector))
    finally:
        fleet.scale(plane, selector, 1)
        fleet.until(lambda: len(pods(plane, selector)) == 1 and acting(plane, selector), timeout_s=60.0)


def test_of_two_that_start_at_once_one_acts_and_the_other_follows_when_it_dies(running: Running) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    with pair(fleet, fleet.management, HUB_POD) as hubs, pair(fleet, running.east, AGENT) as agents:
        waiting = hubs.second, agents.second
        commit = running.commit(a="by the first")
        running.fetch()
        fleet.until_ready(running.name, revision=commit)
        for two in (hubs, agents):
            assert acting(two.plane, two.selector) == two.first
            assert LEADING not in two.log(two.second)
            two.plane.kubectl("delete", "pod", two.first, "--grace-period=0", "--force", "-n", SYSTEM)
        assert (hubs.until_followed(), agents.until_followed()) == waiting
        commit = running.commit(b="by the second")
        running.fetch()
        fleet.until_ready(running.name, revision=commit)
        running.until_texts(running.east, running.west, a="by the first", b="by the second", c="one")
    for plane in fleet.workloads.values():
        assert running.written(plane, since) == ["a", "b"]


@pytest.mark.parametrize("who", ["hub", "agent"])
def test_one_that_was_frozen_and_replaced_writes_nothing_when_it_goes_on(running: Running, who: str) -> None:
    fleet, since = running.fleet, datetime.now(UTC)
    plane, selector = (fleet.management, HUB_POD) if who == "hub" else (running.east, AGENT)
    with pair(fleet, plane, selector) as two:
        two.mark_first()
        # It is stopped with work in its hands, and more comes for it: drift, and agents that were silent for long.
        commit = running.commit(b="by the second")
        running.fetch()
        plane.pods.freeze(SYSTEM, FROZEN)
        frozen = datetime.now(UTC)
        second = two.until_followed()
        fleet.until_ready(running.name, revision=commit)
        running.drift(running.east, "c")
        thawed = datetime.now(UTC)
        plane.pods.thaw(SYSTEM, FROZEN)
        fleet.until(lambda: '"LeaseLost"' in two.log(two.first))
        fleet.until(lambda: restarts(plane, two.first) == 1)
        running.drift(running.east, "b")
        fleet.until_ready(running.name, revision=commit)
        assert acting(plane, selector) == second
        if who == "hub":
            assert {one["hub"] for one in running.sessions()} == {second}
        assert second in {one.pod for one in plane.audit(frozen)}
        # What it was sending when it was frozen came half, and the server gives up on it only later: that wrote nothing.
        sent = [
            one
            for one in plane.audit(thawed)
            if one.pod == two.first and one.code != HTTPStatus.GATEWAY_TIMEOUT
        ]
        assert sent == []
    assert running.written(running.east, since) == ["b", "b", "c"]
    assert running.written(running.west, since) == ["b"]


def restarts(plane: Plane, pod: str) -> int:
    """Return how often the Pod's container was started again."""
    status = plane.get("pod", pod, "-n", SYSTEM)["status"]
    return int(status["containerStatuses"][0]["restartCount"])
