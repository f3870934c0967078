"""The option `--metrics`: a schedule that reacts, with the metrics of a training replayed."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lrdsl.cli.options import Horizon, UnusableFile, open_program, show_problems, write
from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.suggest import suggest

if TYPE_CHECKING:
    from lrdsl.metric_log import Row
    from lrdsl.plan import Plan
    from lrdsl.program import Program

_Command = TypeVar("_Command", bound=Callable[..., Any])

_UNREADABLE = 2
_MOST_NAMES = 12


def metrics_option(command: _Command) -> _Command:
    """Add --metrics, the file that `make_plan` replays."""
    return click.option(
        "--metrics",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="LOG",
        help="Replay these metrics: a file of keras.callbacks.CSVLogger, or a history in "
        "JSON.  Its epochs are the length of training where nothing else says it.",
    )(command)


def make_plan(
    file: str, overrides: Sequence[str], horizon: Horizon, metrics: Path | None
) -> Plan:
    """Return the plan of a schedule in a file; see `plan_of`.

    Raises:
        click.UsageError, UnusableFile, LrsError: as `options.open_program`, and `plan_of`.
        SystemExit: the metrics cannot be read; why is said.
    """
    return plan_of(open_program(file, overrides), horizon, metrics)


def plan_of(
    program: Program, horizon: Horizon, metrics: Path | None, *, steps: int | None = None
) -> Plan:
    """Return the plan of a program for the training that is asked for, metrics replayed.

    What is odd about the metrics is told on standard error.

    Args:
        program: the schedule.
        horizon: what the command line says of the training.
        metrics: the log to replay, None for none.
        steps: the length of a training that is counted in steps, where another file says it.

    Raises:
        SystemExit: the metrics cannot be read; why is said.
        LrsError: schedule and training do not fit together, or a metric that the schedule
            reacts to is not there (LRS606).
    """
    from lrdsl.training.early import check_options

    check_options(program, epochs=horizon.epochs, steps_per_epoch=horizon.steps_per_epoch)
    rows = None if metrics is None else read_log(metrics)
    epochs = horizon.epochs
    if rows is not None and epochs is None and program.train is None:
        epochs = len(rows)
    plan = program.plan(
        epochs=epochs,
        steps_per_epoch=horizon.steps_per_epoch,
        steps=steps,
        base=horizon.base,
        own=horizon.own,
    )
    if rows is None:
        return plan
    if program.reactive is None:
        note(f"the schedule reacts to no metric, so `{metrics}` changes nothing")
        return plan
    see_all_there(program, rows, str(metrics))
    assert plan.horizon.total is not None, "what is planned has a length"
    most = math.ceil(plan.horizon.in_epochs(plan.horizon.total) or len(rows))
    if len(rows) > most:
        note(f"`{metrics}` has {len(rows):,} epochs, and the first {most:,} are replayed")
    if not rows[0]:
        first = next(epoch for epoch, row in enumerate(rows) if row)
        note(f"`{metrics}` begins with epoch {first}; epochs count from 0")
    return plan.replay(rows[:most])


def note(text: str) -> None:
    """Say on standard error, once, what is no problem, and good to know."""
    told = click.get_current_context().meta.setdefault("lrdsl.notes", set())
    if text not in told:  # of several plans each would say the same
        told.add(text)
        write(f"note: {text}", sys.stderr)


def read_log(path: Path) -> tuple[Row, ...]:
    """Return the metrics in a log.

    Raises:
        UnusableFile: it cannot be read.
        SystemExit: it is damaged; how is said.
    """
    from lrdsl.metric_log import read_metrics

    try:
        return read_metrics(path)
    except OSError as error:
        raise UnusableFile(f"cannot read `{path}`: {error.strerror or error}") from None
    except LrsError as error:
        show_problems(error)
        sys.exit(_UNREADABLE)


def see_all_there(program: Program, rows: Sequence[Row], name: str) -> None:
    """Raise LrsError if a metric that a program reacts to is in none of the epochs."""
    there = list(dict.fromkeys(metric for row in rows for metric in row))
    problems = []
    for metric, span in program.metrics.items():
        if metric in there:
            continue
        meant = suggest(metric, there)
        listed = ", ".join(f"`{one}`" for one in there[:_MOST_NAMES])
        listed += f" and {len(there) - _MOST_NAMES:,} more" * (len(there) > _MOST_NAMES)
        repair = f"did you mean `{meant}`?" if meant else f"it has {listed}"
        if metric.startswith("val_") and not any(one.startswith("val_") for one in there):
            repair += "; `val_…` needs `fit(validation_data=…)`"
        problems.append(
            Diagnostic(
                code="LRS606",
                message=f"no epoch of `{name}` has the metric `{metric}`",
                primary=Label(span, "waits for it"),
                help=repair,
            )
        )
    if problems:
        raise LrsError(problems, program.source)
