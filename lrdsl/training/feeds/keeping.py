"""Keeping the rate a number for the time of one `fit`, where Keras would let it be replaced."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.situation import find_fit

if TYPE_CHECKING:
    from lrdsl.source import SourceText
    from lrdsl.training.feeds.parts import Part

UNTRACK = "_untrack_variable"
"""The method by which an optimizer lets go of its rate, when a schedule is put in its place."""


def keeping_rate(part: Part, model: Any, source: SourceText) -> Callable[[Any], Any]:
    """Return an `UNTRACK` that refuses to let go of the rate while the model's `fit` runs.

    What was traced has the rate's variable in it, and would go on with it or not, as the
    backend likes; on JAX all of the optimizer's state is then off by one place.

    Args:
        part: the optimizer, or the part of one.
        model: what is trained.
        source: the schedule's, which a refusal shows.
    """
    owner, rate = part.optimizer, part.rate
    untrack: Callable[[Any], Any] = getattr(owner, UNTRACK)

    def keep(variable: Any) -> Any:
        if variable is not rate or find_fit(model) is None:  # one that broke off, perhaps
            return untrack(variable)
        other = part.rate
        owner._learning_rate = rate
        is_schedule = isinstance(other, keras.optimizers.schedules.LearningRateSchedule)
        what = f"a `{type(other).__name__}`" if is_schedule else "a function"
        where = "the optimizer" if part.name is None else f"the optimizer's part `{part.name}`"
        problem = Diagnostic(
            code="LRS601",
            message=f"{what} was put into {where} while `fit` runs",
            help="take out the line that assigns it: the schedule alone says the rate; two "
            "curves are joined within it, by `then` or `*`",
        )
        raise LrsError([problem], source)

    return keep
