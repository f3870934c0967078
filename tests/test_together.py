from __future__ import annotations

from fractions import Fraction

import compared_plans as plans
import numpy as np
import pytest

from lrdsl.together import DifferentClocks, together


def test_the_clock_is_that_of_the_longest_plan() -> None:
    found = plans.lengths()
    assert (found.unit, found.length, found.steps_per_epoch) == ("epoch", 60, 50)
    long, short = found.lines("lr", 500)
    assert (long.x[-1], short.x[-1]) == (60, 20)


def test_plans_that_count_steps_and_epochs_share_the_epochs_that_both_know() -> None:
    by_steps = plans.plan("train 1000 steps  cosine(max=0.1)", steps_per_epoch=50)
    by_epochs = plans.plan("cosine(max=0.1)", epochs=20, steps_per_epoch=100)
    found = together(["steps", "epochs"], [by_steps, by_epochs])
    assert (found.unit, found.length) == ("epoch", 20)
    assert found.factors == (Fraction(1, 50), 1)
    assert found.steps_per_epoch is None  # an epoch is not the same number of steps
    assert [line.x[-1] for line in found.lines("lr", 500)] == [20, 20]


def test_without_a_common_clock_the_repair_is_said() -> None:
    steps = plans.plan("train 1000 steps  cosine(max=0.1)")
    epochs = plans.plan("cosine(max=0.1)", epochs=20)
    said = r"`b` counts epochs and `a` steps: .*--steps-per-epoch"
    with pytest.raises(DifferentClocks, match=said):
        together(["a", "b"], [steps, epochs])


def test_curves_that_are_the_same_are_one_line_of_all_their_names() -> None:
    (line,) = plans.alike().lines("lr", 500)
    assert line.names == tuple(f"{number}.lrs" for number in range(5))
    first, _, _ = plans.values().lines("lr", 500)
    assert first.names == ("peak=0.05",)
    (momentum,) = plans.values().lines("momentum", 500)
    assert momentum.name == "peak=0.05 = peak=0.1 = peak=0.2"


def test_curves_that_differ_by_the_rounding_of_their_formulas_are_the_same() -> None:
    text = "let peak = {}  lr = cosine(max=peak)  weight_decay = 5e-4 * lr / peak"
    made = [
        plans.plan(text.format(peak), epochs=20, steps_per_epoch=50)
        for peak in (0.03, 0.07, 0.11)
    ]
    values = [plan.values(target="weight_decay") for plan in made]
    assert any((one != values[0]).any() for one in values[1:])
    found = together(["a", "b", "c"], made)
    assert [line.names for line in found.lines("weight_decay", 500)] == [("a", "b", "c")]
    assert len(found.lines("lr", 500)) == 3


def test_a_target_of_one_plan_alone_is_a_line_of_its_own() -> None:
    one = plans.plan(plans.RESNET)
    other = plans.plan("train 90 epochs of 390 steps  weight_decay = 0.1")
    found = together(["a", "b"], [one, other])
    assert found.targets == ("lr", "momentum", "weight_decay")
    assert [line.names for line in found.lines("weight_decay", 100)] == [("b",)]
    assert found.lines("weight_decay", 100)[0].number == 1
    assert np.all(found.lines("weight_decay", 100)[0].y == 0.1)
