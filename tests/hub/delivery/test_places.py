"""Where deliveries are placed, as the store has them at the moment."""

import pytest

from agent.kit.errors import Transient
from agent.kit.reconcile import Backoff
from hub.delivery.places import Places
from hub.model.cluster import ClusterName
from hub.model.wish import Boards
from hub.store import Store
from tests.fakes.clock import FakeClock, SeededRandomness
from tests.fakes.cluster import Cluster
from tests.hub.delivery.samples import delivery


def test_a_delivery_that_was_deleted_while_it_is_worked_on_is_tried_again() -> None:
    clock = FakeClock()
    api = Cluster(clock, with_kinds=True).api()
    store = Store(api, clock=clock, randomness=SeededRandomness(), backoff=Backoff())
    places = Places(store, Boards(), ClusterName(namespace="apps", name="management"))
    with pytest.raises(Transient, match="webapp is not there any more"):
        places.of(delivery())
