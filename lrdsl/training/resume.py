"""Going on after a kill: what is committed of a `fit` after its epochs, and taken up again.

A commit holds everything that the rest of the run depends on: the variables of model and
optimizer, the plan (text, length, `base`), the position, the metrics and the rates of the
epochs before, and the list of the models saved.  Position is a whole number of epochs, as
Keras cannot enter an epoch in its middle.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training import model_state
from lrdsl.training.commits import KEPT, Commit, StateError, StateFolder
from lrdsl.training.feeds import LEFT
from lrdsl.training.former_plans import Choice, FormerPlan, compare_plans
from lrdsl.training.refusals import Situation, refuse_plan
from lrdsl.training.snapshots import EarlierSnapshots, SavedSnapshot

if TYPE_CHECKING:
    from lrdsl.plan import Plan

Runs = list[tuple[int, NDArray[np.float32]]]
"""Rates that were applied: the first step of each stretch, and its rates."""

_STATELESS = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,
)


@dataclass(frozen=True, slots=True)
class Followed:
    """A plan that was followed before another one was adopted, with the rates applied."""

    plan: Plan
    applied: NDArray[np.float32]
    steps: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a `fit` goes on.

    Attributes:
        epoch: how many epochs are done.
        plan: the plan from here on.
        is_over: whether nothing is left to do.
        stopped: whether that is since a callback had stopped the training.
        where: the folder of the state.
    """

    epoch: int
    plan: Plan
    is_over: bool
    stopped: bool
    where: Path

    @property
    def sentence(self) -> str:
        """What a person is told, in one line."""
        epochs = self.plan.epochs or 0
        if self.stopped and self.is_over and self.epoch < epochs:
            return f"nothing left to do: a callback stopped the run after epoch {self.epoch}"
        if self.is_over:
            return f"nothing left to do: the run is over after {_epochs(self.epoch)}"
        assert self.plan.steps_per_epoch is not None
        step = self.epoch * self.plan.steps_per_epoch
        rate = float(self.plan.values(step))
        return (
            f"goes on after epoch {self.epoch} of {epochs:,} (step {step:,}), with the rate "
            f"{rate:.6g}"
        )


def say_on_stderr(line: str) -> None:
    """Tell a person, as Python programs do."""
    print(f"lrdsl: {line}", file=sys.stderr, flush=True)


