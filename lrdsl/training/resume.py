"""Going on after a kill: what is committed of a `fit` after its epochs, and taken up again.

A commit holds everything that the rest of the run depends on: the variables of model and
optimizer, the plan (text, length, `base`), the position, the metrics and the rates of the
epochs before, the random numbers outside of the model, and the list of the models saved.
Position is a whole number of epochs, as Keras cannot enter an epoch in its middle.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training import model_state, random_state
from lrdsl.training.commits import KEPT, StateError, StateFolder
from lrdsl.training.entering import (
    around_train_end,
    before_first_epoch,
    begin_with,
    forget_epoch,
)
from lrdsl.training.feeds import note_left
from lrdsl.training.feeds.parts import rates_of
from lrdsl.training.former_plans import Choice, FormerPlan
from lrdsl.training.manifest import SavedSnapshot
from lrdsl.training.resumed import Resumed
from lrdsl.training.run_state import Followed, LoggedEpoch, Runs, RunState, put_before
from lrdsl.training.situation import Situation
from lrdsl.training.snapshots import EarlierSnapshots
from lrdsl.training.taking_up import TakenUp, names_not_restored, refusal, take_up
from lrdsl.training.workers import Workers

if TYPE_CHECKING:
    from lrdsl.plan import Plan


def say_on_stderr(line: str) -> None:
    """Tell a person, as Python programs do."""
    print(f"lrdsl: {line}", file=sys.stderr, flush=True)


class Keeper:
    """Keeps the state of one `fit`, and takes up the one that is there.

    Attributes:
        resumed: where the `fit` goes on; None where it begins.
        earlier: the plans followed before the present one.
        log: what was logged of each epoch that is done; there once `open` has returned.
        runs: the rates that the present plan's steps were given before.
        saved, missed: the models that were saved, and those that could not be.
        committed: after how many epochs this process has last committed.
    """

    def __init__(
        self,
        path: Path,
        *,
        every: int,
        choice: Choice | None,
        say: Callable[[str], None],
        workers: Workers,
    ) -> None:
        self._folder = StateFolder(path)
        self._writes = workers.is_chief
        self._is_alone = workers.count == 1
        self._every = every
        self._choice = choice
        self._say = say if workers.is_chief else lambda line: None
        self._found: RunState | None = None  # until it is in the model for good
        self._plans: list[FormerPlan] = []
        self._rates: list[Runs] = []
        self._taken: TakenUp | None = None
        self._source: Any = None
        self._last_epoch = 0  # after which plan or `fit` has no more
        self._is_cut = False  # whether plan and `fit` are not of one length
        self._stopped_by_us = False
        self._finished = False
        self._model: Any = None
        self._unsafe: list[str] = []
        self.resumed: Resumed | None = None
        self.earlier: list[Followed] = []
        self.log: list[LoggedEpoch] = []
        self.runs: Runs = []
        self.saved: list[SavedSnapshot] = []
        self.missed: list[Diagnostic] = []
        self.committed = 0

    @property
    def path(self) -> Path:
        """The folder that the state is kept in."""
        return self._folder.path

    # -- Before the first batch ---------------------------------------------------------

    def open(self, situation: Situation, base: float | None) -> Plan | None:
        """Read what is there; return the plan to follow if that is decided by it.

        Args:
            situation: the `fit` that is about to begin.
            base: the optimizer's own rate, where the callback was given one.

        Raises:
            LrsError: the state cannot be taken up (LRS605), or the plan has changed and
                nobody says which one is to be followed (LRS604).
        """
        self._source = situation.program.source
        self._model = situation.model
        self._unsafe = names_not_restored(situation)
        try:
            commit = self._folder.read()
            if self._folder.exists and self._writes:
                self._folder.lock()
        except StateError as error:
            raise self._error(error.found, error.repair) from None
        except OSError as error:
            raise self._cannot_write(error) from None
        damaged = ", ".join(f"`{name}`" for name in self._folder.damaged)
        if commit is None:
            if damaged:
                self._folder.unlock()
                raise self._error(
                    f"no commit in `{self._folder.path}` is whole: {damaged}",
                    "restore the folder from a copy, or start afresh in another one",
                )
            return None
        found = RunState.of(commit)
        try:
            taken = take_up(
                found, situation, choice=self._choice, base=base, where=self._folder.path
            )
        except BaseException:
            self._folder.unlock()
            raise
        self._found, self._taken = found, taken
        self._plans, self._rates = list(taken.plans), list(taken.rates)
        self.log, self.missed = list(found.log), list(found.missed)
        self._finished = taken.is_finished
        self.runs = list(taken.rates[-1])
        self.resumed, self.earlier = taken.resumed, taken.earlier
        if damaged:
            self._say(
                f"{damaged} is damaged: taking the commit before it, of epoch {found.epoch}"
            )
        return taken.resumed.plan

    @property
    def base(self) -> float | None:
        """The optimizer's own rate when the run began, None where it begins now."""
        return self._plans[-1].base if self._plans else None

    def snapshots(self) -> EarlierSnapshots | None:
        """Return what is known of the models that were saved before."""
        where = self._folder.note.get("snapshots")
        if not self._folder.exists or not isinstance(where, str):
            return None
        path = Path(os.path.normpath(self._folder.path / where))
        if self._found is None:
            return EarlierSnapshots(path, [], undone_from=0)
        self.saved = [replace(one, path=path / one.path) for one in self._found.saved]
        assert self._taken is not None
        undone = None
        if self._taken.is_another_plan:
            undone = self._found.epoch * self._plans[-2].steps_per_epoch
        return EarlierSnapshots(path, self.saved, undone)

    def begin(
        self,
        plan: Plan,
        *,
        epochs: int,
        snapshots: Path | None,
        is_told: bool,
    ) -> None:
        """Make the folder ready, and give the model what the commit holds.

        Args:
            plan: what is followed from here on.
            epochs: how many epochs `fit` is to have.
            snapshots: the folder for models, if the plan asks for some.
            is_told: whether somebody has said already where the run goes on.

        Raises:
            LrsError: the folder cannot be written, or the model is another one (LRS605).
        """
        if not self._plans:
            targets = rates_of(self._model.optimizer, plan.targets).targets
            self._plans = [FormerPlan.of(plan, epochs=epochs, targets=targets, since=0)]
            self._rates = [[]]
        self._last_epoch = min(self._plans[-1].epochs, epochs)
        self._is_cut = self._plans[-1].epochs != epochs
        if self._found is not None:
            self._restore(self._found)
        if self._writes:
            self._make_ready(snapshots)
        if self.resumed is not None:
            self._tell(self.resumed, is_told)

    def _make_ready(self, snapshots: Path | None) -> None:
        note = dict(self._folder.note)
        if snapshots is not None:
            note["snapshots"] = _relative(snapshots, self._folder.path)
        try:
            self._folder.begin(note)
            free = shutil.disk_usage(self._folder.path).free
        except StateError as error:
            raise self._error(error.found, error.repair) from None
        except OSError as error:
            raise self._cannot_write(error) from None
        needed = (KEPT + 1) * _size_of(self._model)
        if self._found is None and free < needed:
            raise self._error(
                f"keeping the state needs {needed:,} bytes, and `{self._folder.path}` has "
                f"{free:,} free",
                "make room, or choose another folder",
            )

    def _restore(self, found: RunState) -> None:
        try:
            model_state.build(self._model)
        except Exception as error:
            raise self._error(
                f"the model cannot be built before its first batch: {error}",
                "build it yourself, with a `keras.Input` or by `model.build(…)`",
            ) from error
        difference = model_state.find_difference(self._model, found.variables)
        if difference is not None:
            raise self._error(
                f"the model is not that of the run in `{self._folder.path}`: {difference}",
                "go on with the model that the run began with, or start afresh in another "
                "folder",
            )
        self._put_back()
        if self.runs:
            optimizer, last = self._model.optimizer, self.runs[-1][1][-1]
            note_left(optimizer, rates_of(optimizer, self._plans[-1].plan.targets), last)

    def _put_back(self) -> None:
        """Give model, optimizer and random numbers what the commit holds."""
        if self._found is not None:
            model_state.put_back(self._model, self._found.variables, self._found.values)
            if self._found.random is not None:
                random_state.put_back(self._found.random)

    def _tell(self, resumed: Resumed, is_told: bool) -> None:
        if not is_told:
            self._say(resumed.sentence)
        names = sorted(set(self._unsafe))
        if names and not resumed.is_over:
            listed = ", ".join(f"`{name}`" for name in names)
            self._say(f"not restored, begins anew: what {listed} had counted or remembered")

    # -- While `fit` runs ---------------------------------------------------------------

    def enter(self, callback_list: Any, is_followed: Callable[[], bool]) -> None:
        """Have Keras begin with the epoch after those that are done, in this `fit` only.

        Args:
            callback_list: all callbacks of the `fit`.
            is_followed: whether this `fit` is still the one that we keep.
        """

        def begin_first_epoch() -> None:
            if is_followed():
                # Once more: a callback behind ours may have loaded weights since.
                self._put_back()
                self._found = None

        def before_end() -> None:
            if is_followed():
                self._put_back()

        def after_end() -> None:
            if is_followed():
                self._end()

        before_first_epoch(callback_list, begin_first_epoch)
        around_train_end(callback_list, before_end, after_end)
        forget_epoch(self._model)
        if self.resumed is not None:
            epoch = self.resumed.epoch
            if self.resumed.is_over:
                epoch = sys.maxsize
                # As it was left; `fit` runs no epoch that could be stopped.
                self._model.stop_training = self.resumed.stopped
            begin_with(self._model, epoch, callback_list)

    def has_entered(self, epoch: int) -> str | None:
        """Note the first epoch that Keras begins; return why it is a wrong one."""
        forget_epoch(self._model)
        if self.resumed is None or epoch == self.resumed.epoch:
            return None
        return (
            f"`fit` begins with epoch {epoch}, and the state goes on with {self.resumed.epoch}"
        )

    def end_epoch(
        self,
        epoch: int,
        logs: dict[str, Any] | None,
        runs: Runs,
        saved: Sequence[SavedSnapshot],
        missed: Sequence[Diagnostic],
    ) -> None:
        """Commit what an epoch has left, if it is its turn."""
        self._rates[-1], self.saved, self.missed = runs, list(saved), list(missed)
        self.log.append(LoggedEpoch.of(epoch, logs))
        done = epoch + 1
        if done % self._every == 0 or done >= self._last_epoch:
            self._write(done)
        if self._is_cut and done >= self._last_epoch and not self._model.stop_training:
            # The old plan was kept, and is of another length than `fit`.
            self._model.stop_training = self._stopped_by_us = True

    def release(self) -> None:
        """Let others write to the folder."""
        self._folder.unlock()

    def _end(self) -> None:
        """Commit the end, after all other callbacks: one may put the best weights back."""
        forget_epoch(self._model)
        history = self._model.history
        if self.resumed is not None and isinstance(history, keras.callbacks.History):
            before = [one for one in self.log if one.epoch < self.resumed.epoch]
            put_before(before, history)
        done = self.log[-1].epoch + 1 if self.log else 0
        if self._finished:
            self._put_back()  # what ends a training has been done to it before
        elif done:
            self._finished = True
            self._write(done)
        self.release()

    def _write(self, done: int) -> None:
        if not self._writes:
            return
        if not model_state.is_finite(self._model):
            self._say(
                f"the weights after epoch {done} are not finite: not committed, and the commit "
                "before stays"
            )
            return
        described, arrays = model_state.take(self._model)
        state = RunState(
            epoch=done,
            finished=self._finished,
            stopped=bool(self._model.stop_training) and not self._stopped_by_us,
            backend=keras.backend.backend(),
            plans=self._plans,
            rates=self._rates,
            log=self.log,
            saved=[replace(one, path=Path(one.path.name)) for one in self.saved],
            missed=self.missed,
            variables=described,
            values=arrays,
            random=random_state.take() if self._is_alone else None,
        )
        try:
            self._folder.commit(state.as_commit(), epoch=done, only=self._finished)
            self.committed = done
        except OSError as error:
            size = sum(array.nbytes for array in arrays)
            self._say(
                f"epoch {done} is not committed: cannot write {size:,} bytes to "
                f"`{self._folder.path}`: {error.strerror or error}; the commit before stays"
            )

    # -- Failing ------------------------------------------------------------------------

    def _error(self, message: str, repair: str) -> LrsError:
        return refusal(message, repair, self._source)

    def _cannot_write(self, error: OSError) -> LrsError:
        return self._error(
            f"cannot write to the folder `{self._folder.path}`: {error.strerror or error}",
            "choose another folder",
        )


def _relative(path: Path, start: Path) -> str:
    # So that both can be moved together.
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # on another drive
        return str(path)


def _size_of(model: Any) -> int:
    _, arrays = model_state.take(model)
    return sum(array.nbytes for array in arrays)
