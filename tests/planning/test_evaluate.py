"""A value depends on its step alone: laws over random programs."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from asking import Floats, plan, rates
from generated_programs import anchored, planned, scalable
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.plan import Plan
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_file

QUICK = settings(max_examples=120, deadline=None)


def planned_or_none(text: str, epochs: int = 12, each: int = 10) -> Plan | None:
    try:
        return plan(text, epochs, each, base=0.1)
    except LrsError:
        return None


def the_plan(text: str) -> Plan:
    made = planned_or_none(text)
    assume(made is not None)
    assert made is not None
    return made


def same(one: Floats, two: Floats) -> None:
    np.testing.assert_array_equal(one, two)


@given(planned, st.permutations(range(120)), st.integers(1, 119))
@QUICK
def test_alone_in_a_slice_in_any_order_it_is_the_same_to_the_bit(
    text: str, order: list[int], cut: int
) -> None:
    made = the_plan(text)
    every = made.values()
    same(made.values(order), every[order])
    same(made.values(slice(cut, None)), every[cut:])
    same(made.values(range(119, -1, -3)), every[::-3])
    same(np.array([float(made.values(k)) for k in order[:20]]), every[order[:20]])


@pytest.mark.parametrize(
    "text",
    [
        "e ^ (-0.1 * epoch) + 0.1 * abs(sin(step))",
        "0.9 ^ epoch * cosine(from=1) + inverse(0.3, power=0.7, from=1)",
        "sigmoid(epoch - 50) + tanh(epoch) + sqrt(step) + log(1 + step)",
    ],
)
def test_functions_with_vector_instructions_are_no_exception(text: str) -> None:
    made = plan(text, 100, 50)
    every = made.values()
    for start, stop, stride in [
        (0, 5000, 1),
        (3, 5000, 1),
        (0, 5000, 2),
        (1, 4999, 7),
        (17, 40, 1),
    ]:
        same(made.values(range(start, stop, stride)), every[start:stop:stride])
    same(np.array([float(made.values(k)) for k in range(0, 5000, 97)]), every[::97])


@given(planned)
@QUICK
def test_repeat_once_is_identity(text: str) -> None:
    made = the_plan(f"({text}) for 7 then 0.1")
    again = the_plan(f"(({text}) for 7) repeat 1 then 0.1")
    np.testing.assert_allclose(again.values(), made.values(), rtol=1e-15)


@given(planned)
@QUICK
def test_times_one_is_identity(text: str) -> None:
    made, again = the_plan(f"({text})"), planned_or_none(f"({text}) * 1")
    assume(again is not None)  # a factor must say where it starts
    assert again is not None
    same(again.values(), made.values())


@given(planned, st.sampled_from(("epoch", "3", "7 steps", "(1 / 3)")))
@QUICK
def test_by_is_idempotent(text: str, interval: str) -> None:
    once = the_plan(f"({text}) by {interval}")
    same(the_plan(f"({text}) by {interval} by {interval}").values(), once.values())


@given(planned)
@QUICK
def test_a_sequence_of_one_is_its_segment(text: str) -> None:
    same(the_plan(f"(({text}) until end)").values(), the_plan(f"({text})").values())


@given(planned)
@QUICK
def test_printed_and_read_again_it_is_the_same_plan(text: str) -> None:
    made = the_plan(text)
    printed = print_file(parse(SourceText(made.program.text)))
    again = lrdsl.loads(printed).plan(epochs=12, steps_per_epoch=10, base=0.1)
    same(again.values(), made.values())
    assert again.snapshots == made.snapshots
    assert [(s.start, s.end, s.cycles) for s in again.segments] == [
        (s.start, s.end, s.cycles) for s in made.segments
    ]


@given(anchored, st.sampled_from(("1", "2.5", "7 steps", "1 / 3", "10%", "11 epochs")))
@QUICK
def test_cut_and_continued_it_is_the_same_to_the_bit(text: str, time: str) -> None:
    # A boundary makes the segment shorter, and `for` says that the curve is not.
    whole = the_plan(text)
    cut = the_plan(f"({text}) for 12 until {time} then ({text}) for 12 skip {time}")
    same(cut.values(), whole.values())


@given(scalable, st.sampled_from(((24, 5), (6, 20), (1, 120), (120, 1), (60, 2))))
@QUICK
def test_time_and_horizon_scaled_together_change_nothing(
    text: str, scaled: tuple[int, int]
) -> None:
    epochs, each = scaled
    program = f"let unit = 1\nlr = 0 * unit + ({text})"
    made = planned_or_none(program)
    assume(made is not None)  # a percentage needs a block whose length is known
    assert made is not None
    factor = Fraction(epochs, 12)
    same(
        lrdsl.loads(program, unit=f"{factor.numerator} / {factor.denominator}")
        .plan(epochs=epochs, steps_per_epoch=each)
        .values(),
        made.values(),
    )


@given(planned)
@QUICK
def test_segments_tile_and_snapshots_come_in_order(text: str) -> None:
    made = the_plan(text)
    edges = [s.start for s in made.segments] + [made.segments[-1].end]
    assert edges[0] == 0
    assert edges[-1] == 12
    assert all(a.end == b.start for a, b in pairwise(made.segments))
    assert all(s.start < s.end for s in made.segments)
    assert all(s.step is not None and 0 <= s.step < 120 for s in made.snapshots)
    saved = [s.step for s in made.snapshots if s.step is not None]
    assert saved == sorted(set(saved))
    first = [
        float(made.values(s.first_step)) for s in made.segments if s.start.denominator == 1
    ]
    shown = [s.first_value for s in made.segments if s.start.denominator == 1]
    assert first == shown


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("exp(0.1, from=1)", "exp(0.1, from=1) until 5 then exp(0.1)"),
        ("decay(0.9, from=1)", "decay(0.9, from=1) until 5.5 then decay(0.9)"),
        ("linear(from=1, to=0)", "linear(from=1, to=7 / 12) until 5 then linear(to=0)"),
        ("0.3", "0.3 until 5 then const()"),
        ("exp(to=0.01, from=1)", "exp(to=0.1, from=1) until 50% then exp(to=0.01)"),
        ("0.1 * epoch", "0.1 * epoch until 33 steps then 0.1 * epoch"),
    ],
)
def test_a_segment_that_continues_the_one_before_changes_nothing(one: str, two: str) -> None:
    np.testing.assert_allclose(rates(two, 12, 10), rates(one, 12, 10), rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize(
    "text",
    [
        "linear(from=1, to=0) until {0} then cosine(max=0.3, cycles=2)",
        "exp(0.1, every={0}, from=1) until {1} then decay(0.5, every={0})",
        "cosine(max=1) for {0} repeat stretch 2 scale 0.5",
        "step(0.5, every={0}, from=1)",
        "(cycle + progress) for {0} repeat",
    ],
)
def test_scaling_time_and_horizon_together_changes_nothing(text: str) -> None:
    short = rates(text.format("3", "7"), 12, 30)
    long = rates(text.format("9", "21"), 36, 10)
    np.testing.assert_allclose(long, short, rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("each", [3, 7, 10, 49])
def test_floor_and_mod_are_exact_at_their_edges(each: int) -> None:
    k = np.arange(100 * each)
    same(rates("floor(epoch)", 100, each), (k // each).astype(float))
    same(rates("floor(3 * epoch)", 100, each), (3 * k // each).astype(float))
    same(rates("ceil(epoch / 7)", 100, each), -(-k // (7 * each)).astype(float))
    same(rates("mod(step, 7) + floor(step / 7) * 7", 100, each), k.astype(float))
    same(rates("floor(mod(epoch, 0.1) * 10)", 100, each), np.zeros(100 * each))
    same(
        rates("round(epoch * 2)", 100, each),
        [float(round(Fraction(2 * int(i), each))) for i in k],
    )


def test_floor_is_exact_inside_a_sum_that_floats_get_wrong() -> None:
    assert 29 * 0.01 * 100 < 29
    assert float(plan("floor(epoch * 0.01 * 100)", 30, 1).values(29)) == 29
    assert float(plan("floor(epoch * 0.1 + 0.7)", 10, 1).values(3)) == 1.0
    assert float(plan("floor((epoch + 2 / 3) * 3 / 2)", 10, 3).values(0)) == 1.0


def test_noise_is_a_pure_function_of_seed_and_index() -> None:
    one = rates("0.5 + 0.5 * noise(seed=1)", 10, 10)
    assert len(set(one)) == 100
    same(rates("0.5 + 0.5 * noise(seed=1, every=1 epoch)", 100, 1), one)
    same(rates("9 until 3 then 0.5 + 0.5 * noise(seed=1)", 13, 10)[30:], one)
    same(rates("0.5 + 0.5 * noise(seed=1, every=7 steps)", 10, 10), one[np.arange(100) // 7])
    assert not np.array_equal(rates("0.5 + 0.5 * noise(seed=2)", 10, 10), one)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min(1e400 * epoch, 0.1)", [0.0, 0.1]),
        ("1 + 1e-400 * epoch", [1.0, 1.0]),
        ("0.1 + floor(step / 1e30)", [0.1, 0.1]),
        ("cosine(max=1) for 1e-400 repeat scale 0.9", [1.0, 0.0]),
        ("0.1 * decay(0.5, every=1e-400, from=1)", [0.1, 0.0]),
        ("0.1 + 0 * noise(seed=1, every=1e-400)", [0.1, 0.1]),
        ("1 for 1 repeat 1e400", [1.0, 1.0]),
        ("(1 / 3) ^ 64 * 0 + 0.1", [0.1, 0.1]),
    ],
)
def test_numbers_of_any_size_are_evaluated(text: str, expected: list[float]) -> None:
    assert list(plan(text, 60, 10).values([0, 5])) == expected


@pytest.mark.parametrize(
    "repeat",
    [
        "repeat 10000 stretch 1e-400",
        "repeat 10000 stretch 1e400",
        "repeat 10000 stretch 1.000000000000000000000000000000000000001",
        "repeat stretch 0.999",
    ],
)
def test_turns_that_stretch_by_odd_numbers_are_evaluated(repeat: str) -> None:
    values = rates(f"linear(from=1, to=0.5) for 1 {repeat}", 60, 10)
    assert values.min() >= 0.5
    assert values.max() == 1.0
