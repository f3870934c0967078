"""A target of a plan measured for paper: its clocks, its scale, its segments' names."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from lrdsl.highlights import curve, main_target, unsettled_from
from lrdsl.plotting.sheet import Sheet, clocks
from lrdsl.plotting.style import LONGEST_MEASURED, Look, text_width
from lrdsl.render import visible
from lrdsl.scales import Floats, joint_scale
from lrdsl.targets import RATE, split

if TYPE_CHECKING:
    from lrdsl.outlook import Outlook, Way
    from lrdsl.plan import Plan, Segment, Snapshot

MOST_BANDS = 60
"""Segments drawn one by one; more would be a grey wall."""

HEADROOM = 36.0
"""Points above the curve, where the segments' names stand."""

MOST_DIAMONDS = 60
"""Snapshots drawn as diamonds; more are strokes."""

_SHOWN = 0.08  # the share of the width below which a curve is but the end of another
_POINTS = 4000


def title(target: str) -> str:
    """Return what a panel of a target is of, in words: `momentum of slow`."""
    part, what = split(target)
    name = "learning rate" if what == RATE else what.replace("_", " ")
    return name if part is None else f"{name} of {part}"


class View(Sheet):
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
        look: Look,
    ) -> None:
        self.plan, self.target, self.outlook = plan, target, outlook
        both = clocks(plan)
        x, self.y = curve(plan, target, _POINTS)
        self.x = x * float(both.per_unit)
        self.ways: list[tuple[Way, Floats, Floats]] = []
        for way in () if outlook is None else outlook.ways[:-1]:
            if way.name == "latest" and not self._has_room(way):
                continue
            x, y = curve(way.plan, target, _POINTS)
            self.ways.append((way, x * float(both.per_unit), y))
        curves = [(self.x, self.y), *((x, y) for _, x, y in self.ways)]
        scale = joint_scale(curves, look.is_log)
        super().__init__(title(target), width, height, both, scale, look, HEADROOM)
        self.segments = self._settled_segments()
        self.first_number = first_number
        found = [one for name in plan.targets for one in plan.segments_of(name)]
        self._has_lines = len({one.line for one in found}) > 1
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

    def _names(self) -> list[str | None]:
        """Return the text over each segment; None where it has no room with its line."""
        texts = [visible(segment.text) for segment in self.segments]
        if len(texts) > MOST_BANDS:
            return [None] * len(texts)
        rooms = [self.time(s.end - s.start) / self.length * self.width for s in self.segments]
        fits = [
            len(text) < LONGEST_MEASURED
            and text_width(f"{text} {self.place(segment)}", 8) + 12 <= room
            for text, room, segment in zip(texts, rooms, self.segments, strict=True)
        ]
        return [text if fit else None for text, fit in zip(texts, fits, strict=True)]

    def place(self, segment: Segment) -> str:
        """Return on which line a segment stands, `line 2`; nothing if all stand there."""
        return f"line {segment.line}" if self._has_lines else ""

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
