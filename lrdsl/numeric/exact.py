"""Rational numbers by the million: `key · scale + offset` with integer keys."""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric.constants import as_float, as_fraction

_INT64_SAFE = 2**62
_FLOAT_SAFE = 2**53
_SPLITTER = 2.0**27 + 1
_PAIR_ERROR = 2.0**-98
"""What the sum of a few pairs is wrong by at most, as a share of the largest of them."""
_PAIR_SMALLEST, _PAIR_LARGEST = 1e-200, 1e200
"""Where the halves of a pair neither vanish nor overflow."""
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
        a, b, d = self._line()
        n = _affine(self.key, a, b)
        if d >= _INT64_SAFE and n.dtype != object:
            n = n.astype(object)  # so that n // d stays within Python's integers
        return n, d

    def _line(self) -> tuple[int, int, int]:
        """Return integers with the values (key · a + b) / d, d > 0."""
        d = lcm(self.scale.denominator, self.offset.denominator)
        a = self.scale.numerator * (d // self.scale.denominator)
        b = self.offset.numerator * (d // self.offset.denominator)
        return a, b, d

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
        a, b, d = self._line()
        if d < _FLOAT_SAFE and max(_largest(self.key), 1) * abs(a) + abs(b) < _FLOAT_SAFE:
            # A quotient of two exact float64 is correctly rounded.
            return np.divide((self.key * a + b).astype(np.float64), float(d))
        result, certain = self._in_pairs()
        rest = np.flatnonzero(~certain)
        if rest.size:
            result[rest] = _quotients(_affine(self.key[rest], a, b), d)
        return result

    def _in_pairs(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the values in pairs of float64, and which are certainly the nearest ones.

        A pair holds 106 bits: all but the values that lie next to the middle between two
        float64 are decided by them.
        """
        pairs = [_pair(number) for number in (self.scale, self.offset)]
        if self.key.dtype == object or _largest(self.key) >= _FLOAT_SAFE or None in pairs:
            return np.empty(len(self)), np.zeros(len(self), np.bool_)
        (scale, scale_rest), (offset, offset_rest) = (pair or (0.0, 0.0) for pair in pairs)
        key = self.key.astype(np.float64)
        product, product_rest = _two_product(key, scale)
        total, total_rest = _two_sum(product, offset)
        rest = total_rest + (product_rest + key * scale_rest + offset_rest)
        error = (np.abs(product) + abs(offset)) * _PAIR_ERROR
        result: NDArray[np.float64] = total + rest
        left_over = rest - (result - total)
        certain: NDArray[np.bool_] = (result + (left_over - error) == result) & (
            result + (left_over + error) == result
        )
        return result, certain & (np.abs(result) > _PAIR_SMALLEST)

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


def _pair(number: Fraction) -> tuple[float, float] | None:
    """Return two float64 whose sum is a number to 106 bits, None where it is out of reach."""
    high = as_float(number)
    if number and not _PAIR_SMALLEST < abs(high) < _PAIR_LARGEST:
        return None
    return high, as_float(number - as_fraction(high))


def _two_product(a: NDArray[np.float64], b: float) -> tuple[NDArray[np.float64], Any]:
    """Return a·b and what it lacks (Dekker 1971)."""
    product = a * b
    a_high = a * _SPLITTER - (a * _SPLITTER - a)
    b_high = b * _SPLITTER - (b * _SPLITTER - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + (
        a_low * b_low
    )


def _two_sum(a: NDArray[np.float64], b: float) -> tuple[NDArray[np.float64], Any]:
    """Return a + b and what it lacks (Knuth)."""
    total = a + b
    b_seen = total - a
    return total, (a - (total - b_seen)) + (b - b_seen)


def _quotients(numerators: NDArray[Any], d: int) -> NDArray[np.float64]:
    # Python's own division of integers is correctly rounded, whatever their size.
    try:
        return np.array([int(n) / d for n in numerators], dtype=np.float64)
    except OverflowError:
        return np.array([as_float(Fraction(int(n), d)) for n in numerators], dtype=np.float64)


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
