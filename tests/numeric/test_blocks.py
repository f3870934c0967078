"""Rates are right to float32's last bit, down to the last step of a fall to 0."""

from __future__ import annotations

import struct
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from asking import plan

from lrdsl.numeric.blocks import power_blocks, wave_blocks

DIGITS = 45
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494")
STEPS = 10**7


def cosine(x: Decimal) -> Decimal:
    """Return the cosine by its series."""
    term = total = Decimal(1)
    for n in range(2, 120, 2):
        term *= -x * x / (n * (n - 1))
        total += term
    return total


def decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def float32(value: Decimal) -> float:
    """Return the float32 nearest to a number that is not next to a tie."""
    nearest: float = struct.unpack("f", struct.pack("f", float(value)))[0]
    return nearest


CURVES: dict[str, Callable[[Fraction], Decimal]] = {
    "cosine(from=0.1)": lambda p: Decimal("0.05") * (1 + cosine(PI * decimal(p))),
    "cosine(from=0.1, to=1e-6)": lambda p: (
        Decimal("1e-6") + (Decimal("0.1") - Decimal("1e-6")) * (1 + cosine(PI * decimal(p))) / 2
    ),
    "linear(from=0.1)": lambda p: Decimal("0.1") * decimal(1 - p),
    "exp(0.07, from=0.1)": lambda p: Decimal("0.1") * (-7 * decimal(p)).exp(),
    "exp(from=0.1, to=1e-7)": lambda p: (
        Decimal("0.1") * (Decimal("1e-6").ln() * decimal(p)).exp()
    ),
    "decay(0.9, from=0.1)": lambda p: (
        Decimal("0.1") * (Decimal("0.9").ln() * 100 * decimal(p)).exp()
    ),
    "poly(2, from=0.1)": lambda p: Decimal("0.1") * decimal(1 - p) ** 2,
    "cosine(from=0.1, cycles=4)": lambda p: (
        Decimal("0.05") * (1 + cosine(PI * decimal(4 * p - 4 * p // 1)))
    ),
}


@pytest.mark.parametrize("text", CURVES)
def test_a_rate_is_the_float32_nearest_to_the_formula(text: str) -> None:
    made = plan(text, 100, STEPS // 100)
    rng = np.random.default_rng(3)
    steps = {*range(5), *range(STEPS - 5, STEPS), *map(int, rng.integers(0, STEPS, 150))}
    with localcontext() as context:
        context.prec = DIGITS
        for step in steps:
            exact = CURVES[text](Fraction(step, STEPS))
            value = float(made.values(step))
            assert abs(Decimal(value) - exact) <= abs(exact) * Decimal("1e-14"), step
            assert made.rate(step) == float32(exact), step


def test_blocks_of_a_million_keys_know_each_key_alone() -> None:
    for blocks in (
        wave_blocks(Fraction(1, 10**6), Fraction(-1, 3)),
        power_blocks(0.999, Fraction(1, 7), Fraction(0)),
        power_blocks(None, Fraction(-1, 10**5), Fraction(1, 9)),
    ):
        out = np.empty(20_000)
        blocks.fill(1000, out, 1.0, 0.0)
        for key in (1000, 1001, 5095, 5096, 20_999):
            assert blocks.at(np.array([key]))[0] == out[key - 1000]
        mixed = np.array([20_999, 1000, 7777])
        np.testing.assert_array_equal(blocks.at(mixed), out[mixed - 1000])


def test_factor_and_shift_are_applied_to_each_value() -> None:
    blocks = power_blocks(0.5, Fraction(1), Fraction(0))
    out = np.empty(4)
    blocks.fill(0, out, 8.0, 1.0)
    assert list(out) == [9.0, 5.0, 3.0, 2.0]


def test_the_keys_that_int64_can_measure_are_known() -> None:
    blocks = power_blocks(0.5, Fraction(1), Fraction(-(2**62)))
    assert blocks.reaches(2**62, 2**62 + 5)
    assert not blocks.reaches(0, 5)
