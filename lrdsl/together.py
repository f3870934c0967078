"""Several plans under one clock: what is needed to draw them together."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from lrdsl.highlights import curve, smallest_tick
from lrdsl.records import dataclass
from lrdsl.scales import Floats

if TYPE_CHECKING:
    from lrdsl.plan import Plan

MOST: Final = 12
"""Plans that are drawn together; more cannot be told apart."""

_ROUNDING = 1e-9  # relative: less than float32, in which training uses values, can tell


class DifferentClocks(ValueError):
    """One plan counts epochs, another steps, and nothing says how many steps an epoch has."""


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A curve among others.

    Attributes:
        names: what it is called; several where curves are the same.
        number: which curve of the picture it is, from 0; it decides how it looks.
        x: when, in the unit of the common clock; does not decrease.
        y: the values there.
        is_ground: whether others are to be read against it: it is drawn broad and pale.
        is_dotted: whether nothing is known between its points: they are not connected.
    """

    names: tuple[str, ...]
    number: int
    x: Floats
    y: Floats
    is_ground: bool = False
    is_dotted: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return " = ".join(self.names)


@dataclass(frozen=True, slots=True)
class Together:
    """Plans under one clock.

    Made by `together`.

    Attributes:
        names: what each plan is called.
        plans: the plans.
        unit: "epoch" or "step", what the clock counts.
        length: of the longest plan, in that unit.
        steps_per_epoch: of all plans, None where they differ or it is not known.
        smallest: the time between two steps, in that unit; None where it is not known.
        factors: of each plan's own times to the clock.
    """

    names: tuple[str, ...]
    plans: tuple[Plan, ...]
    unit: str
    length: Fraction
    steps_per_epoch: int | None
    smallest: Fraction | None
    factors: tuple[Fraction, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """What any of the plans sets, in the order of their texts."""
        return tuple(dict.fromkeys(name for plan in self.plans for name in plan.targets))

    def lines(self, target: str, points: int) -> list[Line]:
        """Return the curves of a target, about so many points each; equal ones once."""
        found: list[Line] = []
        for number, (name, plan) in enumerate(zip(self.names, self.plans, strict=True)):
            if target in plan.targets:
                x, y = curve(plan, target, points)
                x = x * float(self.factors[number])
                add_line(found, Line((name,), number, x, y))
        return found


def add_line(lines: list[Line], line: Line) -> None:
    """Add a line to others, or its names to the one that is the same curve."""
    for at, other in enumerate(lines):
        if _alike(other, line):
            names = (*other.names, *line.names)
            lines[at] = Line(names, other.number, other.x, other.y, other.is_ground)
            return
    lines.append(line)


def _alike(one: Line, other: Line) -> bool:
    """Return whether two curves are the same, but for how their formulas are rounded."""
    if len(one.x) != len(other.x) or (one.x != other.x).any():
        return False
    most = _ROUNDING * float(np.abs(one.y).max(initial=0.0))
    return bool((np.abs(one.y - other.y) <= most).all())


def together(names: Sequence[str], plans: Sequence[Plan]) -> Together:
    """Lay plans under one clock: that of epochs where all know it, else that of steps.

    Args:
        names: what each plan is called.
        plans: at least one.

    Raises:
        DifferentClocks: they have no clock in common.
    """
    per_epoch = {plan.steps_per_epoch for plan in plans}
    common = per_epoch.pop() if len(per_epoch) == 1 else None
    units = {plan.unit for plan in plans}
    if all(plan.steps_per_epoch is not None or plan.unit == "epochs" for plan in plans):
        unit, factors = "epoch", [_in_epochs(plan) for plan in plans]
    elif units == {"steps"}:
        unit, factors = "step", [Fraction(1) for _ in plans]
    elif all(plan.total_steps is not None for plan in plans):
        unit, factors = "step", [_in_steps(plan) for plan in plans]
    else:
        counts = {plan.unit: name for name, plan in zip(names, plans, strict=True)}
        raise DifferentClocks(
            f"`{counts['epochs']}` counts epochs and `{counts['steps']}` steps: say how many "
            "steps an epoch has, `--steps-per-epoch 390`"
        )
    ticks = [smallest_tick(plan) for plan in plans]
    known = [tick * f for tick, f in zip(ticks, factors, strict=True) if tick is not None]
    return Together(
        tuple(names),
        tuple(plans),
        unit,
        max(plan.length * factor for plan, factor in zip(plans, factors, strict=True)),
        common,
        min(known) if len(known) == len(plans) else None,
        tuple(factors),
    )


def _in_epochs(plan: Plan) -> Fraction:
    return Fraction(1) if plan.unit == "epochs" else Fraction(1, plan.steps_per_epoch or 1)


def _in_steps(plan: Plan) -> Fraction:
    return Fraction(1) if plan.unit == "steps" else Fraction(plan.steps_per_epoch or 1)
