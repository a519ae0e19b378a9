"""Events: they are forgotten after an hour."""

from hub.sandbox.life.kinds import EVENTS
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_KEPT_S = 3600.0


def keep(world: World, place: Place) -> float | None:
    """Delete an event when it is old."""
    event = world.get(EVENTS, place)
    if event is None:
        return None
    last = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"]["creationTimestamp"]
    left_s = world.left_s(last, _KEPT_S)
    if left_s <= 0:
        world.delete(EVENTS, event)
        return None
    return left_s
