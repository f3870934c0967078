"""The primitive curves: pure functions of a segment's own clock.

Each takes float64 arrays of one shape and returns one.  `progress` is elapsed / duration in
[0, 1]; x is elapsed / every, ≥ 0.  Where a value is not finite (from = 0 for `geometric`,
1 + rate·x ≤ 0 for `inverse`) it is returned as it is: plans refuse it with its place.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lrdsl.numeric import functions
from lrdsl.numeric.functions import Floats


def linear(progress: Floats, start: Floats, end: Floats) -> Floats:
    """Return a straight line.

        rate = from + (to − from) · progress

    At progress 1 exactly `to`, so that what follows starts where the ramp was to end.
    """
    return np.where(progress >= 1, end, start + (end - start) * progress)


def cosine(progress: Floats, start: Floats, end: Floats) -> Floats:
    """Return half a cosine wave.

        rate = to + (from − to) · (1 + cos(π · progress)) / 2

    At progress 0 and 1 exactly `from` and `to`.

    Source: Loshchilov & Hutter, SGDR, eq. 5 (arXiv:1608.03983).
    """
    falling = end + (start - end) * ((1 + functions.cos(np.pi * progress)) / 2)
    return np.where(progress >= 1, end, np.where(progress <= 0, start, falling))


def poly(progress: Floats, power: Floats, start: Floats, end: Floats) -> Floats:
    """Return a polynomial fall, as Keras's `PolynomialDecay` and PyTorch's `PolynomialLR`.

    rate = to + (from − to) · (1 − progress)^power
    """
    falling = end + (start - end) * functions.power(1 - progress, power)
    return np.where(progress >= 1, end, falling)


def geometric(progress: Floats, start: Floats, end: Floats) -> Floats:
    """Return the exponential from one value to another, a straight line on a log scale.

        rate = from · (to / from)^progress

    At progress 1 exactly `to`.
    """
    return np.where(progress >= 1, end, start * functions.power(end / start, progress))


def exponential(x: Floats, rate: Floats, start: Floats) -> Floats:
    """Return an exponential decay by its rate.

    rate = from · e^(−rate · x)
    """
    return start * functions.exp(-(rate * x))


def decay(x: Floats, factor: Floats, start: Floats) -> Floats:
    """Return an exponential decay by its factor, as Keras's `ExponentialDecay`.

    rate = from · factor^x
    """
    return start * functions.power(factor, x)


def inverse(x: Floats, rate: Floats, power: Floats, start: Floats) -> Floats:
    """Return an inverse-time decay, as Keras's `InverseTimeDecay` (power 1).

    rate = from / (1 + rate · x)^power
    """
    return start / functions.power(1 + rate * x, power)


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
