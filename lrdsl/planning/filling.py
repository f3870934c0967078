"""Formula → the values of consecutive steps: each stretch at once, and in place.

To the bit the values of `lrdsl.planning.evaluate`, which knows all formulas, but from one
step to the next there is less to ask.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric import functions
from lrdsl.numeric.constants import as_float
from lrdsl.numeric.exact import Exact
from lrdsl.planning.evaluate import evaluate_at
from lrdsl.planning.formula import (
    By,
    Clock,
    Const,
    Curve,
    Cycle,
    Formula,
    Hold,
    LastTurn,
    NextTurn,
    Outer,
    Piecewise,
    Repeat,
    Root,
    operands,
)
from lrdsl.planning.shapes import blocks_of

Floats = NDArray[np.float64]

_BLOCK = 2**15
"""Steps evaluated at once: what they need stays in the processor's cache."""

_FLOAT_SAFE = 2**53


def fill(formula: Formula, first: int, out: Floats) -> None:
    """Write the values of consecutive steps of a training.

    Args:
        formula: what to evaluate, of a training whose ticks are steps.
        first: the first step.
        out: where to; one value for each step.
    """
    with np.errstate(all="ignore"):  # what is not finite is found when the plan is checked
        _fill(formula, first, out)


def _fill(formula: Formula, first: int, out: Floats) -> None:
    if not out.size:
        return
    match formula:
        case Const(value=value):
            out[:] = as_float(value)
        case Root(operand=operand):
            _fill(operand, first, out)
        case Hold(operand=operand, end=end, value=value):
            cut = min(max(_ceil(end) - first, 0), out.size)
            _fill(operand, first, out[:cut])
            _fill(value, first + cut, out[cut:])
        case Piecewise(starts=starts, pieces=pieces):
            _fill_pieces(starts, pieces, first, out)
        case Curve() if _fill_curve(formula, first, out) or _fill_cycles(formula, first, out):
            pass
        case Repeat() if _fill_repeat(formula, first, out):
            pass
        case _:
            _fill_any(formula, first, out)


def _fill_any(formula: Formula, first: int, out: Floats) -> None:
    for low in range(0, out.size, _BLOCK):
        part = out[low : low + _BLOCK]
        keys = np.arange(first + low, first + low + part.size, dtype=np.int64)
        part[:] = evaluate_at(formula, Exact(keys, Fraction(1), Fraction(0)))


def _fill_pieces(
    starts: tuple[Fraction, ...], pieces: tuple[Formula, ...], first: int, out: Floats
) -> None:
    low = 0
    index = max(bisect_right(starts, first) - 1, 0)
    while low < out.size:
        high = out.size
        if index + 1 < len(starts):
            high = min(max(_ceil(starts[index + 1]) - first, low), high)
        if high > low:
            _fill(pieces[index], first + low, out[low:high])
        low, index = high, index + 1


