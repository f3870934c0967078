"""Which instants of a long training show its curve."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

from lrdsl.numeric.exact import Exact


def sample_ticks(
    edges: Iterable[Fraction], total: Fraction, points: int, *, whole: bool
) -> tuple[Exact, NDArray[np.bool_]]:
    """Choose instants of a training that show its curve: evenly spread, and around each edge.

    Args:
        edges: where the curve may jump, in ticks.
        total: the length of training in ticks.
        points: about how many instants.
        whole: ticks are steps, and only steps are chosen: the last before an edge and the
            first after it.  Otherwise an edge is chosen twice.

    Returns:
        The instants in order, and which of them are to be seen from the left.
    """
    inside = sorted({edge for edge in edges if 0 < edge < total})
    if whole:
        count = int(total)
        if count <= points:
            steps = np.arange(count, dtype=np.int64)
        else:
            spread = [i * (count - 1) // (points - 1) for i in range(points)]
            first = [-int(-edge // 1) for edge in inside]
            around = {step for f in first for step in (f - 1, f) if 0 <= step < count}
            steps = np.array(sorted({*spread, *around}), dtype=np.int64)
        return Exact(steps, Fraction(1), Fraction(0)), np.zeros(len(steps), dtype=bool)
    # In whole parts of a tick: sorting thousands of fractions takes a hundred times as long.
    common = lcm((total / points).denominator, *(edge.denominator for edge in inside))
    end = int(total * common)
    jumps = [int(edge * common) for edge in inside]
    # Twice a time if it is seen from the left, and one more if not: seen from the left first,
    # so that a jump is drawn in the direction of time.
    times = {2 * (end * i // points) + 1 for i in range(points)} | {2 * end}
    times |= {2 * jump + right for jump in jumps for right in (0, 1)}
    shown = sorted(times)
    keys = np.array([time // 2 for time in shown], dtype=object)
    ticks = Exact(keys, Fraction(1, common), Fraction(0)).compact()
    return ticks, np.array([time % 2 == 0 for time in shown], dtype=bool)
