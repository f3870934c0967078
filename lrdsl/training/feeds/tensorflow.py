"""The rate from inside the compiled train step, on the TensorFlow backend.

For the time of one `fit` the optimizer's `apply` is shadowed, on the instance, by one that
looks up the running step's rate in a `RateWindow`, assigns it to the optimizer's own rate,
applies, records the rate that the update was given, and counts the step.  All of it is traced
into the train step, so it holds within one execution of many steps and under XLA, where a
callback cannot reach.

Under a distribution strategy the replicas of one process are traced by a thread each, which
wait for one another where variables are updated: that is done in the thread that began them,
one replica after the other.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.feeds import LEFT
from lrdsl.training.feeds.all_targets import AllTargets
from lrdsl.training.feeds.keeping import UNTRACK, keeping_rate
from lrdsl.training.feeds.mirrored_columns import MirroredColumns
from lrdsl.training.feeds.parts import build_optimizer, parts_of
from lrdsl.training.feeds.tensorflow_columns import GraphColumns
from lrdsl.training.feeds.tensorflow_window import WINDOW, RateWindow

if TYPE_CHECKING:
    from lrdsl.plan import Plan

_KEPT = "_lrdsl_feed"


class RateFeed:
    """Feeds a model's train step with rates, and tells which rates it used.

    Its train function is kept for later fits of the same model, so that a step is traced
    once.  It hangs on the one that Keras made for the model and its settings, and goes with
    that: when the model is compiled again, or a new trace is asked for.
    """

    @classmethod
    def of(cls, model: Any, plan: Plan) -> RateFeed:
        """Return the feed that was made for the model's train function, or a new one."""
        kept = vars(model.train_function).get(_KEPT) if model.train_function else None
        if isinstance(kept, RateFeed) and kept._serves(model, plan):
            kept._source = plan.program.source
            kept._last_used = kept._refused = None
            kept.on_detach = lambda: None
            return kept
        return cls(model, plan)

    def __init__(self, model: Any, plan: Plan) -> None:
        import tensorflow as tf

        self._tf = tf
        self._model = model
        self._optimizer = model.optimizer
        self._parts = parts_of(model.optimizer)
        self._rates = [part.rate for part in self._parts]
        self._source = plan.program.source
        self._together = int(model.steps_per_execution)
        self.size = max(WINDOW, self._together)
        self.on_detach: Callable[[], None] = lambda: None
        self._last_used: NDArray[np.float32] | None = None

        self._strategy = model.distribute_strategy
        self._window = RateWindow(self._strategy, self.size, len(self._parts))
        self._targets = AllTargets(self._parts, plan, self.size + 1, self._make_columns)
        self._start = 0

        self._attached = False
        self._shadows: list[tuple[Any, str, Any, Any]] = []
        self._former_function: Any = None
        self._our_function: Any = None
        self._kept_function: Any = None
        self._apply: Any = None
        self._train_step: Any = None

        # What is known while a step is traced, or run eagerly.
        self._step = _Step()
        # For each replica: what each part's first update was given, and where; None until.
        self._used: dict[str | None, list[tuple[Any, Any] | None]] = {}
        self._refused: LrsError | None = None
        self.has_stepped = False

    # -- Attaching ---------------------------------------------------------------------

    def attach(self) -> None:
        """Take over the optimizer's rate and have the train step traced anew."""
        other = getattr(vars(self._optimizer).get("apply"), "__self__", None)
        if isinstance(other, RateFeed):  # left by a `fit` of another model that broke off
            other.detach()
        self._apply = self._optimizer.apply
        self._train_step = self._model.train_step
        self._former_function = self._model.train_function
        self._shadow(self._optimizer, "apply", self._shadow_apply)
        for number, part in enumerate(self._parts):
            update = part.optimizer.update_step
            self._shadow(part.optimizer, "update_step", self._noting(number, update))
            keep = keeping_rate(part, self._model, self._source)
            self._shadow(part.optimizer, UNTRACK, keep)
        self._shadow(self._model, "make_train_function", self._shadow_make_train_function)
        self._attached = True
        if self._targets:  # with its own floats
            build_optimizer(self._model)
        if self._kept_function is not None:
            self._model.train_function = self._our_function = self._kept_function
            return
        try:
            self._make_train_function()
        except BaseException:
            self.detach()
            raise

    def _serves(self, model: Any, plan: Plan) -> bool:
        return (
            not self._attached
            and self._optimizer is model.optimizer
            and self._train_step == model.train_step
            and self._together == int(model.steps_per_execution)
            and self._targets.follow(plan)
        )

    def detach(self) -> None:
        """Leave model and optimizer as they were, but for the rate; any number of times."""
        if not self._attached:
            return
        self.note_left()
        with self._tf.init_scope():  # a refusal comes while a step is being traced
            self.on_detach()
        self._attached = False
        for holder, name, former, ours in reversed(self._shadows):
            if vars(holder).get(name) is not ours:
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
        self._shadows.append((holder, name, vars(holder).get(name), ours))
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
        if self._former_function is not None:
            vars(self._former_function)[_KEPT] = self
            self._kept_function = self._our_function

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
            self._step.place = self._here()
            self._step.applications = 0
            batch = self._tf.nest.flatten((args, kwargs), expand_composites=True)
            self._step.data = list(filter(self._tf.is_tensor, batch))
            self._step.is_open = True
            try:
                result = train_step(*args, **kwargs)
                if self._step.applications == 0:
                    raise self._refusal(
                        "the train step does not call `optimizer.apply`",
                        "let `train_step` call `self.optimizer.apply` once for each batch, "
                        "and the model have trainable weights",
                    )
                self._see_that_logs_can_be_averaged(result)
            except Exception:
                refused = self._refused or self._targets.refused
                if refused is None:
                    raise
                for variable, value in held:
                    variable.assign(value)
                self.detach()
                # Another one: AutoGraph marks what is raised in a function that it converts,
                # and then wraps it.
                raise LrsError(refused.diagnostics, self._source) from None
            finally:
                self._step.is_open = False
                self._step.place = None
                self._step.data = ()
            self.has_stepped = True
            return result

        return step

    def _see_that_logs_can_be_averaged(self, logs: Any) -> None:
        """Refuse what Keras fails at after the step, in words that do not name the cause.

        Over several processes it averages along the first axis, and its own metrics have none.
        """
        tf = self._tf
        strategy = self._strategy
        several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
        if several and strategy.num_replicas_in_sync > 1:
            leaves = [tf.convert_to_tensor(one) for one in tf.nest.flatten(logs)]
            if any(one.shape.rank == 0 for one in leaves):
                raise self._refusal(
                    "Keras cannot average what `train_step` returns over several machines, as "
                    "it returns numbers, and Keras looks for vectors",
                    "let `train_step` return vectors: `logs = super().train_step(data)`, then "
                    "`return {k: keras.ops.reshape(v, (1,)) for k, v in logs.items()}`; the "
                    "same for `test_step`",
                )

    def _shadow_apply(self, grads: Any, *args: Any, **kwargs: Any) -> Any:
        if not (self._attached and self._step.is_open):
            # Called from outside our train step: by a loop of the user's, perhaps after
            # `fit` was interrupted.  The schedule does not say what rate that has.
            return self._apply(grads, *args, **kwargs)
        tf = self._tf
        self._step.applications += 1
        if self._step.applications > 1:
            raise self._refusal(
                "the train step calls `optimizer.apply` more than once for a batch",
                "let `train_step` call `self.optimizer.apply` once for each batch",
            )
        if self._here() is not self._step.place:
            raise self._refusal(
                "the train step calls `optimizer.apply` within a loop, a condition or a "
                "`tf.function` of its own",
                "let `train_step` call `self.optimizer.apply` once for each batch, outside "
                "of loops and conditions, and do not decorate it",
            )
        index = self._window.index()
        # What we write waits.  Where a dataset is at its end the step is run once more, fails
        # for want of data, and would else have counted by then.  The rate waits for no more
        # than the loss, which the last weight's gradient shows: updates can begin while other
        # gradients are being computed.
        gradients = _tensors(grads)
        with tf.control_dependencies([*self._step.data, *gradients[-1:]]):
            for rate, planned in zip(self._rates, self._window.planned(index), strict=True):
                rate.assign(planned)
        replica = self._window.replica_here()
        self._used[replica] = [None] * len(self._parts)
        try:
            with self._targets_at(index):
                result = self._apply(grads, *args, **kwargs)
        finally:
            readings = self._used.pop(replica)
        # Where an update stands under a condition (accumulation, loss scaling), what is read
        # back is the rate as `apply` left it.
        used = [
            reading[1]
            if reading is not None and reading[0] is self._step.place
            else tf.convert_to_tensor(rate)
            for reading, rate in zip(readings, self._rates, strict=True)
        ]
        self._window.record(index, used)
        with tf.control_dependencies(gradients):
            self._window.count_step()
        return result

    def _targets_at(self, index: Any) -> AbstractContextManager[None]:
        if not self._targets:
            return nullcontext()
        if self._tf.executing_eagerly():
            return self._targets.plain(self._start + int(index))
        return self._looking_up(index)

    @contextmanager
    def _looking_up(self, index: Any) -> Iterator[None]:
        with ExitStack() as stack:
            for columns in self._targets.columns:
                stack.enter_context(columns.at(index))
            yield stack.enter_context(self._targets.standing_in())

    def _noting(self, part: int, update: Callable[..., Any]) -> Callable[..., Any]:
        def noting(
            gradient: Any, variable: Any, learning_rate: Any, *args: Any, **kwargs: Any
        ) -> Any:
            readings = self._used.get(self._window.replica_of(variable))
            if self._attached and readings is not None and readings[part] is None:
                # A read of its own, here: what anybody assigned since our `apply` began is
                # seen.  The update is given what Keras gives it, be that the variable, or
                # another rate for each weight.
                readings[part] = (self._here(), self._tf.convert_to_tensor(learning_rate))
            return update(gradient, variable, learning_rate, *args, **kwargs)

        return noting

    def _here(self) -> Any:
        eager = self._tf.executing_eagerly()  # where each thread has a graph of its own
        return None if eager else self._tf.compat.v1.get_default_graph()

    def _make_columns(self) -> GraphColumns | MirroredColumns:
        distribute = self._tf.distribute
        mirrored = (distribute.MirroredStrategy, distribute.MultiWorkerMirroredStrategy)
        if isinstance(self._strategy, mirrored):
            return MirroredColumns(self._strategy, self.size + 1)
        return GraphColumns()

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

    def feed(self, rates: NDArray[np.float32], start: int) -> None:
        """Give the rates of the steps from `start` on, at most `size`; any beyond have 0."""
        self._note_last_used()
        self._window.fill(rates)
        self._start = start
        self._targets.go_to(start)

    def used(self) -> tuple[int, NDArray[np.float32]]:
        """Return how many steps have run since `feed`, and the rates they used."""
        return self._window.used()

    def follow(self, plan: Plan) -> bool:
        """Take a plan that differs in steps to come; return whether the step suits it."""
        return self._targets.follow(plan)

    def last_targets(self) -> dict[str, float]:
        """Return what the last step that ran used of the other targets."""
        count = self._window.count
        return self._targets.values(self._start + count - 1) if count else {}

    def last_used(self) -> NDArray[np.float32] | None:
        """Return the rates of the last step that ran, None if none has."""
        if self._attached:
            self._note_last_used()
        return self._last_used

    def note_left(self) -> None:
        """Note in `LEFT` what each part was left with."""
        last = self.last_used()
        if last is not None:
            LEFT.update(zip((part.optimizer for part in self._parts), last, strict=True))

    def _note_last_used(self) -> None:
        with self._tf.init_scope():  # a refusal comes while a step is being traced
            _, used = self.used()
        if len(used):
            self._last_used = used[-1]


class _Step(threading.local):
    """The step that a replica is in."""

    is_open = False
    applications = 0
    place: Any = None  # its graph
    data: Sequence[Any] = ()  # its batch


def _tensors(gradients: Any) -> list[Any]:
    dense = [getattr(gradient, "values", gradient) for gradient in gradients]
    return [gradient for gradient in dense if gradient is not None]
