"""What a training that is over has applied: read from its run folder, or from a log of it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from lrdsl.metric_log import Row, read_metrics
from lrdsl.records import dataclass
from lrdsl.scales import format_time
from lrdsl.targets import RATE

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan

RATES: Final = "rates.csv"  # as `lrdsl.training.run_folder` has them
RECORD: Final = "run.json"

LOGGED: Final = ("learning_rate", "lr")
"""What a log calls the rate."""

_APPLIED = "applied"
_MOST_STEPS = 50_000_000
_LARGEST_STEP = 2**53  # up to there a float is the number that was written
_SEPARATORS = (",", ";", "\t")
_ROUNDED = 1e-6  # relative; logs of other programs have six digits at least
_FEW = 1000


class NoRun(ValueError):
    """The file or folder tells nothing of a run's rates; the text says why."""


@dataclass(frozen=True, slots=True, eq=False)
class Happened:
    """An event that a run has recorded."""

    kind: str
    target: str
    step: int
    cause: str


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What a training has applied.

    Attributes:
        steps: at which steps; where the run is logged by epochs, the last of each.
        rates: the rates applied there, by target.
        by_epoch: whether it was logged by epochs, and `steps` are numbers of epochs.
        is_exact: whether the rates are what the training recorded, to the bit.
        metrics: a row for each epoch, as far as they are known.
        epochs, steps_per_epoch, base, own: of the training, where the run says so.
        events: what the run has recorded of its reactions to metrics.
    """

    steps: NDArray[np.int64]
    rates: Mapping[str, NDArray[np.float64]]
    by_epoch: bool
    is_exact: bool
    metrics: tuple[Row, ...] = ()
    epochs: int | None = None
    steps_per_epoch: int | None = None
    base: float | None = None
    own: Mapping[str, float] = MappingProxyType({})
    events: tuple[Happened, ...] = ()


@dataclass(frozen=True, slots=True)
class Parting:
    """Where plan and run first part."""

    target: str
    step: int
    planned: float
    applied: float


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """What holding a run against a plan has shown.

    Attributes:
        steps: of the plan, those that the run tells of.
        rates: what it applied there, by target.
        at_start: whether the run's log has the rates with which its epochs began.
        differing: the places in `steps` at which a rate differs.
        first: where they first part, None if nowhere.
        beyond: how many places of the run are not in the plan.
        left: how many steps the plan goes on after the run's last.
        is_exact: whether rates were compared to the bit, and not to six digits.
    """

    steps: NDArray[np.int64]
    rates: Mapping[str, NDArray[np.float64]]
    at_start: bool
    differing: NDArray[np.intp]
    first: Parting | None
    beyond: int
    left: int
    is_exact: bool

    @property
    def holds(self) -> bool:
        """Whether the run did nothing that was not planned; it may have ended before."""
        return self.first is None and not self.beyond


def read_run(path: Path) -> Run:
    """Return what a run has applied.

    Args:
        path: the folder of `lrdsl train`, or of one `fit` in it; or a csv with a row a step
            (`step,lr`) or a row an epoch (as `keras.callbacks.CSVLogger` writes it).

    Raises:
        NoRun: there are no rates in it.
        LrsError: a log is damaged (LRS112).
        OSError: it cannot be read.
    """
    if path.is_dir():
        if not (path / RATES).exists():
            raise NoRun(f"it has no `{RATES}`; `lrdsl train` writes that when a `fit` is over")
        return _with_record(_by_steps(path / RATES, is_exact=True), path)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        line = file.readline()
        header = [name.strip() for name in line.split(_separator(line))]
    if "step" in header and _columns(header):
        return _by_steps(path, is_exact=_APPLIED in header)
    rows = read_metrics(path)
    name = next((one for one in LOGGED if any(one in row for row in rows)), None)
    if name is None:
        there = ", ".join(f"`{one}`" for one in dict.fromkeys(n for row in rows for n in row))
        raise NoRun(f"it has no column `learning_rate` or `lr`; it has {there}")
    epochs = [epoch for epoch, row in enumerate(rows) if name in row]
    rates = np.array([rows[epoch][name] for epoch in epochs], dtype=np.float64)
    metrics = tuple({k: v for k, v in row.items() if k != name} for row in rows)
    steps = np.array(epochs, dtype=np.int64)
    return Run(steps, {RATE: rates}, True, False, metrics=metrics)


def hold_against(plan: Plan, run: Run) -> Agreement:
    """Compare what a run applied with float32 of what a plan has.

    Of a run that is logged by epochs, the rate is that of the epoch's last step, as Keras
    logs it, or of its first, if more of them agree.

    Args:
        plan: the plan, whose steps are known.
        run: the run.

    Raises:
        NoRun: the plan sets none of its rates.
    """
    assert plan.total_steps is not None
    rates = {name: values for name, values in run.rates.items() if name in plan.targets}
    if not rates:
        raise NoRun(f"it tells of {', '.join(run.rates)}, which the schedule does not set")
    if not run.by_epoch:
        return _held(plan, run, rates, run.steps, at_start=False)
    per_epoch = plan.steps_per_epoch
    assert per_epoch is not None
    first = _held(plan, run, rates, run.steps * per_epoch, at_start=True)
    last = _held(plan, run, rates, (run.steps + 1) * per_epoch - 1, at_start=False)
    return first if len(first.differing) < len(last.differing) else last


def why(plan: Plan, run: Run, agreement: Agreement) -> str:
    """Return what plan and run do where they first part, in a clause.

    An event or a boundary of the plan there, or of the run; else the segment, and what else
    is known of both sides.
    """
    parting = agreement.first
    assert parting is not None
    step, target = parting.step, parting.target
    back = (plan.steps_per_epoch or 1) if run.by_epoch else 1
    for event in plan.events:
        if (
            event.target == target
            and event.step is not None
            and step - back < event.step <= step
        ):
            return f"the plan has {_told(event)} there"
    for one in run.events:
        if one.target == target and step - back < one.step <= step:
            return f"the run has a {one.kind} there ({one.cause})"
    segments = [
        one
        for one in plan.segments_of(target)
        if one.first_step is not None and one.first_step <= step
    ]
    segment = segments[-1]
    where = f"`{segment.text}` (line {segment.line})"
    if segment.first_step and step - back < segment.first_step:
        return f"there the plan goes on to {where}"
    starts = (math.ceil(time * plan.horizon.unit_ticks) for time in segment.cycles)
    if any(step - back < start <= step for start in starts):
        return f"there a cycle of {where} begins"
    words = [f"within {where}"]
    before = _jump(plan, agreement)
    if before is not None:
        words.append(f"the run goes from {before:.6g} to {parting.applied:.6g} there")
    later = [one for one in plan.events if one.target == target and (one.step or 0) > step]
    if later:
        words.append(f"the plan next has {_told(later[0])}")
    return "; ".join(words)


def _told(event: Event) -> str:
    time = event.time if event.epoch is None else event.epoch
    unit = "step" if event.epoch is None else "epoch"
    what = event.cause.replace("`", "") or f"line {event.line}"
    return f"the {event.kind} of {unit} {format_time(time)} ({what})"


def _jump(plan: Plan, agreement: Agreement) -> float | None:
    """Return the run's rate before they part, if it does not go on as the plan does."""
    at, parting = int(agreement.differing[0]), agreement.first
    assert parting is not None
    if at == 0 or parting.target not in agreement.rates:
        return None
    before = float(agreement.rates[parting.target][at - 1])
    planned = float(plan.values(int(agreement.steps[at - 1]), parting.target))
    moved, meant = abs(parting.applied - before), abs(parting.planned - planned)
    return before if moved > 2 * meant + _ROUNDED * abs(before) else None


