"""Pictures of several plans, or of a plan and what else is to be seen beside it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.highlights import highlights, in_figures, length_in_words, main_target
from lrdsl.plotting import page
from lrdsl.plotting.below import Told
from lrdsl.plotting.overlay import BROAD, THIN, Overlay, Panel, draw_overlay, look_of
from lrdsl.plotting.sheet import Clocks, common_clocks
from lrdsl.plotting.style import Look, elided, look, style, text_width
from lrdsl.plotting.view import title
from lrdsl.records import dataclass, field
from lrdsl.render import visible
from lrdsl.scales import format_time
from lrdsl.stamp import stamp

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrdsl.plan import Plan
    from lrdsl.together import Together

POINTS = 4000

_ROW = 0.22  # inches
_HEADS = ("", "first", "peak", "at", "last")


@dataclass(frozen=True, slots=True, eq=False)
class Composition:
    """A picture of several panels under one clock.

    Attributes:
        title, notes: what stands above.
        clocks: the common clock.
        panels: from above.
        rows: the number of a curve, its name and its first, highest and last value, below.
        told: what happened, under that.
    """

    title: str
    notes: Sequence[str]
    clocks: Clocks
    panels: Sequence[Panel]
    rows: Sequence[tuple[int, Sequence[str]]] = ()
    told: Told = field(default_factory=lambda: Told(()))


def save_several(
    plans: Together,
    path: Path | str,
    name: str,
    *,
    theme: str = "light",
    log: bool | None = None,
) -> None:
    """Draw several plans into one picture, each curve named beside it.

    Args:
        plans: what to draw.
        path: where to; its suffix says what kind of picture it is.
        name: the title.
        theme: "light" or "dark".
        log: whether the axes of values are logarithmic; None where the curves decide.

    Raises:
        ValueError: the suffix is none of `page.SUFFIXES`, or there is no such theme.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page.check_suffix(path)
    chosen = look(theme, log)
    panels = [
        Panel(
            title(target),
            page.PANEL if not i else page.LATER_PANEL,
            plans.lines(target, POINTS),
        )
        for i, target in enumerate(plans.targets)
    ]
    composition = Composition(
        name,
        common_notes(plans),
        common_clocks(plans),
        panels,
        rows_of(plans),
    )
    write(composition, path, chosen, list(zip(plans.names, plans.plans, strict=True)))


def write(
    composition: Composition, path: Path, look: Look, plans: Sequence[tuple[str, Plan]]
) -> None:
    """Draw a composition into a file, stamped with its plans."""
    with style():
        figure = compose(composition, look)
    page.write(figure, path, stamp(plans))


def common_notes(plans: Together) -> list[str]:
    """Return how long the plans are, and what a reader must know of their curves."""
    lengths = list(dict.fromkeys(map(length_in_words, plans.plans)))
    notes = lengths if len(lengths) == 1 else []
    if any(plan.program.reactive is not None and not plan.log for plan in plans.plans):
        notes.append("if nothing happens")
    return notes


def rows_of(plans: Together) -> list[tuple[int, Sequence[str]]]:
    """Return what each plan begins with, reaches and ends with."""
    rows: list[tuple[int, Sequence[str]]] = []
    for number, (name, plan) in enumerate(zip(plans.names, plans.plans, strict=True)):
        marks = highlights(plan, main_target(plan))
        when = format_time(marks.peak_time * float(plans.factors[number]))
        first, peak, last = in_figures(marks)
        rows.append((number, (name, first, peak, f"{plans.unit} {when}", last)))
    return rows


def compose(what: Composition, look: Look) -> Figure:
    """Draw a composition."""
    above = page.ABOVE + (page.ABOVE_STEPS if what.clocks.upper is not None else 0.0)
    table = page.KEY_GAP + _ROW * (len(what.rows) + 1) if what.rows else 0.0
    below = page.BELOW + table + what.told.height()
    inner = sum(panel.tall for panel in what.panels) + page.GAP * (len(what.panels) - 1)
    height = above + inner + below
    figure = page.new_figure(height, look)
    y = height - above
    for at, panel in enumerate(what.panels):
        y -= panel.tall
        ax = page.add_panel(figure, height, y, panel.tall)
        sheet = Overlay(panel, page.WIDE * 72, what.clocks, look)
        is_last = at == len(what.panels) - 1
        draw_overlay(sheet, ax, has_top=at == 0, has_bottom=is_last)
        y -= page.GAP
    page.draw_title(figure, height, look, what.title, what.notes)
    if what.rows:
        _draw_rows(figure, height, look, what)
    what.told.draw(figure, height, look.theme)
    return figure


def _draw_rows(
    figure: Figure,
    height: float,
    look: Look,
    what: Composition,
) -> None:
    """Draw the table of first, highest and last values."""
    from matplotlib.lines import Line2D

    rows, above = what.rows, what.told.height()
    grounds = {line.number for line in what.panels[0].lines if line.is_ground}
    cells = [_HEADS, *(cells for _, cells in rows)]
    widths = [max(text_width(row[i], 8, bold=True) for row in cells) + 16 for i in range(1, 5)]
    ends = [page.WIDE * 72 - sum(widths[i + 1 :]) for i in range(4)]
    room = page.WIDE * 72 - sum(widths) - 34
    for at, row in enumerate(cells):
        y = (above + _ROW * (len(cells) - at - 0.5) + 0.08) / height
        color = look.theme.ink if at else look.theme.soft
        for cell, end in zip(row[1:], ends, strict=True):
            figure.text(
                (page.LEFT + end / 72) / page.WIDTH,
                y,
                cell,
                size=8,
                va="center_baseline",
                ha="right",
                color=color,
            )
        if at:
            colour, dashes = look_of(rows[at - 1][0], look.theme)
            x = page.LEFT / page.WIDTH
            ends_of_sample = [x, x + 24 / 72 / page.WIDTH]
            style = BROAD if rows[at - 1][0] in grounds else {**THIN, "linestyle": dashes}
            figure.add_artist(Line2D(ends_of_sample, [y] * 2, color=colour, **style))
            name = elided(visible(row[0]), 8, room)
            left = (page.LEFT + 32 / 72) / page.WIDTH
            figure.text(
                left, y, name, size=8, va="center_baseline", color=colour, weight="bold"
            )
