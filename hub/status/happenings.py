"""What agents told once, as events of the delivery in the management cluster. Pure."""

from collections.abc import Sequence
from typing import assert_never

from agent.model.report import Notice, NoticeKind
from hub.model.events import REVISION, Event, Severity, event
from hub.model.kinds import TYPES, Kind
from hub.model.kustomization import Kustomization
from hub.model.standing import Standing, Target
from hub.model.wording import first_of

CLUSTER = "cluster"


def event_of(notice: Notice, delivery: Kustomization, standing: Standing, targets: Sequence[Target]) -> Event:
    """Return the event of what these clusters told; where there are others, too, the message begins with their names."""
    name = first_of([one.cluster.name for one in targets])
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
