"""The Keras callback: a schedule applied by `fit`, exactly, or refused before it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.outlook import looks_before
from lrdsl.program import Program
from lrdsl.records import replace
from lrdsl.targets import RATE, main
from lrdsl.training.due_snapshots import unmeasured
from lrdsl.training.feeds.parts import Part, build_parts, parts_of
from lrdsl.training.followed_fit import FollowedFit
from lrdsl.training.former_plans import Choice
from lrdsl.training.manifest import SavedSnapshot
from lrdsl.training.own_rates import OwnRates, own_floats
from lrdsl.training.reacting import Reacting, sentence
from lrdsl.training.refusals import refuse, refuse_plan
from lrdsl.training.report import never_due_sentence
from lrdsl.training.resume import Keeper, say_on_stderr
from lrdsl.training.resumed import Resumed
from lrdsl.training.retention import Retention
from lrdsl.training.rivals import TakenOver
from lrdsl.training.run_state import Followed, by_target, joined
from lrdsl.training.situation import (
    Situation,
    find_callback_list,
    find_fit,
    flat_callbacks,
)
from lrdsl.training.snapshots import SnapshotFolder
from lrdsl.training.takeover import (
    holds_a_schedule,
    in_the_callbacks,
    in_the_optimizer,
    leave_out,
    put_number,
)
from lrdsl.training.telling import forgotten, never_measured, nothing_runs, warn_of, warn_of_one
from lrdsl.training.workers import Workers

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan, Snapshot


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
        verbose: whether to say what the schedule does because of a metric, when it does.
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
        plan: the plan of the running or last `fit`, None before the first.  Where the
            program reacts to metrics, by those measured so far.
        saved: the models saved in it, those included that `keep` has deleted since.
        missed: a diagnostic for each model that could not be saved.  Training goes on
            without it, after a warning.
        never_due: the plan's snapshots that the running or last `fit` has not come to.
        resumed: where the running or last `fit` has gone on, None if it began anew.  Then
            `applied`, `saved` and Keras's `History` hold the epochs before too.
        earlier: the plans followed before the present one was adopted, with their rates,
            which `applied` does not hold.
        say: called with each line that a person should read; by default it prints to
            standard error.
        taken_over: what gave way in it, known when `on_plan` is called.
        nothing_runs: why it has no epoch to train, and so no plan; None where it has.

    Warns (before the first batch, unless there is an `on_plan` to do it):
        LrsWarning: for each of the plan's warnings.

    Raises (from `fit`, before the first batch):
        LrsError: the schedule cannot be applied exactly here (LRS601), its snapshots cannot
            be saved (LRS603), or it cannot be planned for this `fit` (LRS3xx, LRS4xx).
            The plan is not the one of the run in `state` (LRS604), or that folder cannot
            be used (LRS605).
            Later: an epoch had another number of steps than planned (LRS602), the model
            was trained by somebody else meanwhile (LRS601), or a metric that the program
            reacts to, or chooses snapshots by, is missing or not a number (LRS606).
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
        verbose: bool = False,
        take_over: bool | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(program, Program):
            raise TypeError(
                "a program is needed, as `lrdsl.load` and `lrdsl.loads` return it, not "
                f"{program!r}; `lrdsl.compile` takes a path or text"
            )
        if not isinstance(state, str | Path | None):
            raise TypeError(f'state is a folder, such as `state="run"`, not {state!r}')
        if not isinstance(commit_every, int) or commit_every < 1:
            raise ValueError(f"commit_every counts epochs, from 1; not {commit_every!r}")
        self.program = program
        self.snapshots = snapshots
        self.plan: Plan | None = None
        self.saved: list[SavedSnapshot] = []
        self.missed: list[Diagnostic] = []
        self.state = state
        self.commit_every = commit_every
        if state_conflict not in (None, *Choice):
            raise ValueError(f'state_conflict is "keep" or "adopt", not {state_conflict!r}')
        self.state_conflict = None if state_conflict is None else Choice(state_conflict)
        self.resumed: Resumed | None = None
        self.earlier: list[Followed] = []
        self.say: Callable[[str], None] = say_on_stderr
        self.taken_over: list[TakenOver] = []
        self.nothing_runs: Diagnostic | None = None
        self.per_batch = per_batch
        self.verbose = verbose
        self._take_over = take_over
        self._on_plan = on_plan
        self._base = base
        self._own_rates = OwnRates()
        self._run: FollowedFit | None = None

    @property
    def applied(self) -> NDArray[np.float32]:
        """The rate of each step that ran, in order, read back from the training.

        Where the parts of a `MultiOptimizer` have several, this is `lr`; where `lr` is no
        part's, the first.
        """
        applied = self.applied_rates
        return applied[main(tuple(applied))] if applied else np.empty(0, np.float32)

    @property
    def applied_rates(self) -> dict[str, NDArray[np.float32]]:
        """Each rate that was applied, by its target: `lr`, and `slow.lr` of a part `slow`."""
        if self._run is None:
            return {}
        return by_target(self._run.rates.targets, joined(self._run.applied())[0])

    @property
    def applied_steps(self) -> NDArray[np.int64]:
        """Which steps of the plan those are, counted from 0."""
        return joined([] if self._run is None else self._run.applied())[1]

    @property
    def snapshot_folder(self) -> Path | None:
        """Where the running or last `fit` saves, None if its plan asks for no model."""
        return None if self._run is None or self._run.folder is None else self._run.folder.path

    @property
    def never_due(self) -> Sequence[Snapshot]:
        """The plan's snapshots that the running or last `fit` has not come to."""
        return () if self._run is None else self._run.never_due

    def rate(self, step: int, target: str = RATE) -> float:
        """Return a step's rate for a loop of your own, float32 as in `fit`.

            for step in range(callback.program.plan().total_steps):
                model.optimizer.learning_rate = callback.rate(step)
                model.train_on_batch(x, y)

        Args:
            step: counted from 0 over the whole training; negative ones from its end.
            target: which rate, `slow.lr` for that of the part `slow`.

        Returns:
            The rate by the plan of the running or last `fit`; without one, by the plan that
            the schedule's own `train` line makes.

        Raises:
            LrsError: there was no `fit`, and the schedule does not say how long training is,
                or asks for a `base` that was not given (LRS3xx, LRS4xx).
            IndexError: a step outside the training.
            KeyError: the schedule does not set the target.
        """
        return (self.plan or self._plan_without_fit).rate(step, target)

    @cached_property
    def _plan_without_fit(self) -> Plan:
        return self.program.plan(base=self._base)

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return the curve of the last `fit`, or else the program's; a notebook shows it."""
        return (self.plan or self.program)._repr_mimebundle_()

    def is_following(self, run: object) -> bool:
        """Return whether `run` is the `fit` that this callback is now in."""
        return run is self._run

    def tell(self, event: Event) -> None:
        """Say what the schedule has done because of a metric, if that is wanted."""
        if self.verbose:
            self.say(sentence(event))

    def __getstate__(self) -> dict[str, Any]:
        """Leave the model and what was applied out: a copy is for another `fit`."""
        return {**vars(self), "_model": None, "_run": None, "_own_rates": OwnRates()}

    # -- Called by Keras ---------------------------------------------------------------

    def set_model(self, model: Any) -> None:
        """Note the optimizer's rates: before others may load some in `on_train_begin`."""
        super().set_model(model)
        self._own_rates = OwnRates()
        self._own_rates.note(model)

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse what cannot be exact, make the plan, take over the rate."""
        self.plan, self.saved, self.missed, self._run = None, [], [], None
        self.resumed, self.earlier = None, []
        self.taken_over = []
        self.nothing_runs = None
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
        if situation.optimizer is not None:
            build_parts(self.model)
            self._own_rates.note(self.model)
        refuse(situation)
        assert situation.fit is not None, "it would have been refused"
        begins, ends = situation.fit.initial_epoch, self.params["epochs"]
        keeper = None if ends < 1 else self._make_keeper(workers)
        plan = None if keeper is None else keeper.open(situation, self._base)
        if begins >= ends and (keeper is None or keeper.resumed is None):
            if keeper is not None:
                keeper.release()
            self.nothing_runs = nothing_runs(begins, ends)
            if workers.is_chief and self._on_plan is None:
                warn_of_one(self.nothing_runs, self.program.source)
            return
        gives_way = self._find_what_gives_way(situation)
        if plan is None:
            base = self._base
            bases: dict[str, float] = {}
            if base is None:
                base, bases = self._own_rates.bases(self.model.optimizer)
            steps = self.params.get("steps")
            plan = self.program.plan(
                epochs=self.params["epochs"],
                steps_per_epoch=steps if steps and steps > 0 else None,  # -1: not known
                base=base,
                bases=bases,
                own=own_floats(self.model.optimizer, self.program.targets),
            )
        refuse_plan(plan, situation)
        begins = keeper.resumed.epoch if keeper and keeper.resumed else begins
        self._raise(unmeasured(plan, situation.fit, begins))
        reacting = None
        if self.program.reactive is not None:
            log = () if keeper is None else keeper.log
            found = [*never_measured(range(begins, ends), situation.fit, plan.program)]
            if begins and not log and looks_before(plan, begins):
                found.append(forgotten(begins, plan.program))
            plan = replace(plan, warnings=(*plan.warnings, *found))
            reacting = Reacting(plan, log, situation.fit, workers)
            plan = reacting.plan
        earlier = None if keeper is None else keeper.snapshots()
        folder = None
        if plan.snapshot_options is not None and workers.is_chief:
            asked = None if self.snapshots is None else Path(self.snapshots).resolve()
            folder = SnapshotFolder(
                asked,
                retention=Retention.of(plan.snapshot_options),
                earlier=earlier,
                is_committed=keeper is not None,
            )
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
        horizon = (self.params["epochs"], plan.epochs, plan.steps_per_epoch)
        own = (plan.base, sorted(plan.bases.items()), sorted(plan.own.items()))
        agreed = f"{plan.program.text}\n{horizon} {own} {begins}"
        workers.agree(agreed, self.program.source)
        for part, rate in gives_way.items():
            put_number(self.model, part, rate)
        leave_out(situation.rivals_to_leave_out, callback_list)
        if keeper is not None:
            where = None if folder is None else folder.path
            keeper.begin(
                plan,
                epochs=self.params["epochs"],
                snapshots=where,
                is_told=self._on_plan is not None,
            )
        self._run = FollowedFit(self, plan, folder, callback_list, keeper, workers, reacting)
        self._own_rates.remember()
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
            if self.never_due and self._on_plan is None:
                assert self.plan is not None
                self.say(never_due_sentence(self.plan, self.never_due))

    def _find_what_gives_way(self, situation: Situation) -> dict[Part, float]:
        """Note what gives way; return the optimizers that need a number for their rate."""
        numbers: dict[Part, float] = {}
        for part in parts_of(self.model.optimizer):
            if self._take_over and holds_a_schedule(part):
                found = in_the_optimizer(part)
                assert found.rate is not None, "what is in an optimizer gives a rate"
                self.taken_over.append(found)
                self._own_rates.replace(part, found.rate)
                numbers[part] = found.rate
        self.taken_over += map(in_the_callbacks, situation.rivals_to_leave_out)
        return numbers

    def _make_keeper(self, workers: Workers) -> Keeper | None:
        if self.state is None:
            return None
        return Keeper(
            Path(self.state),
            every=self.commit_every,
            choice=self.state_conflict,
            say=self.say,
            workers=workers,
        )

    def _raise(self, diagnostic: Diagnostic | None) -> None:
        if diagnostic is not None:
            raise LrsError([diagnostic], self.program.source)