def _fill_curve(curve: Curve, first: int, out: Floats) -> bool:
    """Fill in a curve between constants; return whether it is one."""
    constants = [as_float(p.value) for p in curve.parameters if isinstance(p, Const)]
    if len(constants) < len(curve.parameters) or curve.clock.absolute:
        return False
    scale, offset = curve.clock.scale, curve.clock.offset
    blocks = None if curve.kind == "linear" else blocks_of(curve)
    if curve.kind != "linear" and blocks is None:
        return False
    if curve.kind in ("exponential", "decay"):
        assert blocks is not None
        if not blocks.reaches(first, first + out.size):
            return False
        blocks.fill(first, out, constants[-1], 0.0)
        return True
    if scale <= 0:
        return False
    # From step `ends` on it has reached its end, and up to step `begins` it has not begun.
    ends = _ceil((1 - offset) / scale)
    while ends > first and as_float((ends - 1) * scale + offset) >= 1:
        ends -= 1
    begins = int(-offset / scale // 1)
    cut = min(max(ends - first, 0), out.size)
    body = out[:cut]
    start, end = constants[:2]
    if blocks is None:
        if not _fill_line(scale, offset, start, end, first, body):
            return False
    elif not blocks.reaches(first, first + out.size):
        return False
    elif curve.kind == "cosine":
        blocks.fill(first, body, start - end, end)
    else:
        blocks.fill(first, body, start, 0.0)
    out[cut:] = end
    if curve.kind != "geometric":
        body[: max(begins + 1 - first, 0)] = start
    return True


def _fill_cycles(curve: Curve, first: int, out: Floats) -> bool:
    """Fill in a cosine of cycles that are a number of steps long; return whether it is one."""
    if curve.kind != "cosine" or curve.clock.absolute or curve.clock.scale <= 0:
        return False
    if not all(isinstance(p, Const) for p in curve.parameters):
        return False
    cycles = curve.parameters[-1]
    assert isinstance(cycles, Const)
    if cycles.value <= 0 or cycles.value == 1:
        return False
    length = 1 / (curve.clock.scale * Fraction(cycles.value))
    start = -curve.clock.offset / curve.clock.scale

    def fill_part(at: int, part: Floats) -> None:
        _fill_any(curve, int(start) + at, part)

    return _fill_turns(start, length, first, out, fill_part)


def _fill_repeat(repeat: Repeat, first: int, out: Floats) -> bool:
    """Fill in turns that are a number of steps long and all alike; return whether they are."""
    if not _is_alike(repeat.operand):
        return False

    def fill_part(at: int, part: Floats) -> None:
        _fill(repeat.operand, at, part)

    if not _fill_turns(repeat.start, repeat.length, first, out, fill_part):
        return False
    if repeat.scale != 1:
        since = first - int(repeat.start)
        turns = np.arange(since, since + out.size) // int(repeat.length)
        out *= functions.power(repeat.scale, turns.astype(np.float64))
    return True


def _is_alike(operand: Formula) -> bool:
    """Whether turns of a formula are alike: whether it knows no clock but that of its turn."""
    match operand:
        case Cycle() | LastTurn() | NextTurn() | Outer() | Root():
            return False
        case Clock(absolute=True) | By(absolute=True):
            return False
        case Curve(clock=Clock(absolute=True)):
            return False
    return all(map(_is_alike, operands(operand)))


def _fill_turns(
    start: Fraction,
    each: Fraction,
    first: int,
    out: Floats,
    fill_part: Callable[[int, Floats], None],
) -> bool:
    """Fill in turns that are alike, of which one is evaluated.

    Args:
        start: where a turn begins.
        each: how long one is.
        first: the first step.
        out: where to.
        fill_part: fills in a part of a turn, from a step of it on.

    Returns:
        Whether turns begin and end at steps, and are filled in.
    """
    if start.denominator > 1 or each.denominator > 1:
        return False
    length = int(each)
    at = (first - int(start)) % length
    head = min(length - at, out.size) if at else 0
    fill_part(at, out[:head])
    count = (out.size - head) // length
    if count:
        turns = out[head : head + count * length].reshape(count, length)
        fill_part(0, turns[0])
        turns[1:] = turns[0]
    fill_part(0, out[head + count * length :])
    return True


def _fill_line(
    scale: Fraction, offset: Fraction, start: float, end: float, first: int, out: Floats
) -> bool:
    """Fill in start + (end − start) · (step · scale + offset), from the end nearer to 0."""
    if abs(end) < abs(start):
        start, end, scale, offset = end, start, -scale, 1 - offset
    denominator = scale.denominator * offset.denominator
    a, b = int(scale * denominator), int(offset * denominator)
    if (first + out.size) * abs(a) + abs(b) >= _FLOAT_SAFE or denominator >= _FLOAT_SAFE:
        return False  # not exact in float64
    for low in range(0, out.size, _BLOCK):
        part = out[low : low + _BLOCK]
        ticks = np.arange(first + low, first + low + part.size, dtype=np.float64)
        ticks *= a
        ticks += b
        np.divide(ticks, denominator, out=part)
        part *= end - start
        part += start
    return True


def _ceil(value: Fraction) -> int:
    return -(-value.numerator // value.denominator)
