"""`lrdsl plot`: show a schedule's curve in the terminal, or draw it into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrdsl.cli.metrics import make_plan, metrics_option
from lrdsl.cli.options import (
    Horizon,
    UnusableFile,
    can_show,
    file_argument,
    has_colour,
    horizon_options,
    overrides_argument,
    terminal_width,
    write,
)
from lrdsl.render import render_full
from lrdsl.terminal.ink import CHARACTERS

if TYPE_CHECKING:
    from lrdsl.plan import Plan

SUFFIXES = (".png", ".svg", ".pdf")  # of `lrdsl.plotting`, which is not cheap to import


@click.command()
@file_argument
@overrides_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PICTURE",
    help="Draw into this file: .png, .svg or .pdf.  [default: draw in the terminal]",
)
@metrics_option
@horizon_options
def plot(
    file: str,
    overrides: tuple[str, ...],
    output: Path | None,
    metrics: Path | None,
    horizon: Horizon,
) -> None:
    """Show the curve of the schedule in FILE (`-` is standard input).

    In the terminal, with a table of its segments and snapshots; or as a picture.
    NAME=VALUE sets a `let` of FILE.  Of a schedule that reacts to metrics, the range of
    what may happen is shown; with --metrics what did, with the cause of each event.

    Example: lrdsl plot resnet.lrs peak=0.05 -o resnet.png
    """
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise click.UsageError(
            f"`{output}` does not say what kind of picture it is: end it in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    plan = make_plan(file, overrides, horizon, metrics)
    if output is None:
        from lrdsl.preview import preview

        unicode = can_show(sys.stdout, CHARACTERS)
        colour = has_colour(sys.stdout)
        write(preview(plan, terminal_width(), unicode=unicode, colour=colour), sys.stdout)
        sys.stdout.flush()
        _show_warnings(plan)
        return
    _show_warnings(plan)
    from lrdsl.plotting import save

    try:
        save(plan, output)
    except OSError as error:
        raise UnusableFile(f"cannot write `{output}`: {error.strerror or error}") from None
    write(f"wrote {output}", sys.stderr)


def _show_warnings(plan: Plan) -> None:
    colour = has_colour(sys.stderr)
    for warning in plan.warnings:
        write("\n" + render_full(warning, plan.program.source, colour=colour), sys.stderr)
