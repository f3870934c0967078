"""A panel of several curves, each named beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.plotting.axes import draw_clock, draw_upper_clock, draw_value_axis, prepare
from lrdsl.plotting.events import RADIUS, draw_badge
from lrdsl.plotting.placement import Box, apart, dense, gap_to, place
from lrdsl.plotting.sheet import Clocks, Sheet
from lrdsl.plotting.style import Look, Theme, elided, text_width
from lrdsl.records import dataclass
from lrdsl.render import visible
from lrdsl.scales import Floats, joint_scale
from lrdsl.together import Line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEADROOM = 22.0
"""Points above the curves, for their names and numbers of events."""

BROAD: dict[str, Any] = {"linewidth": 6.0, "alpha": 0.35, "linestyle": "-"}
"""The look of a curve that others are read against."""

THIN: dict[str, Any] = {"linewidth": 1.7}
"""That of the others."""

_DASHES: tuple[Any, ...] = (
    "-",
    (0, (6, 2)),
    (0, (2, 1.4)),
    (0, (7, 2, 1.5, 2)),
    (0, (12, 3)),
    (0, (3, 1.2, 1.2, 1.2, 1.2, 1.2)),
)
_SIZE = 8.5
_LONGEST_NAME = 220.0  # points
_FAR = 12.0  # points, from a curve to its name
_MIDDLING = (1.0, 0.2, 0.0)  # how much it counts that a name stands amid its curve
_MOST_DOTS = 40
_ALIKE, _FEW = "all alike", 2


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, drawn through the panels and numbered in the first."""

    number: int
    time: float


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """What a panel shows.

    Attributes:
        title: what the axis of values is of.
        tall: its height, in inches.
        lines: the curves.
        spans: stretches of the clock that are shaded, where curves differ.
        marks: what happened.
        has_numbers: whether the marks are numbered here.
        is_log: whether the axis is logarithmic; None where the curves decide.
    """

    title: str
    tall: float
    lines: Sequence[Line]
    spans: Sequence[tuple[float, float]] = ()
    marks: Sequence[Mark] = ()
    has_numbers: bool = False
    is_log: bool | None = None


class Overlay(Sheet):
    """A panel of several curves, measured in points."""

    def __init__(self, panel: Panel, width: float, clocks: Clocks, look: Look) -> None:
        self.panel = panel
        is_log = panel.is_log if panel.is_log is not None else look.is_log
        scale = joint_scale([(line.x, line.y) for line in panel.lines], is_log)
        super().__init__(panel.title, width, panel.tall * 72, clocks, scale, look, HEADROOM)


def look_of(number: int, theme: Theme) -> tuple[str, Any]:
    """Return the colour and the dashes of a curve; in grey the dashes tell them apart."""
    rounds, place = divmod(number, len(theme.others))
    return theme.others[place], _DASHES[(place + rounds) % len(_DASHES)]


def draw_overlay(sheet: Overlay, ax: Axes, *, has_top: bool, has_bottom: bool) -> None:
    """Draw a panel into `ax`, its clock above if it `has_top`, with numbers if `has_bottom`."""
    prepare(sheet, ax)
    draw_value_axis(sheet, ax)
    draw_clock(sheet, ax, has_bottom=has_bottom)
    if has_top and sheet.clocks.upper is not None:
        draw_upper_clock(sheet, ax)
    # As wide as a pixel at least: a single step of many is worth seeing.
    least = sheet.length / sheet.width
    for start, end in sheet.panel.spans:
        shade = sheet.theme.range
        ax.axvspan(start, max(end, start + least), facecolor=shade, edgecolor="none", zorder=0)
    for mark in sheet.panel.marks:
        style: dict[str, Any] = {"linewidth": 0.9, "dashes": (3, 2), "zorder": 1}
        ax.axvline(mark.time, color=sheet.theme.event, **style)
    for line in sheet.panel.lines:
        _draw_line(sheet, ax, line)
    taken = _draw_numbers(sheet, ax) if sheet.panel.has_numbers else []
    first = sheet.panel.lines[0]
    if len(sheet.panel.lines) > 1 or len(first.names) > 1 or first.is_ground:
        _draw_names(sheet, ax, taken)


