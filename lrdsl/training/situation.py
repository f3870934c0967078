"""A `fit` that is about to begin, and how a callback of it finds out: by the call stack."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

if TYPE_CHECKING:
    from lrdsl.program import Program

_KERAS = str(Path(keras.__file__).parent) + os.sep


@dataclass(frozen=True, slots=True)
class Situation:
    """A `fit` that is about to begin.

    Attributes:
        program: the schedule that it is to follow.
        model: what is trained.
        callbacks: all callbacks of this `fit`, ours among them.
        ours: the callback that asks.
        parameters: what Keras tells callbacks of this `fit`.
        fit: Keras's own `fit` of this model, None if that is not what is running.
        base: what the user said that the program's `base` is, None where the optimizer says.
        take_over: whether what else sets the rate gives way; None where nobody can ask for
            that, so that no message names it.
    """

    program: Program
    model: Any
    callbacks: tuple[Any, ...]
    ours: Any
    parameters: dict[str, Any]
    fit: FitCall | None
    base: float | None = None
    take_over: bool | None = None

    @property
    def optimizer(self) -> Any:
        """The model's optimizer, None where it was not compiled."""
        return getattr(self.model, "optimizer", None)

    @property
    def rivals_to_leave_out(self) -> tuple[Any, ...]:
        """The callbacks that would set the rate too and give way to ours."""
        if not self.take_over:
            return ()
        # One in front of ours has begun already.
        behind = self.callbacks[[one is self.ours for one in self.callbacks].index(True) + 1 :]
        return tuple(one for one in behind if would_set_the_rate(one, self.ours))

    def or_take_over(self, repair: str) -> str:
        """Return the repair, and what else can be done where `lrdsl train` runs the program."""
        if self.take_over is not False:
            return repair
        return f"{repair}; or run `lrdsl train --take-over`, which does it for this run"


def would_set_the_rate(callback: Any, ours: Any) -> bool:
    """Return whether a callback other than ours would."""
    rivals = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    return callback is not ours and (isinstance(callback, rivals) or is_schedule(callback))


def is_schedule(callback: Any) -> bool:
    """Return whether a callback is one of ours, of a class derived from it too."""
    return callable(getattr(callback, "is_following", None)) or is_standalone(callback)


def is_standalone(callback: Any) -> bool:
    """Return whether a callback is that of a module which `lrdsl compile` has written.

    Such a module knows nothing of us, so it is known by the name that its class has there.
    """
    return type(callback).__qualname__ == "plan_callback.<locals>.Schedule"


def find_callback_list(callback: Any) -> Any | None:
    """Return the outermost CallbackList that is now calling `callback`, None if none is.

    Keras tells a callback nothing of those beside it, so this looks up the call stack.
    """
    found = None
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "on_train_begin":
            owner = frame.f_locals.get("self")
            if isinstance(owner, keras.callbacks.CallbackList) and any(
                one is callback for one in flat_callbacks(owner)
            ):
                found = owner
        frame = frame.f_back  # type: ignore[assignment]
    return found


def flat_callbacks(callback_list: Any) -> tuple[Any, ...]:
    """Return the callbacks of a CallbackList and of those within it."""
    flat: list[Any] = []
    for callback in callback_list.callbacks:
        if isinstance(callback, keras.callbacks.CallbackList):
            flat += flat_callbacks(callback)
        else:
            flat.append(callback)
    return tuple(flat)


@dataclass(frozen=True, slots=True)
class FitCall:
    """A running `Model.fit`.

    Attributes:
        steps_per_epoch: what the caller said, None where the data's own length counts.
        initial_epoch: the epoch that it begins with, as far as is known when it begins.
        batches: how many its data have, None where nobody knows or they have no end.
        validates: whether it was given data to validate on.
        validation_freq: after every so many epochs, or after which (counted from 1).
    """

    steps_per_epoch: int | None
    initial_epoch: int = 0
    batches: int | None = None
    validates: bool = False
    validation_freq: Any = 1

    def validates_later(self, epoch: int) -> bool:
        """Return whether it validates, but not after `epoch`, counted from 0."""
        if not self.validates:
            return False
        if isinstance(self.validation_freq, int):
            return (epoch + 1) % self.validation_freq != 0
        return epoch + 1 not in self.validation_freq


def find_fit(model: Any) -> FitCall | None:
    """Return the running `fit` of `model`, by Keras and no other; None if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        # Not by `keras.Model.fit`, in whose place other libraries put a function of theirs.
        code = frame.f_code
        is_fit = code.co_name == "fit" and code.co_filename.startswith(_KERAS)
        if is_fit and frame.f_locals.get("self") is model:
            # Keras may lower what the caller said, so its own word counts.
            iterator = frame.f_locals.get("epoch_iterator")
            steps = getattr(iterator, "steps_per_epoch", None)
            return FitCall(
                steps if steps and steps > 0 else None,  # to Keras, -1 says nothing
                # What a `BackupAndRestore` of an earlier `fit` left there comes first.
                getattr(model, "_initial_epoch", 0) or frame.f_locals.get("initial_epoch", 0),
                getattr(getattr(iterator, "data_adapter", None), "num_batches", None),
                frame.f_locals.get("validation_data") is not None,
                frame.f_locals.get("validation_freq", 1),
            )
        frame = frame.f_back  # type: ignore[assignment]
    return None
