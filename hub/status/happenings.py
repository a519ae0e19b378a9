"""What agents told once, as events of the delivery in the management cluster. Pure."""

from typing import assert_never

from agent.model.report import Notice, NoticeKind
from hub.model.events import REVISION, Event, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.model.standing import Standing, Target

CLUSTER = "cluster"


def event_of(notice: Notice, delivery: Kustomization, standing: Standing, target: Target) -> Event:
    """Return the event; with several clusters the message begins with the cluster's name."""
    name = target.cluster.name
    message = f"{name}: {notice.message}" if len(standing.targets) > 1 else notice.message
    is_of_target = target.bundle is not None and target.bundle.digest == notice.bundle
    revision = target.revision if is_of_target else standing.revision
    return event(
        TYPES[Kind.KUSTOMIZATION].api_version,
        str(Kind.KUSTOMIZATION),
        delivery.metadata,
        severity=_severity(notice.kind),
        reason=notice.reason or str(notice.kind),
        message=message,
        facts={CLUSTER: name} | ({REVISION: revision} if revision else {}),
    )


def _severity(kind: NoticeKind) -> Severity:
    match kind:
        case NoticeKind.FAILED:
            return Severity.ERROR
        case (
            NoticeKind.APPLIED
            | NoticeKind.PRUNED
            | NoticeKind.DRIFT_DETECTED
            | NoticeKind.DRIFT_CORRECTED
            | NoticeKind.HEALTH_PASSED
        ):
            return Severity.INFO
        case _:
            assert_never(kind)
