"""`lrdsl plot`: show a schedule's curve in the terminal, or draw it into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from lrdsl.cli.metrics import metrics_option
from lrdsl.cli.options import (
    Horizon,
    can_show,
    has_colour,
    horizon_options,
    terminal_width,
    write,
)
from lrdsl.cli.pictures import check_picture, look_options, output_option, saving
from lrdsl.cli.runs import run_option, view_of_run
from lrdsl.cli.several import Named, lay_together, make_plans, title_of, words_argument
from lrdsl.render import render_full
from lrdsl.terminal.ink import CHARACTERS

if TYPE_CHECKING:
    from lrdsl.run_view import RunView

_DIFFERENT = 1


class _Terminal(NamedTuple):
    width: int
    unicode: bool
    colour: bool


@click.command()
@words_argument
@output_option
@look_options
@metrics_option
@run_option
@horizon_options
def plot(
    words: tuple[str, ...],
    output: Path | None,
    theme: str | None,
    is_log: bool | None,
    metrics: Path | None,
    run: Path | None,
    horizon: Horizon,
) -> None:
    """Show the curve of the schedule in FILE (`-` is standard input).

    In the terminal, with a table of its segments and snapshots; or as a picture.
    NAME=VALUE sets a `let` of FILE.  Several files, or several values of a name, are drawn
    together.  Of a schedule that reacts to metrics, the range of what may happen is shown;
    with --metrics what did, with the cause of each event.  With --run what a training
    applied lies over the plan.

    Exit status with --run: 0 if plan and run agree, 1 if they do not.

    Example: lrdsl plot resnet.lrs peak=0.05,0.1,0.2 -o peaks.png
    """
    theme = check_picture(output, theme)
    if run is not None:
        _show_run(view_of_run(words, horizon, metrics, run), output, theme, is_log)
        return
    plans = make_plans(words, horizon, metrics)
    if output is None:
        _show(plans, is_log)
        sys.stdout.flush()
        _show_warnings(plans)
        return
    _show_warnings(plans)
    if len(plans) == 1:
        from lrdsl.plotting import save

        with saving(output):
            save(plans[0].plan, output, theme=theme, log=is_log)
        return
    from lrdsl.plotting.several import save_several

    together, title = lay_together(plans), title_of(plans)
    with saving(output):
        save_several(together, output, title, theme=theme, log=is_log)


def _show(plans: list[Named], is_log: bool | None) -> None:
    width, unicode, colour = _terminal()
    if len(plans) == 1:
        from lrdsl.preview import preview

        text = preview(plans[0].plan, width, unicode=unicode, colour=colour, is_log=is_log)
    else:
        from lrdsl.terminal.overlay import several

        together = lay_together(plans)
        text = several(together, width, unicode=unicode, colour=colour, is_log=is_log)
    write(text, sys.stdout)


def _show_run(view: RunView, output: Path | None, theme: str, is_log: bool | None) -> None:
    if output is None:
        from lrdsl.terminal.run import run_in_words

        width, unicode, colour = _terminal()
        text = run_in_words(view, width, unicode=unicode, colour=colour, is_log=is_log)
        write(text, sys.stdout)
    else:
        from lrdsl.plotting.run import save_run

        with saving(output):
            save_run(view, output, theme=theme, log=is_log)
        for sentence in view.sentences():
            write(sentence, sys.stderr)
    sys.stdout.flush()
    sys.exit(0 if view.agreement.holds else _DIFFERENT)


def _terminal() -> _Terminal:
    unicode = can_show(sys.stdout, CHARACTERS)
    return _Terminal(terminal_width(), unicode, has_colour(sys.stdout))


def _show_warnings(plans: list[Named]) -> None:
    colour = has_colour(sys.stderr)
    told: set[str] = set()
    for _, plan in plans:
        for warning in plan.warnings:
            text = render_full(warning, plan.program.source, colour=colour)
            if text not in told:  # of several values of a name, each would say the same
                told.add(text)
                write("\n" + text, sys.stderr)
