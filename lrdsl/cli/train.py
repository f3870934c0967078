"""`lrdsl train`: run a Keras program with its learning rate set by a schedule."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrdsl.cli.dialogue import TerminalDialogue
from lrdsl.cli.options import file_argument, horizon_options, open_program
from lrdsl.training.attach import watch_fits
from lrdsl.training.closing import close
from lrdsl.training.course import Course, Terms
from lrdsl.training.dialogue import Status, Tone
from lrdsl.training.early import Horizon, plan_early
from lrdsl.training.files import replacing
from lrdsl.training.launch import run
from lrdsl.training.run_folder import SCHEDULE, FolderError, RunFolder, default_folder
from lrdsl.training.session import FOLDER_VARIABLE, AddedCallback, Session
from lrdsl.training.target import TargetError, read_words

if TYPE_CHECKING:
    from lrdsl.plan import Plan


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("-y", "--yes", is_flag=True, help="Train without asking.")
@click.option("--dry-run", is_flag=True, help="Show the plan and stop before the first batch.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results, new or empty.  [default: runs/<FILE>-<date>-<time>]",
)
@click.option(
    "--fit",
    "only_fit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Set the rate of the N-th `fit` only, and leave the others alone.",
)
@horizon_options
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for `python -m`.")
@file_argument
@click.argument(
    "words",
    metavar="[NAME=VALUE]... SCRIPT [ARGS]...",
    nargs=-1,
    type=click.UNPROCESSED,
)
def train(
    yes: bool,
    dry_run: bool,
    out: Path | None,
    only_fit: int | None,
    horizon: Horizon,
    module: bool,
    file: str,
    words: tuple[str, ...],
) -> None:
    """Run SCRIPT, a Keras program, with its learning rate set by the schedule in FILE.

    SCRIPT stays as it is: it is run as `python SCRIPT ARGS` would, and the schedule is
    added to each `Model.fit` that it calls.  It may also be `-m PKG.MODULE` or
    `PKG.MODULE:FUNCTION`.  ARGS are handed on untouched.  NAME=VALUE sets a `let` of FILE.

    Before the first batch the plan is shown and has to be agreed to.  At the end the rates
    that the training applied are compared with the plan, step by step.  What is said goes
    to standard error; standard output is SCRIPT's own.  SCRIPT finds its results in the
    folder that the environment variable LRDSL_RUN names.

    Example: lrdsl train resnet.lrs peak=0.05 train.py --data cifar10

    \b
    Exit status: SCRIPT's own if that is not 0, otherwise
      0  the run followed the plan
      1  it did not, no `fit` was seen, FILE has errors, or the answer was no
      2  nobody could answer, wrong usage, or a file cannot be read
      3  a bug in lrdsl
    """  # noqa: D301 - click wants the backspace itself
    try:
        asked = read_words(words, module=module)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    dialogue = TerminalDialogue(yes=yes)
    now = datetime.now().astimezone()
    folder = RunFolder(out or default_folder(file, now), chosen_by_user=out is not None)
    try:
        folder.check()
    except FolderError as error:
        raise click.UsageError(str(error)) from None

    program = open_program(file, asked.overrides)
    early = plan_early(program, horizon)
    if early.plan is None:
        dialogue.say(f"the plan is shown when `fit` starts, as it needs {early.why_not}")
    else:
        dialogue.show_plan(early.plan, in_units_of_base=early.in_units_of_base)
        if dry_run:
            sys.exit(Status.DONE)
        consequence = dialogue.ask().consequence()
        if consequence is not None:
            status, why = consequence
            dialogue.say(why, Tone.BAD)
            sys.exit(status)

    about: dict[str, Any] = {
        "schedule": SCHEDULE,
        "file": file,
        "overrides": list(asked.overrides),
        "program": str(asked.target),
        "arguments": list(asked.arguments),
        "started": now.isoformat("T", "seconds"),
    }
    os.environ.pop(FOLDER_VARIABLE, None)  # of a run around this one
    course = Course(program, Terms(only_fit, dry_run, horizon, early, about))

    def make_callback(snapshots: Path, on_plan: Callable[[Plan], None]) -> AddedCallback:
        # Imports Keras, as the program has done before it called `fit`.
        from lrdsl.training.callback import ScheduleCallback

        return ScheduleCallback(
            program, snapshots=snapshots, on_plan=on_plan, base=horizon.base
        )

    watch_fits(Session(course, dialogue, folder, make_callback=make_callback, draw=_draw))
    process = os.getpid()
    try:
        ending = run(asked.target, asked.arguments)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    if os.getpid() != process:
        sys.exit(ending.status)  # a forked child that ran on to the program's end
    sys.exit(close(course, ending, dialogue, folder))


def _draw(plan: Plan, path: Path) -> None:
    from lrdsl.plotting import save

    with replacing(path) as beside:
        save(plan, beside)