class Keeper:
    """Keeps the state of one `fit`, and takes up the one that is there.

    Attributes:
        resumed: where the `fit` goes on; None where it begins.
        earlier: the plans followed before the present one.
        log: the metrics of each epoch that is done.
        runs: the rates that the present plan's steps were given before.
        saved, missed: the models that were saved, and those that could not be.
    """

    def __init__(
        self,
        path: Path,
        *,
        every: int,
        choice: Choice | None,
        say: Callable[[str], None],
        writes: bool = True,
    ) -> None:
        self._folder = StateFolder(path)
        self._writes = writes  # of several processes that train together, one
        self._every = every
        self._choice = choice
        self._say = say
        self._commit: Commit | None = None
        self._plans: list[FormerPlan] = []
        self._rates: list[Runs] = []
        self._same_plan = True
        self._source: Any = None
        self._last_epoch = 0  # after which plan or `fit` has no more
        self._is_cut = False  # whether plan and `fit` are not of one length
        self._stopped_by_us = False
        self._finished = False
        self._model: Any = None
        self._unsafe: list[str] = []
        self.resumed: Resumed | None = None
        self.earlier: list[Followed] = []
        self.log: list[dict[str, Any]] = []
        self.runs: Runs = []
        self.saved: list[SavedSnapshot] = []
        self.missed: list[Diagnostic] = []

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
        self._find_rivals(situation)
        try:
            self._commit = self._folder.read()
            if self._folder.exists and self._writes:
                self._folder.lock()
        except StateError as error:
            raise self._error(error.found, error.repair) from None
        except OSError as error:
            raise self._cannot_write(error) from None
        damaged = ", ".join(f"`{name}`" for name in self._folder.damaged)
        if self._commit is None:
            if damaged:
                self._folder.unlock()
                raise self._error(
                    f"no commit in `{self._folder.path}` is whole: {damaged}",
                    "restore the folder from a copy, or start afresh in another one",
                )
            return None
        try:
            plan = self._take_up(situation, base)
        except BaseException:
            self._folder.unlock()
            raise
        if damaged:
            epoch = self._commit.about["epoch"]
            self._say(f"{damaged} is damaged: taking the commit before it, of epoch {epoch}")
        return plan

    def _find_rivals(self, situation: Situation) -> None:
        for callback in situation.callbacks:
            if isinstance(callback, keras.callbacks.BackupAndRestore):
                raise self._error(
                    "`BackupAndRestore` would restore the model too",
                    "take `BackupAndRestore` out of `callbacks`: the state folder holds all "
                    "that it would",
                )
            ours = callback is situation.ours or callback in situation.rivals_to_leave_out
            if not ours and not isinstance(callback, _STATELESS):
                self._unsafe.append(type(callback).__name__)

    def _take_up(self, situation: Situation, base: float | None) -> Plan:
        assert self._commit is not None
        about, arrays = self._commit.about, self._commit.arrays
        self._plans = [FormerPlan.from_json(one) for one in about["plans"]]
        rates = arrays[len(arrays) - len(self._plans) :]
        self._rates = [
            _split(one["runs"], array) for one, array in zip(about["plans"], rates, strict=True)
        ]
        self.log = list(about["log"])
        self.missed = [Diagnostic(code="LRS603", **one) for one in about["missed"]]
        epoch, epochs = about["epoch"], situation.parameters["epochs"]
        if about["stopped"] or epoch >= epochs:
            plan = self._plans[-1].plan  # nothing is left for which another could be followed
        else:
            plan = self._choose(situation, base)
        over = about["stopped"] or epoch >= min(self._plans[-1].epochs, epochs)
        self._finished = about["finished"] and over
        self.runs = list(self._rates[-1])
        self.earlier = [
            Followed(former.plan, *_joined(runs))
            for former, runs in zip(self._plans[:-1], self._rates[:-1], strict=True)
        ]
        self.resumed = Resumed(epoch, plan, over, about["stopped"], self._folder.path)
        return plan

    def _choose(self, situation: Situation, base: float | None) -> Plan:
        """Return the plan from here on: the old one, or the new one if that was asked for."""
        assert self._commit is not None
        program, parameters = situation.program, situation.parameters
        former, epoch = self._plans[-1], self._commit.about["epoch"]
        steps = parameters.get("steps") or None
        if self._choice is Choice.KEEP:
            if steps not in (None, former.steps_per_epoch):
                raise self._error(
                    f"the plan in `{self._folder.path}` is of {former.steps_per_epoch:,} steps "
                    f"an epoch, and this `fit` has {steps:,}",
                    'adopt the new plan (`--adopt`, in Python `state_conflict="adopt"`), or '
                    "train with the data that the run began with",
                    code="LRS604",
                )
            return former.plan
        new_base = former.base if base is None else base
        plan = program.plan(epochs=parameters["epochs"], steps_per_epoch=steps, base=new_base)
        refuse_plan(plan, situation)
        change = compare_plans(
            former, program, epochs=parameters["epochs"], plan=plan, base=base
        )
        if not change.reasons:
            return former.plan
        if self._choice is None:
            raise change.refusal(self._folder.path, epoch)
        self._same_plan = False
        self._plans.append(
            FormerPlan.of(plan, epochs=parameters["epochs"], base=new_base, since=epoch)
        )
        self._rates.append([])
        return plan

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
        if self._commit is None:
            return EarlierSnapshots(path, [], undone_from=0)
        self.saved = [
            SavedSnapshot(**{**one, "path": path / one["path"]})
            for one in self._commit.about["snapshots"]
        ]
        undone = None
        if not self._same_plan:
            undone = self._commit.about["epoch"] * self._plans[-2].steps_per_epoch
        return EarlierSnapshots(path, self.saved, undone)

    def begin(
        self,
        plan: Plan,
        *,
        epochs: int,
        base: float,
        snapshots: Path | None,
        is_told: bool,
    ) -> None:
        """Make the folder ready, and give the model what the commit holds.

        Args:
            plan: what is followed from here on.
            epochs: how many epochs `fit` is to have.
            base: the optimizer's own rate, before any schedule.
            snapshots: the folder for models, if the plan asks for some.
            is_told: whether somebody has said already where the run goes on.

        Raises:
            LrsError: the folder cannot be written, or the model is another one (LRS605).
        """
        if not self._plans:
            self._plans = [FormerPlan.of(plan, epochs=epochs, base=base, since=0)]
            self._rates = [[]]
        self._last_epoch = min(self._plans[-1].epochs, epochs)
        self._is_cut = self._plans[-1].epochs != epochs
        if self._commit is not None:
            self._restore(self._commit)
        if self._writes:
            self._make_ready(snapshots)
        if self.resumed is not None:
            self._tell(self.resumed, is_told)
        self._commit = None  # its arrays are in the model now

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
        if self._commit is None and free < needed:
            raise self._error(
                f"keeping the state needs {needed:,} bytes, and `{self._folder.path}` has "
                f"{free:,} free",
                "make room, or choose another folder",
            )

    def _restore(self, commit: Commit) -> None:
        described = commit.about["variables"]
        try:
            model_state.build(self._model)
        except Exception as error:
            raise self._error(
                f"the model cannot be built before its first batch: {error}",
                "build it yourself, with a `keras.Input` or by `model.build(…)`",
            ) from error
        difference = model_state.find_difference(self._model, described)
        if difference is not None:
            raise self._error(
                f"the model is not that of the run in `{self._folder.path}`: {difference}",
                "go on with the model that the run began with, or start afresh in another "
                "folder",
            )
        model_state.put_back(self._model, described, commit.arrays[: len(described)])
        if self.runs:
            LEFT[self._model.optimizer] = self.runs[-1][1][-1]

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
        dispatch = callback_list.on_train_end

        def on_train_end(logs: dict[str, Any] | None = None) -> None:
            vars(callback_list).pop("on_train_end", None)
            dispatch(logs)
            if is_followed():
                self._end()

        # After all other callbacks: one of them may put the best weights back.
        callback_list.on_train_end = on_train_end
        self._model._initial_epoch = None
        if self.resumed is not None:
            epoch = self.resumed.epoch
            if self.resumed.is_over:
                epoch = sys.maxsize
                # As it was left; `fit` runs no epoch that could be stopped.
                self._model.stop_training = self.resumed.stopped
            self._model._initial_epoch = _FirstEpoch(epoch, callback_list)

    def has_entered(self, epoch: int) -> str | None:
        """Note the first epoch that Keras begins; return why it is a wrong one."""
        self._model._initial_epoch = None
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
        self.log.append({"epoch": epoch, **_numbers(logs)})
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
        self._model._initial_epoch = None
        self._complete(self._model.history)
        done = self.log[-1]["epoch"] + 1 if self.log else 0
        if done and not self._finished:
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
        stopped = bool(self._model.stop_training) and not self._stopped_by_us
        about = {
            "epoch": done,
            "finished": self._finished,
            "stopped": stopped,
            "plans": [
                {**plan.as_json(), "runs": [[first, len(rates)] for first, rates in runs]}
                for plan, runs in zip(self._plans, self._rates, strict=True)
            ],
            "log": self.log,
            "snapshots": [{**asdict(one), "path": one.path.name} for one in self.saved],
            "missed": [{"message": one.message, "help": one.help} for one in self.missed],
            "variables": described,
        }
        rates = [_joined(runs)[0] for runs in self._rates]
        try:
            self._folder.commit(
                Commit(about, (*arrays, *rates)), epoch=done, only=self._finished
            )
        except OSError as error:
            size = sum(array.nbytes for array in arrays)
            self._say(
                f"epoch {done} is not committed: cannot write {size:,} bytes to "
                f"`{self._folder.path}`: {error.strerror or error}; the commit before stays"
            )

    def _complete(self, history: Any) -> None:
        """Put the epochs before into Keras's `History`, as if the run had never stopped."""
        if self.resumed is None or not isinstance(history, keras.callbacks.History):
            return
        before = [one for one in self.log if one["epoch"] < self.resumed.epoch]
        history.epoch[:0] = [one["epoch"] for one in before]
        for name in dict.fromkeys(name for one in before for name in one if name != "epoch"):
            values = [one[name] for one in before if name in one]
            history.history[name] = values + history.history.get(name, [])

    # -- Failing ------------------------------------------------------------------------

    def _error(self, message: str, repair: str, code: str = "LRS605") -> LrsError:
        return LrsError([Diagnostic(code=code, message=message, help=repair)], self._source)

    def _cannot_write(self, error: OSError) -> LrsError:
        return self._error(
            f"cannot write to the folder `{self._folder.path}`: {error.strerror or error}",
            "choose another folder",
        )


