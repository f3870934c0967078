"""Arithmetic on constants: rational as long as that is possible and cheap, else float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

Constant: TypeAlias = Fraction | float

EXACT_BITS = 4096
"""Bits of a numerator or denominator beyond which a rational becomes a float64."""

_LARGEST_POWER = 64


def as_float(value: Constant) -> float:
    """Return the float64 nearest to a number, infinite where it is too large."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def as_fraction(value: Constant) -> Fraction:
    """Return a number as a rational.

    Raises:
        ValueError: it is not finite.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} is not finite")
    return Fraction(value)


def is_chain(function: str) -> bool:
    """Return whether a function is `*` and `/` between many operands, from left to right.

    `*/*` is of four operands; flat, so that a long quotient is no deep tree.
    """
    return len(function) > 1 and set(function) <= {"*", "/"}


def apply_constant(function: str, values: Sequence[Constant]) -> Constant:
    """Apply a function of the language to constants.

    What has no value (0/0, the logarithm of 0) is not a number or infinite, as in NumPy;
    nothing is raised.
    """
    if is_chain(function):
        result = values[0]
        for operator, value in zip(function, values[1:], strict=True):
            result = apply_constant(operator, [result, value])
        return result
    if function in _ON_FRACTIONS and all(isinstance(v, Fraction) for v in values):
        exact = _ON_FRACTIONS[function]([v for v in values if isinstance(v, Fraction)])
        if exact is not None:
            bits = max(exact.numerator.bit_length(), exact.denominator.bit_length())
            return exact if bits <= EXACT_BITS else as_float(exact)
    try:
        return _ON_FLOATS[function](*map(as_float, values))
    except OverflowError:
        return math.inf
    except (ValueError, ZeroDivisionError):
        return math.nan


def _fraction_power(values: Sequence[Fraction]) -> Fraction | None:
    base, exponent = values
    if (
        exponent.denominator != 1
        or abs(exponent) > _LARGEST_POWER
        or (not base and exponent < 0)
    ):
        return None
    return base**exponent.numerator


def _fraction_quotient(values: Sequence[Fraction]) -> Fraction | None:
    return values[0] / values[1] if values[1] else None


def _fraction_mod(values: Sequence[Fraction]) -> Fraction | None:
    return values[0] % values[1] if values[1] else None


_ON_FRACTIONS: dict[str, Callable[[Sequence[Fraction]], Fraction | None]] = {
    "+": lambda values: sum(values, Fraction(0)),
    "*": lambda values: math.prod(values, start=Fraction(1)),
    "/": _fraction_quotient,
    "^": _fraction_power,
    "negative": lambda values: -values[0],
    "min": min,
    "max": max,
    "clip": lambda values: min(max(values[0], values[1]), values[2]),
    "abs": lambda values: abs(values[0]),
    "floor": lambda values: Fraction(math.floor(values[0])),
    "ceil": lambda values: Fraction(math.ceil(values[0])),
    "round": lambda values: Fraction(round(values[0])),
    "mod": _fraction_mod,
}


def _left_to_right(values: Sequence[float]) -> float:
    # Not `sum`, which rounds once from Python 3.12 on and before that each time.
    total = values[0]
    for value in values[1:]:
        total += value
    return total


def _known(choose: Callable[..., float]) -> Callable[..., float]:
    """Return `min` and its kin as in NumPy: not a number if any value is none."""
    return lambda *values: math.nan if any(map(math.isnan, values)) else choose(*values)


def _float_quotient(left: float, right: float) -> float:
    if right == 0:
        return math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left)
    return left / right


def _float_log(x: float) -> float:
    return -math.inf if x == 0 else math.log(x)


def _whole(function: Callable[[float], int]) -> Callable[[float], float]:
    return lambda x: float(function(x)) if math.isfinite(x) else x


def _sigmoid(x: float) -> float:
    small = math.exp(-abs(x))
    return 1 / (1 + small) if x >= 0 else small / (1 + small)


def _float_mod(x: float, period: float) -> float:
    return x % period if period and math.isfinite(x) else math.nan


_ON_FLOATS: dict[str, Callable[..., float]] = {
    "+": lambda *values: _left_to_right(values),
    "*": lambda *values: math.prod(values),
    "/": _float_quotient,
    "^": math.pow,
    "negative": lambda x: -x,
    "min": _known(min),
    "max": _known(max),
    "clip": _known(lambda x, low, high: min(max(x, low), high)),
    "abs": abs,
    "sqrt": math.sqrt,
    "log": _float_log,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "round": _whole(round),
    "mod": _float_mod,
    "sin": math.sin,
    "cos": math.cos,
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
}
