"""Between which values a formula stays over a stretch of time, without visiting its steps."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TypeAlias

from lrdsl.numeric.constants import apply_constant, as_float, is_chain
from lrdsl.planning.formula import (
    Apply,
    By,
    Clock,
    Const,
    Curve,
    Cycle,
    Formula,
    Hold,
    Instant,
    LastTurn,
    NextTurn,
    Outer,
    Piecewise,
    Repeat,
    Root,
    Stretch,
)
from lrdsl.records import dataclass, replace

Interval: TypeAlias = tuple[float, float]

_ZERO = Fraction(0)

_PIECES = 2**14
"""Pieces looked at one by one; a stretch that meets more is to be halved first.

As many as steps are evaluated at once: many short pieces are cheaper to bound than to
evaluate."""


@dataclass(frozen=True, slots=True)
class Window:
    """A closed stretch of time: of the training's ticks and of the turn's, and its turns."""

    absolute: tuple[Fraction, Fraction]
    local: tuple[Fraction, Fraction]
    cycle: tuple[int, int] = (0, 0)
    factor: Fraction = Fraction(1)
    parent: Window | None = None

    @property
    def is_one_turn(self) -> bool:
        """Whether both clocks run through it together."""
        (low, high), (first, last) = self.absolute, self.local
        return high - low == (last - first) * self.factor

    def at(self, local: Fraction) -> Window:
        """Return the window in which one local tick of each instant's turn lies."""
        (low, high), (first, last) = self.absolute, self.local
        absolute = (low + (local - last) * self.factor, high + (local - first) * self.factor)
        return replace(self, local=(local, local), absolute=absolute)


class Unbounded(Exception):
    """Nothing is known of the values over this stretch."""


def bounds(formula: Formula, first: Fraction, last: Fraction) -> Interval | None:
    """Return values between which a formula stays from one tick to another, or None.

    The interval may be wider than the values; None says that no finite one was found.
    """
    try:
        low, high = _bounds(formula, Window((first, last), (first, last)))
    except Unbounded:
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


def _hull(values: Iterable[float]) -> Interval:
    known = list(values)
    if any(math.isnan(v) for v in known):
        raise Unbounded
    return min(known), max(known)


def _union(intervals: Iterable[Interval]) -> Interval:
    return _hull(end for interval in intervals for end in interval)


