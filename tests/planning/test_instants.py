"""A value at one instant: to the bit what NumPy gives, and without it where that can be."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from asking import plan
from generated_programs import planned
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lrdsl.diagnostics import LrsError
from lrdsl.planning import evaluate, instants

MANY = settings(max_examples=250, deadline=None)


@given(
    planned,
    st.lists(st.fractions(0, 120, max_denominator=12), min_size=1, max_size=8),
    st.booleans(),
)
@MANY
def test_it_is_what_numpy_gives_to_the_bit(
    text: str, ticks: list[Fraction], left: bool
) -> None:
    try:
        made = plan(text, 12, 10, base=0.1)
    except LrsError:
        assume(False)
    for formula in made.formulas.values():
        for tick in [*ticks, *map(Fraction, (0, 10, 60, 120))]:
            if left and not tick:
                continue
            ours = instants.value_at(formula, tick, left=left)
            theirs = evaluate.value_at(formula, tick, left=left)
            assert (ours, math.copysign(1, ours)) == (theirs, math.copysign(1, theirs))


@pytest.mark.parametrize(
    ("text", "tick", "left", "expected"),
    [
        ("0.1", 0, False, 0.1),
        ("linear(from=0.1, to=0.3)", 60, False, 0.1 + (0.3 - 0.1) * 0.5),
        ("linear(from=0.1, to=0)", 30, False, 0.1 * 0.75),
        ("cosine(from=0.1, to=0.01)", 0, False, 0.1),
        ("cosine(from=0.1, to=0.01)", 120, True, 0.01),
        ("warmup(5) then cosine(max=0.1)", 50, True, 0.1),
        ("exp(0.1, from=0.5) for 3 then 0.2", 0, False, 0.5),
        ("exp(to=0.01, from=0.1)", 120, True, 0.01),
        ("poly(2, from=0.1)", 120, True, 0.0),
        ("inverse(0.3, from=0.2)", 0, False, 0.2),
        ("step(0.1, from=0.5) until 3 then 0.1", 40, False, 0.1),
        ("(cosine(from=1) for 3) repeat", 30, False, 1.0),
        ("(cosine(from=1) for 3) repeat", 30, True, 0.0),
        ("max(0.3 - epoch / 10, 0.05) by epoch", 14, False, 0.2),
        ("0.5 until 3 or 4 then 0.25", 30, False, 0.25),
    ],
)
def test_ends_and_lines_do_without_numpy(
    text: str, tick: int, left: bool, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    formula = plan(text, 12, 10).formulas["lr"]

    def needed(*_: object, **__: object) -> float:
        raise AssertionError("asked NumPy")

    monkeypatch.setattr(evaluate, "value_at", needed)
    assert instants.value_at(formula, Fraction(tick), left=left) == expected


def test_what_takes_a_cosine_is_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    formula = plan("cosine(from=1)", 12, 10).formulas["lr"]
    monkeypatch.setattr(evaluate, "value_at", lambda *_, **__: 42.0)
    assert instants.value_at(formula, Fraction(7)) == 42.0
