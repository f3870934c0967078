"""Whether plan and run agreed: the rates read back from the training, against the plan's."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.highlights import saved_after
from lrdsl.scales import format_time
from lrdsl.targets import RATE
from lrdsl.training.files import replacing

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Snapshot

AppliedRates = Mapping[str, NDArray[np.float32]]
"""Rates read back from a training, by target."""

_LISTED = 8  # snapshots

_AT_ONCE = 1 << 18
"""How many steps are held at a time; a training may have a thousand times as many."""


class Ended(Enum):
    """How a `fit` came to its end."""

    FINISHED = "finished"
    STOPPED = "stopped"  # by a callback, through `model.stop_training`
    RAISED = "raised"


@dataclass(frozen=True, slots=True)
class Difference:
    """One step at which another rate was applied than planned."""

    target: str
    step: int
    epoch: int | None
    planned: np.float32
    applied: np.float32


@dataclass(frozen=True, slots=True)
class Agreement:
    """What comparing a run with its plan has shown.

    Attributes:
        planned: the steps that the plan has from where the `fit` entered it.
        ran: the steps whose applied rate the training recorded.
        skipped: the steps among them at which it recorded none.
        differing: the steps at which the rates differ.
        first: the first of these.
        ended: how the `fit` ended.
    """

    planned: int
    ran: int
    skipped: int
    differing: int
    first: Difference | None
    ended: Ended

    @property
    def holds(self) -> bool:
        """Whether every step ran as planned; what stopped early agrees as far as it went."""
        complete = self.ran == self.planned
        cut_short = self.ended is not Ended.FINISHED and self.ran < self.planned
        return self.differing == 0 and self.skipped == 0 and (complete or cut_short)

    @property
    def is_whole(self) -> bool:
        """Whether plan and run agree to the plan's last step."""
        return self.holds and self.ran == self.planned

    def sentence(self) -> str:
        """Return what a person is told, in one line."""
        if self.first is not None:
            first = self.first
            epoch = "" if first.epoch is None else f" (epoch {first.epoch})"
            verb = "differs" if self.differing == 1 else "differ"
            what = "" if first.target == RATE else f"`{first.target}` "
            return (
                f"plan ≠ run: first at step {first.step:,}{epoch}: {what}planned "
                f"{first.planned!s}, applied {first.applied!s}; "
                f"{self.differing:,} of {_steps(self.ran)} {verb}"
            )
        if self.skipped:
            return f"plan ≠ run: no rate was recorded at {_steps(self.skipped)}"
        if not self.holds:
            return f"plan ≠ run: {_steps(self.planned)} planned, rates of {self.ran:,} recorded"
        if self.is_whole:
            return f"plan = run at all {_steps(self.ran)}"
        if self.ran == 0:
            return f"stopped before the first of {_steps(self.planned)}"
        left = self.planned - self.ran
        return (
            f"plan = run at all {_steps(self.ran)} that ran; "
            f"stopped {_steps(left)} before the plan's end"
        )


def compare(
    plan: Plan, applied: AppliedRates, steps: NDArray[np.int64], ended: Ended
) -> Agreement:
    """Compare the rates applied with float32 of the plan's, bit for bit.

    Args:
        plan: what was to be.
        applied: each rate at each step that ran, read back from the training, by target.
        steps: which step of the plan each of them is.
        ended: how the `fit` ended.
    """
    differing = 0
    first: Difference | None = None
    for at in _chunks(len(steps)):
        planned = {name: plan.values(steps[at], name).astype(np.float32) for name in applied}
        # Written so that a nan, which equals nothing, differs.
        wrong = {name: ~(planned[name] == applied[name][at]) for name in applied}
        where = np.flatnonzero(np.any(list(wrong.values()), axis=0))
        differing += len(where)
        if first is None and len(where):
            index = where[0]
            target = next(name for name in wrong if wrong[name][index])
            step = int(steps[at][index])
            epoch = step // plan.steps_per_epoch if plan.steps_per_epoch else None
            rates = planned[target][index], applied[target][at][index]
            first = Difference(target, step, epoch, *rates)
    start = int(steps[0]) if len(steps) else 0
    total = plan.total_steps
    assert total is not None, "a plan that has run knows its steps"
    return Agreement(
        planned=total - start,
        ran=len(steps),
        skipped=int(np.sum(np.diff(steps) - 1)),
        differing=differing,
        first=first,
        ended=ended,
    )


def write_rates(
    path: Path,
    fit: int,
    plan: Plan,
    applied: AppliedRates,
    steps: NDArray[np.int64],
    *,
    earlier: Sequence[tuple[Plan, AppliedRates, NDArray[np.int64]]] = (),
) -> None:
    """Write one line a step: `fit,step,epoch,planned,applied`.

    Each number is the shortest that reads back as itself: `planned` as float64, `applied`
    as float32.  Where there are other rates than `lr`, those of an optimizer's parts, each
    has two columns, `planned slow.lr,applied slow.lr`.  What ran by `earlier` plans, before
    another was adopted, comes first.

    Raises:
        OSError: the file could not be written; nothing of it is left.
    """
    with replacing(path) as beside, beside.open("w", newline="", encoding="ascii") as file:
        writer = csv.writer(file, lineterminator="\n")
        followed = (*earlier, (plan, applied, steps))
        targets = list(dict.fromkeys(name for _, rates, _ in followed for name in rates))
        alone = targets in ([], [RATE])
        names = [
            word if alone else f"{word} {name}"
            for name in targets or [RATE]
            for word in ("planned", "applied")
        ]
        writer.writerow(["fit", "step", "epoch", *names])
        for one in followed:
            for rows in _rows(*one, targets):
                writer.writerows([fit, *row] for row in rows)


def never_due_sentence(plan: Plan, snapshots: Sequence[Snapshot]) -> str:
    """Return which snapshots a training that stopped early has not come to, in one line."""
    unit = plan.unit.removesuffix("s")
    times = [format_time(saved_after(plan, one)) for one in snapshots]
    if len(times) > _LISTED:
        times = [*times[: _LISTED - 2], "…", times[-1]]
    when = times[0] if len(times) == 1 else f"{', '.join(times[:-1])} and {times[-1]}"
    unit = unit if len(times) == 1 else f"{unit}s"
    were = "was" if len(snapshots) == 1 else "were"
    return (
        f"{len(snapshots):,} of {len(plan.snapshots):,} snapshots {were} never due: the "
        f"training stopped before {unit} {when}"
    )


def _rows(
    plan: Plan, applied: AppliedRates, steps: NDArray[np.int64], targets: Sequence[str]
) -> Iterator[Iterable[tuple[object, ...]]]:
    for at in _chunks(len(steps)):
        epochs = (
            (steps[at] // plan.steps_per_epoch).tolist()
            if plan.steps_per_epoch
            else [""] * len(steps[at])
        )
        columns: list[Sequence[object]] = []
        for name in targets:
            if name in applied:
                columns.append(plan.values(steps[at], name).tolist())
                columns.append([str(rate) for rate in applied[name][at]])
            else:  # of a plan before or after
                columns += [[""] * len(epochs)] * 2
        yield zip(steps[at].tolist(), epochs, *columns, strict=True)


def _chunks(length: int) -> Iterator[slice]:
    for start in range(0, length, _AT_ONCE):
        yield slice(start, start + _AT_ONCE)


def _steps(count: int) -> str:
    return f"{count:,} step" if count == 1 else f"{count:,} steps"
