"""One `fit` that follows a plan: fed before each execution, checked after each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.records import replace
from lrdsl.targets import RATE
from lrdsl.training.best_weights import BestWeights
from lrdsl.training.due_snapshots import DueSnapshots
from lrdsl.training.feeds import apply_name, make_feed
from lrdsl.training.feeds.parts import parts_of, rates_of
from lrdsl.training.reacting import Reacting
from lrdsl.training.resume import Keeper
from lrdsl.training.snapshots import SnapshotFolder
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
        reacting: Reacting | None,
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
        self.rates = rates_of(self._model.optimizer, plan.targets)
        self._snapshots = DueSnapshots(
            plan, self._model, folder, workers, callback.saved, callback.missed
        )
        self._reacting = reacting
        where = None if keeper is None else keeper.path
        self._best_weights = BestWeights(self._model, where, writes=workers.is_chief)
        self._past: list[tuple[int, NDArray[np.float32]]] = keeper.runs if keeper else []

        # Steps of the running epoch count from 0; `first` is its first in the plan.
        self._epoch = 0
        self._first = 0
        self._window = 0  # the step that the table begins with
        self._fill_at = 0  # executions from this step on are not within the table
        self._idle_until: float = 0  # before this step there is nothing to do
        self._epoch_is_open = False
        self._logs: dict[str, Any] | None = None
        self._fed: NDArray[np.float32] = np.empty(0, np.float32)  # from the window on
        self._is_proven = False  # that the first steps used what they were fed
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
            if self._reacting is not None and self._callback.is_following(self):
                self._react(epoch, self._logs)
            if self._keeper is not None and self._callback.is_following(self):
                # After all callbacks, which may change weights or stop the training.
                saved, missed = self._callback.saved, self._callback.missed
                self._keeper.end_epoch(epoch, self._logs, self._past, saved, missed)
                if self._keeper.committed == epoch + 1:
                    self._snapshots.committed()
                    self._best_weights.forget(self._plan.best_epochs)

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
        used = self._feed.last_used()
        if used is None:
            return {}
        rates = np.atleast_1d(self.rates.by_target(used)).tolist()
        names = self.rates.names_in_logs
        return {**dict(zip(names, rates, strict=True)), **self._feed.last_targets()}

    def begin_epoch(self, epoch: int) -> None:
        """Go to the epoch's first step."""
        if self._keeper is not None and not self._snapshots.have_begun:
            wrong = self._keeper.has_entered(epoch)
            if wrong is not None:
                self._fail("LRS605", wrong, "take the callback that decides so out")
        self._epoch = epoch
        self._first = epoch * self._steps
        self._window = self._fill_at = self._idle_until = 0
        self._epoch_is_open = True
        self._snapshots.begin(self._first)

    def begin_execution(self, batch: int) -> None:
        """Prepare the steps from `batch` on, as many as the train function runs at once."""
        reason = self._feed.lost()
        if reason is None and batch < self._idle_until:
            return
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
        if batch and not self._is_proven:
            self._see_that_it_is_the_plan(self._recorded()[1])
        if batch:
            self._save_due(self._first + batch, None)
        if batch >= self._fill_at:
            self._fill(batch)
        total = self._plan.total_steps
        if total is not None and self._first + batch + self._together >= total:
            # Keras looks at it after the batch, so the schedule's `stop` is exact.
            self._model.stop_training |= self._plan.is_stopped
        elif self._is_proven:
            due = self._snapshots.next_due - self._first
            last = self._steps if total is None else total - self._first - self._together
            self._idle_until = min(self._fill_at, self._steps, due, last)

    def end_epoch(self, logs: dict[str, Any] | None) -> None:
        """Save what is due at the epoch's end, with its metrics."""
        if self._epoch_is_open:  # not by way of the list that we were in at the beginning
            self._close_epoch()
        self._logs = logs  # one for all callbacks: those behind ours add their metrics to it
        metrics = self._metrics_in(logs)
        trouble = self._snapshots.end_epoch(self._epoch, metrics)
        if trouble is not None:
            self._fail_with(trouble)
        self._save_due(self._done, metrics)

    @property
    def never_due(self) -> Sequence[Snapshot]:
        """The snapshots that the training has not come to."""
        return self._snapshots.never_due

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
            self._see_that_it_is_the_plan(run)
            self._past.append(run)
        total = self._plan.total_steps
        left = self._steps if total is None else total - self._first
        stop = min(batch + self._feed.size, self._steps, left)
        steps = range(self._first + batch, self._first + stop)
        rates = self.rates.table(self._plan, steps)
        if not (np.isfinite(rates).all() and (rates >= 0).all()):
            self._fail("LRS602", "the plan has a rate that float32 cannot hold", None)
        self._feed.feed(rates, self._first + batch)
        self._fed = self.rates.by_target(rates)
        self._window = batch
        self._fill_at = batch + self._feed.size - self._together + 1

    def _see_end(self, batch: int) -> None:
        """Let `fit` look whether there is a batch after the last one planned.

        Where the data's length is unknown, that is how Keras finds its end.  A batch that
        is there trains at a rate of 0, since the table holds nothing more.
        """
        if batch > self._steps and self._window + self._recorded()[0] > self._steps:
            self._fail_at_length(f"more than {self._steps:,}")

    def _see_that_it_is_the_plan(self, run: tuple[int, NDArray[np.float32]]) -> None:
        """Fail if an update was given another rate than the one that we gave its step."""
        start, used = run
        self._is_proven = True
        # Written so that a nan, which equals nothing, differs.
        wrong = np.argwhere(~(used[: len(self._fed)] == self._fed[: len(used)]))
        if len(wrong):
            at = tuple(wrong[0])
            target = self.rates.targets[at[1] if len(at) > 1 else 0]
            part = self.rates.part_of(target, parts_of(self._model.optimizer))
            kind = type(part.optimizer).__name__
            whose = "" if target == RATE else f" of `{part.name}`"
            self._fail(
                "LRS601",
                f"step {start + at[0]:,} used the rate {used[at]!s}{whose}, and "
                f"{self._fed[at]!s} is planned",
                "the schedule alone says the rate: take out what else does, in another "
                f"callback, in `train_step` or in the optimizer's class `{kind}`",
            )

    def _recorded(self) -> tuple[int, tuple[int, NDArray[np.float32]]]:
        """Return the number of steps since the table was filled, and the planned ones."""
        count, used = self._feed.used()
        start = self._first + self._window
        rates = self.rates.by_target(used[: max(0, self._steps - self._window)])
        return count, (start, rates)

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
            self._see_that_it_is_the_plan(run)
        if steps > self._steps or (steps < self._steps and not self._model.stop_training):
            before = bool(self._past) and self._past[0][0] < self._first
            self._fail_at_length(f"{steps:,}", ran_out=before or steps == 0)

    # -- Metrics -----------------------------------------------------------------------

    def _react(self, epoch: int, logs: dict[str, Any] | None) -> None:
        """Follow what the metrics of an epoch decide, after all callbacks have seen them."""
        assert self._reacting is not None
        try:
            events = self._reacting.end_epoch(epoch, logs)
        except LrsError:
            self._let_go()
            raise
        self._plan = self._callback.plan = self._reacting.plan
        if not self._feed.follow(self._plan):
            self._fail(
                "LRS601",
                f"after epoch {epoch} the metrics lead to values that need another update",
                "let what is scheduled beside the rate be 0, or not 0, whatever happens",
            )
        self._snapshots.follow(self._plan, self._done)
        self._save_due(self._done, self._metrics_in(logs))  # what ends here is known only now
        try:
            self._best_weights.keep(epoch, self._plan.best_epochs)
        except OSError as error:
            self._callback.say(
                f"the weights of epoch {epoch} cannot be written: {error.strerror or error}; "
                "a run that goes on after a kill cannot go back to them"
            )
        for event in events:
            best = event.restores
            if best is None or self._best_weights.put_back(best):
                self._callback.tell(event)
                continue
            self._callback.tell(replace(event, restores=None))
            self._callback.say(
                f"epoch {epoch + 1}: the weights of epoch {best} are not known, and the "
                "training goes on with those it has"
            )
        if self._plan.is_stopped and self._done >= (self._plan.total_steps or 0):
            self._model.stop_training = True

    def _metrics_in(self, logs: dict[str, Any] | None) -> dict[str, Any]:
        ours = self._to_log()
        return {name: value for name, value in (logs or {}).items() if name not in ours}

    def _save_due(self, done: int, metrics: dict[str, Any] | None) -> None:
        """Save the models that are due after `done` steps of the plan."""
        if self._snapshots.next_due <= done:
            used = self._feed.last_used()
            assert used is not None, "a step has run before"
            rate = np.atleast_1d(self.rates.by_target(used))[self.rates.main]
            self._snapshots.save(done, float(rate), metrics)

    # -- Failing -----------------------------------------------------------------------

    def _fail_at_length(self, found: str, *, ran_out: bool = False) -> None:
        if ran_out:
            repair = (
                "the data were used up before, as a generator is after one epoch, or are of "
                "another length each time: give data that do not run out (`.repeat()`), and "
                f"`fit(steps_per_epoch={self._steps})`"
            )
        else:
            repair = (
                "say how many steps an epoch really has, `train … of … steps`, or let `fit` "
                "cut it, `steps_per_epoch=…`, with data that does not run out (`.repeat()`)"
            )
        self._fail(
            "LRS602",
            f"epoch {self._epoch} had {found} steps, and {self._steps:,} are planned",
            repair,
        )

    def _fail_at_count(self, updates: int, batches: int) -> None:
        self._fail(
            "LRS601",
            f"the train step called `optimizer.{apply_name()}` {updates} times in {batches} "
            "batches",
            f"let `train_step` call `self.optimizer.{apply_name()}` once for each batch",
        )

    def _let_go(self) -> None:
        self.end()
        if self._keeper is not None:
            self._keeper.release()

    def _fail(self, code: str, message: str, repair: str | None) -> None:
        self._fail_with(Diagnostic(code=code, message=message, help=repair))

    def _fail_with(self, diagnostic: Diagnostic) -> None:
        self._let_go()
        raise LrsError([diagnostic], self._plan.program.source)
