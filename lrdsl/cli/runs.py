"""The option `--run`: what a training applied, over the plan of its schedule."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lrdsl.cli.metrics import plan_of, read_log, see_all_there
from lrdsl.cli.options import Horizon, UnusableFile, open_program
from lrdsl.diagnostics import LrsError

if TYPE_CHECKING:
    from lrdsl.applied import Run
    from lrdsl.plan import Plan
    from lrdsl.run_view import RunView

_Command = TypeVar("_Command", bound=Callable[..., Any])


def run_option(command: _Command) -> _Command:
    """Add --run, the folder or the log that `view_of_run` reads."""
    return click.option(
        "--run",
        type=click.Path(path_type=Path),
        metavar="RUN",
        help="Lay the rates that a training applied over the plan: a folder of `lrdsl train`, "
        "or a csv with its rate at each step or epoch, as CSVLogger writes it.  Says whether "
        "they agree, and where they first part.",
    )(command)


def view_of_run(
    words: Sequence[str], horizon: Horizon, metrics: Path | None, path: Path
) -> RunView:
    """Return the plan of a schedule with a run beside it.

    What neither the command line nor the file says of the training, the run does.

    Raises:
        click.UsageError, UnusableFile, LrsError: as `several.make_plans`; UsageError also
            where nothing says how many steps an epoch has.
        UnusableFile: the run cannot be read, or has no rates.
    """
    from lrdsl.applied import NoRun, hold_against
    from lrdsl.run_view import RunView

    if any("=" not in word for word in words[1:]):
        raise click.UsageError("--run is laid over one schedule: give one FILE")
    run = _read(path)
    plan = _plan(words, horizon, metrics, path, run)
    if plan.total_steps is None or (run.by_epoch and plan.steps_per_epoch is None):
        raise click.UsageError(
            f"nothing says how many steps an epoch has, and `{path}` neither: give "
            "`--steps-per-epoch 390`"
        )
    try:
        agreement = hold_against(plan, run)
    except NoRun as error:
        raise UnusableFile(f"cannot use `{path}`: {error}") from None
    rows = run.metrics if metrics is None else read_log(metrics)
    return RunView(plan, run, agreement, rows)


def _plan(
    words: Sequence[str], horizon: Horizon, metrics: Path | None, path: Path, run: Run
) -> Plan:
    program = open_program(words[0], words[1:])
    epochs, per_epoch, base = horizon.epochs, horizon.steps_per_epoch, horizon.base
    train = program.train
    if train is None and epochs is None:
        epochs = run.epochs
        if epochs is None and run.by_epoch:
            epochs = int(run.steps[-1]) + 1
    if per_epoch is None and (train is None or train.steps_per_epoch is None):
        per_epoch = run.steps_per_epoch
    filled = Horizon(epochs, per_epoch, run.base if base is None else base, run.own)
    if metrics is not None and program.reactive is not None:
        return plan_of(program, filled, metrics)
    plan = plan_of(program, filled, None)
    if program.reactive is None or not any(run.metrics):
        return plan
    assert plan.horizon.total is not None
    see_all_there(program, run.metrics, str(path))
    most = math.ceil(plan.horizon.in_epochs(plan.horizon.total) or len(run.metrics))
    return plan.replay(run.metrics[:most])


def _read(path: Path) -> Run:
    from lrdsl.applied import NoRun, read_run

    try:
        return read_run(path)
    except NoRun as error:
        raise UnusableFile(f"cannot use `{path}`: {error}") from None
    except OSError as error:
        raise UnusableFile(f"cannot read `{path}`: {error.strerror or error}") from None
    except LrsError as error:
        problem = error.diagnostics[0]
        raise UnusableFile(f"cannot read `{path}`: {problem.message}; {problem.help}") from None
