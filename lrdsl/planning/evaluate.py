"""Formula → values: a function of time alone, for one instant or for millions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric import functions
from lrdsl.numeric.constants import apply_constant, as_float, is_chain
from lrdsl.numeric.curves import CURVES
from lrdsl.numeric.exact import Exact
from lrdsl.numeric.noise import uniform
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
from lrdsl.planning.shapes import blocks_of
from lrdsl.records import dataclass

Floats = NDArray[np.float64]

Value: TypeAlias = Fraction | float | Exact | Floats
"""A constant (exact or not), exact rationals, or float64."""


@dataclass(frozen=True, slots=True)
class Context:
    """The clocks at which a formula is evaluated.

    Attributes:
        absolute: ticks since training began.
        local: ticks since the enclosing turn began; the same outside any repeat.
        cycle: turn of the enclosing repeat, None outside any.
        factor: training ticks for one local tick.
        left: take each value as the limit from the left.
        parent: the clocks outside the enclosing repeat.
    """

    absolute: Exact
    local: Exact
    cycle: Exact | None = None
    factor: Fraction = Fraction(1)
    left: bool = False
    parent: Context | None = None

    def take(self, index: Any) -> Context:
        """Return the clocks of the instants that a NumPy index selects."""
        absolute = self.absolute.take(index)
        if self.local.key is self.absolute.key:  # keep the key shared: sums stay cheap
            local = Exact(absolute.key, self.local.scale, self.local.offset)
        else:
            local = self.local.take(index)
        return Context(
            absolute,
            local,
            None if self.cycle is None else self.cycle.take(index),
            self.factor,
            self.left,
            None if self.parent is None else self.parent.take(index),
        )

    def at(self, local: Fraction, left: bool) -> Context:
        """Return the clocks at one local tick of each instant's turn."""
        moved = Exact(np.zeros_like(self.local.key), Fraction(1), local)
        shift = (moved + self.local * Fraction(-1)) * self.factor
        return Context(self.absolute + shift, moved, self.cycle, self.factor, left, self.parent)

    def next_turn(self, length: Fraction) -> Context:
        """Return the clocks at the start of the turn after each instant's, `length` long."""
        assert self.cycle is not None
        end = self.at(length, False)
        start = Exact(end.local.key, Fraction(1), Fraction(0))
        cycle = self.cycle + Fraction(1)
        return Context(end.absolute, start, cycle, self.factor, False, self.parent)


def evaluate_at(formula: Formula, absolute: Exact, *, left: bool = False) -> Floats:
    """Return a formula's values at ticks of the training.

    Args:
        formula: what to evaluate.
        absolute: ticks since training began, any number of them in any order.
        left: the limit from the left of each tick instead.

    Returns:
        float64, one value for each tick, which depends on that tick alone.
    """
    with np.errstate(all="ignore"):  # what is not finite is found when the plan is checked
        return as_floats(
            _evaluate(formula, Context(absolute, absolute, left=left)), len(absolute)
        )


def value_at(formula: Formula, tick: Fraction, *, left: bool = False) -> float:
    """Return a formula's value at one tick of the training, which need not be whole."""
    key = np.array([tick.numerator], dtype=object)
    at = Exact(key, Fraction(1, tick.denominator), Fraction(0)).compact()
    return float(evaluate_at(formula, at, left=left)[0])


def as_floats(value: Value, size: int) -> Floats:
    """Return a value as float64 of one size."""
    if isinstance(value, Exact):
        return value.to_float()
    if isinstance(value, np.ndarray):
        return value
    return np.full(size, as_float(value))


def _evaluate(formula: Formula, at: Context) -> Value:
    match formula:
        case Const(value=number):
            return number
        case Clock(absolute=absolute, scale=scale, offset=offset):
            return (at.absolute if absolute else at.local) * scale + offset
        case Cycle():
            return Fraction(0) if at.cycle is None else at.cycle
        case Apply(function=function, operands=operands):
            return _apply(function, [_evaluate(o, at) for o in operands])
        case Curve():
            return _curve(formula, at)
        case Outer(operand=operand):
            assert at.parent is not None
            return _evaluate(operand, at.parent)
    size = len(at.local)
    # From here on always floats: an array that happens to lie within one piece must not
    # take another way through `floor` than one that does not.
    return as_floats(_evaluate_in_time(formula, at), size)


