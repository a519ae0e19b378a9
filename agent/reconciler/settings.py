"""The reconciler's waiting times."""

from dataclasses import dataclass

from agent.apply.fights import WINDOW_S
from agent.kit.reconcile import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """Times in seconds; `scale` is for those that come with assignments.

    `move_wait_s` is how long deletions wait for deliveries of the same source that are behind: objects may be about to come to them.
    `in_use_wait_s` is how long what leaves waits for those who have objects in its namespaces and of its kinds: they may leave as well.
    """

    dependency_retry_s: float = 30.0
    health_poll_s: float = 5.0
    catch_up_s: float = 5.0
    fight_window_s: float = WINDOW_S
    in_use_wait_s: float = 60.0
    move_wait_s: float = 30.0
    workers: int = 4
    backoff: Backoff
    scale: float = 1.0
