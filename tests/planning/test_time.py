"""Blocks, boundaries, lengths and percentages: where in time everything stands."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from asking import plan, problems, rates, times

import lrdsl


def starts(text: str, epochs: int = 100, each: int = 10) -> list[object]:
    return [s.start for s in plan(text, epochs, each).segments]


def same(one: str, two: str, epochs: int = 60, each: int = 10, **more: object) -> None:
    left = rates(one, epochs, each, **more)
    right = rates(two, epochs, each, **more)
    np.testing.assert_allclose(left, right, rtol=1e-12, atol=1e-18)


@pytest.mark.parametrize(
    ("time", "epochs"),
    [
        ("10", 10),
        ("10 epochs", 10),
        ("55 steps", 5.5),
        ("30%", 30),
        ("end - 5", 95),
        ("end - 10%", 90),
        ("2 * 3 epochs + 10 steps", 7),
        ("30% / 4 * 2", 15),
        ("-5 + 20", 15),
        ("5 or 10", 5),
        ("5 and 10", 10),
        ("(5 or 90%) and 20 epochs", 20),
        ("10 * (5 steps or 1)", 5),
        ("sqrt(16)", 4),
        ("min(3, 5) * 1 epoch", 3),
    ],
)
def test_times_add_up(time: str, epochs: float) -> None:
    assert starts(f"0.1 until {time} then 0.2") == [0, epochs]


def test_a_boundary_is_measured_from_the_start_of_the_block() -> None:
    assert starts("1 until 10 then 2 until 25 then 3") == [0, 10, 25]
    assert starts("1 until 10 then (2 until 10 then 3 until 20) until 50 then 4") == [
        0,
        10,
        20,
        50,
    ]


def test_a_length_is_measured_from_the_start_of_the_segment() -> None:
    assert starts("1 for 10 then 2 for 15 then 3") == [0, 10, 25]


def test_the_new_segment_owns_its_boundary_even_inside_a_step() -> None:
    # 2.5 steps: step 2 is before it, step 3 the first after it.
    assert list(rates("1 until 25% then 2", 10, 1)[[2, 3]]) == [1, 2]
    made = plan("1 until 25% then elapsed", 10, 1)
    assert list(made.values([2, 3, 4])) == [1, 0.5, 1.5]


def test_a_percentage_is_of_the_block() -> None:
    assert starts("1 until 50% then (2 until 50% then 3)") == [0, 50, 75]
    assert starts("1 until 50% then (2 until 50% then 3) until 70 then 4") == [0, 50, 60, 70]
    assert starts("def f() = 2 until 50% then 3\nlr = 1 until 50% then f()") == [0, 50, 75]


def test_a_percentage_resolves_where_it_is_used() -> None:
    text = "let d = 50%\ndef f(t) = 2 until t then 3\nlr = 1 until d then f(d)"
    assert starts(text) == [0, 50, 75]


def test_a_percentage_in_a_turn_is_of_the_turn() -> None:
    same("(1 until 50% then 2) for 10 repeat", "1 + floor(mod(epoch, 10) / 5)")


def test_a_percentage_in_a_for_before_repeat_is_of_the_block_around() -> None:
    same("linear(from=1, to=0) for 50% repeat", "1 - mod(epoch, 30) / 30")


def test_a_percentage_in_a_product_is_of_the_segment() -> None:
    same(
        "1 until 20 then 1 * (linear(from=0, to=1) for 50%)",
        "1 until 20 then linear(from=0, to=1) until 40 then 1",
    )


def test_the_last_segment_runs_to_the_end_of_its_block() -> None:
    same("(linear(from=1, to=0)) until 30 then 2", "max(1 - epoch / 30, 0) until 30 then 2")


def test_a_bounded_sequence_holds_its_last_value_exactly() -> None:
    values = rates("(linear(from=0.3, to=0.1) until 7) until 20 then 5", 30, 3)
    assert set(values[21:60]) == {0.1}
    assert set(rates("exp(0.1, from=1) for 7", 30, 3)[21:]) == {float(np.exp(-0.7))}


def test_a_tighter_outer_bound_cuts_and_does_not_rescale() -> None:
    same("(linear(from=1, to=0) until 40) until 10 then 9", "1 - epoch / 40 until 10 then 9")
    same("linear(from=1, to=0) until 100", "1 - epoch / 100")
    same(
        "(cosine(max=1) for 90) for 20 then 9",
        "0.5 * (1 + cos(pi * epoch / 90)) until 20 then 9",
    )


@pytest.mark.parametrize(
    "first",
    [
        "0.5 for 10",
        "linear(from=0, to=1) for 5 repeat 2",
        "(1 until 4 then 2 until 10)",
        "1 * (linear(from=0, to=1) for 10)",
        "(1 for 4) + (2 for 10)",
        "0.1 for 15 skip 5",
        "(1 for 10) by 3 steps",
    ],
)
def test_what_has_a_natural_length_needs_no_until(first: str) -> None:
    assert starts(f"{first} then 7")[-1] == 10


@pytest.mark.parametrize(
    "first",
    [
        "0.5",
        "cosine(max=1)",
        "(1 until 5 then 2)",
        "1 * linear(from=0, to=1)",
        "(1 for 3) + linear(from=0, to=1)",
        "(1 for 3 repeat)",
        "0.1 skip 3",
    ],
)
def test_what_has_none_needs_one(first: str) -> None:
    assert [d.code for d in problems(f"{first} then 7")] == ["LRS307"]


def test_a_segment_of_length_0_is_skipped_and_entry_passes_through() -> None:
    same("warmup(0) then linear(to=0)", "linear(to=0)", base=0.3)
    same("0.5 until 10 then warmup(0) then linear(to=0)", "0.5 until 10 then linear(to=0)")
    same(
        "0.5 until 10 then (9 for 0) then linear(to=entry / 2)",
        "0.5 until 10 then linear(to=0.25)",
    )


def test_skip_is_as_if_time_had_passed() -> None:
    same("linear(from=1, to=0) for 90 skip 30", "(90 - epoch - 30) / 90")
    same("cosine(max=1) for 10 repeat skip 3", "0.5 * (1 + cos(pi * mod(epoch + 3, 10) / 10))")
    same("(exp(0.1, from=1)) skip 20 steps", "e ^ (-0.1 * (epoch + 2))")


def test_equal_turns_repeat() -> None:
    same("linear(from=1, to=0) for 6 repeat", "1 - mod(epoch, 6) / 6")
    same("linear(from=1, to=0) for 6 repeat 3 then 9", "1 - mod(epoch, 6) / 6 until 18 then 9")
    same(
        "(elapsed + cycle until 2 then 5 until 3) repeat",
        "elapsed until 2 then 5 until 3 then elapsed + 1 until 5 then 5",
        6,
    )


def test_turns_stretch_and_scale_with_their_floor() -> None:
    actual = rates("cosine(from=1, to=0.5) for 4 repeat 3 stretch 2 scale 0.5", 40, 10)
    t = times(40, 10)
    expected = np.full_like(t, 0.125)
    for turn, (start, length) in enumerate([(0, 4), (4, 8), (12, 16)]):
        inside = (t >= start) & (t < start + length)
        wave = 0.75 + 0.25 * np.cos(np.pi * (t[inside] - start) / length)
        expected[inside] = wave * 0.5**turn
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_shrinking_turns_end_where_their_lengths_sum_to() -> None:
    made = plan("linear(from=1, to=0.5) for 20 repeat stretch 0.5", 60, 10)
    values = made.values()
    assert list(values[[0, 200, 300, 350]]) == [1, 1, 1, 1]
    assert set(values[400:]) == {0.5}
    same(
        "linear(from=1, to=0.5) for 20 repeat stretch 0.5 then 0.25",
        "linear(from=1, to=0.5) for 20 repeat stretch 0.5 until 40 then 0.25",
    )


def test_shrinking_turns_that_sink_end_at_0() -> None:
    assert set(rates("1 for 20 repeat stretch 0.5 scale 0.5", 60, 10)[400:]) == {0.0}


def test_repeat_once_is_the_operand() -> None:
    one = rates("(cosine(from=1) until 7 then linear(to=0.5) until 20) repeat 1", 60, 10)
    assert np.array_equal(
        one, rates("(cosine(from=1) until 7 then linear(to=0.5) until 20)", 60, 10)
    )


def test_the_file_may_count_steps() -> None:
    text = "train 100 steps\n0.1 until 30 then exp(0.01) until 60% then inverse(1, every=10)"
    k = np.arange(100.0)
    low = 0.1 * np.exp(-0.01 * 30)
    expected = np.where(
        k < 30,
        0.1,
        np.where(
            k < 60, 0.1 * np.exp(-0.01 * (k - 30)), low / (1 + np.maximum(k - 60, 0) / 10)
        ),
    )
    np.testing.assert_allclose(rates(text, each=None), expected, rtol=1e-12)


def test_by_epoch_has_the_edges_of_training() -> None:
    t = times(20, 10)
    actual = rates("1 until 2.5 then linear(from=1, to=0) by epoch", 20, 10)
    held = np.where(t < 3, 2.5, np.floor(t))  # the first interval begins with the segment
    np.testing.assert_allclose(
        actual, np.where(t < 2.5, 1, 1 - (held - 2.5) / 17.5), rtol=1e-12
    )


def test_by_a_time_counts_from_its_own_start() -> None:
    t = times(20, 10)
    actual = rates("1 until 2.5 then linear(from=1, to=0) by 20 steps", 20, 10)
    held = 2.5 + 2 * np.floor((t - 2.5) / 2)
    np.testing.assert_allclose(
        actual, np.where(t < 2.5, 1, 1 - (held - 2.5) / 17.5), rtol=1e-12
    )


def test_by_inside_a_turn_that_no_epoch_is_aligned_to() -> None:
    t = times(30, 10)
    begin = 7.5 * np.floor(t / 7.5)
    held = np.maximum(np.floor(t), begin) - begin
    actual = rates("(linear(from=1, to=0) by epoch) for 7.5 repeat", 30, 10)
    np.testing.assert_allclose(actual, 1 - held / 7.5, rtol=1e-12)


def test_by_epoch_inside_a_stretched_turn_sees_the_training_clock() -> None:
    t = times(30, 10)
    begin = np.where(t < 5, 0, np.where(t < 15, 5, 15))
    long = np.where(t < 5, 5, np.where(t < 15, 10, 20))
    held = np.maximum(np.floor(t), begin) - begin
    actual = rates("(linear(from=1, to=0) by epoch) for 5 repeat stretch 2", 30, 10)
    np.testing.assert_allclose(actual, 1 - held / long, rtol=1e-12)


def test_step_is_decay_by_its_interval() -> None:
    same("step(0.5, every=7, from=1)", "0.5 ^ floor(epoch / 7)")
    same("1 until 4 then step(0.5, every=7)", "1 until 4 then 0.5 ^ floor((epoch - 4) / 7)")


def test_each_cycle_of_a_cosine_begins_at_its_start() -> None:
    assert list(rates("cosine(max=1, min=0.25, cycles=4)", 60, 10)[::150]) == [1] * 4


# -- snapshots -------------------------------------------------------------------------------


def saved(text: str, epochs: int = 60, each: int = 10) -> list[object]:
    return [s.time for s in plan(text, epochs, each).snapshots]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1 snapshot", [60]),
        ("(0.1 until 20 then 0.2 until 45) snapshot", [45]),
        ("0.1 until 20 then (0.2 for 15) snapshot", [35]),
        ("(0.1 snapshot) until 20 then 0.2", [20]),
        ("(0.1 for 50 snapshot) until 20 then 0.2", [20]),
        ("cosine(max=1) for 25 repeat snapshot", [25, 50]),
        ("(cosine(max=1) for 10 repeat snapshot) until 25 then 0.1", [10, 20]),
        ("(cosine(max=1) for 10 repeat snapshot) skip 15", [5, 15, 25, 35, 45, 55]),
        ("cosine(max=1) for 10 repeat skip 15 snapshot", [5, 15, 25, 35, 45, 55]),
        ("cosine(max=1) for 4 repeat 3 stretch 2 snapshot", [4, 12, 28]),
        ("((cosine(max=1) for 4 repeat 2) repeat 2) snapshot", [4, 8, 12, 16]),
        ("((0.1 for 4 snapshot) then 0.2 for 6) for 10 repeat", [4, 14, 24, 34, 44, 54]),
        (
            "(cosine(max=1, cycles=2) snapshot) for 15 repeat",
            [7.5, 15, 22.5, 30, 37.5, 45, 52.5, 60],
        ),
        ("(cosine(max=1) for 4 repeat snapshot) for 10 repeat 2", [4, 8, 14, 18]),
        ("0.1 * cosine(from=1, cycles=3) snapshot", [20, 40, 60]),
        ("(0.1 snapshot) until 20 then (0.2 snapshot)", [20, 60]),
        ("momentum = 0.9 snapshot\nlr = 0.1 until 30 then 0.2", [60]),
    ],
)
def test_snapshots_end_turns_else_the_operand(text: str, expected: list[float]) -> None:
    assert saved(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "cosine(max=1) for 25 repeat snapshot",
        "(cosine(max=1) for 10 repeat snapshot) until 25 then 0.1",
        "(cosine(max=1) for 4 repeat snapshot) for 10 repeat 2",
    ],
)
def test_a_turn_that_is_cut_short_warns(text: str) -> None:
    assert [d.code for d in plan(text, 60, 10).warnings] == ["LRS502"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("cosine(max=0.1) for 120", "50% of it, at 0.05, and would end at 0"),
        ("cosine(max=0.1) for 120 by epoch", "50% of it, at 0.05, and would end at 0"),
        ("0.2 until 30 then linear(to=0) until 90", "50% of it, at 0.1, and would end at 0"),
        ("warmup(80) then 0.1", "75% of it, at 0.075, and would end at 0.1"),
        ("(warmup(80) then cosine(max=0.1)) for 120", "50% of it, at 0.075"),
        ("cosine(max=0.1) for 40 repeat 2", "75% of it, at 0.05, and would end at 0"),
        ("cosine(max=0.1) for 20 repeat 4", "75% of it, at 0"),
        ("0.1 * (linear(from=0, to=1) for 80)", "75% of it, at 0.75, and would end at 1"),
        ("one_cycle(0.1, up=50%) for 120", "50% of it, at 0.1, and would end at 4e-07"),
        ("exp(to=0.001, from=0.1) for 120", "50% of it, at 0.01, and would end at 0.001"),
        ("tri_stage(1, warmup=9, hold=9, decay=84)", "50% of it, at 0.1"),
        ("1 until 20 then linear(to=0) for 80 skip 20", "75% of it, at 0.25"),
    ],
)
def test_a_training_that_ends_inside_a_segment_warns(text: str, label: str) -> None:
    found = {d.code: d for d in plan(text, 60, 10).warnings}
    assert found.keys() <= {"LRS503", "LRS302"}
    assert f"stops after {label}" in found["LRS503"].primary.text


@pytest.mark.parametrize(
    "text",
    [
        "one_cycle(0.1) for 599 steps",
        "one_cycle(0.1) for 40",
        "cosine(max=0.1)",
        "cosine(max=0.1) for 60.2",
        "exp(0.1, from=0.1)",
        "inverse_sqrt(100, from=0.1)",
        "hyperbolic(200, from=0.1)",
        "cosine(max=0.1) for 25 repeat",
        "warm_restarts(25, t_mul=2, from=0.1)",
        "multistep(0.1, 30, 90, from=0.1)",
        "0.1 for 90",
        "0.1 for 90 by epoch",
        "(cosine(max=0.1) for 90) until 30 then 0.01",
        "((cosine(max=0.1) for 90) until 30) repeat",
        "linear(from=1e-4, to=0.1) until 8 then cosine(max=0.1) for 60 skip 8",
    ],
)
def test_a_training_that_cuts_no_curve_short_does_not_warn(text: str) -> None:
    assert plan(text, 60, 10).warnings == ()


def test_a_cut_in_another_target_names_it() -> None:
    (found,) = plan("lr = 0.1  momentum = linear(from=0.8, to=0.9) for 90", 60, 10).warnings
    assert found.message == (
        "the training ends 30 epochs before this segment of `momentum` does"
    )


def test_a_cycle_that_ends_inside_a_step_is_saved_after_that_step() -> None:
    made = plan("cosine(max=1, cycles=3) snapshot", 1, 10)
    assert [s.step for s in made.snapshots] == [3, 6, 9]


def test_two_snapshots_at_one_step_are_one() -> None:
    assert saved("((0.1 for 20 snapshot) repeat 3) snapshot") == [20, 40, 60]


def test_cycles_that_end_within_one_step_leave_one_model_with_a_warning() -> None:
    made = plan("cosine(max=1, cycles=3) snapshot", 1, 2)
    assert [(s.step, s.time) for s in made.snapshots] == [(0, Fraction(1, 3)), (1, 1)]
    (found,) = made.warnings
    assert found.code == "LRS502"
    assert found.message == "a turn leaves no snapshot: the next one ends within the same step"


@pytest.mark.parametrize(("epochs", "cycles", "steps"), [(10, 3, 7), (10, 4, 1), (7, 5, 3)])
def test_uneven_cycles_leave_a_model_each_the_last_at_the_end(
    epochs: int, cycles: int, steps: int
) -> None:
    made = plan(f"cosine(max=1, cycles={cycles}) snapshot", epochs, steps)
    assert [s.epoch for s in made.snapshots] == [
        Fraction(epochs * (n + 1), cycles) for n in range(cycles)
    ]
    assert made.snapshots[-1].step == epochs * steps - 1
    assert not made.warnings


def test_snapshot_options_are_kept() -> None:
    options = plan("0.1 snapshot(best=3, monitor=val_accuracy)", 60, 10).snapshot_options
    assert options is not None
    assert (options.keep, options.best, options.monitor) == (None, 3, "val_accuracy")
    assert options.mode == "max"
    assert plan("0.1", 60, 10).snapshot_options is None


def test_many_warnings_hide_no_error() -> None:
    late = " then ".join(f"0.1 until {100 + i}" for i in range(150)) + " then 0.1"
    text = f"momentum = {late}\nlr = 0.1 until 5 then 0.2 until 5 steps then 1"
    with pytest.raises(lrdsl.LrsError) as caught:
        plan(text, 60)
    assert [d.code for d in caught.value.diagnostics] == ["LRS303"]


@pytest.mark.parametrize(
    ("quotient", "formula"),
    [
        # 20 epochs of 5 steps; the clock of the second segment begins at epoch 10.
        ("elapsed / 4 epochs", lambda t: (t - 10) / 4),
        ("elapsed / 4", lambda t: (t - 10) / 4),
        ("elapsed / 10 steps", lambda t: (t - 10) / 2),
        ("elapsed / 20%", lambda t: (t - 10) / 2),
        ("elapsed / (1 epoch + 5 steps)", lambda t: (t - 10) / 2),
        ("elapsed / (3 * 10 steps)", lambda t: (t - 10) / 6),
        ("duration / 1 step", lambda t: 50 + 0 * t),
        ("epoch / 10 steps", lambda t: t / 2),
        ("step / 2 epochs", lambda t: t / 2),
        ("2 * elapsed / 4 epochs / 5", lambda t: (t - 10) / 10),
        ("epoch / 2 epochs * elapsed / 5 steps", lambda t: t / 2 * (t - 10)),
        ("5 steps / (elapsed + 1)", None),
        ("max(elapsed, 3) / 5 steps", None),
        ("elapsed * 1 epoch / 1 step", lambda t: (t - 10) * 5),
        ("2 - -elapsed / 10 steps", lambda t: 2 + (t - 10) / 2),
        ("(0.1 * elapsed) / 5 steps", lambda t: 0.1 * (t - 10)),
        ("(2 * elapsed / 4) / 5 steps", lambda t: (t - 10) / 2),
        ("e ^ (-elapsed / 10 steps)", lambda t: np.exp((10 - t) / 2)),
        ("2 epochs / step", lambda t: 10 / (t * 5)),
        ("10 steps / 1 epoch", lambda t: 2 + 0 * t),
        ("30% / 10%", lambda t: 3 + 0 * t),
        ("floor(elapsed / 15 steps)", lambda t: np.floor((t * 5 - 50) / 15)),
        ("max(elapsed / 1 step, 3)", lambda t: np.maximum(t * 5 - 50, 3)),
    ],
)
def test_a_time_divides_a_clock_or_a_time(quotient: str, formula: Any) -> None:
    text = f"1 until 10 then {quotient}"
    if formula is None:
        found = [d.message for d in problems(text, epochs=20, steps_per_epoch=5)]
        assert found == ["a time stands where a value is needed"]
        return
    made = rates(text, 20, 5)
    np.testing.assert_allclose(made[50:], formula(times(20, 5)[50:]), rtol=1e-12)


def test_a_quotient_of_times_of_one_unit_is_a_number_everywhere() -> None:
    assert starts("let n = 20 epochs / 10 epochs  lr = 0.1 until n then 0.2") == [0, 2]
    assert starts("0.1 until 2 * 30 steps / 10 steps then 0.2") == [0, 6]


def test_a_quotient_that_needs_steps_per_epoch_says_so() -> None:
    assert [d.code for d in problems("elapsed / 10 steps", epochs=20)] == ["LRS303"]
    assert rates("elapsed / 10 epochs + epoch / 1 epoch", 20, 1)[10] == 11


def test_a_time_that_divides_is_above_zero() -> None:
    (problem,) = problems("elapsed / 0 epochs", epochs=20, steps_per_epoch=1)
    assert (problem.code, problem.message) == ("LRS308", "`/` is 0 epochs")


def test_a_quotient_of_times_of_two_units_decides_no_boundary() -> None:
    found = problems("0.1 until 10 steps / 1 epoch then 0.2", epochs=20, steps_per_epoch=5)
    assert [d.message for d in found] == ["a quotient of times decides `until`"]


def test_a_remainder_of_a_clock_is_exact() -> None:
    assert not rates("mod(epoch, 0.1)", 100, 10).any()


@pytest.mark.parametrize(
    "text", ["linear(from=1, to=0) for 10 by 3", "(linear(from=1, to=0) for 10) by 3"]
)
@pytest.mark.parametrize("after", ["", " then const()", " until 15 then const()"])
def test_a_staircase_whose_operand_ends_holds_its_last_interval(text: str, after: str) -> None:
    made = rates(text.format("linear(from=1, to=0)") + after, 20, 1)
    np.testing.assert_allclose(made[9:], 0.1, rtol=1e-12)
