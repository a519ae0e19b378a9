"""Which requests an assignment carries: the newest, and an approval for the very Bundle it is of."""

import pytest

from agent.model.names import Digest
from hub.delivery.assigning import open_approvals, tokens
from hub.delivery.placement import Placement, place
from tests.hub.delivery.samples import EU, US, delivery, in_fleet, prod, world

WORLD = world(EU, US, fleets=(prod(),))
MINE, OTHER = Digest("sha256:" + "1" * 64), Digest("sha256:" + "2" * 64)
APPROVE = "fleet.cartwheel.dev/approve-prune"


def placement(name: str) -> Placement:
    placed = place(in_fleet().metadata, WORLD).placements
    return next(one for one in placed if one.cluster.metadata.name == name)


@pytest.mark.parametrize(
    ("approved", "passed"),
    [
        pytest.param(MINE, True, id="everywhere"),
        pytest.param(f"{MINE}@apps/eu-1", True, id="here"),
        pytest.param(f"{MINE}@apps/us-1", False, id="elsewhere"),
        pytest.param(OTHER, False, id="another build"),
        pytest.param(f"{OTHER}, {MINE}", True, id="among others"),
        pytest.param("", False, id="none"),
    ],
)
def test_an_approval_is_for_one_bundle_and_its_clusters(approved: str, passed: bool) -> None:
    found = tokens(delivery(annotations={APPROVE: approved}), placement("eu-1"), MINE)
    assert found == ({"approve-prune": MINE} if passed else {})


def test_an_approval_is_open_while_its_bundle_is_wished_for_where_it_counts() -> None:
    given = delivery(annotations={APPROVE: f"{MINE}@apps/eu-1,{MINE}@apps/us-1,{OTHER}"})
    bundles = [(placement("eu-1"), MINE), (placement("us-1"), Digest("sha256:" + "3" * 64))]
    assert open_approvals(given, bundles) == (f"{MINE}@apps/eu-1",)
