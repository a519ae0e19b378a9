"""The only place that moves a placement to another Candidate. Pure.

A Fleet moves all at once: every placement goes to the newest Candidate that is built.
"""

from collections.abc import Iterable, Mapping

from agent.model.names import Digest
from hub.model.wish import PlacementKey


def next_candidates(
    placements: Iterable[PlacementKey], current: Mapping[PlacementKey, Digest], newest: Digest | None
) -> dict[PlacementKey, Digest]:
    """Return which Candidate each placement is to have; without a newest one each keeps what it has."""
    if newest is None:
        return {key: current[key] for key in placements if key in current}
    return dict.fromkeys(placements, newest)
