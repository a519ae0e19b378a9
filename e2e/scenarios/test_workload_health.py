"""What becomes of workloads decides whether a delivery that waits for them is Ready, and the message names who is to blame."""

import re
from datetime import UTC, datetime

from e2e.scenarios.fleet import Fleet
from e2e.scenarios.single import Single, delivered, job, of_pods
from e2e.servers.git_http import GitHttp


def test_pods_that_crash_fail_their_stateful_set_at_once_until_they_run(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    def database(image: str) -> dict[str, str]:
        return {"db": of_pods("StatefulSet", "db", f"{namespace}-work", image, serviceName="db")}

    with delivered(fleet, git_server, namespace, database("db:crash"), wait=True, timeout="5m") as single:
        message = single.until("False", "HealthCheckFailed")
        named = f"StatefulSet/{single.place}/db status: 'Failed'"
        wanted = rf"health check failed after \S+: failed early due to stalled resources: \[{named}\]"
        assert re.fullmatch(wanted, message)
        assert fleet.condition("kustomization", namespace, "Healthy") == (
            "False",
            "HealthCheckFailed",
            message,
        )
        commit = single.commit(database("db:1"))
        # A StatefulSet does not replace a Pod that never became ready (a known limit of Kubernetes): a person does.
        fleet.until(lambda: image_of(single) == "db:1")
        single.plane.kubectl("delete", "pod", "db-0", "-n", single.place, "--grace-period=0", "--force")
        fleet.until_ready(namespace, revision=commit)
        assert fleet.condition("kustomization", namespace, "Healthy")[0] == "True"


def image_of(single: Single) -> str:
    found = single.plane.get("statefulset", "db", "-n", single.place)
    return str(found["spec"]["template"]["spec"]["containers"][0]["image"])


def test_what_does_not_start_in_time_is_named_with_all_others(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place = f"{namespace}-work"
    files = {
        "web": of_pods("Deployment", "web", place, "web:bad"),
        "api": of_pods("Deployment", "api", place, "api:crash"),
        "node": of_pods("DaemonSet", "node", place, "node:crash"),
        "db": of_pods("StatefulSet", "db", place, "db:bad", serviceName="db"),
        "ok": of_pods("Deployment", "ok", place, "ok:1"),
    }
    with delivered(fleet, git_server, namespace, files, wait=True, timeout="40s") as single:
        message = single.until("False", "HealthCheckFailed")
        # Times are divided by ten.
        assert re.match(r"health check failed after [4-9]s: timeout waiting for: \[", message)
        for named in ("Deployment/{}/web", "Deployment/{}/api", "DaemonSet/{}/node", "StatefulSet/{}/db"):
            assert f"{named.format(place)} status: 'InProgress'" in message
        assert "/ok " not in message
        commit = single.commit(dict.fromkeys(("web", "api", "node", "db")))
        fleet.until_ready(namespace, revision=commit)


def test_a_job_that_fails_is_told_and_one_that_is_removed_after_its_end_is_not_run_again(
    fleet: Fleet, git_server: GitHttp, namespace: str
) -> None:
    place, since = f"{namespace}-work", datetime.now(UTC)
    files = {"job": job("migrate", place, "job:fail", ttlSecondsAfterFinished=3600)}
    with delivered(fleet, git_server, namespace, files, wait=True, timeout="5m", interval="10s") as single:
        single.until("False", "HealthCheckFailed", f"Job/{place}/migrate status: 'Failed'")
        commit = single.commit({"job": None, "next": job("next", place, ttlSecondsAfterFinished=1)})
        fleet.until_ready(namespace, revision=commit)
        fleet.until(lambda: single.plane.get("job", "next", "-n", place) is None)
        # It stays so over several intervals, of a second each.
        before = len(fleet.management.get("events", "-n", "flux-system")["items"])
        single.plane.kubectl("create", "configmap", "clock", "-n", place)
        fleet.until(lambda: age_s(single) >= 5)
        assert fleet.ready(namespace)[0] == "True"
        made = [one for one in single.written(since) if one[1] == "jobs" and one[0] != "delete"]
        assert sorted(made) == [("patch", "jobs", "migrate"), ("patch", "jobs", "next")]
        assert len(fleet.management.get("events", "-n", "flux-system")["items"]) == before


def age_s(single: Single) -> float:
    made = single.plane.get("configmap", "clock", "-n", single.place)["metadata"]["creationTimestamp"]
    return (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds()