def _evaluate_in_time(formula: Formula, at: Context) -> Value:
    match formula:
        case Piecewise(starts=starts, pieces=pieces):
            return _by_piece(at, starts, lambda i, part: _evaluate(pieces[i], part))
        case Hold(operand=operand, end=end, value=value):
            both = (operand, value)
            first = Fraction(-1) - abs(end)  # below any local tick
            return _by_piece(
                at, (first, end), lambda i, part: _evaluate(both[i], part), closed=True
            )
        case Instant(operand=operand, at=instant, left=left):
            return _evaluate(operand, at.at(instant, left))
        case NextTurn(operand=operand, length=length):
            return _evaluate(operand, at.next_turn(length))
        case Repeat():
            return _repeat(formula, at)
        case Stretch():
            return _stretch(formula, at)
        case LastTurn(count=count, last=last, other=other):
            assert at.cycle is not None
            n, d = at.cycle.numerators()
            size = len(at.local)
            return np.where(
                np.asarray(n == (count - 1) * d, dtype=bool),
                as_floats(_evaluate(last, at), size),
                as_floats(_evaluate(other, at), size),
            )
        case By():
            return _by(formula, at)
        case Root(operand=operand):
            return _evaluate(operand, Context(at.absolute, at.absolute, left=at.left))
    raise TypeError(f"no formula: {formula!r}")


def _apply(function: str, values: list[Value]) -> Value:
    if is_chain(function):
        result = values[0]
        for operator, value in zip(function, values[1:], strict=True):
            result = _apply(operator, [result, value])
        return result
    if all(isinstance(v, Fraction | float) for v in values):
        return apply_constant(function, [v for v in values if isinstance(v, Fraction | float)])
    if function in _ON_CLOCKS and all(isinstance(v, Fraction | Exact) for v in values):
        exact = _ON_CLOCKS[function](values)
        if exact is not None and exact.is_cheap:
            return exact
    size = max(len(v) for v in values if isinstance(v, Exact | np.ndarray))
    return _ON_ARRAYS[function](*(as_floats(v, size) for v in values))


def _exact_sum(values: list[Any]) -> Exact:
    # Sums of clocks first: while they share their key, the sum is one more line.
    clocks = [v for v in values if isinstance(v, Exact)]
    total = clocks[0]
    for clock in clocks[1:]:
        total = total + clock
    return total + sum((v for v in values if isinstance(v, Fraction)), Fraction(0))


def _exact_product(values: list[Any]) -> Exact | None:
    clocks = [v for v in values if isinstance(v, Exact)]
    factor = apply_constant("*", [v for v in values if isinstance(v, Fraction)])
    if len(clocks) > 1 or not isinstance(factor, Fraction):
        return None
    return clocks[0] * factor


def _exact_quotient(values: list[Any]) -> Exact | None:
    left, right = values
    return left * (1 / right) if isinstance(right, Fraction) and right else None


def _exact_round(values: list[Any]) -> Exact:
    n, d = values[0].numerators()
    down = n // d
    twice = 2 * (n - down * d)
    up = (twice > d) | ((twice == d) & (down % 2 == 1))
    return Exact(down + up.astype(down.dtype), Fraction(1), Fraction(0))


def _exact_mod(values: list[Any]) -> Exact | None:
    value, period = values
    turns = _exact_quotient(values)
    return None if turns is None else value + turns.floor() * -period


_ON_CLOCKS: dict[str, Callable[[list[Any]], Exact | None]] = {
    "+": _exact_sum,
    "*": _exact_product,
    "/": _exact_quotient,
    "negative": lambda values: values[0] * Fraction(-1),
    "floor": lambda values: values[0].floor(),
    "ceil": lambda values: (values[0] * Fraction(-1)).floor() * Fraction(-1),
    "round": _exact_round,
    "mod": _exact_mod,
}


def _fold(function: Callable[[Any, Any], Any]) -> Callable[..., Floats]:
    def folded(first: Floats, *rest: Floats) -> Floats:
        for value in rest:
            first = function(first, value)
        return first

    return folded


def _mod(value: Floats, period: Floats) -> Floats:
    return np.mod(value, period)


_ON_ARRAYS: dict[str, Callable[..., Floats]] = {
    "+": _fold(np.add),
    "*": _fold(np.multiply),
    "/": np.divide,
    "^": functions.power,
    "negative": np.negative,
    "min": _fold(np.minimum),
    "max": _fold(np.maximum),
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "abs": np.abs,
    "sqrt": functions.sqrt,
    "log": functions.log,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.rint,
    "mod": _mod,
    "sin": functions.sin,
    "cos": functions.cos,
    "tanh": functions.tanh,
    "sigmoid": functions.sigmoid,
}


def _curve(curve: Curve, at: Context) -> Floats:
    size = len(at.local)
    clock = _evaluate(curve.clock, at)
    assert isinstance(clock, Exact)
    if curve.kind == "noise":
        seed = curve.parameters[0]
        assert isinstance(seed, Const)
        index = clock.below() if at.left else clock.floor()
        return uniform(int(seed.value), index.key)
    given = curve.parameters
    if curve.kind == "cosine":
        given, cycles = given[:-1], given[-1]
        assert isinstance(cycles, Const)
        if cycles.value != 1:
            turns = clock * Fraction(cycles.value)
            whole = turns.below() if at.left else turns.floor()
            clock = turns + whole * Fraction(-1)
    # A number stays one: what is the same everywhere is not written out for each instant.
    values = (_evaluate(p, at) for p in given)
    parameters = [
        as_floats(v, size) if isinstance(v, Exact | np.ndarray) else as_float(v) for v in values
    ]
    ticks = at.absolute if curve.clock.absolute else at.local
    key = ticks.key
    if ticks.scale == 1 and ticks.offset == 0 and key.dtype != object and size:
        blocks = blocks_of(curve)
        if blocks is not None and blocks.reaches(int(key.min()), int(key.max())):
            return CURVES[curve.kind](clock, *parameters, blocks.at(key))
    return CURVES[curve.kind](clock, *parameters)


