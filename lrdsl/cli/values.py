"""`lrdsl values`: the values of a schedule as a table, for other programs."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lrdsl.cli.metrics import make_plan, metrics_option, note
from lrdsl.cli.options import Horizon, file_argument, horizon_options, overrides_argument
from lrdsl.suggest import suggest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lrdsl.plan import Plan

_CHUNK = 1 << 16
_TIME = re.compile(r"(\d{1,40}(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?)\s*(epochs?|steps?|%)?")

_Row = tuple[int | float | None, ...]


@click.command()
@file_argument
@overrides_argument
@click.option(
    "--at",
    "times",
    multiple=True,
    metavar="TIME,...",
    help="Only the steps at these times: `10`, `10 epochs`, `500 steps`, `30%`.  A bare "
    "number counts what FILE counts.  Between two steps: the next one.  [default: every step]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["csv", "json"]),
    default="csv",
    show_default=True,
    help="csv with a header line, or json: a list of objects, one a line.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="NAME",
    help="Only this column, such as `lr`; may be repeated.  [default: all that FILE sets]",
)
@metrics_option
@horizon_options
def values(
    file: str,
    overrides: tuple[str, ...],
    times: tuple[str, ...],
    output_format: str,
    targets: tuple[str, ...],
    metrics: Path | None,
    horizon: Horizon,
) -> None:
    """Write the values of the schedule in FILE (`-` is standard input), a row for each step.

    The columns are the step and the epoch at which it begins, both counted from 0, and one
    for each target, in float64 and with all its digits.  The epoch is left empty where the
    steps in an epoch are not known.  NAME=VALUE sets a `let` of FILE.  Of a schedule that
    reacts to metrics the values are those of a training in which nothing ever happens, or,
    with --metrics, of the one that was logged.

    Example: lrdsl values resnet.lrs --steps-per-epoch 390 --at 0,4.5,5,90%
    """
    asked = [_parse_time(word) for words in times for word in words.split(",")]
    plan = make_plan(file, overrides, horizon, metrics)
    columns = _columns(plan, targets)
    # A plan that has no steps says what it lacks.
    plan.values(0, columns[0])
    steps = [_step(plan, word, number, unit) for word, number, unit in asked] if asked else None
    rows = _rows(plan, columns, steps)
    _tell_what_is_open(plan)
    write = _write_csv if output_format == "csv" else _write_json
    write(["step", "epoch", *columns], rows, sys.stdout.write)


def _tell_what_is_open(plan: Plan) -> None:
    """Say which of the values metrics may still change."""
    from lrdsl.highlights import unsettled_from
    from lrdsl.scales import format_time

    end = unsettled_from(plan)
    if end is not None:
        when = f"{plan.unit.removesuffix('s')} {format_time(end)}"
        note(f"from {when} on the values are those if nothing happens after the log ends")
    elif plan.program.reactive is not None and not plan.log:
        names = ", ".join(f"`{name}`" for name in plan.program.metrics)
        note(
            f"the schedule reacts to {names}; these are the values if nothing ever happens, "
            "and `--metrics log.csv` gives those of a training that was logged"
        )


def _columns(plan: Plan, targets: tuple[str, ...]) -> list[str]:
    for target in targets:
        if target not in plan.targets:
            meant = suggest(target, plan.targets)
            there = ", ".join(f"`{name}`" for name in plan.targets)
            hint = f"did you mean `{meant}`?" if meant else f"there is {there}"
            raise click.UsageError(f"the schedule does not set `{target}`; {hint}")
    return list(dict.fromkeys(targets)) or list(plan.targets)


def _parse_time(word: str) -> tuple[str, Fraction, str]:
    match = _TIME.fullmatch(word.strip())
    if match is None:
        raise click.UsageError(
            f"--at: expected a time, such as `10`, `10 epochs`, `500 steps` or `30%`, "
            f"not `{word.strip()}`"
        )
    return word.strip(), Fraction(match[1]), (match[2] or "").rstrip("s")


def _step(plan: Plan, word: str, number: Fraction, unit: str) -> int:
    """Return the first step at or after a time, as a segment that begins there has it."""
    total = plan.total_steps
    assert total is not None
    if unit == "%":
        step = number / 100 * total
    elif unit == "step" or (not unit and plan.unit == "steps"):
        step = number
    elif plan.steps_per_epoch is not None:
        step = number * plan.steps_per_epoch
    else:
        raise click.UsageError(f"--at {word}: epochs are known only with --steps-per-epoch")
    if math.ceil(step) >= total:
        raise click.UsageError(f"--at {word}: the last step is {total - 1:,}")
    return math.ceil(step)


def _rows(plan: Plan, columns: list[str], steps: list[int] | None) -> Iterator[list[_Row]]:
    """Yield the rows of the table in chunks, so that memory does not grow with training."""
    import numpy as np

    total = plan.total_steps
    assert total is not None
    for start in range(0, total if steps is None else len(steps), _CHUNK):
        if steps is None:
            chunk: NDArray[np.int64] = np.arange(start, min(start + _CHUNK, total))
        else:
            chunk = np.array(steps[start : start + _CHUNK], dtype=np.int64)
        numbers: list[int] = chunk.tolist()
        per_epoch = plan.steps_per_epoch
        epochs = [None if per_epoch is None else step / per_epoch for step in numbers]
        values = [plan.values(chunk, column).tolist() for column in columns]
        yield list(zip(numbers, epochs, *values, strict=True))


def _write_csv(
    names: list[str], chunks: Iterator[list[_Row]], write: Callable[[str], object]
) -> None:
    write(",".join(names) + "\n")
    for rows in chunks:
        lines = [",".join("" if v is None else repr(v) for v in row) for row in rows]
        write("\n".join(lines) + "\n")


def _write_json(
    names: list[str], chunks: Iterator[list[_Row]], write: Callable[[str], object]
) -> None:
    before = "[\n"
    for rows in chunks:
        lines = [
            json.dumps(dict(zip(names, row, strict=True)), allow_nan=False) for row in rows
        ]
        write(before + ",\n".join(lines))
        before = ",\n"
    write("\n]\n")
