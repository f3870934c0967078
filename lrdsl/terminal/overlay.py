"""Several curves in one chart of a terminal: each has a letter, and a row in a table."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from string import ascii_uppercase
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import highlights, in_figures, length_in_words, main_target
from lrdsl.render import display_width
from lrdsl.scales import Floats, format_ticks, format_time, joint_scale
from lrdsl.terminal.canvas import (
    Cells,
    Clock,
    characters,
    dots,
    dots_of_row,
    framed,
    time_axis,
)
from lrdsl.terminal.ink import BOLD, CURVE, EVENT, MARK, SECOND, Ink, wrap

if TYPE_CHECKING:
    from lrdsl.together import Line, Together

_COLOURS = (CURVE, EVENT, SECOND, MARK)
_LETTERS = 3  # of each curve


def several(
    plans: Together,
    width: int,
    *,
    unicode: bool,
    colour: bool,
    is_log: bool | None = None,
    targets: Sequence[str] | None = None,
) -> str:
    """Return the curves of several plans, as lines of at most `width` columns.

    Args:
        plans: what to show.
        width: columns of the terminal.
        unicode: whether the terminal shows braille; without, only ASCII is used.
        colour: whether to write escape codes.
        is_log: whether the axes of values are logarithmic; None where the curves decide.
        targets: which targets, None for all.
    """
    ink = Ink(unicode, colour)
    lengths = list(dict.fromkeys(map(length_in_words, plans.plans)))
    out = wrap(lengths[0], width) if len(lengths) == 1 else []
    if any(plan.program.reactive is not None and not plan.log for plan in plans.plans):
        out += wrap("Each curve is what happens if no metric changes anything.", width)
    for target in plans.targets if targets is None else targets:
        lines = plans.lines(target, max(4 * width, 500))
        out += ["", *overlay(lines, target, clock_of(plans), width, ink, is_log=is_log)]
    out += ["", *_table(plans, width, ink)]
    return "\n".join(line.rstrip() for line in out).removeprefix("\n")


def clock_of(plans: Together) -> Clock:
    """Return the clock below the charts of several plans."""
    other = None
    if plans.unit == "epoch" and plans.steps_per_epoch is not None:
        other = ("step", Fraction(plans.steps_per_epoch))
    return Clock(plans.unit, plans.length, plans.smallest, other)


def overlay(
    lines: Sequence[Line],
    title: str,
    clock: Clock,
    width: int,
    ink: Ink,
    *,
    is_log: bool | None = None,
    rows: int | None = None,
) -> list[str]:
    """Return curves in one chart, each with its letter on it, as lines of text.

    Args:
        lines: the curves.
        title: what is written above.
        clock: the time below.
        width: columns of the terminal.
        ink: what the terminal can show.
        is_log: whether the axis of values is logarithmic; None where the curves decide.
        rows: how high the curves are, if not as the width has it.
    """
    scale = joint_scale([(line.x, line.y) for line in lines], is_log)
    rows = rows or min(max((width - 10) // 6, 8), 16)
    ticks = scale.ticks(max(rows // 2 if scale.is_log else rows // 3 + 1, 2))
    labels = format_ticks(ticks, is_log=scale.is_log)
    gutter = max([len("epoch"), *map(len, labels)]) + 1
    columns = width - gutter - 1
    points = [
        (line.x / float(clock.length), scale.fraction(np.asarray(line.y))) for line in lines
    ]
    drawn = [_dots(x, y, rows, columns, ink) for x, y in points]
    cells = _painted(drawn, lines, ink)
    if len(lines) > 1:
        _put_letters(cells, drawn, lines, ink)
    heading = ink.fit(title, width - len(", log scale"))
    out = [ink.paint(heading, BOLD) + (", log scale" if scale.is_log else "")]
    out += framed(cells, scale, ticks, labels, ink, gutter)
    out += time_axis(clock, gutter, columns, ink)
    return out + (_legend(lines, width, ink) if len(lines) > 1 else [])


def _dots(x: Floats, y: Floats, rows: int, columns: int, ink: Ink) -> NDArray[np.bool_]:
    """Return the dots of a curve, none where it has not begun yet or is over."""
    found = dots(x, y, rows, columns, ink)
    across = found.shape[1]
    where = (np.arange(across) + 0.5) / across
    half = 0.5 / across
    found[:, (where + half < x[0]) | (where - half > x[-1])] = False
    return found


def _painted(drawn: Sequence[NDArray[np.bool_]], lines: Sequence[Line], ink: Ink) -> Cells:
    """Return all curves as characters; where two meet, in the colour of the first."""
    cells = characters(np.logical_or.reduce(drawn), ink)
    owners = [_in_cells(one, ink) for one in drawn]
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            owner = next((i for i, own in enumerate(owners) if own[row, column]), None)
            if owner is not None:
                line[column] = ink.paint(cell, _colour(lines[owner]))
    return cells


def _in_cells(filled: NDArray[np.bool_], ink: Ink) -> NDArray[np.bool_]:
    """Return the cells in which a curve has a dot."""
    down, across = dots_of_row(ink), (2 if ink.unicode else 1)
    rows, columns = filled.shape[0] // down, filled.shape[1] // across
    cells = filled.reshape(rows, down, columns, across)
    return np.asarray(cells.any(axis=(1, 3)), dtype=np.bool_)


def _put_letters(
    cells: Cells, drawn: Sequence[NDArray[np.bool_]], lines: Sequence[Line], ink: Ink
) -> None:
    """Write each curve's letter on it, in each third of the chart where no other is near."""
    rows, columns = len(cells), len(cells[0])
    number = np.arange(rows)[:, np.newaxis]
    middles = []
    for one in drawn:
        own = _in_cells(one, ink)
        count = own.sum(axis=0)
        middles.append(
            np.where(count > 0, (own * number).sum(axis=0) / np.maximum(count, 1), np.nan)
        )
    for at, (line, middle) in enumerate(zip(lines, middles, strict=True)):
        others = [other for i, other in enumerate(middles) if i != at]
        gaps = np.min([np.abs(middle - np.nan_to_num(o, nan=1e3)) for o in others], axis=0)
        # Of equally good places, where the letters of the others are not sought.
        shift = (at + 1) / (len(lines) + 1)
        for third in range(_LETTERS):
            low, high = third * columns // _LETTERS, (third + 1) * columns // _LETTERS
            wanted = low + shift * (high - low)
            score = np.minimum(gaps[low:high], 3) - 0.02 * np.abs(np.arange(low, high) - wanted)
            if np.all(np.isnan(score)):
                continue
            column = low + int(np.nanargmax(score))
            if gaps[column] < 1:
                continue
            row = round(float(middle[column]))
            cells[row][column] = ink.paint(_letter(line), BOLD)


