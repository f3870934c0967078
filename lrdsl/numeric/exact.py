"""Rational numbers by the million: `key · scale + offset` with integer keys."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric.constants import as_float

_INT64_SAFE = 2**62
_FLOAT_SAFE = 2**53
_EXACT_BITS = 8192
"""Bits of a line's numbers up to which sums and multiples stay exact: a million rationals
of more would fill the memory."""


class Exact:
    """An array of rationals, each `key · scale + offset`.

    Clocks are of this form, and so are sums and multiples of them, so `floor` and the
    choice of a segment are decided without rounding.

    Args:
        key: integers, int64 or (where int64 is too small) Python ints in an object array.
        scale, offset: rationals shared by the whole array.
    """

    __slots__ = ("key", "offset", "scale")

    def __init__(self, key: NDArray[Any], scale: Fraction, offset: Fraction) -> None:
        self.key = key
        self.scale = scale
        self.offset = offset

    def __len__(self) -> int:
        return len(self.key)

    def numerators(self) -> tuple[NDArray[Any], int]:
        """Return integers n and one denominator d > 0 with the values n / d."""
        d = lcm(self.scale.denominator, self.offset.denominator)
        a = self.scale.numerator * (d // self.scale.denominator)
        b = self.offset.numerator * (d // self.offset.denominator)
        n = _affine(self.key, a, b)
        if d >= _INT64_SAFE and n.dtype != object:
            n = n.astype(object)  # so that n // d stays within Python's integers
        return n, d

    @property
    def is_cheap(self) -> bool:
        """Whether the numbers are short enough for exact arithmetic on many of them."""
        numbers = (
            self.scale.numerator,
            self.scale.denominator,
            self.offset.numerator,
            self.offset.denominator,
        )
        return max(map(int.bit_length, numbers)) <= _EXACT_BITS

    def to_float(self) -> NDArray[np.float64]:
        """Return the float64 nearest to each value, infinite where it is too large."""
        n, d = self.numerators()
        if n.dtype != object and d < _FLOAT_SAFE and _largest(n) < _FLOAT_SAFE:
            # A quotient of two exact float64 is correctly rounded.
            return np.divide(n.astype(np.float64), float(d))
        # So is Python's own division of integers, whatever their size.
        try:
            return np.array([int(i) / d for i in n], dtype=np.float64)
        except OverflowError:
            return np.array([as_float(Fraction(int(i), d)) for i in n], dtype=np.float64)

    def floor(self) -> Exact:
        """Return the largest integer ≤ each value."""
        n, d = self.numerators()
        return Exact(n // d, Fraction(1), Fraction(0))

    def below(self) -> Exact:
        """Return the largest integer < each value (`floor`, seen from the left)."""
        n, d = self.numerators()
        return Exact(-(-n // d) - 1, Fraction(1), Fraction(0))

    def first_key(self, value: Fraction) -> int:
        """Return the smallest key whose number is ≥ `value`; needs `scale` > 0."""
        q = (value - self.offset) / self.scale
        return -(-q.numerator // q.denominator)

    def take(self, index: Any) -> Exact:
        """Return the values that a NumPy index selects."""
        return Exact(self.key[index], self.scale, self.offset)

    def compact(self) -> Exact:
        """Return the same values, with int64 keys if they fit."""
        if self.key.dtype == object and _largest(self.key) < _INT64_SAFE:
            return Exact(self.key.astype(np.int64), self.scale, self.offset)
        return self

    def __add__(self, other: Exact | Fraction) -> Exact:
        if isinstance(other, Fraction):
            return Exact(self.key, self.scale, self.offset + other)
        if other.key is self.key:
            return Exact(self.key, self.scale + other.scale, self.offset + other.offset)
        n, d = self.numerators()
        m, e = other.numerators()
        common = lcm(d, e)
        total = _sum(_affine(n, common // d, 0), _affine(m, common // e, 0))
        return Exact(total, Fraction(1, common), Fraction(0))

    def __mul__(self, factor: Fraction) -> Exact:
        return Exact(self.key, self.scale * factor, self.offset * factor)


def _largest(integers: NDArray[Any]) -> int:
    if integers.size == 0:
        return 0
    return max(abs(int(integers.max())), abs(int(integers.min())))


def _affine(key: NDArray[Any], a: int, b: int) -> NDArray[Any]:
    if key.dtype != object and max(_largest(key), 1) * abs(a) + abs(b) >= _INT64_SAFE:
        key = key.astype(object)
    result: NDArray[Any] = key * a + b
    return result


def _sum(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    if object not in (left.dtype, right.dtype) and (
        _largest(left) + _largest(right) >= _INT64_SAFE
    ):
        left = left.astype(object)
    total: NDArray[Any] = left + right
    return total
