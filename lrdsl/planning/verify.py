"""Every value of a plan is finite, and every rate is not negative: shown before training."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite, isnan

from lrdsl import limits
from lrdsl.analysis.problems import Problems
from lrdsl.planning.bounds import bounds
from lrdsl.planning.formula import Formula
from lrdsl.planning.frames import Part
from lrdsl.planning.horizon import Horizon
from lrdsl.records import dataclass
from lrdsl.targets import RATE, is_rate

_BLOCK = 2**14

LARGEST = float.fromhex("0x1.fffffep+127")
"""The largest float32: rates are applied in it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """The first tick at which a value is no good; None for the value where nothing is shown."""

    tick: Fraction
    value: float | None


def verify(
    formulas: dict[str, Formula],
    parts: dict[str, tuple[Part, ...]],
    horizon: Horizon,
    problems: Problems,
) -> None:
    """Report the first value of each target that is not finite, or a negative rate."""
    assert horizon.total is not None
    for name, formula in formulas.items():
        fault = find_fault(
            formula,
            horizon.total,
            whole_ticks=horizon.step is not None,
            negative=not is_rate(name),
        )
        if fault is None:
            continue
        part = next((p for p in reversed(parts[name]) if p.start <= fault.tick), parts[name][0])
        when = horizon.describe(fault.tick)
        epochs = horizon.in_epochs(fault.tick)
        if horizon.step is not None and horizon.unit != "steps" and epochs is not None:
            when = f"step {int(fault.tick):,} (epoch {float(epochs):.6g})"
        else:
            when = f"{horizon.unit.removesuffix('s')} {float(horizon.in_unit(fault.tick)):.10g}"
        what = "rate" if name == RATE else f"rate `{name}`" if is_rate(name) else f"`{name}`"
        if fault.value is None:
            problems.add(
                "LRS403",
                f"the {what} cannot be shown to be finite and not negative",
                part.span,
                f"unsettled from {when} on",
                help="bound it: `clip(…, 0, 1)`",
            )
        elif isfinite(fault.value) and abs(fault.value) <= LARGEST:
            problems.add(
                "LRS404",
                f"the {what} is negative at {when}",
                part.span,
                f"comes to {fault.value:.6g} there",
                help="keep it above zero: `max(…, 0)`",
            )
        else:
            problems.add(
                "LRS403",
                f"the {what} is not finite at {when}",
                part.span,
                f"comes to {fault.value:.6g} there"
                + (", beyond float32" if isfinite(fault.value) else ""),
                help="check the formula there: 0 / 0, or a root of what is below zero?"
                if isnan(fault.value)
                else "check the formula there, or bound it: `min(…, 1)`",
            )


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
        fault = _first_fault(formula, range(first, end), grain, negative)
        if fault is not None:
            return fault
    return None


def _first_fault(
    formula: Formula, grains: range, grain: Fraction, negative: bool
) -> Fault | None:
    import numpy as np

    from lrdsl.numeric.exact import Exact
    from lrdsl.planning.evaluate import evaluate_at

    ticks = Exact(np.arange(grains.start, grains.stop), grain, Fraction(0))
    values = evaluate_at(formula, ticks)
    good = np.abs(values) <= LARGEST
    if not negative:
        good &= values >= 0
    if good.all():
        return None
    worst = int(np.argmin(good))
    return Fault(grains[worst] * grain, float(values[worst]))