def _draw_line(sheet: Overlay, ax: Axes, line: Line) -> None:
    x, y = line.x, np.clip(line.y, *sheet.limits()) if sheet.scale.is_log else line.y
    colour, dashes = look_of(line.number, sheet.theme)
    broad = {**BROAD, "zorder": 3}
    thin = {**THIN, "linestyle": dashes, "zorder": 4}
    dots: dict[str, Any] = {"linestyle": "", "marker": "o", "clip_on": False, "zorder": 5}
    if line.is_dotted:
        ax.plot(x, y, markersize=3.2, color=colour, **dots)
        return
    style = {"color": colour, "clip_on": False, **(broad if line.is_ground else thin)}
    # The curve is not there while it jumps: a fainter line only leads the eye.
    jumps = sheet.jumps(x, y)
    ax.plot(np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan), **style)
    if len(jumps):
        bottoms, tops = np.minimum(y[jumps - 1], y[jumps]), np.maximum(y[jumps - 1], y[jumps])
        ax.vlines(x[jumps], bottoms, tops, color=colour, linewidth=0.8, alpha=0.5, zorder=3)
    if len(x) <= _MOST_DOTS and not line.is_ground:
        ax.plot(x, y, markersize=3.5, color=colour, **dots)


def _draw_numbers(sheet: Overlay, ax: Axes) -> list[Box]:
    """Write the numbers of the marks above the curves, and return the boxes taken then."""
    taken: list[Box] = []
    y = sheet.height - RADIUS - 3
    for mark in sheet.panel.marks:
        x = mark.time / sheet.length * sheet.width
        while any(abs(x - (box.left + RADIUS)) < 2 * RADIUS + 2 for box in taken):
            x += 2 * RADIUS + 2
        draw_badge(ax, mark.number, (x, y), sheet.theme)
        taken.append(Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS))
    return taken


def _draw_names(sheet: Overlay, ax: Axes, taken: list[Box]) -> None:
    from matplotlib.patheffects import withStroke

    lines = sheet.panel.lines
    curves = [_on_paper(sheet, line) for line in lines]
    everything = np.concatenate(curves)
    room = Box(4.0, 4.0, sheet.width - 3.0, sheet.height - 3.0)
    for at, (line, own) in enumerate(zip(lines, curves, strict=True)):
        others = [other for number, other in enumerate(curves) if number != at]
        far = np.array([[-1e4, -1e4]])
        rest = np.concatenate(others) if others else far
        name = _ALIKE if len(lines) == 1 and len(line.names) > _FEW else line.name
        text = elided(visible(name), _SIZE, _LONGEST_NAME)
        size = (text_width(text, _SIZE, bold=True), 9.5)
        for middling in _MIDDLING:
            anchor = apart(own, rest, middling)
            box = place(anchor, size, within=room, curve=everything, lines=(), taken=taken)
            if not gap_to(box, rest) < gap_to(box, own) > _FAR:
                break
        else:
            # Beside another curve it would name that one; the table below names them all.
            continue
        taken.append(box)
        written = ax.annotate(
            text,
            (0.0, 0.0),
            (box.left, (box.bottom + box.top) / 2),
            xycoords="axes fraction",
            textcoords="offset points",
            size=_SIZE,
            weight="bold",
            color=look_of(line.number, sheet.theme)[0],
            ha="left",
            va="center_baseline",
            annotation_clip=False,
            zorder=8,
        )
        written.set_path_effects([withStroke(linewidth=2.5, foreground=sheet.theme.page)])


def _on_paper(sheet: Overlay, line: Line) -> Floats:
    y = np.clip(line.y, sheet.scale.low, sheet.scale.high)
    return dense(sheet.on_paper(line.x, y), 2.0)
