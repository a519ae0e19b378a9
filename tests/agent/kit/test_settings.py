"""Settings come from the environment, times scaled together, and a bad one is named."""

import pytest

from agent.kit.settings import Environment, SettingInvalid


def test_times_are_scaled_together() -> None:
    environment = Environment({"CARTWHEEL_TIME_SCALE": "0.1", "CARTWHEEL_POLL_S": "20"})
    assert environment.seconds("POLL", 30.0) == pytest.approx(2.0)
    assert environment.seconds("RETRY", 30.0) == pytest.approx(3.0)


def test_numbers_are_not_scaled() -> None:
    assert Environment({"CARTWHEEL_TIME_SCALE": "0.1"}).count("WORKERS", 4) == 4


@pytest.mark.parametrize("text", ["soon", "1.5"])
def test_a_count_that_is_none_is_named(text: str) -> None:
    with pytest.raises(SettingInvalid, match="CARTWHEEL_WORKERS"):
        Environment({"CARTWHEEL_WORKERS": text}).count("WORKERS", 4)


@pytest.mark.parametrize(
    ("variables", "traces"),
    [
        pytest.param({}, False, id="no-collector"),
        pytest.param({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, True, id="collector"),
        pytest.param({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4317"}, True, id="for-traces"),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_SDK_DISABLED": "true"},
            False,
            id="disabled",
        ),
        pytest.param(
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_TRACES_EXPORTER": "none"}, False, id="none"
        ),
    ],
)
def test_traces_are_off_unless_a_collector_is_named(variables: dict[str, str], traces: bool) -> None:
    assert Environment(variables).traces is traces


def test_a_protocol_that_is_not_spoken_is_named() -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    with pytest.raises(SettingInvalid, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'http/protobuf'"):
        _ = Environment(variables).traces


def test_what_must_be_set_is_named() -> None:
    with pytest.raises(SettingInvalid, match="CARTWHEEL_NAMESPACE"):
        Environment({}).text("NAMESPACE")


@pytest.mark.parametrize(("text", "on"), [("", False), ("false", False), ("true", True), ("True", True)])
def test_a_flag_is_on_when_it_says_so(text: str, on: bool) -> None:
    assert Environment({"CARTWHEEL_LOUD": text}).flag("LOUD") is on


def test_a_flag_that_is_neither_is_named() -> None:
    with pytest.raises(SettingInvalid, match="CARTWHEEL_LOUD is 'yes'; it is either true or false"):
        Environment({"CARTWHEEL_LOUD": "yes"}).flag("LOUD")
