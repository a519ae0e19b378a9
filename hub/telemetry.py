"""How loops over resources tell of themselves: in logs by the object, in metrics under the names by which Flux's dashboards know them.

State: one series per object that is there. What Flux counts per controller is counted per kind.
"""

from collections.abc import Callable
from typing import assert_never

from agent.kit.reconcile import Result
from agent.kit.telemetry import Telemetry
from agent.kube.watch import Key
from hub.model.kinds import Kind

# Ten from a hundredth of a second to half an hour, each as many times the one before.
_BUCKETS_S = tuple(0.01 * 180_000 ** (number / 9) for number in range(10))


def about(field: str, kind: Kind) -> Callable[[Key], dict[str, str]]:
    """Return what gives the field that all logs about an object of a kind carry."""
    return lambda key: {field: f"{kind}/{key[0]}/{key[1]}"}


class ResourceMeter:
    """Measures a loop over the objects of one kind; `exists` tells whether one is there."""

    def __init__(self, telemetry: Telemetry, kind: Kind, exists: Callable[[Key], bool]) -> None:
        self._kind = kind
        self._exists = exists
        self._duration = telemetry.histogram(
            "gotk_reconcile_duration_seconds",
            "The duration of a pass over a resource.",
            buckets=_BUCKETS_S,
            kind=(),
            name=(),
            namespace=(),
        )
        self._controller = kind.lower()
        self._passes = telemetry.counter(
            "controller_runtime_reconcile", "Passes by their result.", controller=(), result=()
        )
        self._errors = telemetry.counter(
            "controller_runtime_reconcile_errors", "Passes that failed.", controller=()
        )
        for result in Result:
            self._passes.labels(self._controller, _word(result))
        self._errors.labels(self._controller)

    def finished(self, key: Key, result: Result, seconds: float) -> None:
        """Note a pass; one over an object that has gone leaves nothing."""
        self._passes.labels(self._controller, _word(result)).inc()
        if result in (Result.FAILED, Result.DEFECT):
            self._errors.labels(self._controller).inc()
        if self._exists(key):
            self._duration.labels(self._kind, key[1], key[0]).observe(seconds)
        else:
            self.forgotten(key)

    def forgotten(self, key: Key) -> None:
        """Drop the series of an object that has gone."""
        self._duration.remove(self._kind, key[1], key[0])


def _word(result: Result) -> str:
    """Return the result as controller-runtime words it."""
    match result:
        case Result.DONE | Result.STALLED:
            return "success"
        case Result.AGAIN | Result.WAITING:
            return "requeue_after"
        case Result.FAILED | Result.DEFECT:
            return "error"
        case _:
            assert_never(result)
