"""What is known of each delivery since this process began. In memory only: what must survive is on the desk."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.apply.convergence import Known
from agent.apply.fights import Fights
from agent.kit.tracing import NO_TRACE, Traceparent
from agent.model.head import Head
from agent.model.names import HomeName, ObjectRef


@dataclass(slots=True)
class DeliveryState:
    """One delivery, `is_new` until it is first looked at: what was last verified of its objects, the Bundle last seen healthy, and the revision with the assignment it is of.

    `in_use_since_s` is since when it would have left, but for others that have objects in its namespaces.
    `traceparent` is what its reports follow from until it is Ready, `failed_step` the failure of which assignment was told last.
    """

    fights: Fights
    is_new: bool = True
    known: Mapping[ObjectRef, Known] = field(default_factory=dict)
    healthy: str = ""
    revision: str = ""
    revision_of: bytes = b""
    prune_held: tuple[str, ...] = ()
    prune_words: tuple[str, ...] = ()
    in_use_since_s: float | None = None
    traceparent: Traceparent = NO_TRACE
    failed_step: tuple[bytes, str] = (b"", "")


class States:
    """The states of all deliveries, made when first asked for. `fight_window_s` is within which a fight begins."""

    def __init__(self, fight_window_s: float) -> None:
        self._fight_window_s = fight_window_s
        self._states: dict[HomeName, DeliveryState] = {}

    def of(self, home: HomeName) -> DeliveryState:
        found = self._states.get(home)
        if found is None:
            found = self._states[home] = DeliveryState(fights=Fights(self._fight_window_s))
        return found

    def revision(self, head: Head) -> str:
        """Return the revision of its source that a delivery is at: that of its assignment, or of a mark that came since."""
        state = self.of(head.home)
        return state.revision if state.revision_of == head.raw_assignment else head.revision

    def forget(self, home: HomeName) -> None:
        self._states.pop(home, None)
