"""A target of a plan measured for paper: its clocks, its scale, its segments' names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import curve, main_target, smallest_tick, unsettled_from
from lrdsl.plotting.style import LONGEST_MEASURED, text_width
from lrdsl.render import visible
from lrdsl.scales import Floats, Scale, joint_scale

if TYPE_CHECKING:
    from lrdsl.outlook import Outlook, Way
    from lrdsl.plan import Plan, Segment, Snapshot

MOST_BANDS = 60
"""Segments drawn one by one; more would be a grey wall."""

HEADROOM = 36.0
"""Points above the curve, where the segments' names stand."""

MOST_DIAMONDS = 60
"""Snapshots drawn as diamonds; more are strokes."""

_FOOTROOM = 4.0
_SHOWN = 0.08  # the share of the width below which a curve is but the end of another
_POINTS = 4000


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


class View:
    """A target of a plan, measured for a panel of so many points.

    Attributes:
        ways: the curves of the ways that a plan may go, where it has a range, each with x
            and y; not that in which nothing happens, which is x and y of the view.
    """

    def __init__(
        self,
        plan: Plan,
        target: str,
        width: float,
        height: float,
        first_number: int,
        outlook: Outlook | None,
    ) -> None:
        self.plan, self.target, self.outlook = plan, target, outlook
        self.width, self.height = max(width, 1.0), max(height, 1.0)
        self.clocks = clocks(plan)
        x, self.y = curve(plan, target, _POINTS)
        self.x = x * float(self.clocks.per_unit)
        self.length = float(self.clocks.lower.length)
        self.ways: list[tuple[Way, Floats, Floats]] = []
        for way in () if outlook is None else outlook.ways[:-1]:
            if way.name == "latest" and not self._has_room(way):
                continue
            x, y = curve(way.plan, target, _POINTS)
            self.ways.append((way, x * float(self.clocks.per_unit), y))
        self.scale = joint_scale([(self.x, self.y), *((x, y) for _, x, y in self.ways)])
        self.segments = self._settled_segments()
        self.first_number = first_number
        self.names = self._names()

    def time(self, time: Fraction | float) -> float:
        """Return a time of the plan on the clock below."""
        return float(time) * float(self.clocks.per_unit)

    def _has_room(self, way: Way) -> bool:
        """Return whether a way leaves the one in which nothing happens early enough."""
        usual = {event.time for event in self.plan.events}
        changes = [event.time for event in way.plan.events if event.kind != "rise"]
        first = next(time for time in changes if time not in usual)
        return float(self.plan.length - first) >= _SHOWN * float(self.plan.length)

    def _settled_segments(self) -> tuple[Segment, ...]:
        """Return the segments that run at the same time whatever metrics do."""
        found = self.plan.segments_of(self.target)
        for way, _, _ in self.ways:
            others = way.plan.segments_of(self.target)
            pairs = zip(found, others, strict=False)
            same = [(a.start, a.end, a.line) == (b.start, b.end, b.line) for a, b in pairs]
            found = found[: [*same, False].index(False)]
        return found

    def unsettled(self) -> float | None:
        """Return from when on, on the clock below, the curve is but a guess; None if never."""
        end = unsettled_from(self.plan)
        return None if end is None else self.time(end)

    def clip(self, value: float) -> float:
        """Return a value, or the end of the scale if it is beyond that."""
        return min(max(value, self.scale.low), self.scale.high)

    def _names(self) -> list[str | None]:
        """Return what is written over each segment; None where its text has no room."""
        texts = [visible(segment.text) for segment in self.segments]
        if len(texts) > MOST_BANDS:
            return [None] * len(texts)
        rooms = [self.time(s.end - s.start) / self.length * self.width for s in self.segments]
        fits = [
            len(text) < LONGEST_MEASURED and text_width(text, 8) + 10 <= room
            for text, room in zip(texts, rooms, strict=True)
        ]
        return [text if fit else None for text, fit in zip(texts, fits, strict=True)]

    def unnamed(self) -> list[tuple[int, Segment]]:
        """Return the segments that the key must name, with their numbers."""
        return [
            (self.first_number + i, segment)
            for i, (segment, name) in enumerate(zip(self.segments, self.names, strict=True))
            if name is None
        ]

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Return the plan's snapshots in the panel where they are shown, else none."""
        return self.plan.snapshots if self.target == main_target(self.plan) else ()

    def limits(self) -> tuple[float, float]:
        """Return the ends of the axis of values: the scale's own, with room at both."""
        scale = self.scale
        inner = max(self.height - HEADROOM - _FOOTROOM, self.height / 2)
        above = min(HEADROOM, self.height / 4) / inner
        below = min(_FOOTROOM, self.height / 4) / inner
        if scale.is_log:
            decades = math.log10(scale.high / scale.low)
            return scale.low / 10 ** (decades * below), scale.high * 10 ** (decades * above)
        span = scale.high - scale.low
        return scale.low - span * below, scale.high + span * above

    def jumps(self) -> NDArray[np.intp]:
        """Return the numbers of the points right after a jump of the curve.

        A jump looks upright on paper, and is much steeper than what comes before and after.
        """
        paper = self.on_paper(self.x, self.y)
        wide, tall = np.abs(np.diff(paper, axis=0)).T
        slope = tall / np.maximum(wide, 1e-6)
        around = np.concatenate([[0.0], slope, [0.0]])
        steep = (4 * around[:-2] < slope) & (4 * around[2:] < slope)
        return np.flatnonzero((wide < 1.5) & (tall > 5.0) & steep) + 1

    def on_paper(self, x: Floats, y: Floats) -> Floats:
        """Return points (x on the clock below, value) as points on paper, shape (n, 2)."""
        axis = Scale(*self.limits(), self.scale.is_log)
        return np.column_stack([x / self.length * self.width, axis.fraction(y) * self.height])
