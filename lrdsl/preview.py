"""A plan in the terminal: its curve in braille or ASCII, and what it will do in a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrdsl.highlights import events_in_words, length_in_words, main_target
from lrdsl.outlook import MOST_EPOCHS, Outlook, Way, outlook
from lrdsl.render import display_width
from lrdsl.scales import format_time
from lrdsl.terminal.chart import chart
from lrdsl.terminal.ink import BOLD, Ink, wrap
from lrdsl.terminal.tables import events, segments, snapshots, values

if TYPE_CHECKING:
    from lrdsl.plan import Plan

NARROWEST = 20
"""Narrower terminals get this width: a curve needs some room."""


def preview(
    plan: Plan,
    width: int,
    *,
    unicode: bool,
    colour: bool,
    rows: int | None = None,
    is_log: bool | None = None,
    has_range: bool = True,
) -> str:
    """Return what the plan does, as lines of at most `width` columns.

    A title, the curve of each target over the training's clock with its boundaries and
    snapshots marked, the segments and the snapshots.  Of a schedule that reacts to metrics,
    what they did, where the plan has some, or else the range of what may happen.

    Args:
        plan: what to show.
        width: columns of the terminal; fewer than 20 count as 20.
        unicode: whether the terminal shows braille; without, only ASCII is used.
        colour: whether to write escape codes.
        rows: how high the first curve is, if not as the width has it.
        is_log: whether the axes of values are logarithmic; None where the curves decide.
        has_range: whether to work out what may happen, which takes time; without, what is
            shown is the curve if nothing does.
    """
    width = max(width, NARROWEST)
    ink = Ink(unicode, colour)
    view = outlook(plan) if has_range else None
    out = _title(plan, width, ink)
    for target in plan.targets:
        is_first = target == plan.targets[0]
        out.append("")
        height = rows if is_first else None
        out.extend(
            chart(
                plan,
                target,
                width,
                ink,
                outlook=view,
                is_first=is_first,
                rows=height,
                is_log=is_log,
            )
        )
        ways = [] if view is None else [way for way in view.ways if way.name != "latest"]
        if len(ways) < 2:
            out += ["", *values(plan, target, width, ink)]
            out += ["", *segments(plan, target, width, ink)]
            continue
        tables = []
        for way in ways:
            table = segments(way.plan, target, width, ink)
            out += ["", *_headline(way, width, ink), *values(way.plan, target, width, ink)]
            happens = events_in_words(way.plan).replace("…", ink.pick("…", "..."))
            out += wrap(happens, width) if happens and is_first else []
            # Where all that changes is a factor, one table of segments does for all.
            if table not in tables:
                tables.append(table)
                out += ["", *table]
    if view is not None:
        remarks = _remarks(view, width, ink)
        out += ["", *remarks] if remarks else []
    elif plan.events:
        out += ["", *events(plan, width, ink)]
    saved = snapshots(plan, width, ink)
    if saved:
        out.extend(["", *saved])
    return "\n".join(line.rstrip() for line in out)


def drawing(
    plan: Plan, width: int, *, unicode: bool, colour: bool, rows: int | None = None
) -> str:
    """Return the curve of the plan's main target alone, as `preview` draws it."""
    target, ink = main_target(plan), Ink(unicode, colour)
    width = max(width, NARROWEST)
    lines = chart(plan, target, width, ink, outlook=outlook(plan), is_first=True, rows=rows)
    return "\n".join(line.rstrip() for line in lines)


def _title(plan: Plan, width: int, ink: Ink) -> list[str]:
    name = ink.text(plan.program.source.name)
    length = length_in_words(plan)
    gap = "  "
    if display_width(name) + len(gap) + len(length) <= width:
        return [ink.paint(name, BOLD) + gap + length]
    return [ink.paint(ink.fit(name, width), BOLD), *wrap(length, width)]


def _headline(way: Way, width: int, ink: Ink) -> list[str]:
    """Return what the metrics would do, over what the schedule would do then."""
    return [ink.paint(line, BOLD) for line in wrap(ink.text(way.words), width)]


def _remarks(view: Outlook, width: int, ink: Ink) -> list[str]:
    """Return what else is to be said of the range of what may happen."""
    if view.is_too_long:
        text = (
            f"The curve is what happens {view.never.words}.  What else may happen is not "
            f"worked out for more than {MOST_EPOCHS:,} epochs."
        )
        return wrap(ink.text(text), width)
    out: list[str] = []
    if len(view.ways) == 1 and view.trouble is None:
        out += wrap("In a training as short as this, no metric can change anything.", width)
    for way in view.ways:
        if way.name == "latest":
            last = way.plan.events[-1]
            when = last.time if last.epoch is None else last.epoch
            unit = "step" if last.epoch is None else "epoch"
            words = f"The last moment for a {last.kind} is {unit} {format_time(when)}."
            out += wrap(words, width)
    if view.trouble is not None:
        problem = view.trouble.error.diagnostics[0]
        text = f"{view.trouble.words}, training ends with an error: {problem.message}"
        text = text[0].upper() + text[1:] + "."
        out += wrap(ink.text(text), width)
    return out
