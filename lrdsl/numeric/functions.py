"""Elementary functions whose result at a value depends on that value alone.

NumPy computes `exp`, `power`, `cos` … with vector instructions where a whole vector's worth
of contiguous numbers is at hand and with the C library elsewhere; the two differ in the last
bit.  Here every number goes through whole vectors, so that a rate asked for alone, in a
slice or with all the others is the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_LANES = 64
"""A multiple of the float64 lanes of any vector unit, times any unrolling of a loop."""

_ONES = np.ones(_LANES)


def _whole_vectors(function: Callable[..., Any], *arguments: Any) -> Floats:
    """Apply a NumPy function to contiguous numbers, a multiple of `_LANES` at a time."""
    if len(arguments) > 1:
        arguments = np.broadcast_arrays(*arguments)
    arrays = [np.ascontiguousarray(a) for a in arguments]
    size = arrays[0].size
    whole = size - size % _LANES
    result = np.empty(size, dtype=np.float64)
    with np.errstate(all="ignore"):  # a value that is not finite is found and reported
        if whole:
            function(*(a[:whole] for a in arrays), out=result[:whole])
        if whole < size:
            tail = [_ONES.copy() for _ in arrays]
            for padded, array in zip(tail, arrays, strict=True):
                padded[: size - whole] = array[whole:]
            result[whole:] = function(*tail)[: size - whole]
    return result


def exp(x: Any) -> Floats:
    """Return e^x."""
    return _whole_vectors(np.exp, _floats(x))


def log(x: Any) -> Floats:
    """Return the natural logarithm."""
    return _whole_vectors(np.log, _floats(x))


def power(base: Any, exponent: Any) -> Floats:
    """Return base^exponent, not a number where a negative base meets a broken exponent."""
    return _whole_vectors(np.power, _floats(base), _floats(exponent))


def sqrt(x: Any) -> Floats:
    """Return the square root."""
    return _whole_vectors(np.sqrt, _floats(x))


def sin(x: Any) -> Floats:
    """Return the sine of x radians."""
    return _whole_vectors(np.sin, _floats(x))


def cos(x: Any) -> Floats:
    """Return the cosine of x radians."""
    return _whole_vectors(np.cos, _floats(x))


def tanh(x: Any) -> Floats:
    """Return the hyperbolic tangent."""
    return _whole_vectors(np.tanh, _floats(x))


def sigmoid(x: Any) -> Floats:
    """Return 1 / (1 + e^(−x)), computed so that neither end overflows."""
    x = _floats(x)
    small = exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + small), small / (1 + small))


def _floats(x: Any) -> Floats:
    return np.atleast_1d(np.asarray(x, dtype=np.float64))
