"""What the hub writes on deliveries is what the agent reads."""

from agent.apply import weight
from hub.model import annotations


def test_hub_and_agent_mean_the_same_annotation_by_where_a_delivery_was_placed() -> None:
    assert weight.PLACED == annotations.PLACED
