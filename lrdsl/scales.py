"""How numbers are shown: ticks, linear or logarithmic axes, rates and times as short text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lrdsl.records import dataclass

Floats = NDArray[np.float64]

_MOST_DECADES = 16
_TINY, _HUGE = 1e-300, 1e300
# Below max/30 a curve lies on the floor of a linear axis; below max/100 it cannot be seen.
_LOW = 30.0
_UNSEEN = 100.0
_SHARE_LOW = 0.25
_SHARE_UNSEEN = 1 / 3


@dataclass(frozen=True, slots=True)
class Scale:
    """One axis of values: its two ends and whether equal ratios look equally long.

    On a logarithmic axis values below `low` are shown at `low`.
    """

    low: float
    high: float
    is_log: bool = False

    def fraction(self, values: Floats) -> Floats:
        """Return how far up the axis each value lies, from 0 to 1."""
        clipped = np.clip(values, self.low, self.high)
        if self.is_log:
            return np.log(clipped / self.low) / math.log(self.high / self.low)
        return (clipped - self.low) / (self.high - self.low)

    def ticks(self, most: int) -> list[float]:
        """Return at most `most` round values on the axis, in increasing order."""
        if self.is_log:
            return _log_ticks(self.low, self.high, most)
        return linear_ticks(self.low, self.high, most)


def rate_scale(x: Floats, y: Floats, is_log: bool | None = None) -> Scale:
    """Return the axis on which the curve through (x, y) can be read.

    Logarithmic where the curve spends much of its time too low to be seen on a linear
    axis: a quarter of it below a thirtieth of its peak, or, for a curve that ends or
    begins at 0, a third of it below a hundredth.  A cosine to 0 stays linear, a decay over
    two decades does not.

    Args:
        x: when the points of the curve are; it does not decrease.
        y: the values there.
        is_log: whether the axis is to be logarithmic, whatever the curve is like; where no
            value is above 0 it cannot be.
    """
    # The last decades of float64 are left to the arithmetic of the axis itself.
    y = np.clip(np.where(np.abs(y) < _TINY, 0.0, y), -_HUGE, _HUGE)
    high, low = float(y.max()), float(y.min())
    if is_log is not None:
        return (_any_log_scale(x, y) if is_log else None) or _linear_scale(low, high)
    if low >= 0 and high > 0 and high / _LOW > low:
        widths = np.diff(x)
        middle = (y[1:] + y[:-1]) / 2
        total = float(widths.sum())
        if total > 0:
            unseen = float(widths[middle < high / _UNSEEN].sum()) / total
            is_low = float(widths[middle < high / _LOW].sum()) / total
            if unseen >= _SHARE_UNSEEN or (low > 0 and is_low >= _SHARE_LOW):
                log = _log_scale(middle, widths, high)
                if log is not None:
                    return log
    return _linear_scale(low, high)


def joint_scale(curves: Sequence[tuple[Floats, Floats]], is_log: bool | None = None) -> Scale:
    """Return the axis on which all curves, each given as (x, y), can be read together.

    Args:
        curves: at least one.
        is_log: as for `rate_scale`.
    """
    scales = [rate_scale(x, y, is_log) for x, y in curves]
    if len(scales) == 1:
        return scales[0]
    logarithmic = [scale for scale in scales if scale.is_log]
    low = max(min(float(y.min()) for _, y in curves), -_HUGE)
    high = min(max(float(y.max()) for _, y in curves), _HUGE)
    if logarithmic and (low >= 0 or is_log):
        top = max(-_round_down(-high), *(scale.high for scale in logarithmic))
        return Scale(min(scale.low for scale in logarithmic), top, is_log=True)
    return _linear_scale(low, high)


def _any_log_scale(x: Floats, y: Floats) -> Scale | None:
    """Return a logarithmic axis for a curve that needs none; None if no value is above 0."""
    high = float(y.max())
    if high <= 0:
        return None
    scale = _log_scale((y[1:] + y[:-1]) / 2, np.diff(x), high, least=1.0)
    if scale is None or scale.low == scale.high:
        return Scale(high / 10, high * 10, is_log=True)  # a constant, or a moment
    return scale


def _log_scale(
    middle: Floats, widths: Floats, high: float, least: float = _LOW
) -> Scale | None:
    positive = middle > 0
    # Not the least value: what takes a hundredth of the time, such as the tip of a curve
    # on its way to 0, would buy decades that show nothing.
    order = np.argsort(middle[positive])
    share = np.cumsum(widths[positive][order])
    if not len(share) or share[-1] <= 0:
        return None
    low = float(middle[positive][order][np.searchsorted(share, share[-1] / 100)])
    low = max(low, high / 10.0**_MOST_DECADES, _TINY)
    if high / low < least:
        return None
    return Scale(_round_down(low), -_round_down(-high), is_log=True)


def _round_down(value: float) -> float:
    """Return the nearest number at or below `value` that is ±1, 2 or 5 × a power of ten."""
    power = math.floor(math.log10(abs(value)) + 1e-9)
    marks = [float(f"{m}e{p}") for p in (power - 1, power, power + 1) for m in (1, 2, 5)]
    marks = sorted(mark if value > 0 else -mark for mark in marks)
    slack = 1e-9 * abs(value)  # 0.1 reached as 0.30000000000000004 - 0.2 is 0.1
    return max((mark for mark in marks if mark <= value + slack), default=value)


def _linear_scale(low: float, high: float) -> Scale:
    if high == low == 0:
        return Scale(0.0, 1.0)
    size = max(abs(low), abs(high))
    varies = high - low > 1e-6 * size
    if varies and low > 0 and high - low < 0.4 * high:
        # Momentum from 0.85 to 0.95 is a curve too: show where it moves.
        room = 0.1 * (high - low)
        return Scale(low - room, high + room)
    floor, ceiling = min(low, 0.0), max(high, 0.0)
    if not varies:
        # A constant is neither the top nor the bottom of anything.
        return Scale(1.5 * floor, 1.5 * ceiling)
    return Scale(floor, ceiling)


def linear_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most `most` multiples of 1, 2, 2.5 or 5 × a power of ten in [low, high]."""
    # Decimal fractions: 3 * 1e-4 in floats is not the number that 3e-4 is.
    for step in _round_steps(high - low, most):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            exact = Fraction(repr(step))
            return [float(i * exact) for i in range(first, last + 1)]
    return []


