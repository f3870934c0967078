"""Exact arithmetic is the arithmetic of fractions, whatever the size of the numbers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrdsl.numeric.exact import Exact

keys = st.lists(st.integers(-(2**61), 2**61), min_size=1, max_size=5)
huge = st.integers(-(10**40), 10**40)
fractions = st.one_of(st.fractions(), st.fractions(max_denominator=1000), huge.map(Fraction))
scales = fractions.filter(bool)


def values(exact: Exact) -> list[Fraction]:
    n, d = exact.numerators()
    return [Fraction(int(i), d) for i in n]


def line(key: list[int], scale: Fraction, offset: Fraction) -> tuple[Exact, list[Fraction]]:
    exact = Exact(np.array(key, dtype=np.int64), scale, offset)
    return exact, [k * scale + offset for k in key]


@given(keys, scales, fractions, fractions)
def test_a_line_is_its_fractions(
    key: list[int], scale: Fraction, offset: Fraction, factor: Fraction
) -> None:
    exact, expected = line(key, scale, offset)
    assert values(exact) == expected
    assert values(exact * factor) == [x * factor for x in expected]
    assert values(exact + factor) == [x + factor for x in expected]
    assert [int(k) for k in exact.floor().key] == [math.floor(x) for x in expected]
    assert [int(k) for k in exact.below().key] == [math.ceil(x) - 1 for x in expected]
    assert values(exact.compact()) == expected


@given(keys, scales, fractions, scales, fractions)
def test_sums_of_lines_are_the_sums_of_their_fractions(
    key: list[int], a: Fraction, b: Fraction, c: Fraction, d: Fraction
) -> None:
    one, left = line(key, a, b)
    other, right = line(key[::-1], c, d)
    shared = Exact(one.key, c, d)
    assert values(one + other) == [x + y for x, y in zip(left, right, strict=True)]
    assert values(one + shared) == [x + y for x, y in zip(left, values(shared), strict=True)]


@given(keys, scales, fractions)
def test_the_float_is_the_nearest_one(
    key: list[int], scale: Fraction, offset: Fraction
) -> None:
    exact, expected = line(key, scale, offset)
    assert list(exact.to_float()) == [float(x) for x in expected]


_odd = st.builds(
    Fraction,
    st.integers(-(2**400), 2**400),
    st.integers(1, 2**400),
)


@given(
    st.lists(st.integers(-(2**54), 2**54), min_size=1, max_size=20),
    _odd,
    st.one_of(_odd, st.just(Fraction(0))),
    st.integers(-(2**54), 2**54),
)
def test_the_float_is_the_nearest_one_whatever_the_fractions(
    key: list[int], scale: Fraction, offset: Fraction, cancelled: int
) -> None:
    # Also where two large numbers leave little, or nothing, of each other.
    for moved in (offset, -scale * cancelled, offset - scale * cancelled):
        exact, expected = line([*key, cancelled], scale, moved)
        assert list(exact.to_float()) == [float(x) for x in expected]


@given(st.integers(2**52, 2**53 - 1), st.integers(-3, 3), st.integers(60, 300))
def test_next_to_the_middle_between_two_floats_it_is_still_the_nearest(
    mantissa: int, sign: int, bits: int
) -> None:
    # A tie, and numbers so near to one that 106 bits do not tell.
    value = mantissa + Fraction(1, 2) + Fraction(sign, 2**bits)
    exact, expected = line([1, 3], value / 3, Fraction(0))
    assert list(exact.to_float()) == [float(x) for x in expected]


@given(keys, fractions.filter(lambda f: f > 0), fractions, fractions)
def test_the_first_key_is_the_first_that_is_not_below(
    key: list[int], scale: Fraction, offset: Fraction, value: Fraction
) -> None:
    exact, _ = line(key, scale, offset)
    first = exact.first_key(value)
    assert first * scale + offset >= value > (first - 1) * scale + offset


@pytest.mark.parametrize(
    ("key", "scale", "expected"),
    [
        (1, Fraction(10**400), math.inf),
        (-1, Fraction(10**400), -math.inf),
        (0, Fraction(10**400), 0.0),
        (1, Fraction(1, 10**400), 0.0),
        (2**62, Fraction(2**62), float(2**124)),
    ],
)
def test_numbers_beyond_floats_are_infinite_or_0(
    key: int, scale: Fraction, expected: float
) -> None:
    assert list(Exact(np.array([key]), scale, Fraction(0)).to_float()) == [expected]


def test_taking_some_keeps_their_values() -> None:
    exact, expected = line([3, 1, 4, 1, 5], Fraction(1, 3), Fraction(2, 7))
    assert values(exact.take(slice(1, 4))) == expected[1:4]
    assert values(exact.take(np.array([4, 0]))) == [expected[4], expected[0]]
    assert len(exact) == 5
