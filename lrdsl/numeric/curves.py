"""The primitive curves: pure functions of a segment's own clock.

Each takes its clock as rationals, float64 parameters (a number, or one for each instant),
and returns float64.  `progress` is elapsed / duration in [0, 1]; x is elapsed / every, ≥ 0.
What is left of a curve is computed from the rational 1 − progress, and every line from the
end that is nearer to 0, so that the last steps of a fall to 0 keep their relative accuracy.
Where a value is not finite (from = 0 for `geometric`, 1 + rate·x ≤ 0 for `inverse`) it is
returned as it is: plans refuse it with its place.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from lrdsl.numeric import functions
from lrdsl.numeric.exact import Exact
from lrdsl.numeric.functions import Floats

Parameter: TypeAlias = Floats | float


def linear(progress: Exact, start: Parameter, end: Parameter) -> Floats:
    """Return a straight line.

        rate = from + (to − from) · progress

    At progress 0 and 1 exactly `from` and `to`, so that what follows starts where the ramp
    was to end.
    """
    p = progress.to_float()
    falls = np.asarray(np.abs(end) < np.abs(start))
    line: Any = 0.0
    if not falls.all():
        line = start + (end - start) * p
    if falls.any():
        from_end = end + (start - end) * _rest(progress)
        line = from_end if falls.all() else np.where(falls, from_end, line)
    return _with_ends(line, p, start, end)


def cosine(
    progress: Exact, start: Parameter, end: Parameter, wave: Floats | None = None
) -> Floats:
    """Return half a cosine wave.

        rate = to + (from − to) · (1 + cos(π · progress)) / 2

    At progress 0 and 1 exactly `from` and `to`.

    Source: Loshchilov & Hutter, SGDR, eq. 5 (arXiv:1608.03983).

    Args:
        progress: elapsed / duration.
        start: the parameter `from`.
        end: the parameter `to`.
        wave: (1 + cos(π · progress)) / 2, where it is known.
    """
    if wave is None:
        wave = functions.sin(_rest(progress) * (np.pi / 2))
        wave *= wave
    return _with_ends(end + (start - end) * wave, progress.to_float(), start, end)


def poly(progress: Exact, power: Parameter, start: Parameter, end: Parameter) -> Floats:
    """Return a polynomial fall, as Keras's `PolynomialDecay` and PyTorch's `PolynomialLR`.

    rate = to + (from − to) · (1 − progress)^power
    """
    falling = end + (start - end) * functions.power(_rest(progress), power)
    return _with_ends(falling, progress.to_float(), None, end)


def geometric(
    progress: Exact, start: Parameter, end: Parameter, part: Floats | None = None
) -> Floats:
    """Return the exponential from one value to another, a straight line on a log scale.

        rate = from · (to / from)^progress

    At progress 1 exactly `to`.  `part` is (to / from)^progress, where it is known.
    """
    p = progress.to_float()
    if part is None:
        part = functions.power(np.divide(end, start), p)
    return _with_ends(start * part, p, None, end)


def exponential(
    x: Exact, rate: Parameter, start: Parameter, part: Floats | None = None
) -> Floats:
    """Return an exponential decay by its rate.

    rate = from · e^(−rate · x); `part` is the power, where it is known.
    """
    return start * (functions.exp(-(rate * x.to_float())) if part is None else part)


def decay(x: Exact, factor: Parameter, start: Parameter, part: Floats | None = None) -> Floats:
    """Return an exponential decay by its factor, as Keras's `ExponentialDecay`.

    rate = from · factor^x; `part` is the power, where it is known.
    """
    return start * (functions.power(factor, x.to_float()) if part is None else part)


def inverse(x: Exact, rate: Parameter, power: Parameter, start: Parameter) -> Floats:
    """Return an inverse-time decay, as Keras's `InverseTimeDecay` (power 1).

    rate = from / (1 + rate · x)^power
    """
    return start / functions.power(1 + rate * x.to_float(), power)


def _rest(progress: Exact) -> Floats:
    return (progress * Fraction(-1) + Fraction(1)).to_float()


def _with_ends(values: Floats, p: Floats, start: Parameter | None, end: Parameter) -> Floats:
    """Return the values with those at progress 0 and 1 as they are told."""
    if p.size and p.max() >= 1:
        values = np.where(p >= 1, end, values)
    if p.size and start is not None and p.min() <= 0:
        values = np.where(p <= 0, start, values)
    return values


CURVES: dict[str, Callable[..., Floats]] = {
    "linear": linear,
    "cosine": cosine,
    "poly": poly,
    "geometric": geometric,
    "exponential": exponential,
    "decay": decay,
    "inverse": inverse,
}
"""The curves by the names that formulas use."""
