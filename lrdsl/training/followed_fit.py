"""One `fit` that follows a plan: fed before each execution, checked after each epoch."""

from __future__ import annotations

import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.feeds import apply_name, make_feed
from lrdsl.training.resume import Keeper
from lrdsl.training.snapshots import SavedSnapshot, SnapshotFolder
from lrdsl.training.workers import Workers

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Snapshot
    from lrdsl.training.callback import ScheduleCallback


class FollowedFit:
    """One `fit` that follows a plan."""

    def __init__(
        self,
        callback: ScheduleCallback,
        plan: Plan,
        folder: SnapshotFolder | None,
        callback_list: Any,
        keeper: Keeper | None,
        workers: Workers,
    ) -> None:
        assert plan.steps_per_epoch is not None
        self.folder = folder
        self._keeper = keeper
        self._workers = workers
        self._callback = callback
        self._model = callback.model
        self._plan = plan
        self._list = callback_list
        self._steps = plan.steps_per_epoch
        self._together = int(self._model.steps_per_execution)
        self._feed = make_feed(self._model, plan)
        self._due: list[Snapshot] | None = None  # None before the first epoch is known
        self._past: list[tuple[int, NDArray[np.float32]]] = keeper.runs if keeper else []

        # Steps of the running epoch count from 0; `first` is its first in the plan.
        self._epoch = 0
        self._first = 0
        self._window = 0  # the step that the table begins with
        self._fill_at = 0  # executions from this step on are not within the table
        self._epoch_is_open = False
        # A `fit` that is broken off ends with no hook, and the feed may serve the next.
        self._feed.on_detach = self._note_open_epoch

    def begin(self) -> None:
        """Take over the rate and the logs."""
        self._feed.attach()
        # `fit` hands its logs to these methods.  Filled here, they hold the rate for every
        # callback, those in front of ours included.
        dispatch = self._list.on_epoch_end

        def on_epoch_end(epoch: int, logs: dict[str, Any] | None = None) -> None:
            if self._epoch_is_open and self._callback.is_following(self):
                self._close_epoch()
                if logs is not None:
                    logs.update(self._to_log())
            dispatch(epoch, logs)
            if self._keeper is not None and self._callback.is_following(self):
                # After all callbacks, which may change weights or stop the training.
                saved, missed = self._callback.saved, self._callback.missed
                self._keeper.end_epoch(epoch, logs, self._past, saved, missed)

        self._list.on_epoch_end = on_epoch_end
        if self._keeper is not None:
            self._keeper.enter(self._list, lambda: self._callback.is_following(self))
        if self._callback.per_batch:
            self._log_batches()

    def _log_batches(self) -> None:
        dispatch = self._list.on_train_batch_end

        def on_train_batch_end(batch: int, logs: dict[str, Any] | None = None) -> None:
            if self._callback.is_following(self):
                # A copy: by the keys of its own, `fit` tells whether they are the metrics.
                logs = {**(logs or {}), **self._to_log()}
            dispatch(batch, logs)

        # `fit` calls this before it begins the next batch, and Keras hands it on, perhaps
        # to another thread, with what the batch has used.
        self._list.on_train_batch_end = on_train_batch_end

    def _to_log(self) -> dict[str, float]:
        """Return what the last step that ran has used, by its name in the logs."""
        rate = self._feed.last_used()
        if rate is None:
            return {}
        return {"learning_rate": float(rate), **self._feed.last_targets()}

    def begin_epoch(self, epoch: int) -> None:
        """Go to the epoch's first step."""
        if self._keeper is not None and self._due is None:
            wrong = self._keeper.has_entered(epoch)
            if wrong is not None:
                self._fail("LRS605", wrong, "take the callback that decides so out")
        self._epoch = epoch
        self._first = epoch * self._steps
        self._window = self._fill_at = 0
        self._epoch_is_open = True
        if self._due is None:
            planned = () if self.folder is None else self._plan.snapshots
            self._due = [s for s in planned if _step(s) >= self._first]

    def begin_execution(self, batch: int) -> None:
        """Prepare the steps from `batch` on, as many as the train function runs at once."""
        reason = self._feed.lost()
        if reason is None and batch and not self._feed.has_stepped:
            reason = "`fit` does not call the model's `train_step`"
        if reason is not None:
            self._fail(
                "LRS601",
                f"{reason}, and the schedule has no say any more",
                "train the model by one `fit` at a time, and compile it before",
            )
        if batch >= self._steps:
            self._see_end(batch)
            return
        if self._due and batch and self._first + batch > _step(self._due[0]):
            self._save_due(self._first + batch, None)
        if batch >= self._fill_at:
            self._fill(batch)

    def end_epoch(self, logs: dict[str, Any] | None) -> None:
        """Save what is due at the epoch's end, with its metrics."""
        if self._epoch_is_open:  # not by way of the list that we were in at the beginning
            self._close_epoch()
        ours = self._to_log()
        metrics = {name: value for name, value in (logs or {}).items() if name not in ours}
        self._save_due(self._done, metrics)

    def end(self) -> None:
        """Give back the logs and the optimizer."""
        for name in ("on_epoch_end", "on_train_batch_end"):
            vars(self._list).pop(name, None)
        self._feed.detach()

    def applied(self) -> list[tuple[int, NDArray[np.float32]]]:
        """Return the runs of steps so far: each the plan's first step and the rates used."""
        runs = list(self._past)
        if self._epoch_is_open and self._fill_at:
            runs.append(self._recorded()[1])
        return runs

    # -- Rates -------------------------------------------------------------------------

    @property
    def _done(self) -> int:
        """How many steps of the plan are over, once their epoch is closed."""
        return self._past[-1][0] + len(self._past[-1][1]) if self._past else 0

    def _fill(self, batch: int) -> None:
        if batch:
            count, run = self._recorded()
            if self._window + count != batch:
                self._fail_at_count(count, batch - self._window)
            self._past.append(run)
        stop = min(batch + self._feed.size, self._steps)
        steps = range(self._first + batch, self._first + stop)
        rates = self._plan.values(steps).astype(np.float32)
        if not (np.isfinite(rates).all() and (rates >= 0).all()):
            self._fail("LRS602", "the plan has a rate that float32 cannot hold", None)
        self._feed.feed(rates, self._first + batch)
        self._window = batch
        self._fill_at = batch + self._feed.size - self._together + 1

    def _see_end(self, batch: int) -> None:
        """Let `fit` look whether there is a batch after the last one planned.

        Where the data's length is unknown, that is how Keras finds its end.  A batch that
        is there trains at a rate of 0, since the table holds nothing more.
        """
        if batch > self._steps and self._window + self._recorded()[0] > self._steps:
            self._fail_at_length(f"more than {self._steps:,}")

    def _recorded(self) -> tuple[int, tuple[int, NDArray[np.float32]]]:
        """Return the number of steps since the table was filled, and the planned ones."""
        count, rates = self._feed.used()
        start = self._first + self._window
        return count, (start, rates[: max(0, self._steps - self._window)])

    def _note_open_epoch(self) -> None:
        if self._epoch_is_open and self._fill_at:
            self._past.append(self._recorded()[1])
            self._fill_at = 0

    def _close_epoch(self) -> None:
        self._epoch_is_open = False
        steps = 0
        if self._fill_at:
            count, run = self._recorded()
            steps = self._window + count
            self._past.append(run)
        if steps > self._steps or (steps < self._steps and not self._model.stop_training):
            self._fail_at_length(f"{steps:,}")

    # -- Models ------------------------------------------------------------------------

    def _save_due(self, done: int, metrics: dict[str, Any] | None) -> None:
        """Save what is due after `done` steps of the plan."""
        while self._due and _step(self._due[0]) < done:
            snapshot = self._due.pop(0)
            rate = self._feed.last_used()
            assert self.folder is not None
            assert rate is not None, "a step has run before"
            if keras.backend.backend() == "jax":  # inside an epoch the weights are not there
                self._model.jax_state_sync()
            save = partial(
                self.folder.save,
                self._model,
                index=snapshot.index,
                step=_step(snapshot),
                steps_per_epoch=self._steps,
                rate=float(rate),
                metrics=metrics,
            )
            result = self._workers.alone(save)
            if isinstance(result, SavedSnapshot):
                self._callback.saved.append(result)
            else:
                self._callback.missed.append(result)
                warnings.warn(result.message, RuntimeWarning, stacklevel=2)

    # -- Failing -----------------------------------------------------------------------

    def _fail_at_length(self, found: str) -> None:
        self._fail(
            "LRS602",
            f"epoch {self._epoch} had {found} steps, and {self._steps:,} are planned",
            "say how many steps an epoch really has, `train … of … steps`, or let `fit` cut "
            "it, `steps_per_epoch=…`, with data that does not run out (`.repeat()`)",
        )

    def _fail_at_count(self, updates: int, batches: int) -> None:
        self._fail(
            "LRS601",
            f"the train step called `optimizer.{apply_name()}` {updates} times in {batches} "
            "batches",
            f"let `train_step` call `self.optimizer.{apply_name()}` once for each batch",
        )

    def _fail(self, code: str, message: str, repair: str | None) -> None:
        self.end()
        if self._keeper is not None:
            self._keeper.release()
        diagnostic = Diagnostic(code=code, message=message, help=repair)
        raise LrsError([diagnostic], self._plan.program.source)


def _step(snapshot: Snapshot) -> int:
    assert snapshot.step is not None, "the plan knows its steps"
    return snapshot.step
