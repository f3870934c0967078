"""What a plan did because of metrics, numbered in the picture and told below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lrdsl.plotting.placement import Box, place
from lrdsl.plotting.style import Theme, text_width
from lrdsl.plotting.view import View
from lrdsl.scales import Floats, format_rate, format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lrdsl.plan import Event, Plan

MOST_BADGES = 24
"""Events drawn with their numbers; more are strokes."""

RADIUS = 5.6
"""Of the circle around a number, in points."""

_MOST_LISTED = 12


def draw_events(view: View, ax: Axes, drawn: Floats, taken: list[Box]) -> None:
    """Mark the events of a target where they happen.

    Args:
        view: the target.
        ax: where to draw.
        drawn: points of the curve on paper, close together.
        taken: boxes that must not be covered; those of the marks are added.
    """
    numbered = [
        (number, event)
        for number, event in enumerate(view.plan.events, 1)
        if event.target == view.target
    ]
    if len(view.plan.events) > MOST_BADGES:
        ax.plot(
            [view.time(event.time) for _, event in numbered],
            [0.0] * len(numbered),
            transform=ax.get_xaxis_transform(),
            linestyle="",
            marker="|",
            markersize=10,
            markeredgewidth=1.0,
            color=view.theme.event,
            clip_on=False,
            zorder=6,
        )
        return
    room = Box(2.0, 2.0, view.width - 1.0, view.height - 17.0)
    lines = [view.time(event.time) / view.length * view.width for _, event in numbered]
    for (number, event), line in zip(numbered, lines, strict=True):
        value = view.clip(max(event.before, event.after))
        x, y = view.on_paper(np.array([view.time(event.time)]), np.array([value]))[0]
        ax.plot(
            [view.time(event.time)] * 2,
            [view.clip(event.before), view.clip(event.after)],
            color=view.theme.event,
            linewidth=1.4,
            linestyle="-",
            marker=".",
            markersize=4,
            clip_on=False,
            zorder=5.4,
        )
        others = [other for other in lines if other != line]
        size = (2 * RADIUS, 2 * RADIUS)
        box = place((x, y), size, within=room, curve=drawn, lines=others, taken=taken)
        taken.append(box)
        middle = ((box.left + box.right) / 2, (box.bottom + box.top) / 2)
        draw_badge(ax, number, middle, view.theme)


def draw_badge(ax: Axes, number: int, at: tuple[float, float], theme: Theme) -> None:
    """Draw a number in a circle, `at` points from the lower left corner of the axes."""
    badge = ax.annotate(
        str(number),
        (0.0, 0.0),
        at,
        xycoords="axes fraction",
        textcoords="offset points",
        size=7,
        color=theme.on_event,
        weight="bold",
        ha="center",
        va="center",
        annotation_clip=False,
        zorder=9,
        bbox={"boxstyle": "circle,pad=0.22", "facecolor": theme.event, "edgecolor": theme.page},
    )
    badge.set_in_layout(False)


def listed(plan: Plan) -> list[tuple[int | None, str, str]]:
    """Return what the picture says of the events: their number in it, what happened, why.

    Of many, those at both ends, with a line between that says how many are left out.
    """
    events: Sequence[Event] = plan.events
    numbered = list(enumerate(events, 1))
    shown = numbered
    if len(numbered) > _MOST_LISTED:
        half = _MOST_LISTED // 2
        shown = [*numbered[:half], *numbered[-half:]]
    several = len(plan.targets) > 1
    has_badges = len(events) <= MOST_BADGES
    rows: list[tuple[int | None, str, str]] = [
        (number if has_badges else None, _what(event, several=several), _why(event))
        for number, event in shown
    ]
    if len(shown) < len(events):
        more = f"{len(events) - len(shown):,} more"
        rows.insert(_MOST_LISTED // 2, (None, more, ""))
    return rows


def _what(event: Event, *, several: bool) -> str:
    unit = "step" if event.epoch is None else "epoch"
    when = format_time(event.time if event.epoch is None else event.epoch)
    kind = f"{event.target} {event.kind}" if several else event.kind
    change = f" {format_rate(event.before)} → {format_rate(event.after)}"
    return f"{unit} {when}: {kind}{'' if event.kind == 'stop' else change}"


def _why(event: Event) -> str:
    return event.cause.replace("`", "") or f"line {event.line}: {event.text}"


def width_of_what(rows: Sequence[tuple[int | None, str, str]]) -> float:
    """Return the width of the column of what happened, in points."""
    return max((text_width(what, 8) for _, what, why in rows if why), default=0.0)
