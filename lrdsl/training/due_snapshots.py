"""The snapshots of one `fit`: which are due when, with what metrics, and which never were."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.diagnostics import Diagnostic, Label
from lrdsl.suggest import suggest
from lrdsl.training.manifest import SavedSnapshot, plain
from lrdsl.training.situation import FitCall, find_fit
from lrdsl.training.snapshots import SnapshotFolder
from lrdsl.training.workers import Workers

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Snapshot

_LISTED = 12


class DueSnapshots:
    """Saves what a plan asks for, while `fit` runs.

    Args:
        plan: what asks for it.
        model: what is saved.
        folder: where; None in a process that does not write.
        workers: the processes that train together.
        saved: where to note what was saved.
        missed: where to note what could not be.
    """

    def __init__(
        self,
        plan: Plan,
        model: Any,
        folder: SnapshotFolder | None,
        workers: Workers,
        saved: list[SavedSnapshot],
        missed: list[Diagnostic],
    ) -> None:
        self._plan = plan
        self._model = model
        self._folder = folder
        self._workers = workers
        self._saved = saved
        self._missed = missed
        self._due: list[Snapshot] | None = None  # None before the first epoch is known
        self._tried: set[int] = {one.step for one in saved}
        self._has_seen_metric = False

    @property
    def have_begun(self) -> bool:
        """Whether the first epoch has."""
        return self._due is not None

    def begin(self, first: int) -> None:
        """Note the step of the plan that the `fit` begins with."""
        if self._due is None:
            planned = () if self._folder is None else self._plan.snapshots
            self._due = [one for one in planned if _step(one) >= first]

    def follow(self, plan: Plan, done: int) -> None:
        """Take a plan that differs from the one before in what comes after `done` steps.

        What ends with them may be known only now.
        """
        self._plan = plan
        if self._folder is not None:
            self._due = [
                one
                for one in plan.snapshots
                if _step(one) >= done - 1 and _step(one) not in self._tried
            ]

    @property
    def next_due(self) -> float:
        """After how many steps of the plan there is something to save; inf for never."""
        return _step(self._due[0]) + 1 if self._due else math.inf

    @property
    def never_due(self) -> Sequence[Snapshot]:
        """Those that the training has not come to."""
        return tuple(self._due or ())

    def save(self, done: int, rate: float, metrics: Mapping[str, Any] | None) -> None:
        """Save what is due after `done` steps of the plan; None for no metrics yet."""
        while self._due and _step(self._due[0]) < done:
            snapshot = self._due.pop(0)
            self._tried.add(_step(snapshot))
            assert self._folder is not None
            assert self._plan.steps_per_epoch is not None
            if keras.backend.backend() == "jax":  # inside an epoch the weights are not there
                self._model.jax_state_sync()
            save = partial(
                self._folder.save,
                self._model,
                index=snapshot.index,
                step=_step(snapshot),
                steps_per_epoch=self._plan.steps_per_epoch,
                rate=rate,
                metrics=metrics,
            )
            result = self._workers.alone(save)
            if isinstance(result, SavedSnapshot):
                self._saved.append(result)
            elif result is not None:
                self._miss(result)

    def end_epoch(self, epoch: int, metrics: Mapping[str, Any]) -> Diagnostic | None:
        """Give its metrics to what was saved inside an epoch; return what is wrong with them.

        Args:
            epoch: the epoch that has ended, from 0.
            metrics: its metrics.
        """
        if not self._has_seen_metric:
            trouble = self._find_trouble(epoch, metrics)
            if trouble is not None:
                return trouble
        if self._folder is not None:
            given, wrong = self._folder.give_metrics(metrics, epoch + 1)
            by_step = {one.step: one for one in given}
            self._saved[:] = [by_step.get(one.step, one) for one in self._saved]
            for problem in wrong:
                self._miss(problem)
        return None

    def committed(self) -> None:
        """Note that the state of the training is kept, up to here."""
        if self._folder is not None:
            self._folder.committed()

    def _find_trouble(self, epoch: int, metrics: Mapping[str, Any]) -> Diagnostic | None:
        """Return why no model can be chosen by the metric that the plan asks for."""
        options = self._plan.snapshot_options
        if options is None or options.monitor is None:
            return None
        name, names = options.monitor, list(plain(metrics))
        if name in names:
            self._has_seen_metric = True
            return None
        fit = find_fit(self._model)
        if name.startswith("val_") and fit is not None and fit.validates_later(epoch):
            return None
        listed = ", ".join(f"`{one}`" for one in names[:_LISTED])
        repair = f"the metrics are {listed}" if names else "there are no metrics"
        near = suggest(name, names)
        if name.startswith("val_") and not any(one.startswith("val_") for one in names):
            instead = "" if near is None else f", or choose by `monitor={near}`"
            repair = f"give `fit` a `validation_data`{instead}; {repair}"
        elif near is not None:
            repair = f"did you mean `{near}`? {repair}"
        return Diagnostic(
            code="LRS606",
            message=f"epoch {epoch} has no metric `{name}`, by which snapshots are chosen",
            primary=None if options.span is None else Label(options.span, f"looks at `{name}`"),
            help=f"{repair}; a callback that adds one has to stand in front of the schedule",
        )

    def _miss(self, problem: Diagnostic) -> None:
        self._missed.append(problem)
        warnings.warn(problem.message, RuntimeWarning, stacklevel=2)


def unmeasured(plan: Plan, fit: FitCall, first: int) -> Diagnostic | None:
    """Return which snapshot is due in an epoch that `fit` will not validate.

    Those before the epoch `first` are not due in it.
    """
    options = plan.snapshot_options
    if options is None or options.monitor is None or not options.monitor.startswith("val_"):
        return None
    assert plan.steps_per_epoch is not None
    for snapshot in plan.snapshots:
        epoch = _step(snapshot) // plan.steps_per_epoch
        if epoch >= first and fit.validates_later(epoch):
            return Diagnostic(
                code="LRS606",
                message=f"snapshot {snapshot.index} is due in epoch {epoch}, which `fit` does "
                f"not validate: it has no `{options.monitor}`",
                primary=None
                if options.span is None
                else Label(options.span, f"looks at `{options.monitor}`"),
                help="choose a `validation_freq` with which every snapshot's epoch is "
                "validated, such as 1",
            )
    return None


def _step(snapshot: Snapshot) -> int:
    assert snapshot.step is not None, "the plan knows its steps"
    return snapshot.step
