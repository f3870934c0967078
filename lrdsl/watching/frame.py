"""A sight as lines: plain for a pipe, or cut to the size of a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrdsl.preview import NARROWEST, drawing, preview
from lrdsl.render import display_width, render_full, visible
from lrdsl.terminal.chart import usual_rows
from lrdsl.terminal.ink import DIM, RESET, Ink

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.watching.sight import Sight

_STYLE = re.compile(r"(\x1b\[[0-9;]*m)")
_FEWEST_ROWS = 4
"""Rows of a curve: with fewer nothing is to be seen."""


@dataclass(frozen=True, slots=True)
class Size:
    """The columns and lines of a terminal."""

    columns: int
    lines: int


def plain(sight: Sight, columns: int, *, unicode: bool, colour: bool) -> str:
    """Return what a reader of a pipe gets: the curve, or what is wrong.

    The last good curve is not told again: it stands above.
    """
    ink = Ink(unicode, colour)
    if sight.is_current:
        assert sight.plan is not None
        lines = preview(sight.plan, columns, unicode=unicode, colour=colour).split("\n")
        for warning in sight.plan.warnings:
            text = render_full(warning, sight.plan.program.source, colour=colour)
            lines += ["", *text.split("\n")]
        return "\n".join(lines)
    return "\n".join(_problems(sight, ink))


def fitted(
    sight: Sight, size: Size, note: str, *, ink: Ink, has_range: bool = True
) -> list[str]:
    """Return lines that fill a terminal, and no more: at most `size.lines` of them.

    While the text is wrong, the last good curve stands dimmed above what is wrong; where
    there is not enough room for both, the curve is drawn lower, and then cut.

    Args:
        sight: what to show.
        size: of the terminal.
        note: what stands in the last line.
        ink: what the terminal can show.
        has_range: whether to work out what metrics may do to the curve, which takes time.
    """
    room = max(size.lines - 1, 1)
    if sight.is_current:
        assert sight.plan is not None
        body = _cut(_drawn(sight.plan, size.columns, room, ink, has_range=has_range), room, ink)
        below: list[str] = []
    else:
        below = list(_wrapped(_problems(sight, ink), size.columns))
        body = []
        if sight.plan is not None:
            left = room - len(below) - 1
            body = _stale(sight, size.columns, left, ink)[: max(left, 0)]
            below = ["", *below]
        below = _cut(below, room - len(body), ink)
    lines = [*body, *below]
    last = ink.paint(ink.fit(note, size.columns), DIM)
    return [*lines, *[""] * (room - len(lines)), last][: size.lines]


def _drawn(plan: Plan, columns: int, room: int, ink: Ink, *, has_range: bool) -> list[str]:
    """Return curve and tables; in a low terminal the curve gives way to its axis."""

    def lines(rows: int) -> list[str]:
        text = preview(
            plan,
            columns,
            unicode=ink.unicode,
            colour=ink.colour,
            rows=rows,
            has_range=has_range,
        )
        found = text.split("\n")
        for warning in plan.warnings:
            told = render_full(warning, plan.program.source, colour=ink.colour)
            found += ["", *told.split("\n")]
        return list(_wrapped(found, columns))

    # Drawing takes time, so the first try is to fit: around the curve stand a title, two or
    # three lines of axis, a legend, and the first, highest and last value.
    rows = _rows(columns, room - 12)
    found = lines(rows)
    blank = [number for number, line in enumerate(found) if not line]
    needed = blank[1] + 4 if len(blank) > 1 else len(found)
    return found if needed <= room else lines(max(rows - (needed - room), _FEWEST_ROWS))


def _stale(sight: Sight, columns: int, room: int, ink: Ink) -> list[str]:
    """Return the last good curve, without colours and dim, under a line that says so."""
    assert sight.plan is not None
    assert sight.planned is not None
    head = f"{visible(sight.file)}  as it was at {sight.planned:%H:%M:%S}"
    plan, rows = sight.plan, _rows(columns, room - 7)

    def lines_of(rows: int) -> list[str]:
        text = drawing(plan, columns, unicode=ink.unicode, colour=False, rows=rows)
        return [ink.fit(head, columns), *text.split("\n")]

    lines = lines_of(rows)
    if len(lines) > room:
        lines = lines_of(max(rows - (len(lines) - room), _FEWEST_ROWS))
    return [ink.paint(line, DIM) for line in lines]


def _rows(columns: int, room: int) -> int:
    """Return how high a curve is drawn that has so much room."""
    return max(min(usual_rows(max(columns, NARROWEST)), room), _FEWEST_ROWS)


def _problems(sight: Sight, ink: Ink) -> list[str]:
    if sight.trouble is not None:
        why = sight.trouble[0].lower() + sight.trouble[1:]
        name = visible(sight.file)
        return [f"cannot read `{name}`: {why}; waiting for it to come back"]
    assert sight.error is not None
    problems = [
        render_full(one, sight.error.source, colour=ink.colour)
        for one in sight.error.diagnostics
    ]
    text = "\n\n".join(problems)
    return (text if ink.unicode else text.encode("ascii", "backslashreplace").decode()).split(
        "\n"
    )


def _cut(lines: list[str], room: int, ink: Ink) -> list[str]:
    if len(lines) <= room:
        return lines
    left = len(lines) - max(room - 1, 0)
    dots = ink.pick("…", "...")
    return [*lines[: max(room - 1, 0)], ink.paint(f"{dots} {left:,} more lines", DIM)]


def _wrapped(lines: list[str], columns: int) -> Iterator[str]:
    """Yield the lines broken at the width of the terminal, styles carried over.

    The terminal would break them itself, but then nobody would know how many there are.
    """
    for line in lines:
        if display_width(line) <= columns:
            yield line
            continue
        style, row, width = "", "", 0
        for piece in _STYLE.split(line):
            if _STYLE.fullmatch(piece):
                style = "" if piece == RESET else style + piece
                row += piece
                continue
            for character in piece:
                wide = display_width(character)
                if width + wide > columns:
                    yield row + (RESET if style else "")
                    row, width = style, 0
                row += character
                width += wide
        yield row
