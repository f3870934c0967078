"""No plan holds a value that is not finite, nor a negative rate, wherever it hides."""

# ruff: noqa: E501 - messages stand as they are printed

from __future__ import annotations

from fractions import Fraction

import pytest
from asking import plan, problems

from lrdsl.planning.formula import Const
from lrdsl.planning.verify import find_fault


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("0.1 + 0 / (step - 421)", "LRS403", "the rate is not finite at step 421 (epoch 42.1)"),
        ("min(0.1, 0 / 0)", "LRS403", "the rate is not finite at step 0 (epoch 0)"),
        ("max(0 / 0, 0.1)", "LRS403", "the rate is not finite at step 0 (epoch 0)"),
        ("clip(0 / 0, 0, 1)", "LRS403", "the rate is not finite at step 0 (epoch 0)"),
        ("0.1 until 30 then (-1) ^ elapsed", "LRS403", "the rate is not finite at step 301 (epoch 30.1)"),
        ("e ^ epoch until 600 then 1", "LRS403", "the rate is not finite at step 888 (epoch 88.8)"),
        ("0.1 until 59.9 then -0.1", "LRS404", "the rate is negative at step 599 (epoch 59.9)"),
        ("0.5 + noise(seed=3)", "LRS404", "the rate is negative at step 2 (epoch 0.2)"),
        ("0 until 5 then exp(to=0.1)", "LRS403", "the rate is not finite at step 51 (epoch 5.1)"),
        ("momentum = 1 / (59 - epoch) lr = 1", "LRS403", "the `momentum` is not finite at step 590 (epoch 59)"),
        ("1 for 1 repeat stretch 0.5 scale 2", "LRS403", "the rate is not finite at step 20 (epoch 2)"),
    ],
)  # fmt: skip
def test_the_first_bad_value_is_named(text: str, code: str, message: str) -> None:
    found = problems(text, epochs=90 if "e ^" in text else 60, steps_per_epoch=10)
    errors = [d for d in found if d.severity == "error"]
    assert [(d.code, d.message) for d in errors] == [(code, message)]


def test_only_steps_count_where_steps_are_known() -> None:
    assert problems("0.1 + 0 / (epoch - 0.25)", epochs=2, steps_per_epoch=10) == []
    assert [d.code for d in problems("0.1 + 0 / (epoch - 0.25)", epochs=2)] == ["LRS403"]


def test_the_segment_to_blame_is_marked() -> None:
    text = "0.1 until 10 then 0.1 - 0.01 * elapsed until 30 then 0.2"
    (found,) = problems(text, epochs=60)
    assert found.primary is not None
    assert text[found.primary.span.start : found.primary.span.end] == "0.1 - 0.01 * elapsed"


def test_one_bad_step_among_a_million_million_is_found() -> None:
    (found,) = problems("0.1 + 0 / (step - 123456789012)", epochs=10**6, steps_per_epoch=10**6)
    assert "step 123,456,789,012" in found.message


def test_what_cannot_be_settled_is_refused() -> None:
    text = "mod(step, 10) - mod(step, 5) + 0.1"
    (found,) = problems(text, epochs=10**6, steps_per_epoch=10**6)
    assert found.message == "the rate cannot be shown to be finite and not negative"
    assert plan(f"clip({text}, 0, 1)", 10**6, 10**6).total_steps == 10**12


@pytest.mark.parametrize(
    ("value", "negative", "good"),
    [(0.0, False, True), (-1e-30, False, False), (-1.0, True, True), (1e39, True, False)],
)
def test_what_is_good(value: float, negative: bool, good: bool) -> None:
    fault = find_fault(Const(value), Fraction(10), whole_ticks=True, negative=negative)
    assert (fault is None) == good
