"""Plans against closed formulas written out by hand, at every step."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from asking import Floats, plan, problems, rates, times

import lrdsl

EXACT = {"rtol": 1e-12, "atol": 0.0}


# -- seeds of truth --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        pytest.param(9, 1e-3, id="before the boundary: the old segment"),
        pytest.param(10, 1e-3, id="at the boundary: the new one, at its start"),
        pytest.param(11, 9.048374180359595e-4, id="decayed once, an epoch on"),
    ],
)
def test_constant_then_exponential(epoch: int, expected: float) -> None:
    rate = plan("const(1e-3) until 10 then exp(0.1)", 20, 7).values(epoch * 7)
    assert float(rate) == pytest.approx(expected, rel=1e-15, abs=0)


def test_constant_then_exponential_at_every_step() -> None:
    t = times(60, 7)
    expected = np.where(t < 10, 1e-3, 1e-3 * np.exp(-0.1 * (t - 10)))
    actual = rates("const(1e-3) until 10 then exp(0.1)", 60, 7)
    np.testing.assert_allclose(actual, expected, **EXACT)


def test_cyclic_cosine_at_every_step() -> None:
    t = times(60, 28)
    expected = 0.05 * (1 + np.cos(np.pi * (t % 20) / 20))
    np.testing.assert_allclose(
        rates("cosine(max=0.1, cycles=3) snapshot", 60, 28), expected, rtol=1e-11, atol=1e-17
    )


def test_cyclic_cosine_by_epoch_is_the_staircase_of_an_epoch_callback() -> None:
    e = np.arange(60)
    expected = np.repeat(0.05 * (1 + np.cos(np.pi * (e % 20) / 20)), 28)
    actual = rates("cosine(max=0.1, cycles=3) by epoch", 60, 28)
    np.testing.assert_allclose(actual, expected, rtol=1e-12, atol=0)


def test_a_snapshot_ends_each_cycle() -> None:
    made = plan("cosine(max=0.1, cycles=3) snapshot", 60, 28)
    assert [(s.index, s.step, s.epoch) for s in made.snapshots] == [
        (1, 20 * 28 - 1, 20),
        (2, 40 * 28 - 1, 40),
        (3, 60 * 28 - 1, 60),
    ]
    last = [float(made.values(s.step)) for s in made.snapshots if s.step is not None]
    assert [s.value for s in made.snapshots] == last


def test_seven_percent_of_a_hundred_epochs_is_seven() -> None:
    assert 0.07 * 100 != 7
    made = plan("0.1 until 7% then 0.2", 100, 3)
    assert made.segments[1].start == Fraction(7)
    assert list(made.values([20, 21])) == [0.1, 0.2]


def test_boundaries_in_steps_and_epochs_mix() -> None:
    made = plan("0.1 until 15 steps then 0.2 until 2 epochs + 5 steps then 0.3", 4, 10)
    assert list(made.values([14, 15, 24, 25])) == [0.1, 0.2, 0.2, 0.3]
    assert [s.start for s in made.segments] == [0, Fraction(3, 2), Fraction(5, 2)]


# -- the examples of the language ------------------------------------------------------------


def _one_cycle_like(t: Floats) -> Floats:
    return np.where(t < 5, 0.1 * t / 5, 0.05 * (1 + np.cos(np.pi * (t - 5) / 85)))


def _stable_decay(k: Floats) -> Floats:
    climbing = 3e-4 * k / 500
    return np.where(k < 500, climbing, np.where(k < 8000, 3e-4, 3e-4 * (1 - (k - 8000) / 2000)))


def _sgdr(t: Floats) -> Floats:
    turn = np.floor(np.log2(t / 10 + 1) + 1e-12)
    start = 10 * (2**turn - 1)
    return 0.05 * 0.9**turn * (1 + np.cos(np.pi * (t - start) / (10 * 2**turn)))


def _covered(t: Floats) -> Floats:
    ramp = 1e-4 + (0.1 - 1e-4) * t / 8
    return np.where(t < 8, ramp, 0.05 * (1 + np.cos(np.pi * np.minimum(t, 60) / 60)))


RESNET = """
# resnet.lrs
let peak = 0.1

