"""The picture of two plans and of where they differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lrdsl.comparison import values_apart
from lrdsl.plotting import page
from lrdsl.plotting.overlay import Panel
from lrdsl.plotting.several import POINTS, Composition, common_notes, rows_of, write
from lrdsl.plotting.sheet import common_clocks
from lrdsl.plotting.style import look
from lrdsl.plotting.view import title
from lrdsl.terminal.differences import summary
from lrdsl.together import Line

if TYPE_CHECKING:
    from lrdsl.comparison import Comparison, Difference
    from lrdsl.together import Together

_TALL = 1.3  # inches
_MOST_SPANS = 200


def save_difference(
    plans: Together,
    found: Comparison,
    path: Path | str,
    *,
    theme: str = "light",
    log: bool | None = None,
) -> None:
    """Draw two plans, where they differ, and by how much.

    Args:
        plans: the two.
        found: what comparing them has shown.
        path: where to; its suffix says what kind of picture it is.
        theme: "light" or "dark".
        log: whether the axes of values are logarithmic; None where the curves decide.

    Raises:
        ValueError: the suffix is none of `page.SUFFIXES`, or there is no such theme.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page.check_suffix(path)
    chosen = look(theme, log)
    panels: list[Panel] = []
    differences = {one.target: one for one in found.targets}
    for target in plans.targets:
        tall = page.PANEL if not panels else page.LATER_PANEL
        difference = differences.get(target)
        spans = _spans(plans, difference)
        panels.append(Panel(title(target), tall, plans.lines(target, POINTS), spans))
        if difference is not None and difference.differing:
            panels.append(_apart(plans, difference, spans))
    main = found.targets[0] if found.targets else None
    notes = [*common_notes(plans), *([summary(main)] if main is not None else [])]
    names = " → ".join(plans.names)
    composition = Composition(names, notes, common_clocks(plans), panels, rows_of(plans))
    write(composition, path, chosen, list(zip(plans.names, plans.plans, strict=True)))


def _spans(plans: Together, difference: Difference | None) -> list[tuple[float, float]]:
    if difference is None or len(difference.stretches) > _MOST_SPANS:
        return []
    per_step = _per_step(plans)
    return [(one.first * per_step, (one.last + 1) * per_step) for one in difference.stretches]


def _apart(plans: Together, difference: Difference, spans: list[tuple[float, float]]) -> Panel:
    """Return the panel of what the second plan has more, or less."""
    before, after = plans.plans
    steps, values = values_apart(before, after, difference.target, POINTS)
    line = Line(("difference",), 2, np.asarray(steps) * _per_step(plans), values)
    return Panel("difference", _TALL, [line], spans, is_log=False)


def _per_step(plans: Together) -> float:
    """Return the time of a step of the first plan, on the common clock."""
    plan = plans.plans[0]
    if plans.unit == "step":
        return 1.0
    return 1.0 / (plan.steps_per_epoch or 1)
