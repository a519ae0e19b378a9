"""The reconciler's waiting times."""

from dataclasses import dataclass

from agent.kit.reconcile import Backoff


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcilerSettings:
    """Times in seconds; `scale` is for those that come with assignments."""

    dependency_retry_s: float = 30.0
    health_poll_s: float = 5.0
    workers: int = 4
    backoff: Backoff
    scale: float = 1.0
