"""The axes of a panel: its values to the left, a clock below, and another above."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from lrdsl.plotting.sheet import Clock, Sheet
from lrdsl.plotting.style import text_width
from lrdsl.scales import format_ticks, format_time, time_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_SIZE = 8.5  # points, of the numbers at an axis
_MOST_WIDE = 36.0  # points, of the numbers of the axis of values


def prepare(sheet: Sheet, ax: Axes) -> None:
    """Give empty axes the sheet's limits, scale and colour."""
    ax.set_xlim(0.0, sheet.length)
    if sheet.scale.is_log:
        ax.set_yscale("log")
    ax.set_ylim(*sheet.limits())
    ax.set_facecolor(sheet.theme.page)
    ax.set_axisbelow(True)


def draw_value_axis(sheet: Sheet, ax: Axes) -> None:
    """Draw the axis of values, and say what it is of."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator

    ticks = sheet.scale.ticks(max(int(sheet.height // 40), 2))
    ax.yaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_minor_formatter(NullFormatter())
    labels = format_ticks(ticks, is_log=sheet.scale.is_log)
    ax.set_yticklabels(labels)
    ax.grid(axis="y", color=sheet.theme.faint, linewidth=0.5, alpha=0.6)
    widest = max((text_width(label, _SIZE) for label in labels), default=0.0)
    # The margin is as wide as it is: labels of many digits are written smaller.
    size = _SIZE * min(1.0, _MOST_WIDE / max(widest, 1.0))
    ax.tick_params(axis="y", length=0, pad=5, labelsize=size, labelcolor=sheet.theme.ink)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)
    name = sheet.title
    if sheet.scale.is_log:
        name += " (log scale)"
    # Closer to wide labels, which leave it less of the margin.
    ax.set_ylabel(
        name, size=9, color=sheet.theme.soft, labelpad=max(min(7.0, 40.0 - widest), 2.0)
    )


def _ticks(clock: Clock, width: float) -> list[Fraction]:
    widest = text_width(format_time(clock.length), 8.5) + 26
    return time_ticks(clock.length, max(int(width // widest), 1), clock.smallest)


def draw_clock(sheet: Sheet, ax: Axes, *, has_bottom: bool) -> None:
    """Draw the clock below, with its numbers only if it `has_bottom`."""
    from matplotlib.ticker import FixedLocator

    clock = sheet.clocks.lower
    ticks = _ticks(clock, sheet.width)
    ax.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    ax.tick_params(axis="x", length=4, width=0.8, color=sheet.theme.soft, labelsize=8.5, pad=3)
    ax.spines["bottom"].set(color=sheet.theme.soft, linewidth=0.8)
    if not has_bottom:
        ax.set_xticklabels([])
        return
    ax.set_xticklabels([format_time(tick) for tick in ticks], color=sheet.theme.ink)
    _name_clock(sheet, ax, clock.name, 0.0, (-11, -7), "top")


def draw_upper_clock(sheet: Sheet, ax: Axes) -> None:
    """Draw the clock above, which the sheet must have."""
    from matplotlib.ticker import FixedLocator

    clock = sheet.clocks.upper
    assert clock is not None
    upper = ax.twiny()
    upper.set_xlim(0.0, float(clock.length))
    upper.set_facecolor("none")
    ticks = _ticks(clock, sheet.width)
    upper.xaxis.set_major_locator(FixedLocator([float(tick) for tick in ticks]))
    upper.set_xticklabels([format_time(tick) for tick in ticks], color=sheet.theme.soft)
    upper.tick_params(
        axis="x", length=4, width=0.8, color=sheet.theme.faint, labelsize=8.5, pad=3
    )
    for side in ("left", "right", "bottom"):
        upper.spines[side].set_visible(False)
    upper.spines["top"].set(color=sheet.theme.faint, linewidth=0.8)
    _name_clock(sheet, ax, clock.name, 1.0, (-11, 7), "bottom")


def _name_clock(
    sheet: Sheet, ax: Axes, name: str, y: float, offset: tuple[int, int], va: str
) -> None:
    ax.annotate(
        name,
        (0.0, y),
        offset,
        xycoords="axes fraction",
        textcoords="offset points",
        size=9,
        color=sheet.theme.soft,
        ha="right",
        va=va,
        annotation_clip=False,
    )