class _FirstEpoch(int):
    """The epoch that one `fit` begins with; for any other it counts as 0.

    Keras asks `model._initial_epoch or initial_epoch`, and never takes it away again.
    """

    _callbacks: Any

    def __new__(cls, epoch: int, callbacks: Any) -> _FirstEpoch:
        one = super().__new__(cls, epoch)
        one._callbacks = callbacks
        return one

    def __bool__(self) -> bool:
        return sys._getframe(1).f_locals.get("callbacks") is self._callbacks


def _split(runs: Sequence[Sequence[int]], rates: NDArray[np.float32]) -> Runs:
    found, start = [], 0
    for first, count in runs:
        found.append((first, rates[start : start + count]))
        start += count
    return found


def _joined(runs: Runs) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rates = [np.empty(0, np.float32), *(rates for _, rates in runs)]
    steps = [np.arange(first, first + len(rates)) for first, rates in runs]
    return np.concatenate(rates), np.concatenate([np.empty(0, np.int64), *steps])


def _numbers(logs: dict[str, Any] | None) -> dict[str, float]:
    numbers = {}
    for name, value in (logs or {}).items():
        try:
            numbers[name] = float(value)
        except (TypeError, ValueError):
            continue
    return numbers


def _relative(path: Path, start: Path) -> str:
    # So that both can be moved together.
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # on another drive
        return str(path)


def _size_of(model: Any) -> int:
    _, arrays = model_state.take(model)
    return sum(array.nbytes for array in arrays)


def _epochs(count: int) -> str:
    return f"{count:,} epoch{'' if count == 1 else 's'}"
