"""The row of a Pod: the phase is the least of what people want to know of it. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from hub.sandbox.kinds.values import at
from hub.sandbox.tables.row import NONE, Cells, Row, condition, containers_texts, labels_text

_DONE = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def conditions(value: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return what a row says of a Pod that is at its end."""
    phase = at(value, "status", "phase")
    if phase not in _DONE:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _DONE[phase]}]


def _pod(row: Row) -> list[Any]:
    starting, is_starting = _starting(row)
    if is_starting and condition(row.value, "Initialized").get("status") != "True":
        reason, counted = starting, list(_before_first_failure(row))
        ready = sum(map(_is_ready_helper, _helpers(row)))
    else:
        reason, ready = _running(row, starting)
        ready += sum(map(_is_ready_helper, _helpers(row)))
        counted = [*_helpers(row), *row.items("status", "containerStatuses")]
    wanted = len(row.items("spec", "containers")) + len(_helper_names(row))
    return [
        row.name,
        f"{ready}/{wanted}",
        _leaving(row, reason),
        _restarts(row, counted),
        row.age,
        at((row.items("status", "podIPs") or [{}])[0], "ip") or NONE,
        row.text("spec", "nodeName") or NONE,
        row.text("status", "nominatedNodeName") or NONE,
        _gates(row),
    ]


def _helper_names(row: Row) -> set[str]:
    """Return the names of the init containers that go on running beside the others."""
    return {
        one["name"] for one in row.items("spec", "initContainers") if one.get("restartPolicy") == "Always"
    }


def _helpers(row: Row) -> list[Any]:
    names = _helper_names(row)
    return [one for one in _before_first_failure(row) if one.get("name") in names]


def _before_first_failure(row: Row) -> Iterator[Any]:
    """Yield the statuses of init containers up to the one that holds up the Pod."""
    names = _helper_names(row)
    for one in row.items("status", "initContainerStatuses"):
        yield one
        if not _is_past(one, is_helper=one.get("name") in names):
            return


def _is_ready_helper(status: Mapping[str, Any]) -> bool:
    is_done = at(status, "state", "terminated") is not None and not at(
        status, "state", "terminated", "exitCode"
    )
    return not is_done and bool(status.get("started") and status.get("ready"))


def _is_past(status: Mapping[str, Any], *, is_helper: bool) -> bool:
    ended = at(status, "state", "terminated")
    return (ended is not None and not ended.get("exitCode")) or (is_helper and bool(status.get("started")))


def _starting(row: Row) -> tuple[str, bool]:
    """Return why a Pod is where it is by its phase and its init containers, and whether those are still at work."""
    reason = row.text("status", "reason") or row.text("status", "phase")
    if condition(row.value, "PodScheduled").get("reason") == "SchedulingGated":
        reason = "SchedulingGated"
    names = _helper_names(row)
    for index, one in enumerate(row.items("status", "initContainerStatuses")):
        if _is_past(one, is_helper=one.get("name") in names):
            continue
        ended, waiting = at(one, "state", "terminated"), at(one, "state", "waiting", "reason")
        if ended is not None:
            return f"Init:{_end(ended)}", True
        if waiting and waiting != "PodInitializing":
            return f"Init:{waiting}", True
        return f"Init:{index}/{len(row.items('spec', 'initContainers'))}", True
    return reason, False


def _running(row: Row, reason: str) -> tuple[str, int]:
    """Return why a Pod is where it is by its containers, and how many of them are ready."""
    ready, problem = 0, ""
    for one in reversed(row.items("status", "containerStatuses")):
        ended, waiting = at(one, "state", "terminated"), at(one, "state", "waiting", "reason")
        if waiting:
            reason = waiting
        elif ended is not None:
            reason = _end(ended)
            problem = reason if ended.get("exitCode") else problem
        elif one.get("ready") and at(one, "state", "running") is not None:
            ready += 1
    if reason == "Completed":
        if ready and condition(row.value, "Ready").get("status") == "True":
            reason = "Running"
        elif problem:
            reason = problem
        elif ready:
            reason = "NotReady"
    return reason, ready


def _end(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _leaving(row: Row, reason: str) -> str:
    if row.is_leaving and row.text("status", "reason") == "NodeLost":
        return "Unknown"
    is_over = row.text("status", "phase") in _DONE
    return "Terminating" if row.is_leaving and not is_over else reason


def _restarts(row: Row, statuses: list[Any]) -> str:
    count = sum(one.get("restartCount") or 0 for one in statuses)
    ends = [at(one, "lastState", "terminated", "finishedAt") for one in statuses]
    last = max(filter(None, ends), default="")
    return f"{count} ({row.since(last)} ago)" if count and last else str(count)


def _gates(row: Row) -> str:
    gates = [one.get("conditionType") for one in row.items("spec", "readinessGates")]
    if not gates:
        return NONE
    passed = sum(condition(row.value, one).get("status") == "True" for one in gates)
    return f"{passed}/{len(gates)}"


def _template(row: Row) -> list[Any]:
    pods = row.mapping("template")
    return [
        row.name,
        *containers_texts(at(pods, "spec") or {}),
        labels_text(at(pods, "metadata", "labels")),
    ]


CELLS: Mapping[str, Cells] = {"/pods": _pod, "/podtemplates": _template}
