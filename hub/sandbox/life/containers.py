"""What becomes of containers, by the tags of their images: how they stand so many seconds after their Pod began. Pure.

`bad` is no image that could be pulled, `crash` ends at once and is started again and again, `slow` is ready late; of Pods that are
meant to end, `fail` ends badly and `hang` never does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, assert_never

from agent.kube.api import Object
from agent.model.names import timestamp

SLOW_S = 5.0
ENDS_AFTER_S = 1.0
PULL_BACK_OFF_S = 10.0
_FIRST_BACK_OFF_S = 10.0
_LONGEST_BACK_OFF_S = 300.0


class Fate(StrEnum):
    """What becomes of a container."""

    GOOD = ""
    BAD = "bad"
    CRASH = "crash"
    SLOW = "slow"
    FAIL = "fail"
    HANG = "hang"


_FATES = {one.value: one for one in Fate}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a container stands: its status, and the seconds until that changes by itself."""

    status: Object
    after_s: float | None = None

    @property
    def has_started(self) -> bool:
        """Tell whether it ever ran."""
        return "waiting" not in self.status["state"] or bool(self.status["lastState"])

    @property
    def exit_code(self) -> int | None:
        """Return how it ended, None when it did not."""
        ended = self.status["state"].get("terminated")
        return ended["exitCode"] if ended is not None else None


def fate_of(image: str) -> Fate:
    """Return what an image's tag says."""
    return _FATES.get(image.rpartition(":")[2], Fate.GOOD)


def standing_of(container: Object, *, start: datetime, now: datetime, policy: str) -> Standing:
    """Return how a container stands that was begun at `start`; `policy` is whether it is started again when it ends."""
    image, elapsed_s = str(container.get("image") or ""), (now - start).total_seconds()
    match fate_of(image):
        case Fate.BAD:
            return _unpulled(container, elapsed_s)
        case Fate.SLOW if elapsed_s < SLOW_S:
            waiting = {"waiting": {"reason": "ContainerCreating"}}
            return Standing(status=_status(container, waiting), after_s=SLOW_S - elapsed_s)
        case Fate.SLOW:
            return _running(container, start + timedelta(seconds=SLOW_S), now, policy)
        case Fate.CRASH if policy != "Never":
            return _crashing(container, start, elapsed_s)
        case Fate.FAIL if policy == "Always":
            return _crashing(container, start, elapsed_s)
        case Fate.CRASH | Fate.FAIL:
            return Standing(status=_status(container, _ended(start, start, 1)))
        case Fate.HANG:
            return Standing(status=_status(container, _begun(start)))
        case Fate.GOOD:
            return _running(container, start, now, policy)
        case never:
            assert_never(never)


def done(container: Object, *, start: datetime) -> Object:
    """Return the status of a container that came before the others, and has done its work."""
    return {**_status(container, _ended(start, start, 0)), "ready": True, "started": False}


def waiting(container: Object, reason: str) -> Object:
    """Return the status of a container that has not been started."""
    return _status(container, {"waiting": {"reason": reason}})


def stopped(status: Object, now: datetime) -> Object:
    """Return the status of a container whose Pod was ended."""
    started = status["state"].get("running", {}).get("startedAt") or timestamp(now)
    state = _ended(datetime.fromisoformat(started), now, 143)
    return {**status, "state": state, "ready": False, "started": False}


def _running(container: Object, start: datetime, now: datetime, policy: str) -> Standing:
    if policy == "Always":
        return Standing(status=_status(container, _begun(start)))
    left_s = ENDS_AFTER_S - (now - start).total_seconds()
    if left_s > 0:
        return Standing(status=_status(container, _begun(start)), after_s=left_s)
    end = start + timedelta(seconds=ENDS_AFTER_S)
    return Standing(status=_status(container, _ended(start, end, 0)))


def _unpulled(container: Object, elapsed_s: float) -> Standing:
    image = container.get("image")
    why = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
    if elapsed_s < PULL_BACK_OFF_S:
        state = {"waiting": {"reason": "ErrImagePull", "message": why}}
        return Standing(status=_status(container, state), after_s=PULL_BACK_OFF_S - elapsed_s)
    told = f'Back-off pulling image "{image}": ErrImagePull: {why}'
    return Standing(status=_status(container, {"waiting": {"reason": "ImagePullBackOff", "message": told}}))


def _crashing(container: Object, start: datetime, elapsed_s: float) -> Standing:
    """Return how a container stands that ends as soon as it was started: what it waits for doubles every time."""
    count, began_s, pause_s = 1, 0.0, _FIRST_BACK_OFF_S
    while elapsed_s >= began_s + pause_s:
        began_s += pause_s
        pause_s = min(2 * pause_s, _LONGEST_BACK_OFF_S)
        count += 1
    last = start + timedelta(seconds=began_s)
    why = f"back-off {_spelled(pause_s)} restarting failed container={container['name']}"
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": why}}
    status = {**_status(container, state), "lastState": _ended(last, last, 1), "restartCount": count}
    return Standing(status=status, after_s=began_s + pause_s - elapsed_s)


def _spelled(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _begun(start: datetime) -> Object:
    return {"running": {"startedAt": timestamp(start)}}


def _ended(start: datetime, end: datetime, code: int) -> Object:
    return {
        "terminated": {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": timestamp(start),
            "finishedAt": timestamp(end),
        }
    }


def _status(container: Object, state: Mapping[str, Any]) -> Object:
    is_running = "running" in state
    image = str(container.get("image") or "")
    return {
        "name": container["name"],
        "state": dict(state),
        "lastState": {},
        "ready": is_running,
        "restartCount": 0,
        "image": image,
        "imageID": f"sandbox://{image}" if "waiting" not in state else "",
        "started": is_running,
    }
