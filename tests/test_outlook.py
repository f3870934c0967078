"""What a schedule that reacts may come to: every supposition lies within the range shown."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest

import lrdsl
from lrdsl.outlook import MOST_EPOCHS, outlook, values_at
from lrdsl.planner import suppose

PLATEAU = "plateau(from=0.1, monitor=val_loss, factor=0.5, patience=5)"


def plan(text: str, epochs: int = 30, steps_per_epoch: int | None = 7) -> lrdsl.Plan:
    return lrdsl.loads(text).plan(epochs=epochs, steps_per_epoch=steps_per_epoch)


def test_a_schedule_that_waits_for_no_metric_has_one_curve() -> None:
    assert outlook(plan("cosine(max=0.1)")) is None
    assert outlook(plan("0.1 until 10 then stop")) is None


def test_a_schedule_whose_metrics_are_known_has_one_curve() -> None:
    assert outlook(plan(PLATEAU).replay([{"val_loss": 1.0}])) is None


def test_the_ways_are_the_earliest_the_latest_and_none() -> None:
    made = plan(PLATEAU)
    found = outlook(made)
    assert found is not None
    assert [(way.name, way.words) for way in found.ways] == [
        ("earliest", "if val_loss stalls from the start"),
        ("latest", "if val_loss stalls at the last moment"),
        ("never", "if val_loss never stalls"),
    ]
    earliest, latest, never = (way.plan for way in found.ways)
    assert [float(event.time) for event in earliest.events] == [6, 11, 16, 21, 26]
    assert [float(event.time) for event in latest.events] == [29]
    assert never is made
    assert not found.is_too_long
    assert found.trouble is None


@pytest.mark.parametrize(
    ("text", "earliest", "never"),
    [
        (
            "0.1 until val_loss < 0.3 then 0",
            "if val_loss < 0.3 from the start",
            "if never val_loss < 0.3",
        ),
        (
            "0.1 until stalled(loss, patience=2) then 0",
            "if loss stalls from the start",
            "if loss never stalls",
        ),
        (
            "plateau(from=0.1, patience=1) until stalled(loss, patience=2) then 0",
            "if all metrics stall from the start",
            "if no metric ever stalls",
        ),
        (
            "0.1 until loss < 1 and stalled(loss, patience=2) then 0",
            "if every condition holds from the start",
            "if no condition ever holds",
        ),
    ],
)
def test_the_ways_are_called_by_what_the_metrics_do(
    text: str, earliest: str, never: str
) -> None:
    found = outlook(plan(text))
    assert found is not None
    assert found.ways[0].words == earliest
    assert found.never.words == never


def test_what_stalls_may_never_come_to_the_limit_that_follows() -> None:
    found = outlook(plan("0.1 until stalled(loss, patience=3) then exp(0.1) until loss < 1"))
    assert found is not None
    ways = {way.name: way for way in found.ways}
    assert list(ways) == ["earliest", "stalls", "latest", "never"]
    assert ways["stalls"].words == "if loss stalls from the start, but never loss < 1"
    assert [float(event.time) for event in ways["stalls"].plan.events] == [4]
    low, _ = found.band("lr", np.array([29.9]))
    assert low == ways["stalls"].plan.values()[209]


@pytest.mark.parametrize(
    "text",
    [
        "0.1 until loss < 1 and stalled(loss, patience=3) then 0",
        "0.1 until loss < 1 then 0.05 until loss < 0.5 then 0",
        PLATEAU,
    ],
)
def test_what_needs_the_limit_or_has_none_is_no_way_of_its_own(text: str) -> None:
    found = outlook(plan(text))
    assert found is not None
    assert [way.name for way in found.ways] == ["earliest", "latest", "never"]


def test_a_plateau_that_rises_may_also_get_better_all_the_time() -> None:
    found = outlook(plan("plateau(from=0.1, factor=0.5, rise=2, max=1, patience=3)"))
    assert found is not None
    assert [way.name for way in found.ways] == ["better", "earliest", "latest", "never"]
    assert found.ways[0].words == "if val_loss always gets better"
    assert found.ways[0].plan.values()[-1] == 1.0
    _, high = found.band("lr", np.array([29.5]))
    assert high == 1.0


@pytest.mark.parametrize("steps_per_epoch", [None, 7])
@pytest.mark.parametrize(
    "text",
    [
        PLATEAU,
        "warmup(3) then cosine(max=0.1) * plateau(from=1, patience=2, factor=0.5)",
        "0.1 until stalled(loss, patience=3) then exp(0.1) until loss < 1 or 28 then stop",
        "lr = 0.1 until loss < 0.3 then linear(to=0)  momentum = 0.9 until loss < 1 then 0.5",
    ],
)
def test_every_supposition_lies_within_the_band(text: str, steps_per_epoch: int | None) -> None:
    made = plan(text, 27, steps_per_epoch)
    found = outlook(made)
    assert found is not None
    times = np.linspace(0, 26.99, 211)
    for target in made.targets:
        low, high = found.band(target, times)
        assert (low < high).any()
        for first, compares in product(range(28), (True, False)):
            one = suppose(made, first, compares=compares)
            runs = times < float(one.length)
            values = values_at(one, target, times[runs])
            assert (low[runs] <= values).all()
            assert (values <= high[runs]).all()


def test_values_at_a_time_are_those_of_the_step_that_runs_there() -> None:
    made = plan("linear(from=0.1, to=0)", 4, 5)
    times = np.array([0.0, 0.19, 0.2, 3.99])
    assert values_at(made, "lr", times).tolist() == made.values([0, 0, 1, 19]).tolist()


@pytest.mark.parametrize("epochs", [1, 10])
def test_where_no_metric_can_do_anything_there_is_one_way(epochs: int) -> None:
    found = outlook(plan("plateau(from=0.1, patience=10)", epochs))
    assert found is not None
    assert [way.name for way in found.ways] == ["never"]


def test_the_first_way_that_cannot_be_planned_is_told() -> None:
    found = outlook(plan("0.1 until stalled(loss, patience=3) then 0.1 - 0.01 * elapsed"))
    assert found is not None
    assert found.trouble is not None
    assert found.trouble.words == "if loss stalls from the start"
    assert found.trouble.error.diagnostics[0].code == "LRS404"
    # Too late to come to that.
    assert found.ways[-1].name == "never"
    late = outlook(plan("0.1 until stalled(loss, patience=3) then 0.1 - 0.01 * elapsed", 12))
    assert late is not None
    assert late.trouble is None


@pytest.mark.parametrize("epochs", [MOST_EPOCHS, 1_000_000])
def test_a_long_training_takes_seconds(epochs: int) -> None:
    made = plan("plateau(from=0.1, patience=1, factor=0.999)", epochs)
    start = time.perf_counter()
    found = outlook(made)
    assert time.perf_counter() - start < 30
    assert found is not None
    assert found.is_too_long == (epochs > MOST_EPOCHS)
    if found.is_too_long:
        assert [way.words for way in found.ways] == ["if nothing happens"]
