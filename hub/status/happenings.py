"""What agents told once, as events of the delivery in the management cluster. Pure."""

from collections.abc import Sequence
from typing import assert_never

from agent.model.report import Notice, NoticeKind
from hub.model.events import REVISION, Event, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.model.standing import Standing, Target
from hub.status.summary import MAX_NAMED

CLUSTER = "cluster"


def event_of(notice: Notice, delivery: Kustomization, standing: Standing, targets: Sequence[Target]) -> Event:
    """Return the event of what these clusters told; where there are others, too, the message begins with their names."""
    name = _named(targets)
    message = f"{name}: {notice.message}" if len(standing.targets) > 1 else notice.message
    current = (one for one in targets if one.bundle is not None and one.bundle.digest == notice.bundle)
    revision = next((one.revision for one in current), standing.revision)
    return event(
        TYPES[Kind.KUSTOMIZATION].api_version,
        str(Kind.KUSTOMIZATION),
        delivery.metadata,
        severity=_severity(notice.kind),
        reason=notice.reason or str(notice.kind),
        message=message,
        facts={CLUSTER: name} | ({REVISION: revision} if revision else {}),
    )


def _named(targets: Sequence[Target]) -> str:
    names = ", ".join(one.cluster.name for one in targets[:MAX_NAMED])
    more = len(targets) - MAX_NAMED
    return f"{names} and {more} more" if more > 0 else names


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
