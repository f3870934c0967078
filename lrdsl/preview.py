"""A plan in the terminal: its curve in braille or ASCII, and what it will do in a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import (
    Highlights,
    curve,
    highlights,
    length_in_words,
    main_target,
    smallest_tick,
)
from lrdsl.render import display_width, visible
from lrdsl.scales import (
    Scale,
    format_rate,
    format_ticks,
    format_time,
    rate_scale,
    time_ticks,
)

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Segment, Snapshot

NARROWEST = 20
"""Narrower terminals get this width: a curve needs some room."""

_MOST_SEGMENTS = 24
_MOST_SNAPSHOTS = 12

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_DIM = "\x1b[2m"
_CURVE = "\x1b[36m"
_MARK = "\x1b[35m"


@dataclass(frozen=True, slots=True)
class _Ink:
    """The characters and colours that the terminal can show."""

    unicode: bool
    colour: bool

    def paint(self, text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if self.colour and text.strip() else text

    def text(self, text: str) -> str:
        """Return text from outside, safe for this terminal."""
        safe = visible(text)
        return safe if self.unicode else safe.encode("ascii", "backslashreplace").decode()

    def fit(self, text: str, width: int) -> str:
        """Return `text`, cut to `width` columns."""
        # First roughly: a segment's text may be as long as the file.
        text = self.text(text[: 4 * max(width, 1) + 1])
        if display_width(text) <= width:
            return text
        cut = self.pick("…", "~")
        while text and display_width(text) + 1 > width:
            text = text[:-1]
        return (text.rstrip() + cut) if width > 0 else ""

    def pick(self, pretty: str, plain: str) -> str:
        return pretty if self.unicode else plain


def preview(plan: Plan, width: int, *, unicode: bool, colour: bool) -> str:
    """Return what the plan does, as lines of at most `width` columns.

    A title, the curve of each target over the training's clock with its boundaries and
    snapshots marked, the segments and the snapshots.

    Args:
        plan: what to show.
        width: columns of the terminal; fewer than 20 count as 20.
        unicode: whether the terminal shows braille; without, only ASCII is used.
        colour: whether to write escape codes.
    """
    width = max(width, NARROWEST)
    ink = _Ink(unicode, colour)
    out = _title(plan, width, ink)
    for target in plan.targets:
        out.append("")
        out.extend(_curve(plan, target, width, ink, is_first=target == plan.targets[0]))
        out.append("")
        out.extend(_summary(plan, target, width, ink))
    snapshots = _snapshots(plan, width, ink)
    if snapshots:
        out.extend(["", *snapshots])
    return "\n".join(line.rstrip() for line in out)


def drawing(plan: Plan, width: int, *, unicode: bool, colour: bool) -> str:
    """Return the curve of the plan's main target alone, as `preview` draws it."""
    target = main_target(plan)
    lines = _curve(plan, target, max(width, NARROWEST), _Ink(unicode, colour), is_first=True)
    return "\n".join(line.rstrip() for line in lines)


def _title(plan: Plan, width: int, ink: _Ink) -> list[str]:
    name = ink.text(plan.program.source.name)
    length = length_in_words(plan)
    gap = "  "
    if display_width(name) + len(gap) + len(length) <= width:
        out = [ink.paint(name, _BOLD) + gap + length]
    else:
        out = [ink.paint(ink.fit(name, width), _BOLD), *_wrap(length, width)]
    return out


# The curve.


