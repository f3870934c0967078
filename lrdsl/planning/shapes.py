"""Which curves come in blocks of steps, and which blocks these are."""

from __future__ import annotations

from functools import lru_cache
from math import isfinite

from lrdsl.numeric.blocks import Blocks, power_blocks, wave_blocks
from lrdsl.numeric.constants import as_float, as_fraction
from lrdsl.planning.formula import Const, Curve


@lru_cache(maxsize=64)
def blocks_of(curve: Curve) -> Blocks | None:
    """Return the shape of a curve over whole ticks in blocks; None if it has none."""
    constants = [p.value for p in curve.parameters if isinstance(p, Const)]
    scale, offset = curve.clock.scale, curve.clock.offset
    if curve.kind == "cosine" and constants[-1] == 1:
        return wave_blocks(scale, offset)
    if len(constants) < len(curve.parameters) or not all(map(isfinite, constants)):
        return None
    if curve.kind == "exponential":
        rate = as_fraction(constants[0])
        return power_blocks(None, -rate * scale, -rate * offset)
    if curve.kind == "decay" and constants[0] > 0:
        return power_blocks(as_float(constants[0]), scale, offset)
    if curve.kind == "geometric" and min(constants) > 0:
        start, end = map(as_float, constants)
        return power_blocks(end / start, scale, offset)
    return None
