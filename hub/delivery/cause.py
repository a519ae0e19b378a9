"""Which trace a build and a wish are part of. Pure.

A commit is the cause until it is applied, else a request that is not answered yet. What else makes the hub build or wish, such as its own
start or another interval, is no step of a commit that arrived long ago.
"""

from agent.kit.tracing import NO_TRACE, Traceparent
from hub.model.kustomization import Kustomization
from hub.model.source import Artifact


def cause_of_build(delivery: Kustomization, artifact: Artifact) -> Traceparent:
    """Return what a build of this artifact follows from."""
    is_applied = artifact.revision == delivery.status.last_applied_revision
    return open_request(delivery) if is_applied else artifact.traceparent


def open_request(delivery: Kustomization) -> Traceparent:
    """Return the trace of the request that waits for an answer."""
    metadata = delivery.metadata
    is_open = metadata.requested_at != delivery.status.last_handled_reconcile_at
    return metadata.requested_trace if is_open else NO_TRACE
