"""The Keras callback: a schedule applied by `fit`, exactly, or refused before it begins."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.program import LetValue, Program, load, loads
from lrdsl.training.feeds import rate_left_in, rate_variable
from lrdsl.training.followed_fit import FollowedFit
from lrdsl.training.former_plans import Choice
from lrdsl.training.refusals import (
    Situation,
    find_callback_list,
    find_fit,
    flat_callbacks,
    refuse,
    refuse_plan,
)
from lrdsl.training.resume import Followed, Keeper, Resumed, say_on_stderr
from lrdsl.training.rivals import TakenOver
from lrdsl.training.snapshots import SavedSnapshot, SnapshotFolder
from lrdsl.training.takeover import (
    holds_a_schedule,
    in_the_callbacks,
    in_the_optimizer,
    leave_out,
    put_number,
)
from lrdsl.training.telling import warn_of, warn_of_nothing
from lrdsl.training.workers import Workers

if TYPE_CHECKING:
    from lrdsl.plan import Plan


def compile(
    path_or_text: str | Path,
    /,
    *,
    per_batch: bool = False,
    state: str | Path | None = None,
    commit_every: int = 1,
    state_conflict: str | None = None,
    **lets: LetValue,
) -> ScheduleCallback:
    """Return a Keras callback that applies a schedule.

        model.fit(x, y, epochs=60, callbacks=[lrdsl.compile("snapshot.lrs", peak=0.05)])

    Args:
        path_or_text: a path, or a schedule's text.  A `str` is a path if it is one line
            that ends in `.lrs`; a file of another name is given as a `Path`.
        per_batch: whether the logs of each batch have the rate too, not only an epoch's.
        state: a folder that the run is kept in, to go on after a kill; see
            `ScheduleCallback`.
        commit_every: after how many epochs that is done.
        state_conflict: "keep" or "adopt", where the schedule has changed since.
        **lets: values for the schedule's `let`s, as for `lrdsl.load`.  One that has the name
            of an argument above is set by `ScheduleCallback(lrdsl.load(path, state="2"))`.

    Returns:
        The callback.  Models that the schedule asks for are saved in the folder that its
        attribute `snapshots` names; see `ScheduleCallback`.

    Raises:
        LrsError: the text has problems, all of them listed.
        OSError: the file cannot be read.
    """
    if isinstance(path_or_text, Path) or (
        path_or_text.endswith(".lrs") and "\n" not in path_or_text
    ):
        program = load(path_or_text, **lets)
    else:
        program = loads(path_or_text, **lets)
    return ScheduleCallback(
        program,
        per_batch=per_batch,
        state=state,
        commit_every=commit_every,
        state_conflict=state_conflict,
    )


class ScheduleCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Applies a program's rate in `fit`: at every step float32 of the plan, or not at all.

    The rate is set within the compiled train step, which also records what each update was
    given.  The schedule's time is that of the running `fit`: step k of epoch e is step
    e · steps_per_epoch + k of the plan, so `fit(epochs=E, initial_epoch=i)` enters the plan
    of E epochs at epoch i.  A step is one batch; under gradient accumulation the update at
    a batch uses that batch's rate.

    One callback serves one `fit` at a time; in the next it starts afresh.  After `fit` the
    optimizer holds the last rate that was used, and the `base` of the next `fit` is the
    rate it had before ours, unless somebody set another in between.  `base` is read as the
    shortest decimal of the optimizer's float32: 0.1, not 0.10000000149.

    Where it stands among the callbacks does not matter, but for the models saved: they are
    saved when its turn comes, as other callbacks before it have left the weights.

    Args:
        program: what to apply.
        snapshots: the folder for the models that the program asks for, new or empty.  By
            default `snapshots` in the working directory, or `snapshots-2`, `snapshots-3` …
            where that is taken.
        on_plan: called once a `fit`, with its plan, when nothing stands against the plan
            and nothing has been touched.  If it raises, `fit` ends there.
        base: the rate that the program knows as `base`, instead of the optimizer's.
        per_batch: whether the logs of each batch have the rate too, not only an epoch's.
        take_over: what `lrdsl train --take-over` asks for: a schedule in the optimizer is
            replaced by the number that it gives at the optimizer's step, and stays one;
            callbacks behind ours that would set the rate are left out of the `fit`.  By
            default (None) these are refused; with False too, and the message names the
            option.
        state: a folder, new or empty, in which to keep the state of the `fit`: the same
            call in another process then goes on after the last epoch that was committed,
            with the weights, the optimizer, the seeds of Dropout and the `base` of the
            first.  What is over is not trained again: `fit` returns at once.
        commit_every: after how many epochs the state is committed.
        state_conflict: what to do where schedule or length have changed since the run in
            `state` began: "keep" the old plan, or "adopt" the new one from here on.  By
            default that is refused, with both rates.

    Attributes:
        snapshots: as above; may be assigned before `fit`.
        plan: the plan of the running or last `fit`, None before the first.
        saved: the models saved in it, those included that `keep` has deleted since.
        missed: a diagnostic for each model that could not be saved.  Training goes on
            without it, after a warning.
        resumed: where the running or last `fit` has gone on, None if it began anew.  Then
            `applied`, `saved` and Keras's `History` hold the epochs before too.
        earlier: the plans followed before the present one was adopted, with their rates,
            which `applied` does not hold.
        say: called with each line that a person should read; by default it prints to
            standard error.
        taken_over: what gave way in it, known when `on_plan` is called.

    Warns (before the first batch, unless there is an `on_plan` to do it):
        LrsWarning: for each of the plan's warnings.

    Raises (from `fit`, before the first batch):
        LrsError: the schedule cannot be applied exactly here (LRS601), its snapshots cannot
            be saved (LRS603), or it cannot be planned for this `fit` (LRS3xx, LRS4xx).
            The plan is not the one of the run in `state` (LRS604), or that folder cannot
            be used (LRS605).
            Later: an epoch had another number of steps than planned (LRS602), or the model
            was trained by somebody else meanwhile (LRS601).
    """

    def __init__(
        self,
        program: Program,
        *,
        snapshots: str | Path | None = None,
        on_plan: Callable[[Plan], None] | None = None,
        base: float | None = None,
        state: str | Path | None = None,
        commit_every: int = 1,
        state_conflict: str | None = None,
        per_batch: bool = False,
        take_over: bool | None = None,
    ) -> None:
        super().__init__()
        if commit_every < 1:
            raise ValueError(f"commit_every counts epochs, from 1; not {commit_every!r}")
        self.program = program
        self.snapshots = snapshots
        self.plan: Plan | None = None
        self.saved: list[SavedSnapshot] = []
        self.missed: list[Diagnostic] = []
        self.state = state
        self.commit_every = commit_every
        self.state_conflict = None if state_conflict is None else Choice(state_conflict)
        self.resumed: Resumed | None = None
        self.earlier: list[Followed] = []
        self.say: Callable[[str], None] = say_on_stderr
        self.taken_over: list[TakenOver] = []
        self.per_batch = per_batch
        self._take_over = take_over
        self._on_plan = on_plan
        self._base = base
        self._found_base: float | None = None
        self._run: FollowedFit | None = None

    @property
    def applied(self) -> NDArray[np.float32]:
        """The rate of each step that ran, in order, read back from the training."""
        return np.concatenate([rates for _, rates in self._applied_runs()] or [_NO_RATES])

    @property
    def applied_steps(self) -> NDArray[np.int64]:
        """Which steps of the plan those are, counted from 0."""
        none = np.empty(0, np.int64)
        return np.concatenate(
            [np.arange(first, first + len(rates)) for first, rates in self._applied_runs()]
            or [none]
        )

    @property
    def snapshot_folder(self) -> Path | None:
        """Where the running or last `fit` saves, None if its plan asks for no model."""
        return None if self._run is None or self._run.folder is None else self._run.folder.path

    def rate(self, step: int) -> float:
        """Return a step's rate for a loop of your own, float32 as in `fit`.

            for step in range(callback.program.plan().total_steps):
                model.optimizer.learning_rate = callback.rate(step)
                model.train_on_batch(x, y)

        Args:
            step: counted from 0 over the whole training; negative ones from its end.

        Returns:
            The rate by the plan of the running or last `fit`; without one, by the plan that
            the schedule's own `train` line makes.

        Raises:
            LrsError: there was no `fit`, and the schedule does not say how long training is,
                or asks for a `base` that was not given (LRS3xx, LRS4xx).
            IndexError: a step outside the training.
        """
        return (self.plan or self._plan_without_fit).rate(step)

    @cached_property
    def _plan_without_fit(self) -> Plan:
        return self.program.plan(base=self._base)

    def is_following(self, run: object) -> bool:
        """Return whether `run` is the `fit` that this callback is now in."""
        return run is self._run

    def _applied_runs(self) -> list[tuple[int, NDArray[np.float32]]]:
        return [] if self._run is None else self._run.applied()

    # -- Called by Keras ---------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        """Note the optimizer's rate: before others may load one in `on_train_begin`."""
        super().set_model(model)
        self._found_base = _own_rate(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what cannot be exact, make the plan, take over the rate."""
        self.plan, self.saved, self.missed, self._run = None, [], [], None
        self.resumed, self.earlier = None, []
        self.taken_over = []
        workers = Workers(self.model)
        with workers.together(self.program.source):
            self._begin(workers)

    def _begin(self, workers: Workers) -> None:
        callback_list = find_callback_list(self)
        situation = Situation(
            self.program,
            self.model,
            () if callback_list is None else flat_callbacks(callback_list),
            self,
            self.params or {},
            None if callback_list is None else find_fit(self.model),
            self._base,
            self._take_over,
        )
        refuse(situation)
        if self.params["epochs"] < 1:  # nothing to plan, and nothing will run
            return
        keeper = self._make_keeper(workers)
        plan = None if keeper is None else keeper.open(situation, self._base)
        assert situation.fit is not None, "it would have been refused"
        begins, ends = situation.fit.initial_epoch, self.params["epochs"]
        if begins >= ends and (keeper is None or keeper.resumed is None):
            if keeper is not None:
                keeper.release()
            if workers.is_chief:
                warn_of_nothing(begins, ends, self.program.source)
            return
        self._find_what_gives_way(situation)
        base = self._found_base if self._base is None else self._base
        if plan is None:
            plan = self.program.plan(
                epochs=self.params["epochs"],
                steps_per_epoch=self.params.get("steps") or None,
                base=base,
            )
        refuse_plan(plan, situation)
        earlier = None if keeper is None else keeper.snapshots()
        folder = None
        if plan.snapshots and workers.is_chief:
            asked = None if self.snapshots is None else Path(self.snapshots).resolve()
            keep = plan.snapshot_options.keep if plan.snapshot_options else None
            folder = SnapshotFolder(asked, keep=keep, earlier=earlier)
            self._raise(workers.alone(partial(folder.find_trouble, self.model)))
        self.plan = plan
        if keeper is not None:
            self.resumed, self.earlier = keeper.resumed, keeper.earlier
            self.saved, self.missed = list(keeper.saved), list(keeper.missed)
        if self._on_plan is not None:
            self._on_plan(plan)
        elif workers.is_chief:
            warn_of(plan)
        if folder is not None:
            self._raise(folder.open(self.model))
        begins = self.resumed.epoch if self.resumed else begins
        horizon = (self.params["epochs"], plan.epochs, plan.steps_per_epoch, plan.base)
        workers.agree(f"{plan.program.text}\n{horizon} {begins}", self.program.source)
        for one in self.taken_over:
            if one.rate is not None:
                put_number(self.model, one.rate)
        leave_out(situation.rivals_to_leave_out, callback_list)
        assert base is not None, "the rate was found to be a number"
        if keeper is not None:
            where = None if folder is None else folder.path
            keeper.begin(
                plan,
                epochs=self.params["epochs"],
                base=base,
                snapshots=where,
                is_told=self._on_plan is not None,
            )
        self._run = FollowedFit(self, plan, folder, callback_list, keeper, workers)
        _OWN_RATES[self.model.optimizer] = self._found_base
        self._run.begin()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Go to the epoch's first step."""
        if self._run is not None:
            self._run.begin_epoch(epoch)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Save what is due before this batch, and see that its rates are in place.

        The end of a batch has no hook of ours: Keras may call those from another thread,
        beside the next batch.
        """
        if self._run is not None:
            self._run.begin_execution(batch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save what is due at the epoch's end, with its metrics."""
        if self._run is not None:
            self._run.end_epoch(logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Give the optimizer back."""
        if self._run is not None:
            self._run.end()

    def _find_what_gives_way(self, situation: Situation) -> None:
        if self._take_over and holds_a_schedule(self.model.optimizer):
            found = in_the_optimizer(self.model.optimizer)
            self.taken_over.append(found)
            self._found_base = found.rate
        self.taken_over += map(in_the_callbacks, situation.rivals_to_leave_out)

    def _make_keeper(self, workers: Workers) -> Keeper | None:
        if self.state is None:
            return None
        return Keeper(
            Path(self.state),
            every=self.commit_every,
            choice=self.state_conflict,
            say=self.say if workers.is_chief else lambda line: None,
            writes=workers.is_chief,
        )

    def _raise(self, diagnostic: Diagnostic | None) -> None:
        if diagnostic is not None:
            raise LrsError([diagnostic], self.program.source)


_NO_RATES: NDArray[np.float32] = np.empty(0, np.float32)

_OWN_RATES: WeakKeyDictionary[Any, float | None] = WeakKeyDictionary()
"""The rate of each optimizer before it had a schedule."""


def _own_rate(model: Any) -> float | None:
    """Return the rate that a model's user gave its optimizer, None if it is no number."""
    optimizer = getattr(model, "optimizer", None)
    rate = rate_variable(optimizer)
    if not isinstance(rate, keras.Variable):
        return None
    now = np.float32(keras.ops.convert_to_numpy(rate))
    before = _OWN_RATES.get(optimizer)
    if before is not None and now == rate_left_in(model):
        return before
    return float(str(now))


__all__ = ["ScheduleCallback", "compile"]
