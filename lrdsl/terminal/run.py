"""A plan in the terminal and what a run made of it, with its metrics below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrdsl.highlights import length_in_words
from lrdsl.stamp import file_name
from lrdsl.terminal.ink import BOLD, Ink, wrap
from lrdsl.terminal.overlay import clock_of, overlay
from lrdsl.terminal.tables import events

if TYPE_CHECKING:
    from lrdsl.run_view import RunView

_METRIC_ROWS = 5


def run_in_words(
    view: RunView, width: int, *, unicode: bool, colour: bool, is_log: bool | None = None
) -> str:
    """Return the rates applied over the plan, whether they agree, and the metrics.

    Args:
        view: the plan and the run.
        width: columns of the terminal.
        unicode: whether the terminal shows braille; without, only ASCII is used.
        colour: whether to write escape codes.
        is_log: whether the axes of rates are logarithmic; None where the curves decide.
    """
    ink = Ink(unicode, colour)
    plan, clock = view.plan, clock_of(view.clock)
    out = [
        ink.paint(ink.fit(file_name(plan), width), BOLD),
        *wrap(length_in_words(plan), width),
    ]
    points = max(4 * width, 500)
    for target in plan.targets:
        lines = view.lines(target, points)
        out += ["", *overlay(lines, target, clock, width, ink, is_log=is_log)]
    out.append("")
    for sentence in view.sentences():
        out += wrap(ink.text(sentence.replace("≠", ink.pick("≠", "!="))), width)
    if plan.events:
        out += ["", *events(plan, width, ink)]
    for name, lines in view.metric_lines():
        out += ["", *overlay(lines, name, clock, width, ink, rows=_METRIC_ROWS)]
    return "\n".join(line.rstrip() for line in out)
