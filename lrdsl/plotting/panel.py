"""One panel of a picture: a target over the clock, with its segments, cycles and snapshots."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.highlights import thinned
from lrdsl.plotting.axes import draw_clock, draw_upper_clock, draw_value_axis, prepare
from lrdsl.plotting.events import draw_events
from lrdsl.plotting.notes import draw_notes
from lrdsl.plotting.placement import dense
from lrdsl.plotting.ranges import draw_names, draw_range
from lrdsl.plotting.style import text_width
from lrdsl.plotting.view import HEADROOM, MOST_BANDS, MOST_DIAMONDS, View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrdsl.plan import Segment

_MOST_CYCLES = 60
_MOST_DOTS = 40
_FILLED = 1200  # points of the edge of what is filled
_NUMBER_GAP = 3.0  # points, between the numbers of two segments
_WORD_GAP = 5.0  # points, between the words over a segment


def draw_panel(
    view: View, ax: Axes, *, has_top: bool, has_bottom: bool, has_margin: bool = True
) -> None:
    """Draw a target into `ax`.

    Args:
        view: the target, measured for these axes.
        ax: where to draw.
        has_top: whether the upper clock stands here.
        has_bottom: whether the lower clock is labelled here.
        has_margin: whether the last value may stand to the right of the axes.
    """
    prepare(view, ax)
    _draw_segments(view, ax)
    draw_value_axis(view, ax)
    draw_clock(view, ax, has_bottom=has_bottom)
    if has_top and view.clocks.upper is not None:
        draw_upper_clock(view, ax)
    if view.ways:
        draw_range(view, ax)
    _draw_curve(view, ax)
    _draw_snapshots(view, ax)
    curves = [(view.x, view.y), *((x, y) for _, x, y in view.ways)]
    drawn = np.concatenate(
        [
            dense(view.on_paper(x, np.clip(y, view.scale.low, view.scale.high)), 2.0)
            for x, y in curves
        ]
    )
    taken = draw_notes(view, ax, drawn, has_margin=has_margin)
    if view.ways:
        draw_names(view, ax, taken, has_margin=has_margin)
    else:
        draw_events(view, ax, drawn, taken)


def _draw_segments(view: View, ax: Axes) -> None:
    segments = view.segments
    if len(segments) > MOST_BANDS:
        return
    all_named = None not in view.names
    taken = -math.inf  # of the last number without a name, in points
    for i, (segment, name) in enumerate(zip(segments, view.names, strict=True)):
        start, end = view.time(segment.start), view.time(segment.end)
        ax.axvspan(start, end, facecolor=view.theme.bands[i % 2], edgecolor="none", zorder=0)
        if i:
            ax.axvline(start, color=view.theme.faint, linewidth=0.9, zorder=1)
        cycles = [cycle for cycle in segment.cycles if segment.start < cycle < segment.end]
        if len(cycles) <= _MOST_CYCLES:
            for cycle in cycles:
                # Up to the curve's top only: above it stands the segment's name.
                ax.axvline(
                    view.time(cycle),
                    ymax=1 - HEADROOM / view.height,
                    color=view.theme.faint,
                    linewidth=0.9,
                    dashes=(2, 3),
                    zorder=1,
                )
        number = "" if all_named else str(view.first_number + i)
        if name is None:
            # Of many narrow segments, the numbers that there is room for.
            half = text_width(number, 8, bold=True) / 2
            middle = (start + end) / 2 / view.length * view.width
            if middle - half < taken:
                continue
            taken = middle + half + _NUMBER_GAP
        _draw_name(view, ax, (start + end) / 2, number, segment, name)


def _draw_name(
    view: View, ax: Axes, middle: float, number: str, segment: Segment, name: str | None
) -> None:
    theme = view.theme
    words: list[tuple[str, dict[str, Any]]] = []
    if number:
        words.append((number, {"color": theme.curve, "weight": "bold"}))
    if name is not None:
        words.append((name, {"color": theme.ink}))
        if view.place(segment):
            words.append((view.place(segment), {"color": theme.soft}))
    widths = [text_width(word, 8, bold="weight" in style) for word, style in words]
    left = -(sum(widths) + _WORD_GAP * (len(words) - 1)) / 2
    for (word, style), wide in zip(words, widths, strict=True):
        ax.annotate(
            word,
            (middle, 1.0),
            (left, -11),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            size=8,
            va="center_baseline",
            ha="left",
            annotation_clip=False,
            **style,
        )
        left += wide + _WORD_GAP


def _draw_curve(view: View, ax: Axes) -> None:
    x, y = view.x, np.maximum(view.y, view.limits()[0]) if view.scale.is_log else view.y
    floor = (
        view.scale.low if view.scale.is_log else max(view.limits()[0], min(0.0, view.scale.low))
    )
    if not view.ways:  # what lies between is filled then
        # matplotlib thins lines by itself, but not this, which is most of an svg.
        below, edge = thinned(x, y, _FILLED, view.length)
        fill: dict[str, Any] = {"color": view.theme.curve, "alpha": 0.10, "linewidth": 0}
        ax.fill_between(below, edge, floor, **fill, zorder=2)
    # The curve is not there while it jumps: a fainter line only leads the eye.
    jumps = view.jumps(x, y)
    line_x, line_y = np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan)
    end = view.unsettled()
    for part, dashes in (
        (line_x <= (view.length if end is None else end), "-"),
        (line_x >= (view.length if end is None else end), (0, (2, 1.6))),
    ):
        # Not a number is neither: a gap stays one on both sides.
        shown = part | np.isnan(line_x)
        ax.plot(
            np.where(shown, line_x, np.nan),
            np.where(shown, line_y, np.nan),
            color=view.theme.curve,
            linewidth=1.9,
            linestyle=dashes,
            solid_capstyle="round",
            solid_joinstyle="round",
            clip_on=False,
            zorder=4,
        )
    if end is not None:
        ax.axvline(end, color=view.theme.soft, linewidth=0.9, dashes=(1, 2), zorder=1)
    if len(jumps):
        bottoms = np.minimum(y[jumps - 1], y[jumps])
        tops = np.maximum(y[jumps - 1], y[jumps])
        ax.vlines(
            x[jumps], bottoms, tops, color=view.theme.curve, linewidth=0.9, alpha=0.55, zorder=3
        )
    total = view.plan.total_steps
    if total is not None and total <= _MOST_DOTS:
        # So few steps that each can be seen: these, and no others, are the rates in use.
        values = view.plan.values(None, view.target)
        per_step = view.length / total
        ax.plot(
            np.arange(total) * per_step,
            values,
            linestyle="",
            marker="o",
            markersize=5.5,
            color=view.theme.curve,
            markeredgecolor=view.theme.page,
            markeredgewidth=0.6,
            clip_on=False,
            zorder=5,
        )


def _draw_snapshots(view: View, ax: Axes) -> None:
    snapshots = view.snapshots()
    is_few = len(snapshots) <= MOST_DIAMONDS
    ax.plot(
        [view.time(snapshot.time) for snapshot in snapshots],
        [view.clip(snapshot.value) for snapshot in snapshots],
        linestyle="",
        marker="D" if is_few else "|",
        markersize=6,
        color=view.theme.snapshot,
        markeredgecolor=view.theme.page if is_few else view.theme.snapshot,
        markeredgewidth=1.0,
        clip_on=False,
        zorder=6,
    )
