"""The curve of a target over the clock of training, drawn with characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import curve, smallest_tick, unsettled_from
from lrdsl.records import dataclass
from lrdsl.scales import Floats, Scale, format_ticks, format_time, joint_scale, time_ticks
from lrdsl.terminal.ink import BOLD, CURVE, DIM, EVENT, MARK, SECOND, Ink, wrap

if TYPE_CHECKING:
    from lrdsl.outlook import Outlook
    from lrdsl.plan import Event, Plan, Segment

_Cells = list[list[str]]


def chart(
    plan: Plan,
    target: str,
    width: int,
    ink: Ink,
    *,
    outlook: Outlook | None,
    is_first: bool,
    rows: int | None = None,
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
    """
    sheet = _Sheet.of(plan, target, width, outlook, is_first=is_first, rows=rows)
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
    at_row = {
        _tick_row(scale, tick, sheet.rows): label
        for tick, label in zip(sheet.ticks, sheet.labels, strict=True)
    }
    for number, row in enumerate(canvas):
        label = at_row.get(number, "")
        edge = ink.pick("┤", "+") if label else ink.pick("│", "|")
        out.append(f"{label:>{sheet.gutter - 1}} {ink.paint(edge, DIM)}{''.join(row)}")
    out.extend(_time_axis(sheet, ink))
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
    ) -> _Sheet:
        points = max(4 * width, 500)
        first = curve(plan, target, points)
        second = None
        ways = () if outlook is None else outlook.ways[:-1]
        curves = [curve(way.plan, target, points) for way in ways]
        for way, other in zip(ways, curves, strict=True):
            if way.name == "earliest":
                second = other
        scale = joint_scale([first, *curves])
        if rows is None:
            rows = min(max((width - 10) // 6, 8), 16)
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
        settled = columns if end is None else _column(end, float(plan.length), columns)
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
        found = {_column(one.time, self.span, self.columns) for one in self.plan.snapshots}
        return found if len(found) <= self.columns // 2 else set()


def _tick_row(scale: Scale, tick: float, rows: int) -> int:
    fraction = float(scale.fraction(np.array([tick]))[0])
    dots = 4 * rows
    return round((1 - fraction) * (dots - 1)) // 4


# What is drawn, cell by cell.


def _canvas(sheet: _Sheet, ink: Ink) -> _Cells:
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


def _fill(cells: _Cells, filled: NDArray[np.bool_], mark: str) -> None:
    for row, column in zip(*np.nonzero(filled), strict=True):
        if cells[row][column] == " ":
            cells[row][column] = mark


def _rows_of(sheet: _Sheet, x: Floats, y: Floats, ink: Ink) -> NDArray[np.bool_]:
    """Return the cells through which a curve goes; it may end before the clock does."""
    end = min(float(x[-1]) / sheet.span, 1.0)
    low, high = _extents(x / sheet.span, sheet.scale.fraction(y), sheet.columns)
    runs = np.arange(sheet.columns) < end * sheet.columns
    return _span_of_rows(sheet, np.where(runs, low, np.nan), np.where(runs, high, np.nan), ink)


def _between(sheet: _Sheet, low: Floats, high: Floats, ink: Ink) -> NDArray[np.bool_]:
    return _span_of_rows(sheet, sheet.scale.fraction(low), sheet.scale.fraction(high), ink)


def _span_of_rows(sheet: _Sheet, low: Floats, high: Floats, ink: Ink) -> NDArray[np.bool_]:
    dots = _dots_of_row(ink) * sheet.rows
    top, bottom = (
        np.rint((1 - edge) * (dots - 1)) // _dots_of_row(ink) for edge in (high, low)
    )
    rows = np.arange(sheet.rows)[:, np.newaxis]
    inside: NDArray[np.bool_] = (rows >= top) & (rows <= bottom)
    return inside


def _dots_of_row(ink: Ink) -> int:
    return 4 if ink.unicode else 3


def _line(sheet: _Sheet, points: tuple[Floats, Floats], ink: Ink) -> _Cells:
    """Return the cells of a curve, as fine as the terminal can draw it."""
    x, y = points[0] / sheet.span, sheet.scale.fraction(points[1])
    across, down = (2 if ink.unicode else 1), _dots_of_row(ink)
    low, high = _extents(x, y, across * sheet.columns)
    dots = down * sheet.rows
    top = np.rint((1 - high) * (dots - 1)).astype(int)
    bottom = np.rint((1 - low) * (dots - 1)).astype(int)
    if not ink.unicode:
        # One character has no room for a slope: it takes the upper of two neighbours.
        bottom = np.where(bottom == top + 1, top, bottom)
    filled = np.zeros((dots, across * sheet.columns), dtype=bool)
    for column in range(across * sheet.columns):
        filled[top[column] : bottom[column] + 1, column] = True
    cells = filled.reshape(sheet.rows, down, sheet.columns, across)
    draw = _braille if ink.unicode else _ascii
    return [
        [ink.paint(draw(cells[row, :, column, :]), CURVE) for column in range(sheet.columns)]
        for row in range(sheet.rows)
    ]


_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def _braille(cell: NDArray[np.bool_]) -> str:
    dots = int(_DOTS[cell].sum())
    return chr(0x2800 + dots) if dots else " "


def _ascii(cell: NDArray[np.bool_]) -> str:
    upper, middle, lower = (bool(dot) for dot in cell[:, 0])
    if upper + middle + lower > 1:
        return "|"
    return "'" if upper else "-" if middle else "." if lower else " "


def _extents(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
    """Return the lowest and highest value of the line through the points, per column."""
    low, high = np.full(columns, np.inf), np.full(columns, -np.inf)
    inner = np.arange(1, columns) / columns
    column = np.minimum((x * columns).astype(int), columns - 1)
    np.minimum.at(low, column, y)
    np.maximum.at(high, column, y)
    # A line that crosses from one column to the next belongs to both at their edge; the
    # last point at or before the edge and the one after it are the ends of that line.
    after = np.clip(np.searchsorted(x, inner, side="right"), 1, len(x) - 1)
    width = x[after] - x[after - 1]
    part = np.where(width > 0, (inner - x[after - 1]) / np.where(width > 0, width, 1.0), 0.0)
    edge = y[after - 1] + (y[after] - y[after - 1]) * np.clip(part, 0.0, 1.0)
    for side in (slice(0, columns - 1), slice(1, columns)):
        low[side] = np.minimum(low[side], edge)
        high[side] = np.maximum(high[side], edge)
    return low, high


# What stands around it.


def _boundary_columns(sheet: _Sheet) -> list[int]:
    segments: Sequence[Segment] = sheet.plan.segments_of(sheet.target)
    # More marks than this would be a grey wall.
    if len(segments) - 1 > sheet.columns // 4:
        return []
    return [_column(segment.start, sheet.span, sheet.columns) for segment in segments[1:]]


def _column(time: Fraction | float, span: float, columns: int) -> int:
    return min(int(float(time) / span * columns), columns - 1)


def event_numbers(plan: Plan) -> dict[Event, int]:
    """Return the number, from 1, by which each event of a plan is listed."""
    return {event: number for number, event in enumerate(plan.events, 1)}


def _event_marks(sheet: _Sheet, ink: Ink) -> tuple[str, bool]:
    """Return the line of marks above the canvas, and whether they are numbers."""
    numbers = event_numbers(sheet.plan)
    at: dict[int, list[int]] = {}
    for event, number in numbers.items():
        if event.target == sheet.target:
            at.setdefault(_column(event.time, sheet.span, sheet.columns), []).append(number)
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


def _time_axis(sheet: _Sheet, ink: Ink) -> list[str]:
    plan, columns, gutter = sheet.plan, sheet.columns, sheet.gutter
    ticks = _time_ticks(plan, columns)
    line = [ink.pick("─", "-")] * columns
    for tick in ticks:
        line[_column(tick, sheet.span, columns)] = ink.pick("┬", "+")
    axis = [ink.paint(character, DIM) for character in line]
    for column in sheet.snapshots():
        axis[column] = ink.paint(ink.pick("◆", "#"), MARK)
    out = [" " * gutter + ink.paint(ink.pick("└", "+"), DIM) + "".join(axis)]

    per_epoch = plan.steps_per_epoch
    rows = [("epoch" if plan.unit == "epochs" else "step", Fraction(1))]
    if per_epoch is not None:
        other = ("step", Fraction(per_epoch)) if plan.unit == "epochs" else None
        rows.append(other or ("epoch", Fraction(1, per_epoch)))
    for name, factor in rows:
        labels = [(_column(t, sheet.span, columns), format_time(t * factor)) for t in ticks]
        placed = _place_labels(labels, columns)
        out.append(f"{name:>{gutter - 1}}  {placed}")
    return out


def _time_ticks(plan: Plan, columns: int) -> list[Fraction]:
    widest = len(format_time(plan.length * (plan.steps_per_epoch or 1))) + 4
    ticks = time_ticks(plan.length, max(columns // widest, 2), smallest_tick(plan))
    # The end of training is worth a label more than its round neighbour.
    room = Fraction(widest, columns) * plan.length
    ticks = [tick for tick in ticks if tick == 0 or plan.length - tick >= room]
    return [*ticks, plan.length]


def _place_labels(labels: Iterable[tuple[int, str]], columns: int) -> str:
    line = ""
    for column, label in labels:
        start = min(max(column - len(label) // 2, 0), columns - len(label))
        if start >= 0 and (not line or start > len(line) + 1):
            line = line.ljust(start) + label
    return line


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
    if length <= sheet.width:
        return [indent + gap.join(mark + text for mark, text in marks)]
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