def _letter(line: Line) -> str:
    return ascii_uppercase[line.number % len(ascii_uppercase)]


def _colour(line: Line) -> str:
    return _COLOURS[line.number % len(_COLOURS)]


def _legend(lines: Sequence[Line], width: int, ink: Ink) -> list[str]:
    names = [(line, ink.fit(line.name, width - 2)) for line in lines]
    out, used = [""], 0
    for line, name in names:
        wide = display_width(name) + 2
        if used and used + 3 + wide > width:
            out.append("")
            used = 0
        gap = "   " if used else ""
        out[-1] += f"{gap}{ink.paint(_letter(line), BOLD)} {ink.paint(name, _colour(line))}"
        used += len(gap) + wide
    return out


def _table(plans: Together, width: int, ink: Ink) -> list[str]:
    """Return what each plan begins with, reaches and ends with."""
    rows = [("", "first", "peak", "at", "last")]
    for at, (name, plan) in enumerate(zip(plans.names, plans.plans, strict=True)):
        marks = highlights(plan, main_target(plan))
        when = format_time(marks.peak_time * float(plans.factors[at]))
        first, peak, last = in_figures(marks)
        rows.append((name, first, peak, f"{plans.unit} {when}", last))
    widths = [max(len(row[i]) for row in rows) for i in range(1, 5)]
    room = width - sum(widths) - 2 * len(widths)
    names = [ink.fit(row[0], max(room, 0)) for row in rows]
    widest = max(map(display_width, names))
    if room >= min(8, max(display_width(ink.text(row[0])) for row in rows)):
        return [
            name
            + " " * (widest - display_width(name))
            + "".join(f"  {cell:>{wide}}" for cell, wide in zip(row[1:], widths, strict=True))
            for name, row in zip(names, rows, strict=True)
        ]
    out = []
    for name, first, peak, when, last in rows[1:]:
        out.append(ink.fit(name, width))
        text = f"first {first}, peak {peak} at {when}, last {last}"
        out += [f"  {line}" for line in wrap(text, width - 2)]
    return out
