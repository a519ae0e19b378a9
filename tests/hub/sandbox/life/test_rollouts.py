"""How a Deployment's ReplicaSets grow and shrink, step by step."""

import pytest

from agent.kube.api import Object
from hub.sandbox.life.rollouts import steps


def replica_set(name: str, replicas: int, available: int) -> Object:
    status = {"replicas": replicas, "availableReplicas": available}
    return {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": status}


def deployment(replicas: int, surge: int | str = "25%", missing: int | str = "25%") -> Object:
    rolling = {"maxSurge": surge, "maxUnavailable": missing}
    return {"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}


@pytest.mark.parametrize(
    ("wanted", "new", "old", "expected"),
    [
        pytest.param(deployment(3), (0, 0), [], {"new": 3}, id="a first set gets all"),
        pytest.param(deployment(3), (0, 0), [(3, 3)], {"new": 1}, id="grows by the surge"),
        pytest.param(deployment(10), (0, 0), [(10, 10)], {"new": 3}, id="a share of the surge is rounded up"),
        pytest.param(deployment(3), (1, 0), [(3, 3)], {}, id="waits for what is new to serve"),
        pytest.param(deployment(3), (1, 1), [(3, 3)], {"old-0": 2}, id="the old goes when the new serves"),
        pytest.param(deployment(8), (2, 0), [(8, 8)], {"old-0": 6}, id="some may be missing"),
        pytest.param(
            deployment(3, 0, 1), (0, 0), [(3, 3)], {"old-0": 2}, id="without surge the old goes first"
        ),
        pytest.param(
            deployment(3), (1, 0), [(1, 0), (2, 2)], {}, id="unserved ones stay when the new do not serve"
        ),
        pytest.param(
            deployment(3), (1, 1), [(1, 0), (2, 2)], {"old-0": 0}, id="those go first that do not serve"
        ),
        pytest.param(deployment(2), (5, 5), [], {"new": 2}, id="shrinks at once"),
        pytest.param(deployment(3), (3, 3), [(0, 0)], {}, id="is done"),
        pytest.param(deployment(0), (0, 0), [(2, 2)], {"old-0": 0}, id="nothing is wanted"),
    ],
)
def test_the_next_step(
    wanted: Object, new: tuple[int, int], old: list[tuple[int, int]], expected: dict[str, int]
) -> None:
    sets = [replica_set(f"old-{number}", *counts) for number, counts in enumerate(old)]
    found = steps(wanted, replica_set("new", *new), sets)
    assert {one.replica_set["metadata"]["name"]: one.replicas for one in found} == expected
