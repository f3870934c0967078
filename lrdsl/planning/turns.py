"""The turns of a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from lrdsl import core, limits
from lrdsl.planning.times import ZERO, Length, Open
from lrdsl.records import dataclass

_NEVER = 2**64
"""Ticks that no training has."""

_TIME_BITS = 256
"""Bits of a denominator beyond which the edges of stretched turns are rounded: the numbers
would grow with every turn."""


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a repeat: the first one's length, their number, and how they stretch."""

    body: core.Core
    length: Fraction
    count: int | None
    stretch: Fraction

    @property
    def edges(self) -> tuple[Fraction, ...]:
        """Where each stretched turn begins, from the start of the repeat, and the last ends."""
        return _stretched(self.length, self.stretch, self.count)

    @property
    def end(self) -> Length:
        """Where the last turn ends, from the start of the repeat."""
        if self.count is not None:
            return self.length * self.count if self.stretch == 1 else self.edges[-1]
        if self.stretch < 1:
            return self.length / (1 - self.stretch)
        return Open.ENDLESS

    def each(self, after: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
        """Yield where each turn begins, from the start of the repeat, and how slow it is.

        Turns that end at `after` or before it are left out.
        """
        if self.stretch == 1:
            turn = max(after // self.length, 0)
            while self.count is None or turn < self.count:
                yield self.length * turn, Fraction(1)
                turn += 1
            return
        for start, end in pairwise(self.edges):
            if end > after:
                yield start, (end - start) / self.length


@lru_cache(maxsize=64)
def _stretched(length: Fraction, stretch: Fraction, count: int | None) -> tuple[Fraction, ...]:
    """Return where stretched turns begin and the last ends, as far as any training sees.

    Exact while that is short; beyond, rounded so finely that no step can tell.
    """
    edges = [ZERO]
    for _ in range(limits.TURNS + 1 if count is None else count):
        edge = _short(edges[-1] + length)
        if edge == edges[-1] or edge > _NEVER:
            break
        edges.append(edge)
        length = _short(length * stretch)
    return tuple(edges) if len(edges) > 1 else (ZERO, length)


def _short(time: Fraction) -> Fraction:
    if time.denominator.bit_length() <= _TIME_BITS:
        return time
    return Fraction(round(time * 2**_TIME_BITS), 2**_TIME_BITS)