def _bounds(formula: Formula, at: Window) -> Interval:
    match formula:
        case Const(value=value):
            return _hull([as_float(value)])
        case Clock(absolute=absolute, scale=scale, offset=offset):
            ends = at.absolute if absolute else at.local
            return _hull(as_float(end * scale + offset) for end in ends)
        case Cycle():
            return float(at.cycle[0]), float(at.cycle[1])
        case Apply(function=function, operands=operands):
            return _apply(function, [_bounds(operand, at) for operand in operands])
        case Curve():
            return _curve(formula, at)
        case Piecewise(starts=starts, pieces=pieces):
            return _piecewise(starts, pieces, at)
        case Hold(operand=operand, end=end, value=value):
            parts = []
            if at.local[0] < end:
                parts.append(_bounds(operand, _until(at, end)))
            if at.local[1] >= end:
                parts.append(_bounds(value, at))
            return _union(parts)
        case Instant(operand=operand, at=instant):
            return _bounds(operand, at.at(instant))
        case NextTurn(operand=operand, length=length):
            first, last = at.cycle
            after = replace(at.at(length), local=(_ZERO, _ZERO), cycle=(first + 1, last + 1))
            return _bounds(operand, after)
        case Repeat(operand=operand, start=start, length=length, scale=scale):
            first, last = ((end - start) // length for end in at.local)
            local = (_ZERO, length)
            if first == last:
                local = tuple(end - start - first * length for end in at.local)  # type: ignore[assignment]
            inside = Window(at.absolute, local, (int(first), int(last)), at.factor, at)
            return _scaled(_bounds(operand, inside), scale, int(first), int(last))
        case Stretch():
            return _stretch(formula, at)
        case LastTurn(last=one, other=two):
            return _union((_bounds(one, at), _bounds(two, at)))
        case By(operand=operand, start=start, interval=interval, absolute=absolute):
            # What is shown was the value at most one interval ago, or at the start.
            long = interval / at.factor if absolute else interval
            back = min(max(at.local[0] - long, start), at.local[0])
            # Over several turns the earliest instant may be the latest in its turn.
            furthest = at.local[0] if at.is_one_turn else at.local[1]
            ago = min(long, max(furthest - start, _ZERO)) * at.factor
            earlier = (at.absolute[0] - ago, at.absolute[1])
            return _bounds(operand, replace(at, local=(back, at.local[1]), absolute=earlier))
        case Outer(operand=operand):
            assert at.parent is not None
            return _bounds(operand, at.parent)
        case Root(operand=operand):
            return _bounds(operand, Window(at.absolute, at.absolute))
    raise TypeError(f"no formula: {formula!r}")


def _until(at: Window, end: Fraction) -> Window:
    return replace(at, local=(at.local[0], min(at.local[1], end)))


def _piecewise(
    starts: tuple[Fraction, ...], pieces: tuple[Formula, ...], at: Window
) -> Interval:
    low, high = at.local
    first = max(bisect_right(starts, low) - 1, 0)
    last = max(bisect_right(starts, high) - 1, 0)
    if last - first > _PIECES:
        raise Unbounded
    parts = []
    for index in range(first, last + 1):
        begin = max(low, starts[index])
        end = min(high, starts[index + 1]) if index + 1 < len(starts) else high
        shift = begin - low
        # Outside any repeat the training's clock is the local one.
        same = at.absolute == at.local
        absolute = (low + shift, end) if same else at.absolute
        parts.append(_bounds(pieces[index], replace(at, local=(begin, end), absolute=absolute)))
    return _union(parts)


def _scaled(values: Interval, scale: float, first: int, last: int) -> Interval:
    if scale == 1:
        return values
    heights = _hull(as_float(apply_constant("^", [scale, Fraction(i)])) for i in (first, last))
    return _product(values, heights)


def _stretch(stretch: Stretch, at: Window) -> Interval:
    starts = stretch.starts
    first = max(bisect_right(starts, at.local[0]) - 1, 0)
    last = max(bisect_left(starts, at.local[1]), first + 1)
    if last - first > _PIECES:
        raise Unbounded
    parts = []
    for turn in range(first, last):
        slower = stretch.slower[turn]
        low = max(at.local[0] - starts[turn], _ZERO) / slower
        end = at.local[1] if turn + 1 == len(starts) else min(at.local[1], starts[turn + 1])
        local = (low, (end - starts[turn]) / slower)
        inside = Window(at.absolute, local, (turn, turn), at.factor * slower, at)
        parts.append(_scaled(_bounds(stretch.operand, inside), stretch.scale, turn, turn))
    return _union(parts)


def _curve(curve: Curve, at: Window) -> Interval:
    if curve.kind == "noise":
        return -1.0, 1.0
    x = _bounds(curve.clock, at)
    parameters = [_bounds(parameter, at) for parameter in curve.parameters]
    if curve.kind in ("linear", "cosine"):
        return _union(parameters[:2])
    if curve.kind == "geometric":
        if _union(parameters)[0] <= 0:
            raise Unbounded
        return _union(parameters)
    if curve.kind == "poly":
        power, start, end = parameters
        if power[0] < 0:
            raise Unbounded
        return _union((start, end))
    if curve.kind == "exponential":
        rate, start = parameters
        exponent = _negative(_product(rate, x))
        return _product(start, _monotone(_exp)(exponent))
    if curve.kind == "decay":
        factor, start = parameters
        return _product(start, _power(factor, x))
    rate, power, start = parameters
    return _quotient(start, _power(_sum((1.0, 1.0), _product(rate, x)), power))


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


def _apply(function: str, intervals: list[Interval]) -> Interval:
    if not is_chain(function):
        return _APPLY[function](*intervals)
    result = intervals[0]
    for operator, interval in zip(function, intervals[1:], strict=True):
        result = _APPLY[operator](result, interval)
    return result


def _sum(*intervals: Interval) -> Interval:
    ends = sum(i[0] for i in intervals), sum(i[1] for i in intervals)
    return _hull(ends)


def _product(*intervals: Interval) -> Interval:
    low, high = intervals[0]
    for other in intervals[1:]:
        low, high = _hull(a * b for a in (low, high) for b in other)
    return low, high


def _quotient(left: Interval, right: Interval) -> Interval:
    if right[0] <= 0 <= right[1]:
        raise Unbounded
    return _hull(a / b for a in left for b in right)


def _power(base: Interval, exponent: Interval) -> Interval:
    # Monotone in each of base and exponent where the base is above 0.
    if base[0] < 0 or (base[0] == 0 and exponent[0] < 0):
        whole = exponent[0] == exponent[1] and exponent[0] >= 0 and exponent[0].is_integer()
        if not whole:
            raise Unbounded
        corners = [as_float(apply_constant("^", [b, exponent[0]])) for b in base]
        return _hull([*corners, 0.0] if base[1] > 0 else corners)
    return _hull(as_float(apply_constant("^", [b, e])) for b in base for e in exponent)


def _negative(x: Interval) -> Interval:
    return -x[1], -x[0]


def _monotone(function: Callable[[float], float]) -> Callable[[Interval], Interval]:
    return lambda x: _hull(map(function, x))


def _rising(name: str) -> Callable[[Interval], Interval]:
    return lambda x: _hull(as_float(apply_constant(name, [end])) for end in x)


def _absolute(x: Interval) -> Interval:
    ends = [abs(end) for end in x]
    return _hull([*ends, 0.0] if x[0] < 0 < x[1] else ends)


def _above(name: str, least: float) -> Callable[[Interval], Interval]:
    def bounded(x: Interval) -> Interval:
        if x[0] < least or (name == "log" and x[0] == 0):
            raise Unbounded
        return _rising(name)(x)

    return bounded


def _mod(value: Interval, period: Interval) -> Interval:
    if period[0] <= 0:
        raise Unbounded
    return 0.0, period[1]


def _wave(_x: Interval) -> Interval:
    return -1.0, 1.0


_APPLY: dict[str, Callable[..., Interval]] = {
    "+": _sum,
    "*": _product,
    "/": _quotient,
    "^": _power,
    "negative": _negative,
    "min": lambda *xs: (min(x[0] for x in xs), min(x[1] for x in xs)),
    "max": lambda *xs: (max(x[0] for x in xs), max(x[1] for x in xs)),
    "clip": lambda x, low, high: (
        min(max(x[0], low[0]), high[0]),
        min(max(x[1], low[1]), high[1]),
    ),
    "abs": _absolute,
    "sqrt": _above("sqrt", 0.0),
    "log": _above("log", 0.0),
    "floor": _rising("floor"),
    "ceil": _rising("ceil"),
    "round": _rising("round"),
    "mod": _mod,
    "sin": _wave,
    "cos": _wave,
    "tanh": _rising("tanh"),
    "sigmoid": _rising("sigmoid"),
}
