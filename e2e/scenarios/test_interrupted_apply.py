"""An agent killed in the middle of an apply, whose last write may yet take effect, leaves nothing behind when all files go."""

from pathlib import Path

import pytest

from e2e.scenarios.fleet import AGENT, SYSTEM, Fleet, config_map
from e2e.scenarios.single import Single, delivered
from e2e.servers.admission import Gate
from e2e.servers.git_http import GitHttp

NAMES = tuple(f"it{number}" for number in range(8))


@pytest.mark.parametrize("last", ["it0", "it5"])
def test_all_files_removed_after_a_kill_leave_no_orphan_and_no_foreign_object_is_deleted(
    fleet: Fleet, git_server: GitHttp, namespace: str, tmp_path: Path, last: str
) -> None:
    place = f"{namespace}-work"
    with delivered(fleet, git_server, namespace, {"old": config_map("old", place, text="one")}) as single:
        fleet.until_ready(namespace)
        single.plane.kubectl("create", "configmap", "theirs", "-n", place)
        with Gate(tmp_path, single.plane, namespace=place, name=last) as gate:
            single.commit({"old": None} | {name: config_map(name, place, text="one") for name in NAMES})
            gate.until_reached()
            single.plane.pods.kill9(SYSTEM, AGENT)
            # The files go while the write of the dead is still held: it takes effect after all else, when the gate opens.
            commit = single.commit(dict.fromkeys(NAMES))
        until_pruned(single, commit)
        assert {one["metadata"]["name"] for one in maps(single)} - {"kube-root-ca.crt"} == {"theirs"}


def until_pruned(single: Single, commit: str) -> None:
    """Wait until a commit is applied in full, with the approval that it needs when it deletes all that a finished apply had made."""

    def is_done() -> bool:
        if single.fleet.condition("kustomization", single.name, "PruneHeld")[0] == "True":
            single.fleet.hub("approve", "prune", single.name)
        found = single.fleet.management.get("kustomization", single.name, "-n", "flux-system")["status"]
        return found.get("lastAppliedRevision", "").endswith(commit) and not found["inventory"]["entries"]

    single.fleet.until(is_done, lambda: str(maps(single)), timeout_s=60.0)


def maps(single: Single) -> list[dict[str, dict[str, str]]]:
    return list(single.plane.get("configmaps", "-n", single.place)["items"])