def time_ticks(length: Fraction, most: int, smallest: Fraction | None = None) -> list[Fraction]:
    """Return at most `most` + 1 evenly spaced times from 0 up to `length`.

    The step is round, and divides `length` where that costs few ticks; it is a multiple of
    `smallest`, the time between two steps: nothing happens in between.
    """
    steps = [Fraction(repr(step)) for step in _round_steps(float(length), most)]
    if smallest is not None:
        steps = [math.ceil(step / smallest) * smallest for step in steps]
    whole = [step for step in steps if length < most or step.denominator == 1]
    round_steps = [step for step in whole or steps if length / step < most]
    if not round_steps:
        return [Fraction(0)]
    chosen = round_steps[0]
    for factor in map(Fraction, ("1", "1.5", "2", "3", "4", "5")):
        for step in (factor * step for step in steps):
            count = length / step
            is_whole = count.denominator == step.denominator == 1
            if is_whole and count <= most and chosen / 2 <= step <= 2 * chosen:
                return [i * step for i in range(int(count) + 1)]
    return [i * chosen for i in range(math.floor(length / chosen) + 1)]


def _round_steps(span: float, most: int) -> list[float]:
    """Return round steps, in increasing order, around those that cut `span` into `most`."""
    power = math.floor(math.log10(max(span / 2 / max(most, 1), _TINY)))
    return [float(f"{m}e{p}") for p in range(power, power + 4) for m in (1, 2, 2.5, 5)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    bottom = math.ceil(math.log10(low) - 1e-9)
    top = math.floor(math.log10(high) + 1e-9)
    # float(), since 10.0**-5 is not the number that 1e-5 is.
    if top - bottom < 2:
        marks = [float(f"{m}e{p}") for p in range(bottom - 1, top + 1) for m in (1, 2, 5)]
        inside = [mark for mark in marks if low * (1 - 1e-9) <= mark <= high * (1 + 1e-9)]
        if len(inside) <= most:
            return inside
    stride = max(1, math.ceil((top - bottom + 1) / max(most, 1)))
    # From the top: the peak is what people look for.
    return [float(f"1e{p}") for p in range(top, bottom - 1, -stride)][::-1]


def format_rate(value: float, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits: `0.1`, `0.09048`, `3.1e-5`."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else str(value)
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if -3 <= power < 5:
        text = f"{float(f'{mantissa}e{power}'):.{max(digits - 1 - power, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{power}"


def format_ticks(values: list[float], *, is_log: bool = False) -> list[str]:
    """Return the labels of an axis, each with the digits that tell it from its neighbours."""
    digits = 4
    while digits < 15 and len({format_rate(v, digits) for v in values}) < len(set(values)):
        digits += 1
    labels = [format_rate(value, digits) for value in values]
    if is_log or max(map(abs, values), default=0.0) < 1e-3:
        return labels
    # On a linear axis 0.0005 and 0.001 compare at a glance, 5e-4 and 0.001 do not.
    return [f"{Decimal(label):f}" if "e-" in label else label for label in labels]


def format_time(value: Fraction | float | int) -> str:
    """Return a time or a count of steps: `20`, `35,100`, `6.667`."""
    if abs(float(value)) >= 1e6:
        return f"{round(Fraction(value)):,}"
    text = f"{float(value):,.3f}"
    return text.rstrip("0").rstrip(".")
