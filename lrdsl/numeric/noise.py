"""Noise as a pure function of a seed and an index: the same on every machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MASK = 2**64 - 1


def uniform(seed: int, index: NDArray[Any]) -> NDArray[np.float64]:
    """Return uniform numbers in [−1, 1) for the indices of one seed.

        u(seed, i) = (mix(mix(seed) + i) >> 11) · 2⁻⁵² − 1

    where `mix` is the output function of SplitMix64 after one step of its Weyl sequence,
    and sums are modulo 2⁶⁴.

    Args:
        seed: any integer, taken modulo 2⁶⁴.
        index: integers of any size, taken modulo 2⁶⁴.

    Returns:
        float64 of the shape of `index`, each a multiple of 2⁻⁵².

    Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators" (2014).
    """
    if index.dtype == object:
        counter = np.array([int(i) & _MASK for i in index], dtype=np.uint64)
    else:
        counter = index.astype(np.uint64)
    start = int(_mix(np.array([seed & _MASK], dtype=np.uint64))[0])
    with np.errstate(over="ignore"):
        bits = _mix(counter + np.uint64(start))
    return np.asarray((bits >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))
