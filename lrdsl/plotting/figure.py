"""The picture of one plan: a title, a panel for each target, and what stands below them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.highlights import length_in_words, main_target, saved_after, unsettled_from
from lrdsl.outlook import Outlook, outlook
from lrdsl.plotting import page
from lrdsl.plotting.below import Key, Told
from lrdsl.plotting.events import listed
from lrdsl.plotting.panel import draw_panel
from lrdsl.plotting.sheet import clocks
from lrdsl.plotting.style import Look, look, style
from lrdsl.plotting.view import View
from lrdsl.scales import format_time
from lrdsl.stamp import file_name, stamp

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from lrdsl.plan import Plan

_MOST_TIMES = 5


def draw(
    plan: Plan, ax: Axes | None = None, *, theme: str = "light", log: bool | None = None
) -> Figure | Axes:
    """Draw the plan and return the new figure, or `ax` if one is given.

    Epochs run below and steps above, as far as both are known.  Each target has a panel of
    its own under the common clock; `ax` takes the rate alone.  The axis of values
    is logarithmic where the curve would otherwise lie on the floor of the picture.

    Args:
        plan: what to draw.
        ax: axes to draw in, such as a part of a larger figure.
        theme: "light" or "dark".
        log: whether the axes of values are logarithmic; None where the curves decide.

    Raises:
        ValueError: there is no such theme.
    """
    chosen = look(theme, log)
    with style():
        if ax is None:
            return _figure(plan, chosen)
        box = ax.get_window_extent()
        points = 72 / ax.get_figure(root=True).dpi  # type: ignore[union-attr]
        size = box.width * points, box.height * points
        view = View(plan, main_target(plan), *size, 1, outlook(plan), chosen)
        draw_panel(view, ax, has_top=True, has_bottom=True, has_margin=False)
        return ax


def save(
    plan: Plan, path: Path | str, *, theme: str = "light", log: bool | None = None
) -> None:
    """Draw the plan into a file: png, svg or pdf, by the file's suffix.

    One version of matplotlib gives the same bytes for the same plan.  The schedule's text
    is in the file's metadata: `lrdsl.stamp.read_stamp` and `lrdsl show` give it back.

    Args:
        plan: what to draw.
        path: where to; an existing file is replaced.
        theme: "light" or "dark".
        log: whether the axes of values are logarithmic; None where the curves decide.

    Raises:
        ValueError: the suffix is none of `SUFFIXES`, or there is no such theme.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page.check_suffix(path)
    chosen = look(theme, log)
    with style():
        figure = _figure(plan, chosen)
    page.write(figure, path, stamp([(file_name(plan), plan)]))


def _figure(plan: Plan, look: Look) -> Figure:
    expected = outlook(plan)
    panels: list[tuple[View, float]] = []
    number = 1
    for target in plan.targets:
        tall = page.PANEL if not panels else page.LATER_PANEL
        size = page.WIDE * 72, tall * 72
        view = View(plan, target, *size, number, expected, look)
        number += len(view.segments)
        panels.append((view, tall))
    key = Key([entry for view, _ in panels for entry in view.unnamed()])
    told = Told(() if expected is not None else listed(plan))

    above = page.ABOVE + (page.ABOVE_STEPS if clocks(plan).upper is not None else 0.0)
    below = page.BELOW + key.height() + told.height()
    height = above + sum(tall for _, tall in panels) + page.GAP * (len(panels) - 1) + below
    figure = page.new_figure(height, look)

    y = height - above
    for view, tall in panels:
        y -= tall
        ax = page.add_panel(figure, height, y, tall)
        is_last = view is panels[-1][0]
        draw_panel(view, ax, has_top=view is panels[0][0], has_bottom=is_last)
        y -= page.GAP
    notes = [length_in_words(plan), *_caveats(plan, expected)]
    page.draw_title(figure, height, look, file_name(plan), notes, _snapshots(plan))
    key.draw(figure, height, look.theme, above=told.height())
    told.draw(figure, height, look.theme)
    return figure


def _snapshots(plan: Plan) -> str:
    """Return when the models are saved, or of many how many are."""
    times = [format_time(saved_after(plan, one)) for one in plan.snapshots]
    if not times:
        return ""
    if len(times) > _MOST_TIMES:
        return f"{len(times):,} snapshots"
    unit = plan.unit.removesuffix("s")
    if len(times) == 1:
        return f"snapshot after {unit} {times[0]}"
    return f"snapshots after {unit}s {', '.join(times[:-1])} and {times[-1]}"


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
