"""What becomes of the objects of a delivery that is deleted, by each of its fields that have a say in that."""

import pytest

from agent.model.assignment import Tombstone
from agent.model.report import Stage
from tests.hub.delivery.test_controller import one_cluster, running
from tests.hub.hand import settle

TABLE = [
    # deletionPolicy, prune, suspend: are the objects deleted?
    (None, True, False, True),
    (None, False, False, False),
    ("MirrorPrune", True, False, True),
    ("MirrorPrune", False, False, False),
    ("Delete", True, False, True),
    ("Delete", False, False, True),
    ("Orphan", True, False, False),
    ("Orphan", False, False, False),
    (None, True, True, False),
    ("Delete", True, True, False),
    ("Delete", False, True, False),
    ("Orphan", True, True, False),
]


@pytest.mark.parametrize(("policy", "prune", "suspend", "deletes"), TABLE)
async def test_the_objects_of_a_deleted_delivery_are_deleted_or_stay(
    policy: str | None, prune: bool, suspend: bool, deletes: bool
) -> None:
    rig = one_cluster()
    spec = {"prune": prune} | ({"deletionPolicy": policy} if policy else {})
    rig.deliver(spec=spec)
    async with running(rig):
        rig.connect("management")
        rig.report("management", Stage.READY)
        if suspend:
            rig.deliver(spec=spec | {"suspend": True})
            await settle()
        rig.delete()
        await settle()
        found = rig.wish("management")
        assert isinstance(found, Tombstone)
        assert found.delete_objects is deletes
