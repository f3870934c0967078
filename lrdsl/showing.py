"""How programs, plans and errors show themselves in a notebook."""

from __future__ import annotations

import html
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from lrdsl.diagnostics import LrsError
from lrdsl.render import render_full

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program

EPOCHS = 100
"""Length of the training that a curve is drawn for, where nobody has said one."""

_OURS = str(Path(__file__).parent)


def of_plan(plan: Plan) -> dict[str, str]:
    """Return the picture of a plan, by kinds of content that a notebook knows."""
    from lrdsl.picture import as_svg

    return {"image/svg+xml": as_svg(plan), "text/plain": in_words(plan)}


def of_program(program: Program) -> dict[str, str]:
    """Return the picture of a program's curve.

    Where its text does not say how long the training is, or starts from the optimizer's
    own rate, one is assumed, and told; what cannot be drawn even so is told instead.
    """
    plan, assumed = _assume(program)
    if plan is None:
        return {"text/plain": assumed}
    found = of_plan(plan)
    if assumed:
        picture = found["image/svg+xml"]
        note = f"<p><small>{html.escape(assumed)}</small></p>"
        found = {
            "text/html": picture[picture.index("<svg") :] + note,
            "text/plain": f"{found['text/plain']} ({assumed})",
        }
    return found


def in_words(plan: Plan) -> str:
    """Return what a plan is, in one line."""
    from lrdsl.highlights import highlights, length_in_words, main_target
    from lrdsl.scales import format_rate

    target = main_target(plan)
    marks = highlights(plan, target)
    first, peak, last = map(format_rate, (marks.first, marks.peak, marks.last))
    name = plan.program.source.name
    return f"{name}: {length_in_words(plan)}; {target} first {first}, peak {peak}, last {last}"


def of_error(error: LrsError) -> list[str]:
    """Return what a notebook prints in place of a traceback: each problem, where it is.

    Above them stands the line of the user's own that led to it, if there is one.
    """
    lines = [render_full(one, error.source, colour=True) + "\n" for one in error.diagnostics]
    where = _line_of_the_user(error)
    return "\n".join([*([where] if where else []), *lines]).split("\n")


def _assume(program: Program) -> tuple[Plan | None, str]:
    """Return a plan and what was assumed for it; None and why, if there can be none."""
    epochs = EPOCHS if program.train is None else None
    base = 1.0 if program.needs_base else None
    assumed = []
    if epochs is not None:
        assumed.append(f"drawn for {EPOCHS} epochs: the text does not say how long training is")
    if base is not None:
        assumed.append("in units of base, the optimizer's own rate")
    own = program.supposed()
    assumed += [f"the optimizer's own `{name}` taken as {it:g}" for name, it in own.items()]
    # Times in steps need to know how many make an epoch.
    for steps, words in ((None, ""), (100, "an epoch of 100 steps")):
        try:
            plan = program.plan(epochs=epochs, steps_per_epoch=steps, base=base, own=own)
        except LrsError as error:
            trouble = error
            if {one.code for one in error.diagnostics} != {"LRS303"}:
                break
        else:
            return plan, "; ".join([*assumed, *([words] if words else [])])
    problem = trouble.diagnostics[0]
    return None, f"{program.source.name}: no curve to show: {problem.message}"


def _line_of_the_user(error: LrsError) -> str | None:
    import linecache
    import traceback

    found: tuple[FrameType, int] | None = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        file = frame.f_code.co_filename
        if not file.startswith(_OURS) and not _is_a_library(file):
            found = frame, line
    if found is None:
        return None
    frame, number = found
    text = linecache.getline(frame.f_code.co_filename, number).strip()
    # What a cell of `%%lrs` is turned into says nothing to whom has written it.
    is_magic = text.startswith("get_ipython()")
    return f"line {number}: {text}\n" if text and not is_magic else None


def _is_a_library(file: str) -> bool:
    libraries = {sys.prefix, sys.base_prefix}
    return "site-packages" in file or any(file.startswith(f"{one}/lib") for one in libraries)
