"""Taking the rate over from what else sets it: a schedule in the optimizer, other callbacks."""

from __future__ import annotations

import copy
from collections.abc import Collection
from typing import Any

import keras
import numpy as np

from lrdsl.conversion import from_keras
from lrdsl.training.feeds.parts import Part
from lrdsl.training.rivals import TakenOver


def holds_a_schedule(part: Part) -> bool:
    """Return whether an optimizer's rate is a schedule or a function, and no number."""
    return not isinstance(part.rate, keras.Variable) and callable(part.rate)


def rate_now(part: Part) -> float:
    """Return an optimizer's rate at its present step, as the shortest decimal."""
    rate = keras.ops.convert_to_numpy(part.optimizer.learning_rate)
    return float(str(np.float32(rate)))


def in_the_optimizer(part: Part) -> TakenOver:
    """Describe the schedule or function that is an optimizer's rate."""
    rate = part.rate
    is_schedule = isinstance(rate, keras.optimizers.schedules.LearningRateSchedule)
    return TakenOver(
        name=type(rate).__name__ if is_schedule else "function",
        place="optimizer",
        part=part.name,
        rate=rate_now(part),
        step=int(keras.ops.convert_to_numpy(part.optimizer._iterations)),
        text=as_text(rate),
    )


def in_the_callbacks(rival: Any) -> TakenOver:
    """Describe a callback that would set the rate too."""
    program = getattr(rival, "program", None)
    return TakenOver(
        name=type(rival).__name__,
        place="callbacks",
        text=as_text(rival) if program is None else program.text.strip(),
    )


def put_number(model: Any, part: Part, rate: float) -> None:
    """Have the model's optimizer, or a part of it, hold a number, as if it was made with one.

    It stays the same object, with its step and its slots.  What the model has traced has
    the old rate in it, and is traced anew.
    """
    owner = part.optimizer
    with keras.name_scope(owner.name, caller=owner):
        number = keras.Variable(
            rate,
            name="learning_rate",
            dtype="float32",
            trainable=False,
            aggregation="only_first_replica",
        )
    owner._track_variable(number)
    # Files have an optimizer's variables by their place, and a rate comes second.
    owner._variables.insert(1, owner._variables.pop())
    owner._learning_rate = number
    model.make_train_function(force=True)


def leave_out(rivals: Collection[Any], callback_list: Any) -> None:
    """Take callbacks out of the list that is calling us, from behind us."""
    if not rivals:
        return
    # In place: the list is being gone through.  It was made for this `fit`; one within it
    # was not, and is left as it is.
    for index in range(len(callback_list.callbacks) - 1, -1, -1):
        callback = callback_list.callbacks[index]
        if any(callback is rival for rival in rivals):
            del callback_list.callbacks[index]
        elif isinstance(callback, keras.callbacks.CallbackList):
            twin = copy.copy(callback)
            twin.callbacks = list(callback.callbacks)
            leave_out(rivals, twin)
            callback_list.callbacks[index] = twin


def as_text(schedule: Any) -> str | None:
    """Return the same as a schedule of ours, on one line; None where that cannot be written."""
    try:
        return " ".join(from_keras(schedule).split()).replace("( ", "(").replace(" )", ")")
    except (TypeError, ValueError):
        return None
