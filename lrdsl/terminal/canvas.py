"""Drawing with characters: curves as dots of cells, and the clock below them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lrdsl.records import dataclass
from lrdsl.scales import Floats, Scale, format_time, time_ticks
from lrdsl.terminal.ink import DIM, MARK, Ink

Cells = list[list[str]]
"""What stands in each column of each row."""

_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


@dataclass(frozen=True, slots=True)
class Clock:
    """The time below a chart.

    Attributes:
        name: "epoch" or "step", what it counts.
        length: its end.
        smallest: the time between two steps, None where it is not known.
        other: another clock for the same time, by its name and how many of it are one of
            this; None where there is none.
    """

    name: str
    length: Fraction
    smallest: Fraction | None
    other: tuple[str, Fraction] | None


# Curves.


def dots_of_row(ink: Ink) -> int:
    """Return how many dots stand over one another in a character."""
    return 4 if ink.unicode else 3


def dots(x: Floats, y: Floats, rows: int, columns: int, ink: Ink) -> NDArray[np.bool_]:
    """Return the dots of the line through points, as fine as the terminal can draw it.

    Args:
        x: where the points are, from 0 to 1; it does not decrease.
        y: likewise, from below.
        rows: of characters.
        columns: likewise.
        ink: what the terminal can show.
    """
    across, down = (2 if ink.unicode else 1), dots_of_row(ink)
    low, high = extents(x, y, across * columns)
    count = down * rows
    top = np.rint((1 - high) * (count - 1)).astype(int)
    bottom = np.rint((1 - low) * (count - 1)).astype(int)
    if not ink.unicode:
        # One character has no room for a slope: it takes the upper of two neighbours.
        bottom = np.where(bottom == top + 1, top, bottom)
    filled = np.zeros((count, across * columns), dtype=bool)
    for column in range(across * columns):
        filled[top[column] : bottom[column] + 1, column] = True
    return filled


def characters(filled: NDArray[np.bool_], ink: Ink) -> Cells:
    """Return dots as characters, not coloured."""
    across, down = (2 if ink.unicode else 1), dots_of_row(ink)
    rows, columns = filled.shape[0] // down, filled.shape[1] // across
    cells = filled.reshape(rows, down, columns, across)
    draw = _braille if ink.unicode else _ascii
    return [
        [draw(cells[row, :, column, :]) for column in range(columns)] for row in range(rows)
    ]


def _braille(cell: NDArray[np.bool_]) -> str:
    pattern = int(_BRAILLE[cell].sum())
    return chr(0x2800 + pattern) if pattern else " "


def _ascii(cell: NDArray[np.bool_]) -> str:
    upper, middle, lower = (bool(dot) for dot in cell[:, 0])
    if upper + middle + lower > 1:
        return "|"
    return "'" if upper else "-" if middle else "." if lower else " "


def extents(x: Floats, y: Floats, columns: int) -> tuple[Floats, Floats]:
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


# What stands around them.


def column_of(time: Fraction | float, length: float, columns: int) -> int:
    """Return the column of a time."""
    return min(int(float(time) / length * columns), columns - 1)


def tick_row(scale: Scale, tick: float, rows: int) -> int:
    """Return the row of a value."""
    fraction = float(scale.fraction(np.array([tick]))[0])
    return round((1 - fraction) * (4 * rows - 1)) // 4


def framed(
    cells: Cells,
    scale: Scale,
    ticks: Sequence[float],
    labels: Sequence[str],
    ink: Ink,
    gutter: int,
) -> list[str]:
    """Return the rows of a chart with the axis of values to their left."""
    rows = len(cells)
    at_row = {
        tick_row(scale, tick, rows): text for tick, text in zip(ticks, labels, strict=True)
    }
    out = []
    for number, row in enumerate(cells):
        label = at_row.get(number, "")
        edge = ink.pick("┤", "+") if label else ink.pick("│", "|")
        out.append(f"{label:>{gutter - 1}} {ink.paint(edge, DIM)}{''.join(row)}")
    return out


def time_axis(
    clock: Clock, gutter: int, columns: int, ink: Ink, marked: Iterable[int] = ()
) -> list[str]:
    """Return the axis of time with its numbers; in the `marked` columns are snapshots."""
    ticks = _time_ticks(clock, columns)
    line = [ink.pick("─", "-")] * columns
    for tick in ticks:
        line[column_of(tick, float(clock.length), columns)] = ink.pick("┬", "+")
    axis = [ink.paint(character, DIM) for character in line]
    for column in marked:
        axis[column] = ink.paint(ink.pick("◆", "#"), MARK)
    out = [" " * gutter + ink.paint(ink.pick("└", "+"), DIM) + "".join(axis)]
    rows = [(clock.name, Fraction(1)), *([clock.other] if clock.other is not None else [])]
    for name, factor in rows:
        labels = [
            (column_of(tick, float(clock.length), columns), format_time(tick * factor))
            for tick in ticks
        ]
        out.append(f"{name:>{gutter - 1}}  {_place_labels(labels, columns)}")
    return out


def _time_ticks(clock: Clock, columns: int) -> list[Fraction]:
    many = Fraction(1) if clock.other is None else max(clock.other[1], Fraction(1))
    widest = len(format_time(clock.length * many)) + 4
    ticks = time_ticks(clock.length, max(columns // widest, 2), clock.smallest)
    # The end of training is worth a label more than its round neighbour.
    room = Fraction(widest, columns) * clock.length
    ticks = [tick for tick in ticks if tick == 0 or clock.length - tick >= room]
    return [*ticks, clock.length]


def _place_labels(labels: Iterable[tuple[int, str]], columns: int) -> str:
    line = ""
    for column, label in labels:
        start = min(max(column - len(label) // 2, 0), columns - len(label))
        if start >= 0 and (not line or start > len(line) + 1):
            line = line.ljust(start) + label
    return line
