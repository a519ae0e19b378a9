"""Standings, targets, reports and presences to make verdicts of."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agent.model.content import EMPTY, Bundle, Index, Manifest
from agent.model.names import ClusterId, HomeName, ObjectRef, timestamp
from agent.model.report import Report, Stage
from hub.model.cluster import ClusterName
from hub.model.kustomization import Kustomization
from hub.model.standing import Problem, Standing, Target
from hub.model.wish import Presence
from hub.status.verdict import Patience, Verdict, judge

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE = Patience(began=NOW - timedelta(hours=1), unknown_after=timedelta(seconds=60))
HOME = HomeName(kind="Kustomization", namespace="apps", name="webapp")


def bundle(*names: str) -> Bundle:
    entries = []
    for name in names:
        ref = ObjectRef(group="", kind="ConfigMap", namespace="apps", name=name)
        value = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "apps"}}
        entries.append(Manifest.of(value, ref).entry())
    return Bundle(base=Index.of(entries), overlay=EMPTY)


BUNDLE = bundle("a", "b")


def target(name: str = "eu-1", **more: Any) -> Target:
    given: dict[str, Any] = {
        "id": ClusterId(f"id-of-{name}"),
        "home": HOME,
        "cluster": ClusterName(namespace="apps", name=name),
        "hub_namespace": "apps",
        "bundle": BUNDLE,
        "revision": "main@sha1:1",
    }
    return Target(**(given | more))


def report(name: str = "eu-1", stage: Stage = Stage.READY, **more: Any) -> Report:
    gone = Report.gone(ClusterId(f"id-of-{name}"), HOME, "u-1", as_of=NOW)
    values = {one: getattr(gone, one) for one in gone.__dataclass_fields__}
    return Report(**(values | {"stage": stage, "bundle": BUNDLE.digest, "applied_once": True} | more))


def connected(since_s: float = 600, *, has_it: bool = True) -> Presence:
    """Return the presence of an agent that came with the delivery on its desk, or without."""
    return Presence(
        connected=True,
        since=NOW - timedelta(seconds=since_s),
        last_seen=NOW,
        term=1,
        agent_version="1.0",
        desk=frozenset({(HOME, "u-1")} if has_it else ()),
    )


def away(for_s: float) -> Presence:
    then = NOW - timedelta(seconds=for_s)
    return Presence(connected=False, since=then, last_seen=then, term=1)


def verdict(
    name: str = "eu-1",
    said: Report | None = None,
    presence: Presence | None = None,
    *,
    written: str = "",
    **more: Any,
) -> Verdict:
    return judge(
        target(name, **more), "u-1", said, presence, patience=PATIENCE, now=NOW, written=lambda _: written
    )


def ready(name: str = "eu-1") -> Verdict:
    return verdict(name, report(name), connected())


def failed(name: str = "eu-1", reason: str = "HealthCheckFailed", message: str = "it broke") -> Verdict:
    return verdict(name, report(name, Stage.FAILED, reason=reason, message=message), connected())


def held(name: str = "eu-1", *ids: str) -> Verdict:
    return verdict(name, report(name, prune_held=ids or ("apps_x__ConfigMap",)), connected())


def lost(name: str = "us-1", for_s: float = 240) -> Verdict:
    return verdict(name, report(name), away(for_s))


def standing(*targets: Target, problem: Problem | None = None, **more: Any) -> Standing:
    given: dict[str, Any] = {"revision": "main@sha1:1", "attempted": "main@sha1:1"}
    return Standing(
        uid=more.pop("uid", "u-1"),
        generation=2,
        targets=targets or (target(),),
        problem=problem,
        **(given | more),
    )


def delivery(status: dict[str, Any] | None = None, **metadata: Any) -> Kustomization:
    return Kustomization.parse(
        {
            "metadata": {"name": "webapp", "namespace": "apps", "uid": "u-1", "generation": 2} | metadata,
            "spec": {
                "interval": "10m",
                "prune": True,
                "sourceRef": {"kind": "GitRepository", "name": "webapp"},
            },
            "status": status or {},
        }
    )


def told(at: datetime) -> str:
    return timestamp(at)
