"""The picture of a plan and of what a run made of it, with its metrics below."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.highlights import length_in_words
from lrdsl.plotting import page
from lrdsl.plotting.below import Told
from lrdsl.plotting.events import MOST_BADGES, listed
from lrdsl.plotting.overlay import Mark, Panel
from lrdsl.plotting.several import POINTS, Composition, rows_of, write
from lrdsl.plotting.sheet import common_clocks
from lrdsl.plotting.style import look, text_width
from lrdsl.plotting.view import title
from lrdsl.render import visible
from lrdsl.stamp import file_name

if TYPE_CHECKING:
    from lrdsl.run_view import RunView

_METRIC = 1.4  # inches
_MOST_SPANS = 200


def save_run(
    view: RunView, path: Path | str, *, theme: str = "light", log: bool | None = None
) -> None:
    """Draw the rates applied over the plan, what the plan did because of metrics, and these.

    Args:
        view: the plan and the run.
        path: where to; its suffix says what kind of picture it is.
        theme: "light" or "dark".
        log: whether the axes of rates are logarithmic; None where the curves decide.

    Raises:
        ValueError: the suffix is none of `page.SUFFIXES`, or there is no such theme.
        OSError: the file cannot be written.
    """
    path = Path(path)
    page.check_suffix(path)
    chosen = look(theme, log)
    plan = view.plan
    (factor,) = view.clock.factors
    events = plan.events if len(plan.events) <= MOST_BADGES else ()
    marks = [Mark(number, float(event.time * factor)) for number, event in enumerate(events, 1)]
    found = view.spans()
    spans = found if len(found) <= _MOST_SPANS else [(found[0][0], found[-1][1])]
    panels = [
        Panel(
            title(target),
            page.PANEL if not at else page.LATER_PANEL,
            view.lines(target, POINTS),
            spans,
            marks,
            at == 0,
        )
        for at, target in enumerate(plan.targets)
    ]
    for metric in view.metric_lines():
        panels.append(Panel(metric.name, _METRIC, metric.lines, spans, marks))
    words = [line for sentence in view.sentences() for line in _in_lines(sentence)]
    notes = [length_in_words(plan), *(["shaded: where they differ"] if spans else [])]
    composition = Composition(
        file_name(plan),
        notes,
        common_clocks(view.clock),
        panels,
        rows_of(view.clock),
        Told([*((None, line, "") for line in words), *listed(plan)]),
    )
    write(composition, path, chosen, [(file_name(plan), plan)])


def _in_lines(sentence: str) -> list[str]:
    """Return a sentence in lines that fit below the panels."""
    room = page.WIDE * 72 - 20
    lines = [""]
    for word in visible(sentence).split(" "):
        longer = f"{lines[-1]} {word}".lstrip()
        if lines[-1] and text_width(longer, 8) > room:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines
