"""What is known of one placement: how far it is, whether that can still be believed, and in which words. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from agent.model.report import Report, Stage
from hub.model.installation import CLUSTERS_NAMESPACE
from hub.model.kustomization import PRUNE_HELD
from hub.model.standing import Problem, Target
from hub.model.wish import Presence
from hub.model.wording import first_of

DISCONNECTED = "Disconnected"
PROGRESSING = "Progressing"
SUCCEEDED = "ReconciliationSucceeded"
IN_PROGRESS = "Reconciliation in progress"


_TOLERANCE = timedelta(seconds=5)


class State(StrEnum):
    """How a placement stands."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    WAITING = "Waiting"
    HELD = "PruneHeld"  # applied, and what is to go waits for a person
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DISCONNECTED = "Disconnected"
    UNTOLD = "Untold"  # the hub began lately, and the agent may yet return


_UNPROVEN = frozenset({State.PROGRESSING, State.WAITING, State.HELD, State.FAILED})
"""What does not lapse when a cluster is away: nobody has ever seen that it is good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """For how long an agent that is away is believed: what was true when the hub began, and what it last said."""

    began: datetime
    unknown_after: timedelta

    def is_new(self, now: datetime) -> bool:
        """Tell whether the hub began so lately that what it does not know yet may be as it was."""
        return now - self.began <= self.unknown_after

    def has_lapsed(self, presence: Presence | None, now: datetime) -> bool:
        """Tell whether an agent is not provably alive any more."""
        if presence is not None and presence.connected:
            return now - presence.last_seen > self.unknown_after
        away_since = self.began if presence is None else max(presence.last_seen, self.began)
        # A clock that was put back tells nothing of how long it is; then there is no proof either.
        return not -_TOLERANCE <= now - away_since <= self.unknown_after


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The word on one placement. `report` is the agent's, when it is about this delivery; `away_since` is set for one that is away."""

    target: Target
    state: State
    reason: str
    message: str
    report: Report | None = None
    away_since: datetime | None = None

    @property
    def name(self) -> str:
        return self.target.cluster.name

    @property
    def is_connected(self) -> bool:
        return self.away_since is None

    def has_handled(self, token: str, asked: str) -> bool:
        """Tell whether the agent acted on a request."""
        return self.report is not None and self.report.handled.get(token) == asked


def judge(
    target: Target,
    uid: str,
    report: Report | None,
    presence: Presence | None,
    *,
    patience: Patience,
    now: datetime,
    written: Callable[[Target], str] = lambda target: "",
) -> Verdict:
    """Weigh what the hub wishes against what the agent last said of the delivery with this UID. Of one that is away only a good word lapses.

    `written` gives the state that was written of a placement last, empty for one that was in step or is not known: what this hub heard
    nothing of was good unless that says otherwise.
    """
    if report is not None and (report.uid != uid or report.stage is Stage.GONE):
        report = None
    problem = target.problem
    state, reason, message = _said(target, report)
    if problem is not None and state is not State.FAILED:
        state, reason, message = _hindered(problem), problem.reason, problem.message
    away_since = None
    if patience.has_lapsed(presence, now):
        away_since = presence.last_seen if presence is not None else patience.began
        is_unsaid = problem is None and not is_current(target, report)
        if state is State.READY or (is_unsaid and written(target) not in _UNPROVEN):
            state = State.DISCONNECTED
        if state is State.DISCONNECTED or (is_unsaid and report is None):
            reason = DISCONNECTED
            message = f"Cluster {target.cluster.name} is not connected since {away_since:%Y-%m-%dT%H:%M:%SZ}"
    elif (
        problem is None
        and not is_current(target, report)
        and (
            target.bundle is None or (report is None and _may_yet_tell(target, uid, presence, patience, now))
        )
    ):
        state = State.UNTOLD
    return Verdict(
        target=target,
        state=state,
        reason=reason,
        message=message,
        report=report,
        away_since=away_since,
    )


def is_current(target: Target, report: Report | None) -> bool:
    """Tell whether a report is about exactly the Bundle that is wished for, by the delivery's spec as it goes with it.

    Which one that is a hub may not be able to tell, for want of the source's files; then it is the one that was seen ready before.
    """
    if report is None:
        return False
    if target.bundle is None:
        return target.was_applied and report.generation == target.generation
    return (report.bundle, report.generation) == (target.bundle.digest, target.generation)


def _may_yet_tell(
    target: Target, uid: str, presence: Presence | None, patience: Patience, now: datetime
) -> bool:
    """Tell whether nothing was heard because the hub began or the agent came a moment ago; what was not on its desk then is new there."""
    if presence is None:
        return True
    if (target.home, uid) not in presence.desk:
        return False
    return not presence.connected or now - presence.since <= patience.unknown_after


def _said(target: Target, report: Report | None) -> tuple[State, str, str]:
    if report is None or not is_current(target, report):
        return State.PROGRESSING, PROGRESSING, IN_PROGRESS
    match report.stage:
        case Stage.READY if report.prune_held:
            return State.HELD, PRUNE_HELD, held_message(target, report)
        case Stage.READY:
            return State.READY, SUCCEEDED, f"Applied revision: {target.revision}"
        case Stage.FAILED:
            return State.FAILED, report.reason, report.message
        case Stage.WAITING:
            return State.WAITING, report.reason, report.message
        case Stage.SUSPENDED:
            return State.SUSPENDED, report.reason, report.message
        case Stage.APPLYING | Stage.CHECKING | Stage.GONE:
            return State.PROGRESSING, report.reason or PROGRESSING, report.message or IN_PROGRESS


def held_message(target: Target, report: Report, *, build: str = "", anywhere: bool = False) -> str:
    """Say what is not deleted, and what a person types to have it deleted, there or in all clusters; the ids come last: they may be long."""
    name, of, ids = target.cluster, target.hub_namespace, report.prune_held
    place = "" if of == CLUSTERS_NAMESPACE else f" -n {of}"
    # A Cluster of another namespace is its delivery's only one, and is not found by its name from there.
    cluster = f" --cluster {name.name}" if name.namespace == of and not anywhere else ""
    objects = "1 object" if len(ids) == 1 else f"{len(ids)} objects"
    objects += weighed(report)
    command = f"hub approve prune {target.home.name}{place}{cluster}"
    by = f" by build {build}" if build else ""
    return f"{objects} would be deleted{by} and stay until that is approved with `{command}`: {first_of(ids)}"


def weighed(report: Report) -> str:
    """Return in brackets what would go along with what is held, empty when that is nothing."""
    return f" ({first_of(report.prune_words)})" if report.prune_words else ""


def _hindered(problem: Problem) -> State:
    return State.WAITING if problem.is_quiet else State.FAILED