def _held(
    plan: Plan,
    run: Run,
    rates: Mapping[str, NDArray[np.float64]],
    steps: NDArray[np.int64],
    *,
    at_start: bool,
) -> Agreement:
    total = plan.total_steps or 0
    inside = steps < total
    steps, beyond = steps[inside], int(np.count_nonzero(~inside))
    rates = {name: values[inside] for name, values in rates.items()}
    wrong = np.zeros(len(steps), dtype=bool)
    first: Parting | None = None
    for name, applied in rates.items():
        planned = plan.values(steps, name)
        # Written so that a nan, which equals nothing, differs.
        same = planned.astype(np.float32) == applied.astype(np.float32)
        if not run.is_exact:
            same |= np.abs(planned - applied) <= _ROUNDED * np.abs(planned)
        wrong |= ~same
        where = np.flatnonzero(~same)
        if len(where) and (first is None or steps[where[0]] < first.step):
            at = where[0]
            first = Parting(name, int(steps[at]), float(planned[at]), float(applied[at]))
    last = int(steps[-1]) if len(steps) else -1
    left = total - 1 - last
    if at_start and plan.steps_per_epoch is not None:
        left -= min(left, plan.steps_per_epoch - 1)
    differing = np.flatnonzero(wrong)
    return Agreement(steps, rates, at_start, differing, first, beyond, left, run.is_exact)


