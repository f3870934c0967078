"""The range of what a schedule that reacts may come to, each edge named beside its curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.plotting.placement import Box, apart, dense, place
from lrdsl.plotting.style import Theme, text_width
from lrdsl.plotting.view import View
from lrdsl.scales import Floats, format_rate, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrdsl.outlook import Way

_COLUMNS = 900
_SIZE = 8.5


def draw_range(view: View, ax: Axes) -> None:
    """Draw what lies between the ways that a plan may go, and the ways themselves."""
    assert view.outlook is not None
    length = float(view.plan.length)
    times = np.arange(0.5, _COLUMNS, dtype=np.float64) * (length / _COLUMNS)
    low, high = view.outlook.band(view.target, times)
    x = np.concatenate([[0.0], times, [length]]) * float(view.clocks.per_unit)
    low, high = (np.concatenate([edge[:1], edge, edge[-1:]]) for edge in (low, high))
    floor = view.limits()[0]
    ax.fill_between(
        x,
        np.maximum(low, floor),
        np.maximum(high, floor),
        color=view.theme.range,
        linewidth=0,
        zorder=1.5,
    )
    for way, x, y in view.ways:
        ax.plot(
            x,
            np.maximum(y, floor) if view.scale.is_log else y,
            color=_colour(way, view.theme),
            linewidth=1.0 if way.name == "latest" else 1.7,
            linestyle=(0, (4, 2)) if way.name == "latest" else "-",
            solid_capstyle="round",
            clip_on=False,
            zorder=3.5,
        )
        if float(x[-1]) < view.length:  # it stops there
            ax.plot(
                [x[-1]],
                [view.clip(float(y[-1]))],
                marker="|",
                markersize=9,
                markeredgewidth=1.7,
                color=_colour(way, view.theme),
                clip_on=False,
                zorder=3.6,
            )


def draw_names(view: View, ax: Axes, taken: list[Box], *, has_margin: bool) -> None:
    """Name each way beside its curve, where no other is near, and say where it ends."""
    assert view.outlook is not None
    curves = {
        way.name: dense(view.on_paper(x, np.clip(y, view.scale.low, view.scale.high)), 2.0)
        for way, x, y in [*view.ways, (view.outlook.never, view.x, view.y)]
    }
    room = Box(4.0, 4.0, view.width - 3.0, view.height - 19.0)
    drawn = np.concatenate(list(curves.values()))
    for way in (*(way for way, _, _ in view.ways), view.outlook.never):
        own = curves[way.name]
        others = np.concatenate([other for name, other in curves.items() if name != way.name])
        anchor = apart(own, others)
        text = way.words + _stop(way, view)
        size = (text_width(text, _SIZE), 9.5)
        # Over what is drawn last, so beside the curves but not beside the lines behind them.
        box = place(anchor, size, within=room, curve=drawn, lines=(), taken=taken)
        taken.append(box)
        _write(view, ax, text, (box.left, (box.bottom + box.top) / 2), _colour(way, view.theme))
    if has_margin:
        _write_ends(view, ax, curves)


def _stop(way: Way, view: View) -> str:
    if way.plan.length >= view.plan.length:
        return ""
    unit = way.plan.unit.removesuffix("s")
    return f": stops at {unit} {format_time(way.plan.length)}"


def _write_ends(view: View, ax: Axes, curves: dict[str, Floats]) -> None:
    """Write the last values into the margin, under or over that in which nothing happens."""
    taken = [min(max(float(curves["never"][-1, 1]), 12.0), view.height - 12.0)]
    for way, _, y in view.ways:
        if way.plan.length < view.plan.length or way.name == "latest":
            continue
        middle = min(max(float(curves[way.name][-1, 1]), 6.0), view.height - 6.0)
        if min(abs(middle - other) for other in taken) < 22.0:
            continue
        taken.append(middle)
        text = format_rate(float(y[-1]))
        _write(
            view, ax, text, (view.width + 9, middle), _colour(way, view.theme), weight="bold"
        )


def _colour(way: Way, theme: Theme) -> str:
    colours = {"better": theme.third, "stalls": theme.third, "never": theme.curve}
    return colours.get(way.name, theme.second)


def _write(
    view: View, ax: Axes, text: str, at: tuple[float, float], color: str, **style: Any
) -> None:
    from matplotlib.patheffects import withStroke

    written = ax.annotate(
        text,
        (0.0, 0.0),
        at,
        xycoords="axes fraction",
        textcoords="offset points",
        size=_SIZE,
        color=color,
        ha="left",
        va="center_baseline",
        annotation_clip=False,
        zorder=8,
        **style,
    )
    written.set_path_effects([withStroke(linewidth=2.5, foreground=view.theme.page)])