def _groups(
    at: Context, starts: tuple[Fraction, ...], closed: bool
) -> Iterator[tuple[int, Any]]:
    """Yield each piece that holds some of the instants, with the index that selects them.

    Seen from the left, a boundary's own instant belongs to the piece before it, unless
    `closed`.
    """
    local = at.local
    key = local.key
    if key.size == 0:
        return
    find = bisect_left if at.left and not closed else bisect_right
    ends = [int(key.min()), int(key.max())]
    first, last = (
        max(find(starts, Fraction(k) * local.scale + local.offset) - 1, 0) for k in ends
    )
    if first == last:
        yield first, slice(None)
        return
    bounds = [local.first_key(start) for start in starts[first + 1 : last + 1]]
    if find is bisect_left:
        # From the left a boundary's own instant is still the piece's before.
        bounds = [
            b + 1 if Fraction(b) * local.scale + local.offset == start else b
            for b, start in zip(bounds, starts[first + 1 : last + 1], strict=True)
        ]
    piece = np.searchsorted(np.array(bounds, dtype=key.dtype), key, side="right")
    if np.all(piece[1:] >= piece[:-1]):
        order: Any = None
        ordered = piece
    else:
        order = np.argsort(piece, kind="stable")
        ordered = piece[order]
    edges = np.flatnonzero(np.diff(ordered)) + 1
    for low, high in zip([0, *edges], [*edges, len(ordered)], strict=True):
        chosen = slice(low, high) if order is None else order[low:high]
        yield first + int(ordered[low]), chosen


def _by_piece(
    at: Context,
    starts: tuple[Fraction, ...],
    piece: Callable[[int, Context], Value],
    *,
    closed: bool = False,
) -> Value:
    result: Floats | None = None
    for index, chosen in _groups(at, starts, closed):
        if isinstance(chosen, slice) and chosen == slice(None):
            return piece(index, at)
        if result is None:
            result = np.empty(len(at.local))
        part = at.take(chosen)
        result[chosen] = as_floats(piece(index, part), len(part.local))
    return np.empty(0) if result is None else result


def _repeat(repeat: Repeat, at: Context) -> Floats:
    turns = (at.local + -repeat.start) * (1 / repeat.length)
    n, d = turns.numerators()
    turn = -(-n // d) - 1 if at.left else n // d
    inside = Context(
        at.absolute,
        Exact(n - turn * d, repeat.length / d, Fraction(0)),
        Exact(turn, Fraction(1), Fraction(0)),
        at.factor,
        at.left,
        at,
    )
    values = as_floats(_evaluate(repeat.operand, inside), len(at.local))
    if repeat.scale == 1:
        return values
    assert inside.cycle is not None
    return values * functions.power(repeat.scale, inside.cycle.to_float())


def _stretch(stretch: Stretch, at: Context) -> Value:
    def one_turn(turn: int, part: Context) -> Floats:
        slower = stretch.slower[turn]
        inside = Context(
            part.absolute,
            (part.local + -stretch.starts[turn]) * (1 / slower),
            Exact(np.full_like(part.local.key, turn), Fraction(1), Fraction(0)),
            part.factor * slower,
            part.left,
            part,
        )
        values = as_floats(_evaluate(stretch.operand, inside), len(part.local))
        return values if stretch.scale == 1 else values * functions.power(stretch.scale, turn)

    return _by_piece(at, stretch.starts, one_turn)


def _by(by: By, at: Context) -> Value:
    clock = at.absolute if by.absolute else at.local + -by.start
    intervals = clock * (1 / by.interval)
    whole = intervals.below() if at.left else intervals.floor()
    since = clock + whole * -by.interval
    if by.absolute:
        since = since * (1 / at.factor)
        # The first interval of a segment begins with the segment.
        since = _at_most(since, at.local + -by.start)
    inside = Context(
        at.absolute + since * -at.factor,
        at.local + since * Fraction(-1),
        at.cycle,
        at.factor,
        # The start of an interval is inside it: no limit is taken there.
        False,
        at.parent,
    )
    return _evaluate(by.operand, inside)


def _at_most(values: Exact, most: Exact) -> Exact:
    difference, _ = (most + values * Fraction(-1)).numerators()
    over = np.asarray(difference < 0, dtype=bool)
    if not over.any():
        return values
    if over.all():
        return most
    n, d = values.numerators()
    limit, e = most.numerators()
    clipped = n.astype(object) * e
    clipped[over] = limit.astype(object)[over] * d
    return Exact(clipped, Fraction(1, d * e), Fraction(0)).compact()
