"""The whole picture: title, panels, and the key to the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from lrdsl.highlights import length_in_words, main_target, unsettled_from
from lrdsl.outlook import Outlook, outlook
from lrdsl.plotting.events import draw_badge, listed, width_of_what
from lrdsl.plotting.panel import draw_panel
from lrdsl.plotting.style import CURVE, INK, SNAPSHOT, SOFT, elided, style, text_width
from lrdsl.plotting.view import View, clocks
from lrdsl.render import visible
from lrdsl.scales import format_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrdsl.plan import Plan, Segment

SUFFIXES = (".png", ".svg", ".pdf")
"""The kinds of picture that `save` writes."""

_WIDTH = 8.0  # inches, as all the following
_LEFT, _RIGHT = 0.80, 0.95
_PANEL, _LATER_PANEL, _GAP = 3.5, 1.9, 0.18
_ABOVE, _ABOVE_STEPS, _BELOW = 0.60, 0.24, 0.36
_KEY_GAP, _KEY_LINE = 0.10, 0.20

_MOST_IN_KEY = 24


def draw(plan: Plan, ax: Axes | None = None) -> Figure | Axes:
    """Draw the plan and return the new figure, or `ax` if one is given.

    Epochs run below and steps above, as far as both are known.  Each target has a panel of
    its own under the common clock; `ax` takes the rate alone.  The axis of values
    is logarithmic where the curve would otherwise lie on the floor of the picture.

    Args:
        plan: what to draw.
        ax: axes to draw in, such as a part of a larger figure.
    """
    with style():
        if ax is None:
            return _figure(plan)
        box = ax.get_window_extent()
        points = 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        size = box.width * points, box.height * points
        view = View(plan, main_target(plan), *size, 1, outlook(plan))
        draw_panel(view, ax, has_top=True, has_bottom=True, has_margin=False)
        return ax


def save(plan: Plan, path: Path | str) -> None:
    """Draw the plan into a file: png, svg or pdf, by the file's suffix.

    One version of matplotlib gives the same bytes for the same plan.

    Args:
        plan: what to draw.
        path: where to; an existing file is replaced.

    Raises:
        ValueError: the suffix is none of `SUFFIXES`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise ValueError(f"{path.name}: a picture's name ends in {', '.join(SUFFIXES)}")
    # A date would make two pictures of one plan differ.
    metadata: dict[str, Any] = {
        ".png": {"Software": None},
        ".svg": {"Date": None, "Creator": None},
        ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }[kind]
    with style():
        _figure(plan).savefig(path, format=kind[1:], dpi=160, metadata=metadata)


def _figure(plan: Plan) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    expected = outlook(plan)
    panels: list[tuple[View, float]] = []
    number = 1
    for target in plan.targets:
        tall = _PANEL if not panels else _LATER_PANEL
        size = (_WIDTH - _LEFT - _RIGHT) * 72, tall * 72
        view = View(plan, target, *size, number, expected)
        number += len(view.segments)
        panels.append((view, tall))
    key = _Key([entry for view, _ in panels for entry in view.unnamed()])
    told = _Told(() if expected is not None else listed(plan))

    above = _ABOVE + (_ABOVE_STEPS if clocks(plan).upper is not None else 0.0)
    below = _BELOW + key.height() + told.height()
    height = above + sum(tall for _, tall in panels) + _GAP * (len(panels) - 1) + below
    figure = Figure(figsize=(_WIDTH, height), facecolor="white")
    FigureCanvasAgg(figure)

    y = height - above
    for view, tall in panels:
        y -= tall
        wide = _WIDTH - _LEFT - _RIGHT
        ax = figure.add_axes((_LEFT / _WIDTH, y / height, wide / _WIDTH, tall / height))
        is_last = view is panels[-1][0]
        draw_panel(view, ax, has_top=view is panels[0][0], has_bottom=is_last)
        y -= _GAP
    _draw_title(figure, plan, expected, height)
    key.draw(figure, height, above=told.height())
    told.draw(figure, height)
    return figure


