"""The rate from inside the compiled train step, on the TensorFlow backend.

Rates of the coming steps lie in a variable, the table.  For the time of one `fit` the
optimizer's `apply` is shadowed, on the instance, by one that looks up the running step's
rate, assigns it to the optimizer's own rate, applies, and writes the rate that the update
was given to a second variable, the tape.  All of it is traced into the train step, so it
holds within one execution of many steps and under XLA, where a callback cannot reach.

Both variables are ours alone: no optimizer or model tracks them, so what is saved while we
are attached is what would be saved without us.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import SourceText

WINDOW = 512
"""Steps held at once.  Few enough that rewriting the whole tape at every step costs nothing
to be measured, and enough that filling the table again does not either.  (Writing one slot
in place, `tape[i].assign`, ended in segmentation faults under XLA with TensorFlow 2.21.)"""


_LEFT: WeakKeyDictionary[Any, np.float32] = WeakKeyDictionary()
"""The rate that each optimizer was left with."""


def rate_owner(optimizer: Any) -> Any:
    """Return the optimizer that holds the rate: the inner one of a LossScaleOptimizer."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def rate_variable(optimizer: Any) -> Any:
    """Return where the optimizer keeps its rate: a variable, a schedule or a function."""
    return getattr(rate_owner(optimizer), "_learning_rate", None)


def rate_left_in(model: Any) -> np.float32 | None:
    """Return the last rate that we had the model's optimizer use, None if there is none."""
    shadow = vars(model).get("make_train_function")
    feed = getattr(shadow, "__self__", None)
    if isinstance(feed, RateFeed):  # of a `fit` that broke off
        return feed.last_used()
    return _LEFT.get(model.optimizer)