train 90 epochs of 390 steps

lr           = warmup(5) then cosine(max=peak)
momentum     = 0.85 until 30% then linear(from=0.85, to=0.95)
weight_decay = 5e-4 * lr / peak
"""
EXAMPLES: dict[str, tuple[str, int | None, int | None, Callable[[Floats], Floats]]] = {
    "resnet": (RESNET, None, None, _one_cycle_like),
    "power": ("0.001 * 0.96 ^ epoch", 50, 7, lambda t: 0.001 * 0.96**t),
    "sgdr": ("cosine(max=0.1) for 10 repeat stretch 2 scale 0.9", 70, 11, _sgdr),
    "factor": (
        "cosine(max=0.1) * (linear(from=0, to=1) for 5)",
        30,
        13,
        lambda t: 0.05 * (1 + np.cos(np.pi * t / 30)) * np.minimum(t / 5, 1),
    ),
    "covered": (
        "linear(from=1e-4, to=0.1) until 8 then cosine(max=0.1) for 60 skip 8",
        60,
        9,
        _covered,
    ),
    "flat-cosine": (
        "def flat_cos(peak, start=72%) = peak until start then cosine()\nlr = flat_cos(0.01)",
        100,
        9,
        lambda t: np.where(t < 72, 0.01, 0.005 * (1 + np.cos(np.pi * (t - 72) / 28))),
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_gives_its_closed_formula(name: str) -> None:
    text, epochs, each, formula = EXAMPLES[name]
    made = plan(text, epochs, each)
    assert made.epochs is not None
    assert made.steps_per_epoch is not None
    t = times(made.epochs, made.steps_per_epoch)
    # Near 0 a cosine loses digits in the formula written out here, not in the plan.
    np.testing.assert_allclose(made.values(), formula(t), rtol=1e-12, atol=1e-16)


def test_other_targets_of_the_example() -> None:
    made = lrdsl.loads(RESNET).plan()
    t = times(90, 390)
    momentum = np.where(t < 27, 0.85, 0.85 + 0.1 * (t - 27) / 63)
    np.testing.assert_allclose(made.values(target="momentum"), momentum, **EXACT)
    decay = 5e-4 * made.values() / 0.1
    np.testing.assert_allclose(made.values(target="weight_decay"), decay, **EXACT)
    assert made.targets == ("lr", "momentum", "weight_decay")


def test_example_that_counts_steps() -> None:
    text = "train 10000 steps\nwarmup(500) then 3e-4 until 80% then linear(to=0)  # decay"
    np.testing.assert_allclose(
        rates(text, each=None), _stable_decay(np.arange(10000.0)), rtol=1e-12, atol=1e-18
    )


REACTIVE = (
    "plateau(from=1e-3, monitor=val_loss, factor=0.5, patience=10, cooldown=0, min=1e-6)",
    "const(1e-3) until stalled(val_loss, patience=5) then exp(0.1) until val_loss < 0.05 or 60"
    " then stop",
)


@pytest.mark.parametrize("text", REACTIVE)
def test_reactive_example_is_planned_as_if_no_condition_held(text: str) -> None:
    assert problems(text) == []
    assert problems(text, epochs=60) == []
    made = plan(text, 60, 10)
    assert (made.values() == 1e-3).all()
    assert (made.log, made.settled_steps) == ((), 10)


def test_reactive_examples_follow_their_metrics() -> None:
    stalls = [{"val_loss": 1.0}] * 20
    falls = plan(REACTIVE[0], 30, 10).replay(stalls)
    assert [(e.kind, e.epoch, e.after) for e in falls.events] == [("cut", 11, 5e-4)]
    switches = plan(REACTIVE[1], 90, 10).replay([*stalls, {"val_loss": 0.01}])
    assert [(e.kind, e.epoch) for e in switches.events] == [
        ("switch", 6),
        ("switch", 21),
        ("stop", 21),
    ]
    elapsed = np.arange(150) / 10
    np.testing.assert_allclose(switches.values()[60:], 1e-3 * np.exp(-0.1 * elapsed), **EXACT)


@pytest.mark.parametrize(
    "text",
    [text for text, *_ in EXAMPLES.values()]
    + ["const(1e-3) until 10 then exp(0.1)", "cosine(max=0.1, cycles=3) snapshot"],
)
def test_printed_and_read_again_it_is_the_same_plan(text: str) -> None:
    program = lrdsl.loads(text)
    again = lrdsl.loads(program.text)
    assert again.text == program.text
    horizon = {} if program.train else {"epochs": 60, "steps_per_epoch": 8}
    one, two = program.plan(**horizon), again.plan(**horizon)
    for target in one.targets:
        assert np.array_equal(one.values(target=target), two.values(target=target))
    assert [s.step for s in one.snapshots] == [s.step for s in two.snapshots]


# -- what a plan says of itself ----------------------------------------------------------------


def test_segments_tile_the_training() -> None:
    made = plan(
        "warmup(5) then (0.1 until 10 then 0.2 until 20) until 40 then linear(to=0)", 60, 10
    )
    assert [(s.start, s.end, s.text, s.first_step, s.end_step) for s in made.segments] == [
        (0, 5, "warmup(5)", 0, 50),
        (5, 15, "0.1", 50, 150),
        (15, 40, "0.2", 150, 400),
        (40, 60, "linear(to=0)", 400, 600),
    ]
    assert [(s.first_value, s.end_value) for s in made.segments] == [
        (0.0, 0.1),
        (0.1, 0.1),
        (0.2, 0.2),
        (0.2, 0.0),
    ]


def test_a_segment_that_a_block_cuts_ends_there() -> None:
    made = plan("(0.1 until 50 then 0.2) until 10 then 0.3", 60, 10)
    assert [(s.start, s.end) for s in made.segments] == [(0, 10), (10, 60)]


def test_cycles_of_a_segment_are_where_its_turns_end() -> None:
    made = plan("0.1 until 10 then cosine(max=0.1, cycles=2) until 30 then 0.01", 60, 10)
    assert [s.cycles for s in made.segments] == [(), (20, 30), ()]


def test_a_plan_without_steps_counts_epochs() -> None:
    made = plan("0.1 until 10 then linear(to=0)", 30)
    assert (made.unit, made.epochs, made.steps_per_epoch, made.total_steps) == (
        "epochs",
        30,
        None,
        None,
    )
    when, values = made.polyline(points=30)
    expected = np.interp(when, [0, 10, 30], [0.1, 0.1, 0.0])
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-17)
    with pytest.raises(lrdsl.LrsError, match="knows no steps"):
        made.values()


def test_a_plan_in_steps_counts_steps() -> None:
    made = plan("train 100 steps\n0.1 until 30 then 0.2 until 60% then exp(0.1)")
    assert (made.unit, made.length, made.total_steps, made.epochs) == ("steps", 100, 100, None)
    expected = [0.1, 0.2, 0.2, 0.2 * math.exp(-0.1)]
    assert made.values([29, 30, 60, 61]) == pytest.approx(expected, rel=1e-15)


def test_steps_of_a_call_leave_the_unit_of_the_file_alone() -> None:
    text = "0.1 until 5 then 0.2"
    whole = plan(text, 10, 10)
    for horizon in ({"steps": 100, "steps_per_epoch": 10}, {"steps": 100, "epochs": 10}):
        assert np.array_equal(lrdsl.loads(text).plan(**horizon).values(), whole.values())


def test_values_may_be_asked_for_in_any_shape() -> None:
    made = plan("linear(from=1, to=0)", 10, 10)
    every = made.values()
    assert made.values(5).shape == ()
    assert made.values(5) == every[5]
    assert made.values(-1) == every[-1]
    assert np.array_equal(made.values(slice(None, None, -7)), every[::-7])
    assert np.array_equal(made.values(range(90, 3, -4)), every[90:3:-4])
    assert np.array_equal(made.values(np.array([[3, 1], [4, -1]])), every[[[3, 1], [4, -1]]])
    assert made.values([]).shape == (0,)


@pytest.mark.parametrize("steps", [100, -101, [0, 100], range(90, 101)])
def test_a_step_outside_the_training_is_an_index_error(steps: object) -> None:
    with pytest.raises(IndexError, match="steps 0 to 99"):
        plan("0.1", 10, 10).values(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [0.5, [True, False], "1"])
def test_steps_that_are_no_whole_numbers_are_an_index_error(steps: object) -> None:
    with pytest.raises(IndexError, match="whole numbers"):
        plan("0.1", 10, 10).values(steps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "horizon", [{"epochs": 0}, {"epochs": 2.5}, {"epochs": True}, {"epochs": 1, "base": -1.0}]
)
def test_a_horizon_that_is_none_is_a_value_error(horizon: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        lrdsl.loads("0.1").plan(**horizon)  # type: ignore[arg-type]


def test_an_unknown_target_is_a_key_error() -> None:
    with pytest.raises(KeyError, match="momentum"):
        plan("0.1", 1, 1).values(target="momentum")


def test_the_length_of_training_costs_nothing() -> None:
    text = "warmup(5) then cosine(max=0.1, cycles=7) until 70% then 1e-3 for 10 repeat snapshot"
    made = plan(text.replace(" snapshot", ""), 10**7, 10**6)
    step = 10**12
    t = step / 10**6
    length = (7 * 10**6 - 5) / 7
    expected = 0.05 * (1 + math.cos(math.pi * ((t - 5) % length) / length))
    assert float(made.values(step)) == pytest.approx(expected, rel=1e-9)


def test_ten_thousand_segments_are_planned() -> None:
    text = (
        "0.1 until 1 then "
        + " then ".join(f"linear(to=0.{i % 9 + 1}) until {i}" for i in range(2, 10_001))
        + " then 1"
    )
    made = plan(text, 10_001, 3)
    assert len(made.segments) == 10_001
    assert float(made.values(3 * 5000)) == pytest.approx(0.1 * (5000 % 9 + 1), rel=1e-12)


def test_turns_that_stretch_a_thousand_times_are_planned() -> None:
    made = plan("cosine(max=0.1) for 1 repeat 1000 stretch 1.005 scale 0.999", 29_000, 10)
    turn = 700
    start = (1.005**turn - 1) / 0.005
    step = math.ceil(start * 10)
    progress = (step / 10 - start) / 1.005**turn
    expected = 0.05 * 0.999**turn * (1 + math.cos(math.pi * progress))
    assert float(made.values(step)) == pytest.approx(expected, rel=1e-9)


def test_targets_of_parts_are_planned_like_others() -> None:
    made = plan("momentum = 0.9\nslow.lr = 0.1 * epoch\nfast.lr = slow.lr / 2", 4, 2)
    assert made.targets == ("momentum", "slow.lr", "fast.lr")
    half = (made.values(target="slow.lr") / 2).tolist()
    assert made.values(target="fast.lr").tolist() == half
    assert made.rate(7, "slow.lr") == np.float32(0.1 * 3.5)
    assert made.segments == made.segments_of("slow.lr")


def test_rate_of_a_part_is_never_negative() -> None:
    with pytest.raises(lrdsl.LrsError) as caught:
        plan("lr = 0.1\nslow.lr = 0.1 - 0.2 * epoch\nslow.momentum = -1", 4, 2)
    (found,) = caught.value.diagnostics
    assert (found.code, found.message) == (
        "LRS404",
        "the rate `slow.lr` is negative at step 2 (epoch 1)",
    )
