"""PersistentVolumes: what phase they are in, and an end to those whose claim is gone."""

from hub.sandbox.kinds.values import at
from hub.sandbox.life.kinds import CLAIMS, VOLUMES
from hub.sandbox.life.reading import is_leaving
from hub.sandbox.life.world import World
from hub.sandbox.storage import Place

_PROTECTION = "kubernetes.io/pv-protection"
_RELEASED = "Released"


def keep(world: World, place: Place) -> float | None:
    """Say in which phase a volume is; delete it when its claim is gone and it is not to be kept."""
    volume = world.get(VOLUMES, place)
    if volume is None:
        return None
    reference = at(volume, "spec", "claimRef") or {}
    claim = (
        world.get(CLAIMS, (reference.get("namespace") or "", reference.get("name") or ""))
        if reference
        else None
    )
    is_bound = claim is not None and reference.get("uid") == claim["metadata"]["uid"]
    if is_leaving(volume):
        if not is_bound:
            world.let_go(VOLUMES, volume, _PROTECTION)
        return None
    phase = "Bound" if is_bound else _RELEASED if reference.get("uid") else "Available"
    if at(volume, "status", "phase") != phase:
        status = {**(volume.get("status") or {}), "phase": phase, "lastPhaseTransitionTime": world.stamp()}
        volume = world.set_status(VOLUMES, volume, status)
    if phase == _RELEASED and at(volume, "spec", "persistentVolumeReclaimPolicy") == "Delete":
        world.delete(VOLUMES, volume)
    return None
