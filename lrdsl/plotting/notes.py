"""The first, highest and last value written into a panel, where they cover nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl.highlights import Highlights, highlights, in_figures
from lrdsl.plotting.placement import Box, place
from lrdsl.plotting.style import text_width
from lrdsl.plotting.view import MOST_BANDS, MOST_DIAMONDS, View
from lrdsl.scales import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, slots=True)
class _Note:
    """A value to write beside its point: what it is, and where (on the clock below)."""

    name: str
    number: str
    time: float
    value: float

    def width(self) -> float:
        return text_width(self.name, 9) + 4 + text_width(self.number, 9, bold=True)


def draw_notes(view: View, ax: Axes, drawn: Floats, *, has_margin: bool) -> list[Box]:
    """Write the values into `ax`; the last one beside it, if it has a margin for that.

    Args:
        view: the target.
        ax: where to write.
        drawn: points of the curves on paper, close together.
        has_margin: whether there is room to the right of `ax`.

    Returns:
        The boxes that are taken then.
    """
    lines = [view.time(s.start) / view.length * view.width for s in view.segments[1:]]
    if len(lines) >= MOST_BANDS:
        lines = []
    snapshots = view.snapshots()
    taken = [
        Box(x, y, x, y).grown(5.0)
        for x, y in view.on_paper(
            np.array([view.time(s.time) for s in snapshots[:MOST_DIAMONDS]]),
            np.array([s.value for s in snapshots[:MOST_DIAMONDS]]),
        )
    ]
    room = Box(4.0, 4.0, view.width - 3.0, view.height - 19.0)
    for note in _notes(view, highlights(view.plan, view.target)):
        x, y = view.on_paper(np.array([note.time]), np.array([note.value]))[0]
        ax.plot(
            [note.time],
            [note.value],
            marker="o",
            markersize=5.5,
            color=view.theme.page,
            markeredgecolor=view.theme.curve,
            markeredgewidth=1.6,
            clip_on=False,
            zorder=5.5,
        )
        if note.name.endswith("last") and has_margin:
            left = view.width + 9 - x
            middle = min(max(y, 12.0), view.height - 12.0) - y
            _write(
                view,
                ax,
                note,
                note.name.replace(" and ", ", "),
                (left, middle + 6),
                view.theme.soft,
            )
            _write(
                view, ax, note, note.number, (left, middle - 6), view.theme.ink, weight="bold"
            )
            continue
        size = (note.width(), 9.5)
        box = place((x, y), size, within=room, curve=drawn, lines=lines, taken=taken)
        taken += [box, Box(x, y, x, y).grown(4.0)]
        left, middle = box.left - x, (box.bottom + box.top) / 2 - y
        _write(view, ax, note, note.name, (left, middle), view.theme.soft)
        left += text_width(note.name, 9) + 4
        _write(view, ax, note, note.number, (left, middle), view.theme.ink, weight="bold")
    return taken


def _write(
    view: View,
    ax: Axes,
    note: _Note,
    text: str,
    offset: tuple[float, float],
    color: str,
    **style: Any,
) -> None:
    from matplotlib.patheffects import withStroke

    # Tied to the point: if a layout moves the axes later, the note goes with it.
    written = ax.annotate(
        text,
        (note.time, note.value),
        offset,
        textcoords="offset points",
        size=9,
        color=color,
        ha="left",
        va="center_baseline",
        annotation_clip=False,
        zorder=8,
        **style,
    )
    written.set_path_effects([withStroke(linewidth=2.5, foreground=view.theme.page)])


def _notes(view: View, marks: Highlights) -> list[_Note]:
    first, peak, last = in_figures(marks)
    start, top, end = (view.time(t) for t in (0.0, marks.peak_time, marks.last_time))
    # Beside what else may happen, that nothing does is no property of the schedule.
    if not view.ways and float(view.y.min()) == float(view.y.max()):
        return [_Note("constant", first, start, view.clip(marks.first))]
    if start == end:
        return [_Note("the only step", first, start, view.clip(marks.first))]
    if top == end:
        return [
            _Note("first", first, start, view.clip(marks.first)),
            _Note("peak and last", peak, end, view.clip(marks.peak)),
        ]
    notes = [_Note("last", last, end, view.clip(marks.last))]
    if top == start:
        return [_Note("first and peak", first, start, view.clip(marks.first)), *notes]
    notes.insert(0, _Note("first", first, start, view.clip(marks.first)))
    return [_Note("peak", peak, top, view.clip(marks.peak)), *notes]
