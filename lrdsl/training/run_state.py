"""All that the rest of a run depends on, as one commit holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic
from lrdsl.planning.courses import Row
from lrdsl.targets import main
from lrdsl.training.commits import Commit
from lrdsl.training.former_plans import FormerPlan
from lrdsl.training.manifest import SavedSnapshot

if TYPE_CHECKING:
    from lrdsl.plan import Plan

Runs = list[tuple[int, NDArray[np.float32]]]
"""Rates that were applied: the first step of each stretch, and its rates.

Where several rates were, for the parts of an optimizer, each has a column.
"""


@dataclass(frozen=True, slots=True)
class LoggedEpoch:
    """What Keras logged of an epoch that is done.

    Attributes:
        epoch: its number, from 0.
        metrics: each number in the logs by its name, in float64.
    """

    epoch: int
    metrics: dict[str, float]

    @classmethod
    def of(cls, epoch: int, logs: dict[str, Any] | None) -> LoggedEpoch:
        """Return what is to be kept of an epoch's logs: all that is a number."""
        metrics = {}
        for name, value in (logs or {}).items():
            try:
                metrics[name] = float(value)
            except (TypeError, ValueError):
                continue
        return cls(epoch, metrics)


def rows_of(log: Sequence[LoggedEpoch], until: int | None = None) -> list[Row]:
    """Return the metrics of each epoch up to `until`, as `Plan.replay` takes them.

    Of the epochs before `initial_epoch` nothing is known.
    """
    rows: list[Row] = []
    for one in log:
        if until is None or one.epoch < until:
            rows += [{}] * (one.epoch + 1 - len(rows))
            rows[one.epoch] = one.metrics
    return rows


def put_before(log: Sequence[LoggedEpoch], history: Any) -> None:
    """Complete Keras's `History` as if the run had never stopped."""
    history.epoch[:0] = [one.epoch for one in log]
    for name in dict.fromkeys(name for one in log for name in one.metrics):
        values = [one.metrics[name] for one in log if name in one.metrics]
        history.history[name] = values + history.history.get(name, [])


@dataclass(frozen=True, slots=True)
class Followed:
    """A plan that was followed before another one was adopted, with the rates applied.

    Attributes:
        plan: the plan.
        targets: the rates that were applied.
        rates: what they were at each step, each in a column where they are several.
        steps: which steps of the plan those are.
    """

    plan: Plan
    targets: Sequence[str]
    rates: NDArray[np.float32]
    steps: NDArray[np.int64]

    @property
    def applied_rates(self) -> dict[str, NDArray[np.float32]]:
        """The rates applied, by target."""
        return by_target(self.targets, self.rates)

    @property
    def applied(self) -> NDArray[np.float32]:
        """The rates applied of the target `lr`, or of the first."""
        return self.applied_rates[main(self.targets)]


@dataclass(frozen=True)
class RunState:
    """What one commit says.

    Attributes:
        epoch: how many epochs are done.
        finished: whether the `fit` has come to its end.
        stopped: whether a callback has stopped it.
        backend: the backend of Keras that trains.
        plans: the plans followed, the present one last.
        rates: what each of them applied.
        log: what Keras logged of each epoch.
        saved: the models saved, their paths relative to the folder of the snapshots.
        missed: the models that could not be saved.
        variables: what each variable of model and optimizer is.
        values: what each of them was.
        random: the state of the random numbers outside of the model; None where several
            processes train, each with its own.
    """

    epoch: int
    finished: bool
    stopped: bool
    backend: str
    plans: Sequence[FormerPlan]
    rates: Sequence[Runs]
    log: Sequence[LoggedEpoch]
    saved: Sequence[SavedSnapshot]
    missed: Sequence[Diagnostic]
    variables: Sequence[Sequence[Any]]
    values: Sequence[NDArray[Any]]
    random: dict[str, Any] | None

    def as_commit(self) -> Commit:
        """Return it as the folder holds it."""
        about = {
            "epoch": self.epoch,
            "finished": self.finished,
            "stopped": self.stopped,
            "backend": self.backend,
            "plans": [
                {**plan.as_json(), "runs": [[first, len(rates)] for first, rates in runs]}
                for plan, runs in zip(self.plans, self.rates, strict=True)
            ],
            "log": [asdict(one) for one in self.log],
            "snapshots": [{**asdict(one), "path": one.path.as_posix()} for one in self.saved],
            "missed": [{"message": one.message, "help": one.help} for one in self.missed],
            "variables": self.variables,
            "random": self.random,
        }
        return Commit(about, (*self.values, *(joined(runs)[0] for runs in self.rates)))

    @classmethod
    def of(cls, commit: Commit) -> RunState:
        """Return what `as_commit` has made a commit of."""
        about = commit.about
        count = len(about["variables"])
        return cls(
            epoch=about["epoch"],
            finished=about["finished"],
            stopped=about["stopped"],
            backend=about["backend"],
            plans=[FormerPlan.from_json(one) for one in about["plans"]],
            rates=[
                _split(one["runs"], rates)
                for one, rates in zip(about["plans"], commit.arrays[count:], strict=True)
            ],
            log=[LoggedEpoch(**one) for one in about["log"]],
            saved=[
                SavedSnapshot(**{**one, "path": Path(one["path"])})
                for one in about["snapshots"]
            ],
            missed=[Diagnostic(code="LRS603", **one) for one in about["missed"]],
            variables=about["variables"],
            values=commit.arrays[:count],
            random=about["random"],
        )

    @property
    def earlier(self) -> list[Followed]:
        """The plans followed before the present one, as the metrics had led them."""
        return [
            Followed(
                former.led_by(rows_of(self.log, later.since)), former.targets, *joined(runs)
            )
            for (former, later), runs in zip(pairwise(self.plans), self.rates[:-1], strict=True)
        ]


def by_target(
    targets: Sequence[str], rates: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    """Return each target's rates: they have a column each, or are those of the only one."""
    columns = rates.reshape(len(rates), len(targets))
    return {target: columns[:, number] for number, target in enumerate(targets)}


def joined(runs: Runs) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the rates of all stretches, and the step of each."""
    if not runs:
        return np.empty(0, np.float32), np.empty(0, np.int64)
    steps = [np.arange(first, first + len(rates)) for first, rates in runs]
    return np.concatenate([rates for _, rates in runs]), np.concatenate(steps)


def _split(runs: Sequence[Sequence[int]], rates: NDArray[np.float32]) -> Runs:
    found, start = [], 0
    for first, count in runs:
        found.append((first, rates[start : start + count]))
        start += count
    return found