class RateFeed:
    """Feeds a model's train step with rates, and tells which rates it used."""

    def __init__(self, model: Any, source: SourceText) -> None:
        import tensorflow as tf

        self._tf = tf
        self._model = model
        self._optimizer = model.optimizer
        self._owner = rate_owner(model.optimizer)
        self._rate = rate_variable(model.optimizer)
        self._source = source
        self.size = max(WINDOW, int(model.steps_per_execution))
        self._last_used: np.float32 | None = None

        # The table ends with a rate of 0, for steps that nobody planned.  The tape begins
        # with the number of steps, as float32 (exact up to 2^24) to be one variable.
        self._table: Any = tf.Variable(np.zeros(self.size + 1, np.float32), trainable=False)
        self._tape: Any = tf.Variable(np.zeros(self.size + 1, np.float32), trainable=False)

        self._attached = False
        self._shadows: list[tuple[Any, str, Any]] = []
        self._former_function: Any = None
        self._our_function: Any = None
        self._apply: Any = None
        self._update_step: Any = None
        self._train_step: Any = None

        # What is known while a step is traced, or run eagerly.
        self._in_step = False
        self._applications = 0
        self._place: Any = None  # the graph of the step
        self._used: Any = None  # what the first variable's update was given
        self._refused: LrsError | None = None
        self.has_stepped = False

    # -- Attaching ---------------------------------------------------------------------

    def attach(self) -> None:
        """Take over the optimizer's rate and have the train step traced anew."""
        other = getattr(vars(self._optimizer).get("apply"), "__self__", None)
        if isinstance(other, RateFeed):  # left by a `fit` of another model that broke off
            other.detach()
        self._apply = self._optimizer.apply
        self._update_step = self._owner.update_step
        self._train_step = self._model.train_step
        self._former_function = self._model.train_function
        self._shadow(self._optimizer, "apply", self._shadow_apply)
        self._shadow(self._owner, "update_step", self._shadow_update_step)
        self._shadow(self._model, "make_train_function", self._shadow_make_train_function)
        self._attached = True
        try:
            self._make_train_function()
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Leave model and optimizer as they were, but for the rate; any number of times."""
        if not self._attached:
            return
        self._note_last_used()
        if self._last_used is not None:
            _LEFT[self._optimizer] = self._last_used
        self._attached = False
        for holder, name, former in reversed(self._shadows):
            if getattr(vars(holder).get(name), "__self__", None) is not self:
                continue  # somebody shadowed ours, which lets all pass from now on
            if former is None:
                del vars(holder)[name]
            else:
                vars(holder)[name] = former
        self._shadows.clear()
        if self._model.train_function is self._our_function:
            self._model.train_function = self._former_function
        # It may hold a traced graph, with all that the model had then.
        self._our_function = self._former_function = None

    def lost(self) -> str | None:
        """Return why the train step is no longer ours, None while it is.  Cheap."""
        model = self._model
        if self._attached and model.train_function is self._our_function:
            return None
        if model.optimizer is not self._optimizer:
            return "the model was compiled again while `fit` ran"
        return "the model was trained by another call, or its train function was replaced"

    def _shadow(self, holder: Any, name: str, ours: Callable[..., Any]) -> None:
        # Into the instance's dictionary: Keras looks into what `setattr` is given.
        self._shadows.append((holder, name, vars(holder).get(name)))
        vars(holder)[name] = ours

    def _make_train_function(self) -> None:
        own = vars(self._model).get("train_step")
        vars(self._model)["train_step"] = self._counted_step()
        try:
            type(self._model).make_train_function(self._model, force=True)
        finally:
            if own is None:
                del vars(self._model)["train_step"]
            else:
                vars(self._model)["train_step"] = own
        self._our_function = self._model.train_function

    def _shadow_make_train_function(self, force: bool = False) -> None:
        """Stay when a callback of this `fit` asks for a new trace; leave otherwise.

        Every `fit` and `train_on_batch` calls this before anything else.  So whatever ended
        the `fit` that we belong to, no later one trains with a table that nobody fills.
        """
        if force and self._attached and self._model.optimizer is self._optimizer:
            self._make_train_function()
            return
        self.detach()
        self._model.make_train_function(force=force)

    # -- What the train step is made of -------------------------------------------------

    def _counted_step(self) -> Callable[..., Any]:
        train_step = self._train_step

        @functools.wraps(train_step)
        def step(*args: Any, **kwargs: Any) -> Any:
            if not self._attached:  # a function that somebody kept from an earlier fit
                return train_step(*args, **kwargs)
            held = self._hold()
            self._place = self._here()
            self._applications = 0
            self._in_step = True
            try:
                result = train_step(*args, **kwargs)
                if self._applications == 0:
                    raise self._refusal(
                        "the train step does not call `optimizer.apply`",
                        "let `train_step` call `self.optimizer.apply` once for each batch, "
                        "and the model have trainable weights",
                    )
            except Exception:
                if self._refused is None:
                    raise
                for variable, value in held:
                    variable.assign(value)
                self.detach()
                # Another one: AutoGraph marks what is raised in a function that it converts,
                # and then wraps it.
                raise LrsError(self._refused.diagnostics, self._source) from None
            finally:
                self._in_step = False
                self._used = self._place = None
            self.has_stepped = True
            return result

        return step

    def _shadow_apply(self, grads: Any, *args: Any, **kwargs: Any) -> Any:
        if not (self._attached and self._in_step):
            # Called from outside our train step: by a loop of the user's, perhaps after
            # `fit` was interrupted.  The schedule does not say what rate that has.
            return self._apply(grads, *args, **kwargs)
        tf = self._tf
        self._applications += 1
        if self._applications > 1:
            raise self._refusal(
                "the train step calls `optimizer.apply` more than once for a batch",
                "let `train_step` call `self.optimizer.apply` once for each batch",
            )
        if self._here() is not self._place:
            raise self._refusal(
                "the train step calls `optimizer.apply` within a loop, a condition or a "
                "`tf.function` of its own",
                "let `train_step` call `self.optimizer.apply` once for each batch, outside "
                "of loops and conditions, and do not decorate it",
            )
        tape = self._tape.read_value()
        count = tape[0]
        index = tf.cast(tf.minimum(count, float(self.size)), tf.int32)
        rate = tf.gather(self._table, index)
        # What we write waits for the gradients.  Where a dataset is at its end the step is
        # run once more, fails for want of data, and would else have counted by then.
        gradients = _tensors(grads)
        with tf.control_dependencies(gradients):
            self._rate.assign(rate)
        self._used = None
        result = self._apply(grads, *args, **kwargs)
        if self._used is not None and self._used[0] is self._place:
            used = self._used[1]
        else:
            # The update stands under a condition (accumulation, loss scaling): what is
            # read back then is the rate as `apply` left it.
            used = tf.convert_to_tensor(self._rate)
        slots = tf.range(self.size + 1)
        tape = tf.where(slots == index + 1, tf.cast(used, tf.float32), tape)
        with tf.control_dependencies(gradients):
            self._tape.assign(tf.where(slots == 0, count + 1.0, tape))
        return result

    def _shadow_update_step(
        self, gradient: Any, variable: Any, learning_rate: Any, *args: Any, **kwargs: Any
    ) -> Any:
        if self._attached and self._in_step and self._used is None:
            # A read of its own, here: what anybody assigned since our `apply` began is seen.
            used = self._tf.identity(self._tf.convert_to_tensor(learning_rate))
            self._used = (self._here(), used)
        return self._update_step(gradient, variable, learning_rate, *args, **kwargs)

    def _here(self) -> Any:
        return self._tf.compat.v1.get_default_graph()

    def _hold(self) -> list[tuple[Any, Any]]:
        # Traced, a step that is refused has not run.  Eagerly it has: the first is undone.
        if self.has_stepped or not self._tf.executing_eagerly():
            return []
        variables = [*self._model.variables, *self._optimizer.variables]
        return [(variable, variable.value.numpy()) for variable in variables]

    def _refusal(self, message: str, repair: str) -> LrsError:
        diagnostic = Diagnostic(code="LRS601", message=message, help=repair)
        self._refused = LrsError([diagnostic], self._source)
        return self._refused

    # -- Rates in, rates out -------------------------------------------------------------

    def feed(self, rates: NDArray[np.float32]) -> None:
        """Give the rates of the coming steps, at most `size`; any beyond them have rate 0."""
        self._note_last_used()
        table = np.zeros(self.size + 1, np.float32)
        table[: len(rates)] = rates
        self._table.assign(table)
        self._tape.assign(np.zeros(self.size + 1, np.float32))

    def used(self) -> tuple[int, NDArray[np.float32]]:
        """Return how many steps have run since `feed`, and the rates they used."""
        tape = self._tape.numpy()
        count = int(tape[0])
        return count, tape[1 : 1 + min(count, self.size)]

    def last_used(self) -> np.float32 | None:
        """Return the rate of the last step that ran, None if none has."""
        if self._attached:
            self._note_last_used()
        return self._last_used

    def _note_last_used(self) -> None:
        with self._tf.init_scope():  # a refusal comes while a step is being traced
            _, used = self.used()
        if len(used):
            self._last_used = used[-1]


def _tensors(gradients: Any) -> list[Any]:
    dense = [getattr(gradient, "values", gradient) for gradient in gradients]
    return [gradient for gradient in dense if gradient is not None]
