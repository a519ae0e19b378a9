"""When waiting for health ends, and what is said then."""

from agent.apply.waiting import Verdict, judge
from agent.model.health import Health, HealthStatus
from agent.model.names import ObjectRef

WEB = ObjectRef("apps", "Deployment", "web", "web")
DB = ObjectRef("apps", "StatefulSet", "web", "db")
CURRENT = Health(status=HealthStatus.CURRENT)
BEHIND = Health(status=HealthStatus.IN_PROGRESS)
BROKEN = Health(status=HealthStatus.FAILED)


def test_all_current_is_healthy_even_after_the_timeout() -> None:
    wait = judge({WEB: CURRENT, DB: CURRENT}, waited_s=61, timeout_s=60)
    assert (wait.verdict, wait.message) == (Verdict.HEALTHY, "Health check passed in 1m1s")


def test_nothing_to_wait_for_is_healthy() -> None:
    assert judge({}, waited_s=0.1234, timeout_s=60).message == "Health check passed in 123ms"


def test_what_is_behind_is_waited_for() -> None:
    wait = judge({WEB: BEHIND, DB: CURRENT}, waited_s=59, timeout_s=60)
    assert (wait.verdict, wait.message) == (Verdict.NOT_YET, "")


def test_the_timeout_names_all_that_are_behind() -> None:
    wait = judge({WEB: BEHIND, DB: Health(status=HealthStatus.NOT_FOUND)}, waited_s=60, timeout_s=60)
    assert wait.verdict is Verdict.FAILED
    assert wait.message == (
        "health check failed after 1m0s: timeout waiting for: "
        "[Deployment/web/web status: 'InProgress', StatefulSet/web/db status: 'NotFound']"
    )


def test_a_failed_one_ends_the_wait_and_is_named_alone() -> None:
    wait = judge({WEB: BROKEN, DB: BEHIND}, waited_s=3, timeout_s=60)
    assert wait.message == (
        "health check failed after 3s: failed early due to stalled resources: [Deployment/web/web status: 'Failed']"
    )


def test_what_cannot_be_told_says_why_and_a_kind_that_is_not_served_that_it_cannot_be_told() -> None:
    unread = Health(status=HealthStatus.UNKNOWN, reason="Forbidden", message="may not read")
    unserved = Health(status=HealthStatus.UNKNOWN, reason="UnknownKind", message="no matches")
    wait = judge({WEB: unread, DB: unserved}, waited_s=60, timeout_s=60)
    assert wait.message == (
        "health check failed after 1m0s: timeout waiting for: "
        "[Deployment/web/web status: 'Unknown': may not read, can't determine status for StatefulSet/web/db]"
    )
