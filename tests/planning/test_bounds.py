"""Bounds bound: no value lies outside them, over any stretch of any program."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from asking import plan
from generated_programs import planned
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lrdsl.diagnostics import LrsError
from lrdsl.planning.bounds import bounds

_ROUNDING = 1e-12
"""Bounds are computed in other floats than the values."""


@given(planned, st.integers(0, 119), st.integers(0, 119))
@example("((0.01 * floor(step / 7)) by epoch) for 1 repeat", 7, 10)
@settings(max_examples=200, deadline=None)
def test_no_value_lies_outside(text: str, one: int, other: int) -> None:
    try:
        # As another target, so that what is negative is planned too.
        made = plan(f"beta = {text} lr = 1", 12, 10)
    except LrsError:
        assume(False)
    first, last = sorted((one, other))
    known = bounds(made.formulas["beta"], Fraction(first), Fraction(last))
    if known is not None:
        values = made.values(range(first, last + 1), target="beta")
        slack = _ROUNDING * max(map(abs, known))
        assert known[0] - slack <= values.min()
        assert values.max() <= known[1] + slack


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linear(from=0.1, to=0.3)", (0.1, 0.3)),
        ("cosine(max=0.3, min=0.1, cycles=9)", (0.1, 0.3)),
        ("cosine(max=1) for 1 repeat 3 scale 0.5 then 0.2", (0.0, 1.0)),
        ("exp(0.1, from=1) until 5 then 0.9", (float(np.exp(-0.5)), 1.0)),
        ("0.1 + 0.1 * noise(seed=1)", (0.0, 0.2)),
        ("0.3 - 0.1 * sin(step)", (0.2, 0.4)),
        ("mod(step, 7)", (0.0, 7.0)),
        ("clip(epoch, 3, 5)", (3.0, 5.0)),
        ("(cycle + 1 for 1) repeat", (1.0, 10.0)),
    ],
)
def test_bounds_are_as_tight_as_the_formula_says(
    text: str, expected: tuple[float, float]
) -> None:
    known = bounds(plan(text, 10, 10).formulas["lr"], Fraction(0), Fraction(99))
    assert known == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("text", ["1 / (epoch - 4.95)", "mod(epoch, epoch - 5.05)"])
def test_where_no_finite_bounds_are_known_there_are_none(text: str) -> None:
    made = plan(f"beta = {text} lr = 1", 10, 10)
    assert bounds(made.formulas["beta"], Fraction(0), Fraction(99)) is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "0.05 + (0.1 until 7 then elapsed - 2) * 0", id="piece that is not reached"
        ),
        pytest.param("(epoch until 1 then entry until 2) repeat", id="entry of a turn"),
        pytest.param(
            "((0.1 + 0.001 * epoch) by 5 steps) for 3 repeat stretch 2", id="stretched by"
        ),
        pytest.param("linear(from=1, to=next) for 4 repeat scale 0.5", id="next turn"),
    ],
)
def test_what_is_settled_by_bounds_needs_no_step(text: str) -> None:
    made = plan(text, 10**6, 10**6)
    assert made.total_steps == 10**12
