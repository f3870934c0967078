"""Every value of a plan is finite, and every rate is not negative: shown before training."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lrdsl import limits
from lrdsl.numeric.exact import Exact
from lrdsl.planning.bounds import bounds
from lrdsl.planning.evaluate import evaluate_at
from lrdsl.planning.formula import Formula

_BLOCK = 2**14

LARGEST = float(np.finfo(np.float32).max)
"""Rates are applied in float32."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first tick at which a value is no good; None for the value where nothing is shown."""

    tick: Fraction
    value: float | None


def find_fault(
    formula: Formula, total: Fraction, *, whole_ticks: bool, negative: bool
) -> Fault | None:
    """Return the first value of a formula that is not finite, or negative; None if none is.

    Stretches over which bounds settle the matter are not visited.

    Args:
        formula: what to look at.
        total: the length of training in ticks.
        whole_ticks: ticks are steps, and only they count; else a thousand instants of each.
        negative: whether negative values are good.
    """
    grain = Fraction(1) if whole_ticks else Fraction(1, 1000)
    count = -((-total) // grain)
    budget = limits.PROOF_STEPS
    stack = [(0, int(count))]
    while stack:
        first, end = stack.pop()
        known = bounds(formula, first * grain, (end - 1) * grain)
        if known and max(-known[0], known[1]) <= LARGEST and (negative or known[0] >= 0):
            continue
        if end - first > _BLOCK:
            middle = (first + end) // 2
            stack += [(middle, end), (first, middle)]
            continue
        budget -= end - first
        if budget < 0:
            return Fault(first * grain, None)
        ticks = Exact(np.arange(first, end), grain, Fraction(0))
        values = evaluate_at(formula, ticks)
        good = np.abs(values) <= LARGEST
        if not negative:
            good &= values >= 0
        if not good.all():
            worst = int(np.argmin(good))
            return Fault((first + worst) * grain, float(values[worst]))
    return None
