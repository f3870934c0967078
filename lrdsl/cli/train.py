"""`lrdsl train`: run a Keras program with its learning rate set by a schedule."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrdsl.cli.completion import complete_script, complete_words
from lrdsl.cli.dialogue import TerminalDialogue, WorkerDialogue
from lrdsl.cli.options import can_show, has_colour, horizon_options, open_program
from lrdsl.training.cluster import is_chief_of_cluster, is_one_of_several
from lrdsl.training.dialogue import Dialogue, Status, Tone
from lrdsl.training.early import Early, Horizon, plan_early
from lrdsl.training.files import replacing
from lrdsl.training.run_folder import (
    SCHEDULE,
    STATE,
    FolderError,
    RunFolder,
    default_folder,
)
from lrdsl.training.target import OVERRIDE, TargetError, read_words

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.training.earlier_run import EarlierRun
    from lrdsl.training.former_plans import Choice
    from lrdsl.training.progress import Progress
    from lrdsl.training.session import AddedCallback
    from lrdsl.training.witness import Seen


@click.command(
    context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False},
    options_metavar="[OPTIONS]",
)
@click.option("-y", "--yes", is_flag=True, help="Train without asking.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing while it trains.")
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
@click.option(
    "--take-over",
    is_flag=True,
    help="Replace what else sets the rate: a schedule in the optimizer by a number, and "
    "callbacks such as ReduceLROnPlateau by nothing.",
)
@click.option(
    "--resume",
    "run_folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="RUN",
    help="Go on with the run in the folder RUN, which was killed, after the last epoch that "
    "was committed.  What stands behind it may be left out.",
)
@click.option(
    "--keep", is_flag=True, help="With --resume: go on by the plan of RUN, though it changed."
)
@click.option(
    "--adopt", is_flag=True, help="With --resume: go on by the changed plan, from here on."
)
@click.option(
    "--commit-every",
    type=click.IntRange(min=0),
    metavar="N",
    help="Commit the state for --resume every N epochs; 0 for never.  [default: 1]",
)
@horizon_options
@click.option("-m", "module", is_flag=True, help="SCRIPT is a module, as for `python -m`.")
@click.argument("file", metavar="FILE", required=False, shell_complete=complete_words)
@click.argument(
    "words",
    metavar="[NAME=VALUE]... SCRIPT [ARGS]...",
    nargs=-1,
    type=click.UNPROCESSED,
    shell_complete=complete_script,
)
def train(
    yes: bool,
    quiet: bool,
    dry_run: bool,
    out: Path | None,
    only_fit: int | None,
    take_over: bool,
    run_folder: Path | None,
    keep: bool,
    adopt: bool,
    commit_every: int | None,
    horizon: Horizon,
    module: bool,
    file: str | None,
    words: tuple[str, ...],
) -> None:
    """Run SCRIPT, a Keras program, with its learning rate set by the schedule in FILE.

    SCRIPT stays as it is: it is run as `python SCRIPT ARGS` would, and the schedule is
    added to each `Model.fit` that it calls.  It may also be `-m PKG.MODULE` or
    `PKG.MODULE:FUNCTION`.  ARGS are handed on untouched.  NAME=VALUE sets a `let` of FILE.

    Before the first batch the plan is shown and has to be agreed to.  At the end the rates
    that the training applied are compared with the plan, step by step.  Meanwhile it tells
    how far it is, unless SCRIPT has asked for Keras's own bar.  What is said goes
    to standard error; standard output is SCRIPT's own.  SCRIPT finds its results in the
    folder that the environment variable LRDSL_RUN names.

    Where TF_CONFIG says that several machines train together, start this command on each:
    the first asks, tells and writes, and the others do not.

    After each epoch the state of the run is committed to that folder.  A run that was
    killed goes on with `lrdsl train --resume RUN`, and with the rates that it would have had.

    Example: lrdsl train resnet.lrs peak=0.05 train.py --data cifar10

    \b
    Exit status: SCRIPT's own if that is not 0, otherwise
      0  the run followed the plan
      1  it did not, no `fit` was seen, FILE has errors, or the answer was no
      2  nobody could answer, wrong usage, or a file cannot be read
      3  a bug in lrdsl
    """  # noqa: D301 - click wants the backspace itself
    _check_options(run_folder, out, file, commit_every, keep=keep, adopt=adopt)
    is_chief = is_chief_of_cluster(os.environ)
    # Until all have met in `fit`, the others would wait for a chief that ends.
    waits_for_others = is_one_of_several(os.environ)
    dialogue = TerminalDialogue(yes=yes) if is_chief else WorkerDialogue()
    now = datetime.now().astimezone()
    started = now.isoformat("T", "seconds")
    former: EarlierRun | None = None
    choice: Choice | None = None
    stated_base, named = horizon.base, file
    try:
        if run_folder is not None:
            from lrdsl.training.earlier_run import choose, read_earlier_run

            choice = choose(keep, adopt)
            former = read_earlier_run(run_folder)
            words = tuple(former.fill_in_words(file, words))
            file, horizon, only_fit = former.fill_in(file, horizon, only_fit)
            take_over = take_over or bool(former.option("take_over"))
            commit_every = commit_every or former.option("commit_every")
        assert file is not None
        asked = read_words(words, module=module)
        folder = RunFolder(
            run_folder or out or default_folder(file, now),
            chosen_by_user=bool(run_folder or out),
            goes_on=run_folder is not None,
        )
        if not is_chief:
            folder = RunFolder(_folder_for_nobody(), chosen_by_user=True)
        if not waits_for_others:
            folder.check()
    except (FolderError, TargetError) as error:
        raise click.UsageError(str(error)) from None
    commit_every = 1 if commit_every is None else commit_every

    program = former.former_program() if former is not None and keep else None
    if program is None:
        program = open_program(file, asked.overrides)
    if former is not None:
        dialogue.say(former.sentence)
        if choice is None:
            former.check_plan(program, horizon, stated_base)
    early = plan_early(program, horizon)
    if waits_for_others and not dry_run:
        early = Early(why_not=early.why_not or "all machines")
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

    # From here on a program runs; to show its plan takes none of this.
    from lrdsl.training.aftermath import MOST as SCORED
    from lrdsl.training.aftermath import draw_runs, note_metrics, tell_scores
    from lrdsl.training.attach import watch_fits
    from lrdsl.training.closing import close
    from lrdsl.training.course import Course, Terms
    from lrdsl.training.launch import run
    from lrdsl.training.progress import is_one_place as go_to_one_place
    from lrdsl.training.session import FOLDER_VARIABLE, Session

    about: dict[str, Any] = {
        "schedule": SCHEDULE,
        "file": file,
        "overrides": list(asked.overrides),
        "program": str(asked.target),
        "arguments": list(asked.arguments),
        "directory": str(Path.cwd()),
        "options": {
            "fit": only_fit,
            "epochs": horizon.epochs,
            "steps_per_epoch": horizon.steps_per_epoch,
            "base": horizon.base,
            "take_over": take_over,
            "commit_every": commit_every,
        },
        "started": started,
        **({} if former is None else former.about(started, is_named=named is not None)),
    }
    os.environ.pop(FOLDER_VARIABLE, None)  # of a run around this one
    course = Course(program, Terms(only_fit, dry_run, horizon, early, about))

    def make_callback(snapshots: Path, on_plan: Callable[[Plan], None]) -> AddedCallback:
        # Imports Keras, as the program has done before it called `fit`.
        from lrdsl.training.callback import ScheduleCallback

        state = snapshots.with_name(STATE)
        if not is_chief and run_folder is not None:  # what the chief has kept is read by all
            state = run_folder.absolute() / state.relative_to(folder.path)
        from lrdsl.training.witness import add_witness

        def begin(plan: Plan) -> None:
            on_plan(plan)
            found = add_witness(callback, progress, is_one_place=is_one_place)
            if len(seen) >= SCORED:  # the data of hundreds of fits would fill the memory
                found.has_validation = False
            seen[snapshots.parent] = found

        callback = ScheduleCallback(
            program,
            snapshots=snapshots,
            on_plan=begin,
            base=horizon.base,
            take_over=take_over,
            verbose=True,
            state=state if commit_every else None,
            commit_every=commit_every or 1,
            state_conflict=choice,
        )
        callback.say = dialogue.say
        return callback

    progress = _progress(dialogue) if is_chief and not quiet else None
    seen: dict[Path, Seen] = {}
    stderr = sys.stderr

    def is_one_place() -> bool:
        return go_to_one_place(sys.stdout, stderr)

    draw = _draw if is_chief else _draw_nothing
    watch_fits(Session(course, dialogue, folder, make_callback=make_callback, draw=draw))
    process = os.getpid()
    try:
        gc.enable()  # see `lrdsl.cli.main`
        ending = run(asked.target, asked.arguments)
    except TargetError as error:
        raise click.UsageError(str(error)) from None
    finally:
        if progress is not None:
            progress.end()
    if os.getpid() != process:
        sys.exit(ending.status)  # a forked child that ran on to the program's end
    note_metrics(course, seen)
    sys.exit(
        close(
            course,
            ending,
            dialogue,
            folder,
            score=lambda: None if waits_for_others else tell_scores(course, seen, dialogue),
            draw=lambda: draw_runs(course) if is_chief else None,
        )
    )


def _progress(dialogue: Dialogue) -> Progress:
    """Return who tells how the training goes: in place at a terminal, else by lines."""
    from lrdsl.terminal.ink import CHARACTERS, Ink
    from lrdsl.training.progress import Progress

    is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    ink = Ink(can_show(sys.stderr, f"{CHARACTERS}━─"), has_colour(sys.stderr))
    return Progress(dialogue.say, sys.stderr if is_terminal else None, ink)


def _check_options(
    run_folder: Path | None,
    out: Path | None,
    file: str | None,
    commit_every: int | None,
    *,
    keep: bool,
    adopt: bool,
) -> None:
    if run_folder is None:
        if keep or adopt:
            raise click.UsageError(
                f"`--{'keep' if keep else 'adopt'}` says how `--resume RUN` goes on, and there "
                "is no `--resume`"
            )
        if file is None:
            raise click.UsageError("Missing argument 'FILE'.")
        _check_is_schedule(file, "lrdsl train")
    elif keep and adopt:
        raise click.UsageError("`--keep` and `--adopt` contradict each other: give one")
    elif out is not None:
        raise click.UsageError("`--resume RUN` goes on in RUN: leave `--out` out")
    elif commit_every == 0:
        raise click.UsageError("`--resume` needs the state: give `--commit-every` 1 or more")
    elif file is not None:
        _check_is_schedule(file, f"lrdsl train --resume {run_folder}")


def _check_is_schedule(file: str, command: str) -> None:
    if file.endswith(".py") or (OVERRIDE.match(file) and not Path(file).exists()):
        raise click.UsageError(
            f"`{file}` stands where the schedule is expected: `{command} FILE {file}`"
        )


def _folder_for_nobody() -> Path:
    """Return a folder for what a worker's program writes where its chief's has the run's."""
    import atexit
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix="lrdsl-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _draw_nothing(plan: Plan, path: Path) -> None:
    path.touch()


def _draw(plan: Plan, path: Path) -> None:
    from lrdsl.plotting import save

    with replacing(path) as beside:
        save(plan, beside)
