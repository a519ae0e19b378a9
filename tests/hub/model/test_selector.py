from typing import Any

import pytest

from hub.model.fleet import Fleet
from hub.model.kinds import Kind
from hub.model.selector import LabelSelector
from tests.hub.model import samples

LABELS = {"tier": "prod", "region": "eu"}


def selector(raw: dict[str, Any]) -> LabelSelector:
    return Fleet.parse(samples.resource(Kind.FLEET, {"clusterSelector": raw})).spec.cluster_selector


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param({}, True, id="an empty selector matches everything"),
        pytest.param({"matchLabels": {"tier": "prod", "region": "eu"}}, True, id="all labels equal"),
        pytest.param({"matchLabels": {"tier": "prod", "region": "us"}}, False, id="one label differs"),
        pytest.param({"matchLabels": {"zone": "a"}}, False, id="a label is absent"),
        pytest.param(expression("tier", "In", "prod", "test"), True, id="In"),
        pytest.param(expression("zone", "In", "a"), False, id="In of an absent label"),
        pytest.param(expression("tier", "NotIn", "test"), True, id="NotIn"),
        pytest.param(expression("tier", "NotIn", "prod"), False, id="NotIn of a listed value"),
        pytest.param(expression("zone", "NotIn", "a"), True, id="NotIn of an absent label"),
        pytest.param(expression("tier", "Exists"), True, id="Exists"),
        pytest.param(expression("zone", "Exists"), False, id="Exists of an absent label"),
        pytest.param(expression("zone", "DoesNotExist"), True, id="DoesNotExist"),
        pytest.param(expression("tier", "DoesNotExist"), False, id="DoesNotExist of a present label"),
        pytest.param(
            {"matchLabels": {"tier": "prod"}} | expression("region", "In", "us"), False, id="both must hold"
        ),
    ],
)
def test_a_selector_matches_as_the_api_server_does(raw: dict[str, Any], expected: bool) -> None:
    assert selector(raw).matches(LABELS) == expected
