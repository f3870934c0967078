"""Formula → value at one instant, without NumPy wherever that gives the very same bits.

Where a segment starts and ends most curves are a number of theirs, and lines are sums and
products, which every float64 rounds alike.  So most schedules are checked and bound before
NumPy is imported; what needs a cosine or a power in its middle is left to
`lrdsl.planning.evaluate`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

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

_BITS = 1024
"""Bits of a rational up to which `evaluate` is known to count exactly as well."""


class _Needed(Exception):
    """The value takes NumPy."""


class _Float(float):
    """A float64 that is computed in time, unlike a number of the text, which is a float."""


class _Tick(Fraction):
    """A rational that a clock shows, unlike a number of the text, which is a Fraction."""


_Value: TypeAlias = Fraction | float


@dataclass(frozen=True, slots=True)
class _Now:
    """The clocks at one instant, as `evaluate.Context`."""

    absolute: Fraction
    local: Fraction
    cycle: int | None
    factor: Fraction
    left: bool
    parent: _Now | None

    def at(self, local: Fraction, left: bool) -> _Now:
        absolute = self.absolute + (local - self.local) * self.factor
        return replace(self, absolute=absolute, local=local, left=left)


def value_at(formula: Formula, tick: Fraction, *, left: bool = False) -> float:
    """Return a formula's value at one tick of the training, which need not be whole.

    Args:
        formula: what to evaluate.
        tick: ticks since training began.
        left: the limit from the left of the tick instead.

    Returns:
        To the bit what `evaluate_at` gives there.
    """
    try:
        now = _Now(tick, tick, None, Fraction(1), left, None)
        return as_float(_evaluate(formula, now))
    except _Needed:
        from lrdsl.planning import evaluate

        return evaluate.value_at(formula, tick, left=left)


def _evaluate(formula: Formula, now: _Now) -> _Value:
    match formula:
        case Const(value=number):
            return number
        case Clock(absolute=absolute, scale=scale, offset=offset):
            return _tick((now.absolute if absolute else now.local) * scale + offset)
        case Cycle():
            return Fraction(0) if now.cycle is None else _Tick(now.cycle)
        case Apply(function=function, operands=operands):
            return _apply(function, [_evaluate(operand, now) for operand in operands])
        case Curve():
            return _curve(formula, now)
        case Outer(operand=operand):
            assert now.parent is not None
            return _evaluate(operand, now.parent)
    return _Float(as_float(_in_time(formula, now)))


def _in_time(formula: Formula, now: _Now) -> _Value:
    local = now.local
    match formula:
        case Piecewise(starts=starts, pieces=pieces):
            return _evaluate(pieces[_piece(starts, now)], now)
        case Hold(operand=operand, end=end, value=value):
            # Its end is the value's own, also when seen from the left.
            return _evaluate(value if local >= end else operand, now)
        case Instant(operand=operand, at=instant, left=left):
            return _evaluate(operand, now.at(instant, left))
        case NextTurn(operand=operand, length=length):
            assert now.cycle is not None
            after = now.at(length, False)
            return _evaluate(operand, replace(after, local=Fraction(0), cycle=now.cycle + 1))
        case Repeat(operand=operand, start=start, length=length, scale=scale):
            turns = (local - start) / length
            turn = math.ceil(turns) - 1 if now.left else math.floor(turns)
            inside = replace(now, local=local - start - turn * length, cycle=turn, parent=now)
            return _scaled(_evaluate(operand, inside), scale, turn)
        case Stretch(operand=operand, starts=starts, slower=all_slower, scale=scale):
            turn = _piece(starts, now)
            slower = all_slower[turn]
            inside = _Now(
                now.absolute,
                (local - starts[turn]) / slower,
                turn,
                now.factor * slower,
                now.left,
                now,
            )
            return _scaled(_evaluate(operand, inside), scale, turn)
        case LastTurn(count=count, last=last, other=other):
            return _evaluate(last if now.cycle == count - 1 else other, now)
        case By():
            return _evaluate(formula.operand, _start_of_interval(formula, now))
        case Root(operand=operand):
            absolute = now.absolute
            return _evaluate(
                operand, _Now(absolute, absolute, None, Fraction(1), now.left, None)
            )
    raise TypeError(f"no formula: {formula!r}")


def _piece(starts: tuple[Fraction, ...], now: _Now) -> int:
    find = bisect_left if now.left else bisect_right
    return max(find(starts, now.local) - 1, 0)


def _scaled(value: _Value, scale: float, turn: int) -> _Value:
    if scale == 1:
        return value
    if turn:
        raise _Needed
    return value


def _start_of_interval(by: By, now: _Now) -> _Now:
    clock = now.absolute if by.absolute else now.local - by.start
    intervals = clock / by.interval
    whole = math.ceil(intervals) - 1 if now.left else math.floor(intervals)
    since = clock - whole * by.interval
    if by.absolute:
        since = min(since / now.factor, now.local - by.start)
    # The start of an interval is inside it: no limit is taken there.
    return replace(
        now, absolute=now.absolute - since * now.factor, local=now.local - since, left=False
    )


def _tick(value: Fraction) -> Fraction:
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > _BITS:
        raise _Needed
    return _Tick(value)


# Functions, as `evaluate` has them of arrays.


def _apply(function: str, values: list[_Value]) -> _Value:
    if is_chain(function):
        result = values[0]
        for operator, value in zip(function, values[1:], strict=True):
            result = _apply(operator, [result, value])
        return result
    if not any(isinstance(value, _Tick | _Float) for value in values):
        return apply_constant(function, values)
    if function in _ON_CLOCKS and all(isinstance(value, Fraction) for value in values):
        exact = _ON_CLOCKS[function](values)
        if exact is not None:
            return _tick(exact)
    if function not in _ON_FLOATS:
        raise _Needed
    floats = [as_float(value) for value in values]
    if not all(map(math.isfinite, floats)):
        raise _Needed  # what becomes of them is NumPy's to say
    return _Float(_ON_FLOATS[function](*floats))


def _product(values: list[Any]) -> Fraction | None:
    clock, *others = [value for value in values if isinstance(value, _Tick)]
    if others:
        return None
    factors = [value for value in values if not isinstance(value, _Tick)]
    return clock * _tick(math.prod(factors, start=Fraction(1)))


def _quotient(values: list[Any]) -> Fraction | None:
    left, right = values
    return left / right if right and not isinstance(right, _Tick) else None


def _mod(values: list[Any]) -> Fraction | None:
    value, period = values
    return value % period if period and not isinstance(period, _Tick) else None


_ON_CLOCKS: dict[str, Callable[[list[Any]], Fraction | None]] = {
    "+": lambda values: sum(map(Fraction, values), Fraction(0)),
    "*": _product,
    "/": _quotient,
    "negative": lambda values: -values[0],
    "floor": lambda values: Fraction(math.floor(values[0])),
    "ceil": lambda values: Fraction(math.ceil(values[0])),
    "round": lambda values: Fraction(round(values[0])),
    "mod": _mod,
}


def _sum(*values: float) -> float:
    # Not `sum`, which rounds once from Python 3.12 on.
    total = values[0]
    for value in values[1:]:
        total += value
    return total


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    def rounded(value: float) -> float:
        result = function(value)
        if not result:
            raise _Needed  # a zero of which sign?
        return float(result)

    return rounded


def _chosen(choose: Callable[..., float]) -> Callable[..., float]:
    def chosen(*values: float) -> float:
        if values.count(0.0) > 1:
            raise _Needed  # a zero of which sign?
        return choose(*values)

    return chosen


def _divided(left: float, right: float) -> float:
    if not right:
        raise _Needed
    return left / right


def _root(value: float) -> float:
    if value < 0:
        raise _Needed
    return math.sqrt(value)


_ON_FLOATS: dict[str, Callable[..., float]] = {
    "+": _sum,
    "*": lambda *values: math.prod(values[1:], start=values[0]),
    "/": _divided,
    "negative": lambda value: -value,
    "abs": abs,
    "sqrt": _root,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "min": _chosen(min),
    "max": _chosen(max),
    "clip": _chosen(lambda value, low, high: min(max(value, low), high)),
}
"""What is the same float64 everywhere."""


def _curve(curve: Curve, now: _Now) -> _Value:
    if curve.kind == "noise":
        raise _Needed
    clock = curve.clock
    at = (now.absolute if clock.absolute else now.local) * clock.scale + clock.offset
    given = curve.parameters
    if curve.kind == "cosine":
        given, cycles = given[:-1], given[-1]
        assert isinstance(cycles, Const)
        if cycles.value != 1:
            at *= Fraction(cycles.value)
            at -= math.ceil(at) - 1 if now.left else math.floor(at)
    x = as_float(at)
    parameters = [as_float(_evaluate(parameter, now)) for parameter in given]
    if not all(map(math.isfinite, (x, *parameters))):
        raise _Needed
    match curve.kind:
        case "linear":
            start, end = parameters
            if x <= 0 or x >= 1:
                return _Float(start if x <= 0 else end)
            if abs(end) < abs(start):  # from the end that is nearer to 0
                return _Float(end + (start - end) * as_float(1 - at))
            return _Float(start + (end - start) * x)
        case "cosine" if x >= 1 or x <= 0:
            return _Float(parameters[1] if x >= 1 else parameters[0])
        case "poly" | "geometric" if x >= 1:
            return _Float(parameters[-1])
        case "poly" if x == 0 and parameters[0] >= 0:
            _, start, end = parameters
            return _Float(end + (start - end))
        case "geometric" if x == 0 and parameters[0]:
            return _Float(parameters[0])
        case "exponential" | "decay" | "inverse" if x == 0:
            return _Float(parameters[-1])
    raise _Needed
