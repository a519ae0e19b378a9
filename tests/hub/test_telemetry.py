"""Passes over resources are told as Flux tells them, and only of resources that are there."""

import pytest

from agent.kit.reconcile import Result
from agent.kit.telemetry import Telemetry
from hub.model.kinds import Kind
from hub.telemetry import ResourceMeter

KEY = ("apps", "web")


class World:
    def __init__(self) -> None:
        self.telemetry = Telemetry()
        self.there = {KEY}
        self.meter = ResourceMeter(self.telemetry, Kind.KUSTOMIZATION, self.there.__contains__)

    def sample(self, metric: str, **labels: str) -> float | None:
        return self.telemetry.registry.get_sample_value(metric, labels)

    def passes(self) -> float | None:
        return self.sample(
            "gotk_reconcile_duration_seconds_count", kind="Kustomization", name="web", namespace="apps"
        )


def test_the_buckets_go_from_a_hundredth_of_a_second_to_half_an_hour() -> None:
    world = World()
    world.meter.finished(KEY, Result.DONE, 0.5)
    bounds = [
        float(sample.labels["le"])
        for family in world.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "gotk_reconcile_duration_seconds_bucket"
    ]
    assert (len(bounds), bounds[0], round(bounds[-2], 6), bounds[-1]) == (11, 0.01, 1800.0, float("inf"))


@pytest.mark.parametrize(
    ("result", "word", "errors"),
    [
        (Result.DONE, "success", 0),
        (Result.STALLED, "success", 0),
        (Result.AGAIN, "requeue_after", 0),
        (Result.WAITING, "requeue_after", 0),
        (Result.FAILED, "error", 1),
        (Result.DEFECT, "error", 1),
    ],
)
def test_a_result_is_worded_as_controller_runtime_words_it(result: Result, word: str, errors: int) -> None:
    world = World()
    world.meter.finished(KEY, result, 0.5)
    controller = {"controller": "kustomization"}
    assert world.sample("controller_runtime_reconcile_total", **controller, result=word) == 1
    assert world.sample("controller_runtime_reconcile_errors_total", **controller) == errors


def test_an_object_that_goes_takes_its_series_along_even_when_its_last_pass_ends_later() -> None:
    world = World()
    world.meter.finished(KEY, Result.DONE, 0.5)
    assert world.passes() == 1
    world.there.clear()
    world.meter.forgotten(KEY)
    assert world.passes() is None
    world.meter.finished(KEY, Result.DONE, 0.5)
    assert world.passes() is None
