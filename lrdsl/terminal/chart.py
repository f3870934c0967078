"""The curve of a target over the clock of training, drawn with characters."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import curve, smallest_tick, unsettled_from
from lrdsl.records import dataclass
from lrdsl.scales import Floats, Scale, format_ticks, format_time, joint_scale
from lrdsl.terminal.canvas import (
    Cells,
    Clock,
    characters,
    column_of,
    dots,
    dots_of_row,
    extents,
    framed,
    time_axis,
)
from lrdsl.terminal.ink import BOLD, CURVE, DIM, EVENT, MARK, SECOND, Ink, wrap

if TYPE_CHECKING:
    from lrdsl.outlook import Outlook
    from lrdsl.plan import Event, Plan, Segment


def chart(
    plan: Plan,
    target: str,
    width: int,
    ink: Ink,
    *,
    outlook: Outlook | None,
    is_first: bool,
    rows: int | None = None,
    is_log: bool | None = None,
) -> list[str]:
    """Return the chart of a target as lines of at most `width` columns.

    Args:
        plan: what to draw.
        target: which target.
        width: columns of the terminal.
        ink: what the terminal can show.
        outlook: the range of what the plan may come to, where there is one.
        is_first: whether no chart stands above: it is higher, and explains the marks.
        rows: how high the curve is, if not as the width has it.
        is_log: whether the axis of values is logarithmic; None where the curves decide.
    """
    sheet = _Sheet.of(plan, target, width, outlook, is_first=is_first, rows=rows, is_log=is_log)
    canvas = _canvas(sheet, ink)
    boundaries = _boundary_columns(sheet)
    for row in canvas:
        for column in boundaries:
            if row[column] == " ":
                row[column] = ink.paint(ink.pick("┊", ":"), DIM)

    scale = sheet.scale
    heading = ink.fit(target, width - len(", log scale"))
    out = [ink.paint(heading, BOLD) + (", log scale" if scale.is_log else "")]
    events, are_numbered = _event_marks(sheet, ink)
    if events:
        out.append(" " * (sheet.gutter + 1) + events)
    out += framed(canvas, scale, sheet.ticks, sheet.labels, ink, sheet.gutter)
    marked = sheet.snapshots()
    out += time_axis(_clock(plan), sheet.gutter, sheet.columns, ink, marked)
    if is_first:
        legend = [
            *(_ways(outlook) if outlook is not None and sheet.second is not None else ()),
            *([("┊", ":", DIM, "boundary")] if boundaries else ()),
            *([("◆", "#", MARK, "snapshot")] if sheet.snapshots() else ()),
            *([("▼", "v", EVENT, "event")] if events and not are_numbered else ()),
        ]
        out.extend(_legend(legend, sheet, ink))
        out.extend(ink.text(line) for line in _caveat(sheet))
    return out


def usual_rows(width: int) -> int:
    """Return how high the first curve is in a terminal so wide."""
    return min(max((width - 10) // 6, 8), 16)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A target of a plan, measured for a terminal.

    Attributes:
        second: the curve of the earliest way that the plan may go, if there is one.
        band: the lowest and highest value that it may have in each column, likewise.
        settled: columns in which no metric can change anything any more.
    """

    plan: Plan
    target: str
    width: int
    rows: int
    columns: int
    gutter: int
    scale: Scale
    ticks: list[float]
    labels: list[str]
    first: tuple[Floats, Floats]
    second: tuple[Floats, Floats] | None
    band: tuple[Floats, Floats] | None
    settled: int

    @classmethod
    def of(
        cls,
        plan: Plan,
        target: str,
        width: int,
        outlook: Outlook | None,
        *,
        is_first: bool,
        rows: int | None,
        is_log: bool | None,
    ) -> _Sheet:
        points = max(4 * width, 500)
        first = curve(plan, target, points)
        second = None
        ways = () if outlook is None else outlook.ways[:-1]
        curves = [curve(way.plan, target, points) for way in ways]
        for way, other in zip(ways, curves, strict=True):
            if way.name == "earliest":
                second = other
        scale = joint_scale([first, *curves], is_log)
        if rows is None:
            rows = usual_rows(width)
            if not is_first:
                rows = max(rows // 2, 6)
        ticks = scale.ticks(max(rows // 2 if scale.is_log else rows // 3 + 1, 2))
        labels = format_ticks(ticks, is_log=scale.is_log)
        gutter = max([len("epoch"), *map(len, labels)]) + 1
        columns = width - gutter - 1
        band = None
        if outlook is not None and second is not None:
            centres = np.arange(0.5, columns, dtype=np.float64) * (float(plan.length) / columns)
            band = outlook.band(target, centres)
        end = unsettled_from(plan)
        settled = columns if end is None else column_of(end, float(plan.length), columns)
        return cls(
            plan,
            target,
            width,
            rows,
            columns,
            gutter,
            scale,
            ticks,
            labels,
            first,
            second,
            band,
            settled,
        )

    @property
    def span(self) -> float:
        """The length of the clock."""
        return float(self.plan.length)

    def snapshots(self) -> set[int]:
        """Return the columns of the snapshots, none where they would be a wall."""
        found = {column_of(one.time, self.span, self.columns) for one in self.plan.snapshots}
        return found if len(found) <= self.columns // 2 else set()


# What is drawn, cell by cell.


def _canvas(sheet: _Sheet, ink: Ink) -> Cells:
    """Return the cells of the curve, and of the range around it."""
    cells = _line(sheet, sheet.first, ink)
    for row in cells:
        # What is not settled is drawn in every second column.
        row[sheet.settled + 1 :: 2] = " " * len(row[sheet.settled + 1 :: 2])
    if sheet.second is not None:
        _fill(cells, _rows_of(sheet, *sheet.second, ink), ink.paint(ink.pick("∙", "o"), SECOND))
    if sheet.band is not None:
        _fill(cells, _between(sheet, *sheet.band, ink), ink.paint(ink.pick("░", "~"), DIM))
    return cells


def _fill(cells: Cells, filled: NDArray[np.bool_], mark: str) -> None:
    for row, column in zip(*np.nonzero(filled), strict=True):
        if cells[row][column] == " ":
            cells[row][column] = mark


def _rows_of(sheet: _Sheet, x: Floats, y: Floats, ink: Ink) -> NDArray[np.bool_]:
    """Return the cells through which a curve goes; it may end before the clock does."""
    end = min(float(x[-1]) / sheet.span, 1.0)
    low, high = extents(x / sheet.span, sheet.scale.fraction(y), sheet.columns)
    runs = np.arange(sheet.columns) < end * sheet.columns
    return _span_of_rows(sheet, np.where(runs, low, np.nan), np.where(runs, high, np.nan), ink)


def _between(sheet: _Sheet, low: Floats, high: Floats, ink: Ink) -> NDArray[np.bool_]:
    """Return the cells of a range, none where there is but one value."""
    low = np.where(low < high, low, np.nan)
    return _span_of_rows(sheet, sheet.scale.fraction(low), sheet.scale.fraction(high), ink)


def _span_of_rows(sheet: _Sheet, low: Floats, high: Floats, ink: Ink) -> NDArray[np.bool_]:
    dots = dots_of_row(ink) * sheet.rows
    top, bottom = (np.rint((1 - edge) * (dots - 1)) // dots_of_row(ink) for edge in (high, low))
    rows = np.arange(sheet.rows)[:, np.newaxis]
    inside: NDArray[np.bool_] = (rows >= top) & (rows <= bottom)
    return inside


def _line(sheet: _Sheet, points: tuple[Floats, Floats], ink: Ink) -> Cells:
    """Return the cells of a curve."""
    x, y = points[0] / sheet.span, sheet.scale.fraction(points[1])
    cells = characters(dots(x, y, sheet.rows, sheet.columns, ink), ink)
    return [[ink.paint(cell, CURVE) for cell in row] for row in cells]


# What stands around it.


def _boundary_columns(sheet: _Sheet) -> list[int]:
    segments: Sequence[Segment] = sheet.plan.segments_of(sheet.target)
    # More marks than this would be a grey wall.
    if len(segments) - 1 > sheet.columns // 4:
        return []
    return [column_of(segment.start, sheet.span, sheet.columns) for segment in segments[1:]]


def event_numbers(plan: Plan) -> dict[Event, int]:
    """Return the number, from 1, by which each event of a plan is listed."""
    return {event: number for number, event in enumerate(plan.events, 1)}


def _event_marks(sheet: _Sheet, ink: Ink) -> tuple[str, bool]:
    """Return the line of marks above the canvas, and whether they are numbers."""
    numbers = event_numbers(sheet.plan)
    at: dict[int, list[int]] = {}
    for event, number in numbers.items():
        if event.target == sheet.target:
            at.setdefault(column_of(event.time, sheet.span, sheet.columns), []).append(number)
    line, end = "", -1
    for column, here in sorted(at.items()):
        label = ",".join(map(str, here))
        start = min(column, sheet.columns - len(label))
        if start <= end:
            marks = [" "] * sheet.columns
            for marked in at:
                marks[marked] = ink.pick("▼", "v")
            return ink.paint("".join(marks).rstrip(), EVENT), False
        line = line.ljust(start) + label
        end = len(line)
    return ink.paint(line, EVENT), True


def _clock(plan: Plan) -> Clock:
    name, per_epoch = plan.unit.removesuffix("s"), plan.steps_per_epoch
    other = None
    if per_epoch is not None:
        is_epochs = plan.unit == "epochs"
        other = (
            ("step", Fraction(per_epoch)) if is_epochs else ("epoch", Fraction(1, per_epoch))
        )
    return Clock(name, plan.length, smallest_tick(plan), other)


_Mark = tuple[str, str, str, str]  # in Unicode, in ASCII, its colour, what it means


def _ways(outlook: Outlook) -> list[_Mark]:
    early = next(way for way in outlook.ways if way.name == "earliest")
    return [
        ("⠤", "-", CURVE, outlook.never.words),
        ("∙", "o", SECOND, early.words),
        ("░", "~", DIM, "between"),
    ]


def _legend(legend: Sequence[_Mark], sheet: _Sheet, ink: Ink) -> list[str]:
    """Return what the marks mean, in one line if there is room, else in one each."""
    marks = [
        (ink.paint(ink.pick(pretty, plain), code), " " + ink.text(text))
        for pretty, plain, code, text in legend
    ]
    indent, gap = " " * (sheet.gutter + 1), "   "
    if not marks:
        return []
    length = len(indent) + sum(1 + len(text) + len(gap) for _, text in marks) - len(gap)
    for start in (indent, ""):
        if length - len(indent) + len(start) <= sheet.width:
            return [start + gap.join(mark + text for mark, text in marks)]
    return [mark + ink.fit(text, sheet.width - 1) for mark, text in marks]


def _caveat(sheet: _Sheet) -> list[str]:
    """Return from when on the curve is but a guess."""
    plan = sheet.plan
    end = unsettled_from(plan)
    if end is None:
        return []
    when = f"{plan.unit.removesuffix('s')} {format_time(end)}"
    text = f"not settled from {when} on: drawn as if nothing happened after the log ends"
    return wrap(text, sheet.width)
