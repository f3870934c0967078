from __future__ import annotations

import time

import compared_plans as plans
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdsl.comparison import MOST_COMPARED, Comparison, NoSteps, compare_plans

SHORT = {"epochs": 10, "steps_per_epoch": 7}


def compared(one: str, other: str, **horizon: int) -> Comparison:
    horizon = horizon or SHORT
    return compare_plans(plans.plan(one, **horizon), plans.plan(other, **horizon))


def test_the_same_curve_written_otherwise_is_the_same() -> None:
    found = compared("0.1 until 5 then 0.05", "const(0.1) for 5 then const(0.1 / 2)")
    assert found.is_equal
    assert found.targets[0].stretches == ()
    assert found.targets[0].compared == found.targets[0].steps == 70


def test_rates_of_one_float32_are_the_same() -> None:
    assert compared("0.1", "0.1 + 1e-12").is_equal
    assert not compared("0.1", "0.1 + 1e-8").is_equal


def test_a_stretch_is_from_the_first_to_the_last_step_that_differs() -> None:
    (found,) = compared("0.1 until 6 then 0.05", "0.1 until 4 then 0.05").targets
    (stretch,) = found.stretches
    assert (stretch.first, stretch.last, found.differing) == (28, 41, 14)
    assert (stretch.before, stretch.after) == (0.1, 0.05)


def test_the_widest_step_is_where_they_are_furthest_apart() -> None:
    (found,) = compared("linear(from=0, to=0.1)", "linear(from=0, to=0.2)").targets
    (stretch,) = found.stretches
    assert (stretch.first, stretch.last, stretch.widest) == (1, 69, 69)
    assert stretch.after == pytest.approx(2 * stretch.before)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=1, max_size=8))
def test_stretches_are_all_steps_that_differ_and_no_others(
    parts: list[tuple[int, bool]],
) -> None:
    one, other, at = "0", "0", 0
    for length, differs in parts:
        at += length + 1
        one += f" until {at} then 0.{at % 7 + 1}"
        other += f" until {at} then 0.{at % 7 + 1 + differs}"
    horizon = {"epochs": at + 3, "steps_per_epoch": 3}
    before, after = (plans.plan(text, **horizon) for text in (one, other))
    (found,) = compare_plans(before, after).targets
    wrong = np.flatnonzero(before.values() != after.values())
    listed = [step for s in found.stretches for step in range(s.first, s.last + 1)]
    assert listed == wrong.tolist()


def test_what_only_one_sets_is_named() -> None:
    found = compared("lr = 0.1  momentum = 0.9", "lr = 0.1  weight_decay = 0.1")
    assert (found.only_before, found.only_after) == (("momentum",), ("weight_decay",))
    assert not found.is_equal


def test_plans_of_other_lengths_are_compared_as_far_as_both_go() -> None:
    short, long = (plans.plan("0.1", epochs=e, steps_per_epoch=7) for e in (5, 10))
    found = compare_plans(short, long)
    assert found.targets[0].steps == 35
    assert not found.targets[0].differing
    assert not found.is_equal


def test_steps_of_other_lengths_are_compared_at_the_times_that_both_have() -> None:
    text = "0.1 until 5 then 0.05"
    one, other = (plans.plan(text, epochs=10, steps_per_epoch=s) for s in (30, 20))
    found = compare_plans(one, other)
    assert found.targets[0].steps == 100
    assert found.is_equal
    (stretch,) = (
        compare_plans(one, plans.plan("0.1", epochs=10, steps_per_epoch=20))
        .targets[0]
        .stretches
    )
    assert (stretch.first, stretch.last) == (150, 297)  # as the first counts them


def test_snapshots_at_other_times_are_a_difference() -> None:
    one, two = "cosine(max=0.1) snapshot", "cosine(max=0.1)"
    assert not compared(one, two).snapshots
    assert not compared(one, "cosine(max=0.1) snapshot(keep=1)").snapshots
    assert compared(one, one).is_equal


def test_without_steps_there_is_nothing_to_compare() -> None:
    plan = plans.plan("0.1", epochs=10)
    with pytest.raises(NoSteps):
        compare_plans(plan, plan)


def test_of_a_million_million_steps_the_boundaries_are_found_exactly_and_at_once() -> None:
    horizon = {"epochs": 10**6, "steps_per_epoch": 10**6}
    start = time.perf_counter()
    (found,) = compared(
        "0.1 until 333333 then 0.05 until 700000 then 0.1",
        "0.1 until 333334.5 then 0.05 until 700001 steps + 699999 then 0.1",
        **horizon,
    ).targets
    assert time.perf_counter() - start < 10
    assert found.compared < MOST_COMPARED < found.steps == 10**12
    assert [(s.first, s.last) for s in found.stretches] == [
        (333_333 * 10**6, 333_334_500_000 - 1),
        (700_000 * 10**6 - 10**6 + 700_001, 700_000 * 10**6 - 1),
    ]


def test_a_difference_within_one_step_of_a_boundary_is_found_in_a_long_training() -> None:
    horizon = {"epochs": 10**6, "steps_per_epoch": 10**6}
    other = "0.1 until 500000 + 1 steps then 0.05"
    (found,) = compared("0.1 until 500000 then 0.05", other, **horizon).targets
    (stretch,) = found.stretches
    assert (stretch.first, stretch.last) == (500_000 * 10**6, 500_000 * 10**6)


def test_where_a_difference_begins_amid_a_segment_is_found_in_a_long_training() -> None:
    horizon = {"epochs": 10**6, "steps_per_epoch": 10**6}
    one, other = (plans.plan(text, **horizon) for text in ("0.1", "max(0.1, step / 5e12)"))
    (stretch,) = compare_plans(one, other).targets[0].stretches
    before, first = other.values([stretch.first - 1, stretch.first]).astype(np.float32)
    assert before == np.float32(0.1) < first
    assert stretch.last == 10**12 - 1