def _curve(plan: Plan, target: str, width: int, ink: _Ink, *, is_first: bool) -> list[str]:
    x, y = curve(plan, target, max(4 * width, 500))
    scale = rate_scale(x, y)
    rows = min(max((width - 10) // 6, 8), 16)
    if not is_first:
        rows = max(rows // 2, 6)

    ticks = scale.ticks(max(rows // 2 if scale.is_log else rows // 3 + 1, 2))
    labels = format_ticks(ticks, is_log=scale.is_log)
    gutter = max([len("epoch"), *map(len, labels)]) + 1
    columns = width - gutter - 1
    span = float(plan.length)
    segments = plan.segments_of(target)

    canvas = _canvas(x / span, scale.fraction(y), rows, columns, ink)
    boundaries = _boundary_columns(segments, span, columns)
    for row in canvas:
        for column in boundaries:
            if row[column] == " ":
                row[column] = ink.paint(ink.pick("┊", ":"), _DIM)

    heading = ink.fit(target, width - len(", log scale"))
    out = [ink.paint(heading, _BOLD) + (", log scale" if scale.is_log else "")]
    at_row = {
        _tick_row(scale, tick, rows): label for tick, label in zip(ticks, labels, strict=True)
    }
    for number, row in enumerate(canvas):
        label = at_row.get(number, "")
        edge = ink.pick("┤", "+") if label else ink.pick("│", "|")
        out.append(f"{label:>{gutter - 1}} {ink.paint(edge, _DIM)}{''.join(row)}")
    out.extend(_time_axis(plan, gutter, columns, ink))
    shows_snapshots = _shown_snapshots(plan, columns)
    legend = [
        (ink.paint(ink.pick(mark, plain), code), text)
        for is_shown, mark, plain, code, text in (
            (boundaries, "┊", ":", _DIM, " boundary"),
            (shows_snapshots, "◆", "#", _MARK, " snapshot"),
        )
        if is_shown and is_first
    ]
    indent, gap = " " * (gutter + 1), "   "
    if len(indent) + sum(1 + len(text) for _, text in legend) + len(gap) > width:
        out.extend(mark + ink.fit(text, width - 1) for mark, text in legend)
    elif legend:
        out.append(indent + gap.join(mark + text for mark, text in legend))
    return out


def _tick_row(scale: Scale, tick: float, rows: int) -> int:
    fraction = float(scale.fraction(np.array([tick]))[0])
    dots = 4 * rows
    return round((1 - fraction) * (dots - 1)) // 4


def _canvas(
    x: NDArray[np.float64], y: NDArray[np.float64], rows: int, columns: int, ink: _Ink
) -> list[list[str]]:
    """Return the cells of the curve through points of the unit square."""
    across, down = (2, 4) if ink.unicode else (1, 3)
    low, high = _extents(x, y, across * columns)
    dots = down * rows
    top = np.rint((1 - high) * (dots - 1)).astype(int)
    bottom = np.rint((1 - low) * (dots - 1)).astype(int)
    if not ink.unicode:
        # One character has no room for a slope: it takes the upper of two neighbours.
        bottom = np.where(bottom == top + 1, top, bottom)
    filled = np.zeros((dots, across * columns), dtype=bool)
    for column in range(across * columns):
        filled[top[column] : bottom[column] + 1, column] = True
    cells = filled.reshape(rows, down, columns, across)
    draw = _braille if ink.unicode else _ascii
    return [
        [ink.paint(draw(cells[row, :, column, :]), _CURVE) for column in range(columns)]
        for row in range(rows)
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


def _extents(
    x: NDArray[np.float64], y: NDArray[np.float64], columns: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
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


def _boundary_columns(segments: Sequence[Segment], span: float, columns: int) -> list[int]:
    # More marks than this would be a grey wall.
    if len(segments) - 1 > columns // 4:
        return []
    return [_column(segment.start, span, columns) for segment in segments[1:]]


def _column(time: Fraction | float, span: float, columns: int) -> int:
    return min(int(float(time) / span * columns), columns - 1)


def _time_axis(plan: Plan, gutter: int, columns: int, ink: _Ink) -> list[str]:
    span = float(plan.length)
    ticks = _time_ticks(plan, columns)
    line = [ink.pick("─", "-")] * columns
    for tick in ticks:
        line[_column(tick, span, columns)] = ink.pick("┬", "+")
    axis = [ink.paint(character, _DIM) for character in line]
    for column in _shown_snapshots(plan, columns):
        axis[column] = ink.paint(ink.pick("◆", "#"), _MARK)
    out = [" " * gutter + ink.paint(ink.pick("└", "+"), _DIM) + "".join(axis)]

    per_epoch = plan.steps_per_epoch
    rows = [("epoch" if plan.unit == "epochs" else "step", Fraction(1))]
    if per_epoch is not None:
        other = ("step", Fraction(per_epoch)) if plan.unit == "epochs" else None
        rows.append(other or ("epoch", Fraction(1, per_epoch)))
    for name, factor in rows:
        labels = [(_column(t, span, columns), format_time(t * factor)) for t in ticks]
        placed = _place_labels(labels, columns)
        out.append(f"{name:>{gutter - 1}}  {placed}")
    return out


def _shown_snapshots(plan: Plan, columns: int) -> set[int]:
    found = {_column(snapshot.time, float(plan.length), columns) for snapshot in plan.snapshots}
    return found if len(found) <= columns // 2 else set()


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


# The tables.


def _summary(plan: Plan, target: str, width: int, ink: _Ink) -> list[str]:
    marks = highlights(plan, target)
    rows = [
        ("first", format_rate(marks.first), ""),
        ("peak", format_rate(marks.peak), f"at {_moment(plan, marks, width)}"),
        ("last", format_rate(marks.last), "" if marks.is_executed else "at the end"),
    ]
    widest = max(len(value) for _, value, _ in rows)
    out = [
        ink.fit(f"{name:<5}  {value:<{widest}}  {note}".rstrip(), width)
        for name, value, note in rows
    ]
    out.append("")
    out.extend(_segments(plan, target, width, ink))
    return out


def _moment(plan: Plan, marks: Highlights, width: int) -> str:
    step = f"step {format_time(marks.peak_step)}" if marks.peak_step is not None else ""
    if plan.unit == "steps":
        return step or f"step {format_time(marks.peak_time)}"
    epoch = f"epoch {format_time(marks.peak_time)}"
    return f"{epoch}, {step}" if step and width >= 60 else epoch


def _segments(plan: Plan, target: str, width: int, ink: _Ink) -> list[str]:
    segments = plan.segments_of(target)
    shown: list[Segment | None] = list(segments)
    if len(shown) > _MOST_SEGMENTS:
        ends = _MOST_SEGMENTS // 2
        shown = [*segments[:ends], None, *segments[-ends:]]
    left_out = len(segments) - _MOST_SEGMENTS
    arrow = ink.pick("→", "->")
    rows = [
        (
            format_time(s.start),
            format_time(s.end),
            format_rate(s.first_value),
            format_rate(s.end_value),
            str(s.line),
            s.text,
        )
        for s in shown
        if s is not None
    ]
    unit = plan.unit
    head = ("from", "to", "first", "last", "line")
    widths = [max(len(h), *(len(r[i]) for r in rows)) for i, h in enumerate(head)]
    numbers = (
        f"{head[0]:>{widths[0]}}  {head[1]:>{widths[1]}}  "
        f"{head[2]:>{widths[2]}} {' ' * len(arrow)} {head[3]:<{widths[3]}}"
    )
    room = width - len(numbers) - widths[4] - 4
    is_wide = room >= 16
    heading = numbers + (f"  {head[4]:>{widths[4]}}" if is_wide else "")
    title = f"{len(segments):,} segment{'s' if len(segments) > 1 else ''} ({unit})"
    out = [*_wrap(title, width), ink.paint(ink.fit(heading, width), _DIM)]
    left = iter(rows)
    for segment in shown:
        if segment is None:
            out.append(ink.fit(f"{ink.pick('…', '...')} {left_out:,} more", width))
            continue
        start, end, first, last, line, text = next(left)
        row = (
            f"{start:>{widths[0]}}  {end:>{widths[1]}}  "
            f"{first:>{widths[2]}} {arrow} {last:<{widths[3]}}"
        )
        if is_wide:
            out.append(f"{row}  {line:>{widths[4]}}  {ink.fit(text, room)}")
        else:
            out.append(ink.fit(row, width))
            out.append("  " + ink.paint(ink.fit(f"line {line}: {text}", width - 2), _DIM))
    return out


def _snapshots(plan: Plan, width: int, ink: _Ink) -> list[str]:
    snapshots = plan.snapshots
    if not snapshots:
        return []
    count = len(snapshots)
    title = f"{count:,} snapshot{'s' if count > 1 else ''}, saved at the end of"
    options = plan.snapshot_options
    if options is not None and options.keep is not None:
        title = f"{count:,} snapshots, the last {options.keep} kept, saved at the end of"
    if options is not None and options.best is not None:
        title = (
            f"{count:,} snapshots, the best {options.best} by {options.monitor} kept, "
            "saved at the end of"
        )
    shown: list[Snapshot | None] = list(snapshots)
    if count > _MOST_SNAPSHOTS:
        ends = _MOST_SNAPSHOTS // 2
        shown = [*snapshots[:ends], None, *snapshots[-ends:]]
    rows = [
        (str(s.index), _snapshot_time(plan, s), format_rate(s.value))
        for s in shown
        if s is not None
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    out = [*_wrap(ink.text(title), width)]
    left = iter(rows)
    for snapshot in shown:
        if snapshot is None:
            out.append(
                ink.fit(f"{ink.pick('…', '...')} {count - _MOST_SNAPSHOTS:,} more", width)
            )
            continue
        index, time, value = next(left)
        text = ink.fit(f"{index:>{widths[0]}}  {time:<{widths[1]}}  rate {value}", width - 2)
        out.append(f"{ink.paint(ink.pick('◆', '#'), _MARK)} {text}")
    return out


def _snapshot_time(plan: Plan, snapshot: Snapshot) -> str:
    if plan.unit == "epochs":
        return f"epoch {format_time(snapshot.time)}"
    return f"step {format_time(snapshot.time)}"


def _wrap(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if not lines[-1]:
            lines[-1] = word[:width]
        elif display_width(lines[-1]) + 1 + display_width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word[:width])
    return lines