# Files.


def _separator(line: str) -> str:
    """Return what separates the cells of a table that begins with a line."""
    return max(_SEPARATORS, key=line.count)


def _columns(header: Sequence[str]) -> dict[str, int]:
    """Return the columns of rates in a table by steps, by target."""
    found: dict[str, int] = {}
    for at, name in enumerate(header):
        if name == _APPLIED or name in LOGGED:
            found.setdefault(RATE, at)
        elif name.startswith(f"{_APPLIED} "):
            found[name.removeprefix(f"{_APPLIED} ")] = at
    return found


def _by_steps(path: Path, *, is_exact: bool) -> Run:
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        separator = _separator(file.readline())
        file.seek(0)
        lines = csv.reader(file, delimiter=separator)
        header = [name.strip() for name in next(lines, [])]
        columns = _columns(header)
        if "step" not in header or not columns:
            raise NoRun(f"`{path.name}` has no columns `step` and `{_APPLIED}`")
        rows = list(_numbers(lines, path, [header.index("step"), *columns.values()]))
    if not rows:
        raise NoRun(f"`{path.name}` has no step")
    table = np.array(rows, dtype=np.float64)
    # A run that went on after a kill may tell of a step twice: the later one counts.
    steps, last = np.unique(table[::-1, 0].astype(np.int64), return_index=True)
    table = table[::-1][last]
    rates = {name: table[:, i] for i, name in enumerate(columns, 1)}
    return Run(steps, rates, False, is_exact)


def _numbers(
    lines: Iterator[list[str]], path: Path, columns: Sequence[int]
) -> Iterator[list[float]]:
    for number, line in enumerate(lines, 2):
        if number > _MOST_STEPS:
            raise NoRun(f"`{path.name}` has more than {_MOST_STEPS:,} steps")
        if not line:
            continue
        try:
            cells = [line[column].strip() for column in columns]
            row = [float(cell) if cell else math.nan for cell in cells]
        except (ValueError, IndexError):
            raise NoRun(f"line {number} of `{path.name}` is no row of numbers") from None
        if not (0 <= row[0] < _LARGEST_STEP and row[0] % 1 == 0):
            raise NoRun(f"line {number} of `{path.name}` has no number of a step")
        yield row


def _with_record(run: Run, folder: Path) -> Run:
    """Return a run with what `run.json` says of it, here or in the folder above."""
    top = folder if (folder / RECORD).exists() else folder.parent
    try:
        fits = json.loads((top / RECORD).read_bytes())["fits"]
        fit = next(one for one in fits if (top / one["folder"]).resolve() == folder.resolve())
        base = fit["base"]
        events = tuple(
            Happened(str(e["kind"]), str(e["target"]), int(e["step"]), str(e["cause"]))
            for e in fit["events"]
            if e["step"] is not None
        )
        return Run(
            run.steps,
            run.rates,
            run.by_epoch,
            run.is_exact,
            _metrics(fit["metrics"]),
            fit["epochs"],
            fit["steps_per_epoch"],
            base if isinstance(base, float) else None,
            {str(name): float(value) for name, value in fit.get("own", {}).items()},
            events,
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        return run  # without it, what is not known must be said


def _metrics(rows: Sequence[Mapping[str, Any]]) -> tuple[Row, ...]:
    found = {int(row["epoch"]): row for row in rows}
    return tuple(
        {k: float(v) for k, v in found.get(epoch, {}).items() if k != "epoch"}
        for epoch in range(max(found, default=-1) + 1)
    )
