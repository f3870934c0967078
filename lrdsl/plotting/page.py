"""What every picture has around its panels: its size, its title, the file it goes into."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.plotting.style import Look, elided, style, text_width
from lrdsl.render import visible
from lrdsl.stamp import metadata

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")
"""The kinds of picture that can be written."""

WIDTH = 8.0  # inches, as all the following
LEFT, RIGHT = 0.80, 0.95
PANEL, LATER_PANEL, GAP = 3.5, 1.9, 0.18
ABOVE, ABOVE_STEPS, BELOW = 0.60, 0.24, 0.36
KEY_GAP, KEY_LINE = 0.10, 0.20
WIDE = WIDTH - LEFT - RIGHT


def check_suffix(path: Path) -> None:
    """Raise ValueError if a file's suffix is none of `SUFFIXES`."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{path.name}: a picture's name ends in {', '.join(SUFFIXES)}")


def new_figure(height: float, look: Look) -> Figure:
    """Return an empty picture so high, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), facecolor=look.theme.page)
    FigureCanvasAgg(figure)
    return figure


def add_panel(figure: Figure, height: float, bottom: float, tall: float) -> Axes:
    """Return new axes, so high and so far above the lower edge of a picture, in inches."""
    return figure.add_axes((LEFT / WIDTH, bottom / height, WIDE / WIDTH, tall / height))


def draw_title(
    figure: Figure, height: float, look: Look, name: str, notes: Sequence[str], legend: str = ""
) -> None:
    """Write a picture's title, and under it what else is to be said of the whole.

    Args:
        figure: where to write.
        height: its height, in inches.
        look: its colours.
        name: the title.
        notes: what stands under it.
        legend: what the mark of a snapshot means, to the right; empty where there is none.
    """
    from matplotlib.lines import Line2D

    theme = look.theme
    left, right = LEFT / WIDTH, 1 - RIGHT / WIDTH
    top, below = 1 - 0.20 / height, 1 - 0.43 / height
    name = elided(visible(name), 13, WIDE * 72 - 20)
    figure.text(left, top, name, size=13, weight="bold", color=theme.ink, va="center")
    room = WIDE * 72 - (text_width(legend, 9) + 24 if legend else 0.0)
    note = elided(visible(" · ".join(notes)), 9, room)
    figure.text(left, below, note, size=9, color=theme.soft, va="center")
    if legend:
        figure.text(right, below, legend, size=9, color=theme.soft, ha="right", va="center")
        x = right - (text_width(legend, 9) + 9) / 72 / WIDTH
        figure.add_artist(
            Line2D([x], [below], marker="D", markersize=5, color=theme.snapshot, linestyle="")
        )


def write(figure: Figure, path: Path, line: str) -> None:
    """Write a picture into a file, with the line that `lrdsl.stamp` makes of its schedules."""
    kind = path.suffix.lower()[1:]
    with style():
        figure.savefig(path, format=kind, dpi=160, metadata=metadata(kind, line))
