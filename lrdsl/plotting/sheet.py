"""A panel measured in points: its clocks, its scale, and where on paper a point of them is."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import smallest_tick
from lrdsl.plotting.style import Look, Theme
from lrdsl.records import dataclass
from lrdsl.scales import Floats, Scale

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.together import Together

_FOOTROOM = 4.0  # points below the curve


@dataclass(frozen=True, slots=True)
class Clock:
    """One way to count the time of a plan."""

    name: str
    length: Fraction
    smallest: Fraction | None


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clock below the picture, the one above it, and how the plan's times read below."""

    lower: Clock
    upper: Clock | None
    per_unit: Fraction


def clocks(plan: Plan) -> Clocks:
    """Return the clocks of a plan: epochs below and steps above, as far as both are known."""
    own = Clock(plan.unit.removesuffix("s"), plan.length, smallest_tick(plan))
    if plan.steps_per_epoch is None:
        return Clocks(own, None, Fraction(1))
    if plan.unit == "epochs":
        steps = Clock("step", plan.length * plan.steps_per_epoch, Fraction(1))
        return Clocks(own, steps, Fraction(1))
    per_unit = Fraction(1, plan.steps_per_epoch)
    return Clocks(Clock("epoch", plan.length * per_unit, per_unit), own, per_unit)


def common_clocks(plans: Together) -> Clocks:
    """Return the clocks of several plans: as of one, where their epochs are equally long."""
    lower = Clock(plans.unit, plans.length, plans.smallest)
    if plans.unit == "step" or plans.steps_per_epoch is None:
        return Clocks(lower, None, Fraction(1))
    steps = Clock("step", plans.length * plans.steps_per_epoch, Fraction(1))
    return Clocks(lower, steps, Fraction(1))


class Sheet:
    """A panel of so many points, with a clock below and an axis of values.

    Attributes:
        title: what the axis of values is of.
        headroom: points above the curves, for what stands there.
    """

    def __init__(
        self,
        title: str,
        width: float,
        height: float,
        clocks: Clocks,
        scale: Scale,
        look: Look,
        headroom: float,
    ) -> None:
        self.title = title
        self.width, self.height = max(width, 1.0), max(height, 1.0)
        self.clocks, self.length = clocks, float(clocks.lower.length)
        self.scale, self.look, self.headroom = scale, look, headroom

    @property
    def theme(self) -> Theme:
        """The colours of the picture."""
        return self.look.theme

    def clip(self, value: float) -> float:
        """Return a value, or the end of the scale if it is beyond that."""
        return min(max(value, self.scale.low), self.scale.high)

    def limits(self) -> tuple[float, float]:
        """Return the ends of the axis of values: the scale's own, with room at both."""
        scale = self.scale
        inner = max(self.height - self.headroom - _FOOTROOM, self.height / 2)
        above = min(self.headroom, self.height / 4) / inner
        below = min(_FOOTROOM, self.height / 4) / inner
        if scale.is_log:
            decades = math.log10(scale.high / scale.low)
            return scale.low / 10 ** (decades * below), scale.high * 10 ** (decades * above)
        span = scale.high - scale.low
        return scale.low - span * below, scale.high + span * above

    def on_paper(self, x: Floats, y: Floats) -> Floats:
        """Return points (x on the clock below, value) as points on paper, shape (n, 2)."""
        axis = Scale(*self.limits(), self.scale.is_log)
        return np.column_stack([x / self.length * self.width, axis.fraction(y) * self.height])

    def jumps(self, x: Floats, y: Floats) -> NDArray[np.intp]:
        """Return the numbers of the points of a curve right after a jump.

        A jump looks upright on paper, and is much steeper than what comes before and after.
        """
        paper = self.on_paper(x, y)
        wide, tall = np.abs(np.diff(paper, axis=0)).T
        slope = tall / np.maximum(wide, 1e-6)
        around = np.concatenate([[0.0], slope, [0.0]])
        steep = (4 * around[:-2] < slope) & (4 * around[2:] < slope)
        return np.flatnonzero((wide < 1.5) & (tall > 5.0) & steep) + 1
