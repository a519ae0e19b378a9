"""How a delivery stands with the hub itself: where it is to run and what hinders it before any agent is asked. Values on a board.

Whoever places deliveries says it, whoever writes status reads it; what agents say of it is in their reports.
"""

from dataclasses import dataclass

from agent.model.content import Bundle
from agent.model.names import ClusterId, HomeName
from hub.model.cluster import ClusterName
from hub.model.metadata import Uid

DELETING = "Deleting"
"""Why a delivery that was deleted is there yet: some cluster has not let go of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What hinders a delivery. Stalled: until somebody changes something; else it is tried again. A quiet one is no event."""

    reason: str
    message: str
    is_stalled: bool = False
    is_quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One cluster of a delivery, the Bundle that is wished for there, the revision it is of, and the delivery's generation that goes with
    it; none when nothing is known yet. `hub_namespace` is where the delivery is in the management cluster.

    `was_applied`: the Bundle is not known here, but a hub that knew it saw the delivery ready at this revision and generation.
    """

    id: ClusterId
    home: HomeName
    cluster: ClusterName
    hub_namespace: str = ""
    bundle: Bundle | None = None
    revision: str = ""
    generation: int = 0
    was_applied: bool = False
    problem: Problem | None = None

    @property
    def key(self) -> tuple[ClusterId, HomeName]:
        return (self.id, self.home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The newest word on one delivery, for one generation of it.

    `revision` is the source's that was tried last, `origin_revision` what that was made from, and `attempted` the last of which the path was
    found.
    """

    uid: Uid
    generation: int
    revision: str = ""
    origin_revision: str = ""
    attempted: str = ""
    targets: tuple[Target, ...] = ()
    problem: Problem | None = None
    is_suspended: bool = False
