"""What Services are given, and which of their wishes are refused, in a real server's words."""

from typing import Any

import pytest

from hub.sandbox.kinds.addresses import Ranges, allocated, given_to
from hub.sandbox.kinds.rules import rules_of
from tests.hub.sandbox.kinds.recorded import told

_RANGES = Ranges(addresses="10.0.0.0/24")


def _service(**spec: Any) -> Any:
    value = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "s"},
        "spec": {"ports": [{"port": 80}], **spec},
    }
    return rules_of("", "Service").with_defaults(value)


def _stored(**spec: Any) -> Any:
    value, refused = allocated(None, _service(**spec), ())
    assert not refused
    return value


def test_a_service_gets_an_address_that_no_other_has() -> None:
    first = _stored()

    second, _ = allocated(None, _service(), [first])

    assert (first["spec"]["clusterIP"], second["spec"]["clusterIP"]) == ("10.0.0.1", "10.0.0.2")
    assert second["spec"]["clusterIPs"] == ["10.0.0.2"]


def test_one_port_of_two_protocols_has_one_number() -> None:
    ports = [
        {"port": 80, "name": "a"},
        {"port": 80, "name": "b", "protocol": "UDP"},
        {"port": 81, "name": "c"},
    ]

    value = _stored(type="NodePort", ports=ports)

    assert [one["nodePort"] for one in value["spec"]["ports"]] == [30000, 30000, 30001]
    assert given_to(value) == ({"10.0.0.1"}, {30000, 30001})


def test_two_ports_may_wish_for_one_number() -> None:
    ports = [
        {"port": 80, "name": "a", "nodePort": 31999},
        {"port": 80, "name": "b", "protocol": "UDP", "nodePort": 31999},
    ]

    assert allocated(None, _service(type="NodePort", ports=ports), ())[1] == ()


def test_a_changed_service_keeps_what_it_has() -> None:
    before = _stored(type="NodePort")
    after = rules_of("", "Service").for_update(before, _service(type="NodePort", selector={"a": "b"}))

    value, refused = allocated(before, after, [before])

    assert refused == ()
    assert given_to(value) == given_to(before)


@pytest.mark.parametrize(
    ("spec", "field", "message"),
    [
        (
            {"clusterIP": "10.0.0.1"},
            "spec.clusterIPs",
            'Invalid value: ["10.0.0.1"]: failed to allocate IP 10.0.0.1: provided IP is already allocated',
        ),
        (
            {"clusterIP": "1.2.3.4"},
            "spec.clusterIPs",
            'Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided IP (1.2.3.4) is not in the valid range. '
            "The range of valid IPs is 10.0.0.0/24",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30000}]},
            "spec.ports[0].nodePort",
            "Invalid value: 30000: provided port is already allocated",
        ),
        (
            {"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]},
            "spec.ports[0].nodePort",
            "Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            "spec.ipFamilyPolicy",
            'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
        ),
        (
            {"ipFamilies": ["IPv6"]},
            "spec.ipFamilies[0]",
            'Invalid value: "IPv6": not configured on this cluster',
        ),
    ],
)
def test_a_wish_that_cannot_be_granted_is_refused(spec: Any, field: str, message: str) -> None:
    other = _stored(type="NodePort")

    _, refused = allocated(None, _service(**spec), [other], _RANGES)

    assert told(refused) == [(field, "FieldValueInvalid", message)]
