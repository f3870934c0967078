"""One panel of a picture: a target over the clock, with its segments, cycles and snapshots."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.plotting.events import draw_events
from lrdsl.plotting.notes import draw_notes
from lrdsl.plotting.placement import dense
from lrdsl.plotting.ranges import draw_names, draw_range
from lrdsl.plotting.style import CURVE, FAINT, INK, SNAPSHOT, SOFT, text_width
from lrdsl.plotting.view import HEADROOM, MOST_BANDS, MOST_DIAMONDS, Clock, View
from lrdsl.scales import format_ticks, format_time, time_ticks
from lrdsl.targets import RATE, split

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BANDS = ("#FFFFFF", "#EFF3F7")
_MOST_CYCLES = 60
_MOST_DOTS = 40


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
    ax.set_xlim(0.0, view.length)
    if view.scale.is_log:
        ax.set_yscale("log")
    ax.set_ylim(*view.limits())
    ax.set_facecolor("white")
    ax.set_axisbelow(True)
    _draw_segments(view, ax)
    _draw_value_axis(view, ax)
    _draw_clock(view, ax, has_bottom=has_bottom)
    if has_top and view.clocks.upper is not None:
        _draw_upper_clock(view, ax)
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
    for i, (segment, name) in enumerate(zip(segments, view.names, strict=True)):
        start, end = view.time(segment.start), view.time(segment.end)
        ax.axvspan(start, end, facecolor=_BANDS[i % 2], edgecolor="none", zorder=0)
        if i:
            ax.axvline(start, color=FAINT, linewidth=0.9, zorder=1)
        cycles = [cycle for cycle in segment.cycles if segment.start < cycle < segment.end]
        if len(cycles) <= _MOST_CYCLES:
            for cycle in cycles:
                # Up to the curve's top only: above it stands the segment's name.
                ax.axvline(
                    view.time(cycle),
                    ymax=1 - HEADROOM / view.height,
                    color=FAINT,
                    linewidth=0.9,
                    dashes=(2, 3),
                    zorder=1,
                )
        number = "" if all_named else str(view.first_number + i)
        _draw_name(view, ax, (start + end) / 2, number, name)


def _draw_name(view: View, ax: Axes, middle: float, number: str, name: str | None) -> None:
    style: dict[str, Any] = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "size": 8,
        "va": "center_baseline",
        "ha": "center",
        "annotation_clip": False,
    }
    at = (middle, 1.0)
    if name is not None and not number:
        ax.annotate(name, at, (0, -11), color=SOFT, **style)
    elif name is None:
        ax.annotate(number, at, (0, -11), color=CURVE, weight="bold", **style)
    else:
        wide = text_width(number, 8) + 5
        ax.annotate(name, at, (wide / 2, -11), color=SOFT, **style)
        left = -text_width(name, 8) / 2 - 2.5
        ax.annotate(number, at, (left, -11), color=CURVE, weight="bold", **style)


def _draw_value_axis(view: View, ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    ticks = view.scale.ticks(max(int(view.height // 40), 2))
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    labels = format_ticks(ticks, is_log=view.scale.is_log)
    ax.set_yticklabels(labels)
    ax.grid(axis="y", color=FAINT, linewidth=0.5, alpha=0.6)
    ax.tick_params(axis="y", length=0, pad=5, labelsize=8.5, labelcolor=INK)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    part, what = split(view.target)
    name = "learning rate" if what == RATE else what.replace("_", " ")
    if part is not None:
        name += f" of {part}"
    if view.scale.is_log:
        name += " (log scale)"
    widest = max((text_width(label, 8.5) for label in labels), default=0.0)
    # Closer to wide labels, which leave it less of the margin.
    ax.set_ylabel(name, size=9, color=SOFT, labelpad=max(min(7.0, 40.0 - widest), -3.0))


def _ticks(clock: Clock, width: float) -> list[Fraction]:
    widest = text_width(format_time(clock.length), 8.5) + 26
    return time_ticks(clock.length, max(int(width // widest), 1), clock.smallest)


def _draw_clock(view: View, ax: Axes, *, has_bottom: bool) -> None:
    from matplotlib.ticker import FixedLocator

    clock = view.clocks.lower
    ticks = _ticks(clock, view.width)
    ax.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    ax.tick_params(axis="x", length=4, width=0.8, color=SOFT, labelsize=8.5, pad=3)
    ax.spines["bottom"].set(color=SOFT, linewidth=0.8)
    if not has_bottom:
        ax.set_xticklabels([])
        return
    ax.set_xticklabels([format_time(tick) for tick in ticks], color=INK)
    _name_clock(ax, clock.name, 0.0, (-11, -7), "top")


def _draw_upper_clock(view: View, ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator

    clock = view.clocks.upper
    assert clock is not None
    upper = ax.twiny()
    upper.set_xlim(0.0, float(clock.length))
    upper.set_facecolor("none")
    ticks = _ticks(clock, view.width)
    upper.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    upper.set_xticklabels([format_time(tick) for tick in ticks], color=SOFT)
    upper.tick_params(axis="x", length=4, width=0.8, color=FAINT, labelsize=8.5, pad=3)
    for side in ("left", "right", "bottom"):
        upper.spines[side].set_visible(False)
    upper.spines["top"].set(color=FAINT, linewidth=0.8)
    _name_clock(ax, clock.name, 1.0, (-11, 7), "bottom")


def _name_clock(ax: Axes, name: str, y: float, offset: tuple[int, int], va: str) -> None:
    ax.annotate(
        name,
        (0.0, y),
        offset,
        xycoords="axes fraction",
        textcoords="offset points",
        size=9,
        color=SOFT,
        ha="right",
        va=va,
        annotation_clip=False,
    )


def _draw_curve(view: View, ax: Axes) -> None:
    x, y = view.x, np.maximum(view.y, view.limits()[0]) if view.scale.is_log else view.y
    floor = (
        view.scale.low if view.scale.is_log else max(view.limits()[0], min(0.0, view.scale.low))
    )
    if not view.ways:  # what lies between is filled then
        ax.fill_between(x, y, floor, color=CURVE, alpha=0.10, linewidth=0, zorder=2)
    # The curve is not there while it jumps: a fainter line only leads the eye.
    jumps = view.jumps()
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
            color=CURVE,
            linewidth=1.9,
            linestyle=dashes,
            solid_capstyle="round",
            solid_joinstyle="round",
            clip_on=False,
            zorder=4,
        )
    if end is not None:
        ax.axvline(end, color=SOFT, linewidth=0.9, dashes=(1, 2), zorder=1)
    if len(jumps):
        bottoms = np.minimum(y[jumps - 1], y[jumps])
        tops = np.maximum(y[jumps - 1], y[jumps])
        ax.vlines(x[jumps], bottoms, tops, color=CURVE, linewidth=0.9, alpha=0.55, zorder=3)
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
            color=CURVE,
            markeredgecolor="white",
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
        color=SNAPSHOT,
        markeredgecolor="white" if is_few else SNAPSHOT,
        markeredgewidth=1.0,
        clip_on=False,
        zorder=6,
    )
