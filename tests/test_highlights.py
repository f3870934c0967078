from __future__ import annotations

import numpy as np
import pytest

import lrdsl
from lrdsl.highlights import (
    curve,
    events_in_words,
    highlights,
    length_in_words,
    unsettled_from,
)


def test_highlights_are_values_of_steps_that_run() -> None:
    plan = lrdsl.loads("warmup(5) then cosine(max=0.1)").plan(epochs=90, steps_per_epoch=390)
    values = plan.values()
    marks = highlights(plan, "lr")
    assert (marks.first, marks.peak, marks.last) == (values[0], values.max(), values[-1])
    assert (marks.peak_step, marks.peak_time) == (1950, 5.0)
    assert marks.last_time == pytest.approx(90 - 1 / 390, rel=1e-15)
    assert marks.is_executed


def test_without_steps_highlights_are_those_of_the_curve() -> None:
    plan = lrdsl.loads("linear(from=0.1, to=0)").plan(epochs=10)
    marks = highlights(plan, "lr")
    assert (marks.first, marks.peak, marks.last) == (0.1, 0.1, 0.0)
    assert marks.peak_step is None
    assert not marks.is_executed


@pytest.mark.parametrize("steps_per_epoch", [1, 1_000, 999_983])
@pytest.mark.parametrize("top", [1, 37, 99])
def test_the_peak_is_found_in_a_training_of_any_length(top: int, steps_per_epoch: int) -> None:
    text = f"linear(from=0, to=1) until {top} then linear(to=0)"
    plan = lrdsl.loads(text).plan(epochs=100, steps_per_epoch=steps_per_epoch)
    marks = highlights(plan, "lr")
    assert (marks.peak, marks.peak_step) == (1.0, top * steps_per_epoch)


def test_a_spike_of_one_epoch_in_a_million_is_found() -> None:
    plan = lrdsl.loads("0 until 500000 then 1 until 500001 then 0").plan(
        epochs=1_000_000, steps_per_epoch=10
    )
    assert highlights(plan, "lr").peak == 1.0
    _, y = curve(plan, "lr", 100)
    assert y.max() == 1.0


def test_a_curve_ends_where_training_does() -> None:
    plan = lrdsl.loads("linear(from=1, to=0)").plan(epochs=3, steps_per_epoch=2)
    x, y = curve(plan, "lr", 100)
    assert (x[-1], y[-1]) == (3.0, 0.0)


def test_short_cycles_keep_their_height_wherever_they_are() -> None:
    plan = lrdsl.loads("cosine(max=0.1, cycles=10000)").plan(epochs=20_000, steps_per_epoch=3)
    x, y = curve(plan, "lr", 400)
    assert len(x) < 1000
    assert (np.diff(x) >= 0).all()
    for part in np.array_split(y, 20):
        assert part.max() == 0.1
        assert part.min() < 0.01


@pytest.mark.parametrize(
    ("text", "horizon", "words"),
    [
        ("1", {"epochs": 1, "steps_per_epoch": 1}, "1 epoch of 1 step = 1 step"),
        ("1", {"epochs": 90, "steps_per_epoch": 390}, "90 epochs of 390 steps = 35,100 steps"),
        ("1", {"epochs": 60}, "60 epochs"),
        ("train 10000 steps 1", {}, "10,000 steps"),
        (
            "train 10000 steps 1",
            {"steps_per_epoch": 300},
            "10,000 steps = 33.333 epochs of 300 steps",
        ),
        ("1 until 10 then stop", {"epochs": 60}, "10 of 60 epochs, then stop"),
        (
            "1 until 10 then stop",
            {"epochs": 60, "steps_per_epoch": 7},
            "10 of 60 epochs = 70 steps, then stop",
        ),
        (
            "train 10000 steps 1 until 2500 then stop",
            {},
            "2,500 of 10,000 steps, then stop",
        ),
    ],
)
def test_the_length_is_said_in_words(text: str, horizon: dict[str, int], words: str) -> None:
    assert length_in_words(lrdsl.loads(text).plan(**horizon)) == words


def test_a_time_is_that_of_its_step_though_the_program_stops_within_one() -> None:
    plan = lrdsl.loads("linear(from=0, to=1) for 10 until 2.1 then stop").plan(
        epochs=10, steps_per_epoch=4
    )
    marks = highlights(plan, "lr")
    assert (marks.peak_step, marks.peak_time, marks.last_time) == (8, 2.0, 2.0)


STALLS = [{"loss": 1.0}] * 9


def test_what_happened_is_said_in_words() -> None:
    plan = lrdsl.loads("plateau(from=1, monitor=loss, factor=0.5, patience=2)").plan(epochs=20)
    assert events_in_words(plan) == ""
    assert events_in_words(plan.replay(STALLS[:4])) == "cut at epoch 3"
    assert events_in_words(plan.replay(STALLS)) == "4 cuts, at epochs 3, 5, 7 and 9"
    assert events_in_words(plan.replay([*STALLS, *STALLS])) == (
        "8 cuts, at epochs 3, 5, 7, 9, …, 17"
    )
    two = lrdsl.loads("lr = 0.1 until loss > 0 then stop  momentum = 0.9 until loss > 0 then 1")
    words = events_in_words(two.plan(epochs=9).replay(STALLS))
    assert sorted(words.split("; ")) == [
        "lr stop at epoch 1",
        "lr switch at epoch 1",
        "momentum switch at epoch 1",
    ]


def test_what_a_plan_did_before_it_was_followed_is_left_out() -> None:
    program = lrdsl.loads("plateau(from=0.1, monitor=loss, factor=0.5, patience=2)")
    plan = program.plan(epochs=20, steps_per_epoch=10).replay(STALLS)
    assert events_in_words(plan) == "4 cuts, at epochs 3, 5, 7 and 9"
    assert events_in_words(plan, since=50) == "2 cuts, at epochs 7 and 9"
    assert events_in_words(plan, since=90) == ""


@pytest.mark.parametrize(("measured", "end"), [(1, 2), (3, 4), (4, 5), (8, 9), (9, None)])
def test_what_follows_the_epoch_after_the_log_is_not_settled(
    measured: int, end: int | None
) -> None:
    program = lrdsl.loads("plateau(from=1, monitor=loss)")
    assert unsettled_from(program.plan(epochs=10).replay(STALLS[:measured])) == end
    in_steps = lrdsl.loads("train 30 steps  plateau(from=1, monitor=loss)")
    replayed = in_steps.plan(steps_per_epoch=3).replay(STALLS[:measured])
    assert unsettled_from(replayed) == (None if end is None else 3 * end)
    assert unsettled_from(lrdsl.loads("0.1").plan(epochs=10)) is None