def _draw_title(figure: Figure, plan: Plan, expected: Outlook | None, height: float) -> None:
    from matplotlib.lines import Line2D

    left, right = _LEFT / _WIDTH, 1 - _RIGHT / _WIDTH
    top, below = 1 - 0.20 / height, 1 - 0.43 / height
    wide = (_WIDTH - _LEFT - _RIGHT) * 72
    # The file's own name: a picture travels without the folders of the machine it is from.
    file = PurePath(plan.program.source.name).name
    name = elided(visible(file), 13, wide - 20)
    figure.text(left, top, name, size=13, weight="bold", color=INK, va="center")
    room = wide - (text_width("snapshot", 9) + 24 if plan.snapshots else 0.0)
    note = elided(" · ".join([length_in_words(plan), *_caveats(plan, expected)]), 9, room)
    figure.text(left, below, note, size=9, color=SOFT, va="center")
    if plan.snapshots:
        legend = "snapshot"
        figure.text(right, below, legend, size=9, color=SOFT, ha="right", va="center")
        x = right - (text_width(legend, 9) + 9) / 72 / _WIDTH
        figure.add_artist(
            Line2D([x], [below], marker="D", markersize=5, color=SNAPSHOT, linestyle="")
        )


def _caveats(plan: Plan, expected: Outlook | None) -> list[str]:
    """Return what a reader must know of a curve that metrics may change."""
    end = unsettled_from(plan)
    if end is not None:
        when = f"{plan.unit.removesuffix('s')} {format_time(end)}"
        return [f"dashed from {when} on: the log ends there"]
    if expected is None:
        return []
    if expected.is_too_long:
        return ["if nothing happens (too long for more)"]
    found = ["shaded: what may happen"] if len(expected.ways) > 1 else []
    if expected.trouble is not None:
        found.append(f"{expected.trouble.words}, it ends with an error")
    return found


@dataclass(frozen=True, slots=True)
class _Told:
    """The events of the plan, told below the picture."""

    rows: Sequence[tuple[int | None, str, str]]

    def height(self) -> float:
        """Return the room it takes, in inches."""
        return _KEY_GAP + _KEY_LINE * len(self.rows) if self.rows else 0.0

    def draw(self, figure: Figure, height: float) -> None:
        if not self.rows:
            return
        wide = (_WIDTH - _LEFT - _RIGHT) * 72
        what_width = min(width_of_what(self.rows), wide / 2)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set_axis_off()
        for row, (number, what, why) in enumerate(self.rows):
            y = (_KEY_LINE * (len(self.rows) - row - 0.5) + 0.08) / height
            if number is not None:
                draw_badge(ax, number, ((_LEFT + 0.05) * 72, y * height * 72 + 0.5))
            style: dict[str, Any] = {"size": 8, "va": "center_baseline"}
            x = _LEFT + 18 / 72
            lead = elided(visible(what), 8, what_width)
            figure.text(x / _WIDTH, y, lead, color=INK if why else SOFT, **style)
            x += (what_width + 12) / 72
            text = elided(visible(why), 8, wide - 30 - what_width)
            figure.text(x / _WIDTH, y, text, color=SOFT, **style)


@dataclass(frozen=True, slots=True)
class _Key:
    """What the numbers in the picture stand for, below it."""

    entries: Sequence[tuple[int, Segment]]

    def _rows(self) -> list[tuple[str, str, str]]:
        shown = self.entries[:_MOST_IN_KEY]
        rows = [(str(number), s.text, f"line {s.line}") for number, s in shown]
        if len(self.entries) > len(shown):
            rows[-1] = ("…", f"and {len(self.entries) - len(shown) + 1:,} more", "")
        return rows

    def _columns(self) -> int:
        widest = max(text_width(f"{text} {line}", 8) for _, text, line in self._rows()) + 42
        return min(max(int((_WIDTH - _LEFT - _RIGHT) * 72 // widest), 1), 3, len(self.entries))

    def _lines(self) -> int:
        return math.ceil(len(self._rows()) / self._columns())

    def height(self) -> float:
        """Return the room it takes, in inches."""
        return _KEY_GAP + _KEY_LINE * self._lines() if self.entries else 0.0

    def draw(self, figure: Figure, height: float, *, above: float) -> None:
        """Draw it into a figure so high, so far above its lower edge, in inches."""
        if not self.entries:
            return
        lines, column_width = self._lines(), (_WIDTH - _LEFT - _RIGHT) / self._columns()
        for i, (number, text, line) in enumerate(self._rows()):
            column, row = divmod(i, lines)
            x = _LEFT + column * column_width
            y = (above + _KEY_LINE * (lines - row - 0.5) + 0.08) / height
            text = elided(visible(text), 8, column_width * 72 - 34 - text_width(line, 8))
            style: dict[str, Any] = {"size": 8, "va": "center_baseline"}
            figure.text(x / _WIDTH, y, number, weight="bold", color=CURVE, **style)
            x += 18 / 72
            figure.text(x / _WIDTH, y, text, color=INK, **style)
            x += (text_width(text, 8) + 7) / 72
            figure.text(x / _WIDTH, y, line, color=SOFT, **style)
