"""Sines and exponentials of a whole training: steps in blocks, by the addition theorems.

    sin(a + b) = sin a · cos b + cos a · sin b        e^(a + b) = e^a · e^b

A step is the row of its block and its column in it.  With a table of the columns, which is
the same for every block, a value costs a few products instead of a sine.  A step is always
taken apart in the same way, so its value is the same to the bit in whatever company.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric import functions
from lrdsl.numeric.exact import Exact

Floats = NDArray[np.float64]

_BITS = 12
_COLUMNS = 1 << _BITS
"""Steps of a block: NumPy is at its best with rows of so many numbers."""

_ROWS = 8
"""Blocks worked on at once: they stay in the processor's cache."""

_HALF_PI = math.pi / 2
_LARGEST_KEY = 2**62

_Kind: TypeAlias = tuple[str | float | None, Fraction]
_MOST_TABLES = 64
_tables: dict[_Kind, tuple[Floats, ...]] = {}
_asked: set[_Kind] = set()
"""The tables there are, of a megabyte in all, and what asked for a part of one once."""


class Blocks:
    """A function of integer keys that is a sum of products of a row's and a column's parts.

    Args:
        origin: the key at which a row begins.
        rows: the parts of rows, by their numbers.
        columns: the parts of columns, by their numbers.
        kind: what decides the columns; segments of one length have them in common.
        squared: take the square of the sum.
    """

    def __init__(
        self,
        origin: int,
        rows: Callable[[NDArray[Any]], tuple[Floats, ...]],
        columns: Callable[[NDArray[Any]], tuple[Floats, ...]],
        kind: _Kind,
        *,
        squared: bool,
    ) -> None:
        self._origin = origin
        self._rows = rows
        self._columns = columns
        self._kind = kind
        self._squared = squared

    def reaches(self, first: int, last: int) -> bool:
        """Return whether int64 holds the distances of keys from the origin."""
        return max(abs(first - self._origin), abs(last - self._origin)) < _LARGEST_KEY

    def at(self, keys: NDArray[np.int64]) -> Floats:
        """Return the function's values at any keys."""
        since = keys - self._origin
        row, column = since >> _BITS, since & (_COLUMNS - 1)
        first, last = int(row.min()), int(row.max())
        if last - first < keys.size:
            rows = tuple(part[row - first] for part in self._rows(np.arange(first, last + 1)))
        else:
            rows = self._rows(row)
        if self._kind not in _tables and keys.size < _COLUMNS:
            return self._joined(rows, self._columns(column))
        return self._joined(rows, tuple(part[column] for part in self._whole_table()))

    def fill(self, first: int, out: Floats, factor: float, shift: float) -> None:
        """Write shift + factor · value for consecutive keys, in place.

        Args:
            first: the first key.
            out: where to; one value for each key.
            factor: of each value.
            shift: added to it.
        """
        if not out.size:
            return
        since = first - self._origin
        row, column = since >> _BITS, since & (_COLUMNS - 1)
        last = (since + out.size - 1) >> _BITS
        rows = [part[:, None] for part in self._rows(np.arange(row, last + 1))]
        begin = done = 0
        while begin < out.size:
            left = out.size - begin
            whole = 0 if column else min(left >> _BITS, _ROWS)
            if whole:
                count = whole << _BITS
                table = self._whole_table()
            else:
                count = min(left, _COLUMNS - column)
                table = self._part_of_table(column, column + count)
            height = max(whole, 1)
            part = out[begin : begin + count].reshape(height, -1)
            self._joined(tuple(one[done : done + height] for one in rows), table, part)
            part *= factor
            if shift:
                part += shift
            begin, done, column = begin + count, done + height, 0

    def _joined(
        self, rows: tuple[Floats, ...], columns: tuple[Floats, ...], out: Floats | None = None
    ) -> Floats:
        out = np.multiply(rows[0], columns[0], out=out)
        for one, other in zip(rows[1:], columns[1:], strict=True):
            out += one * other
        if self._squared:
            out *= out
        return out

    def _whole_table(self) -> tuple[Floats, ...]:
        table = _tables.get(self._kind)
        if table is None:
            while len(_tables) >= _MOST_TABLES:
                _tables.pop(next(iter(_tables)), None)
            table = _tables[self._kind] = self._columns(np.arange(_COLUMNS))
        return table

    def _part_of_table(self, first: int, last: int) -> tuple[Floats, ...]:
        if self._kind in _tables or last - first >= _COLUMNS // 2 or self._kind in _asked:
            return tuple(part[first:last] for part in self._whole_table())
        # A table is made where it is asked for the second time.
        if len(_asked) >= _MOST_TABLES:
            _asked.clear()
        _asked.add(self._kind)
        return self._columns(np.arange(first, last))


def wave_blocks(scale: Fraction, offset: Fraction) -> Blocks:
    """Return sin²(π/2 · (1 − p)) of p = key · scale + offset, for p ≤ 1.

    Counted from where p is 1 backwards, so that neither sum has terms of both signs: the
    result keeps its relative accuracy down to the last step.
    """
    last = math.floor((1 - offset) / scale)
    rest = 1 - (last * scale + offset)

    def rows(numbers: NDArray[Any]) -> tuple[Floats, ...]:
        angle = Exact(-1 - numbers, scale * _COLUMNS, rest).to_float() * _HALF_PI
        return functions.sin(angle), functions.cos(angle)

    def columns(numbers: NDArray[Any]) -> tuple[Floats, ...]:
        angle = Exact(_COLUMNS - 1 - numbers, scale, Fraction(0)).to_float() * _HALF_PI
        return functions.cos(angle), functions.sin(angle)

    return Blocks(last + 1, rows, columns, ("wave", scale), squared=True)


def power_blocks(base: float | None, scale: Fraction, offset: Fraction) -> Blocks:
    """Return base^x of x = key · scale + offset; e^x for None."""
    first = math.ceil(-offset / scale) if scale else 0

    def power(x: Exact) -> tuple[Floats, ...]:
        exponent = x.to_float()
        return (functions.exp(exponent) if base is None else functions.power(base, exponent),)

    def rows(numbers: NDArray[Any]) -> tuple[Floats, ...]:
        return power(Exact(numbers, scale * _COLUMNS, offset + first * scale))

    def columns(numbers: NDArray[Any]) -> tuple[Floats, ...]:
        return power(Exact(numbers, scale, Fraction(0)))

    return Blocks(first, rows, columns, (base, scale), squared=False)
