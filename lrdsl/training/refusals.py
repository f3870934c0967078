"""What `fit` is refused for, before its first batch: all that is not proven exact.

One function a rule, each yielding a diagnostic for what it finds.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import keras

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.training.applying import rate_owner, rate_variable

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program


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
    """

    program: Program
    model: Any
    callbacks: tuple[Any, ...]
    ours: Any
    parameters: dict[str, Any]
    fit: FitCall | None

    @property
    def optimizer(self) -> Any:
        """The model's optimizer, None where it was not compiled."""
        return getattr(self.model, "optimizer", None)


def refuse(situation: Situation) -> None:
    """Raise LrsError with all that stands against applying the schedule exactly."""
    for group in _GROUPS:
        found = [diagnostic for rule in group for diagnostic in rule(situation)]
        if found:
            raise LrsError(found, situation.program.source)


def refuse_plan(plan: Plan, situation: Situation) -> None:
    """Raise LrsError if this `fit` cannot follow the plan that was made for it."""
    found = [*_steps_are_known(plan), *_snapshots_are_supported(plan)]
    if not found:
        together = int(situation.model.steps_per_execution)
        found = [
            *_epoch_is_as_long_as_said(plan, situation.fit, together),
            *_snapshots_are_reachable(plan, together),
        ]
    if found:
        raise LrsError(found, plan.program.source)


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
    """

    steps_per_epoch: int | None


def find_fit(model: Any) -> FitCall | None:
    """Return the running `fit` of `model`, by Keras and no other; None if there is none."""
    code = inspect.unwrap(keras.Model.fit).__code__
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code and frame.f_locals.get("self") is model:
            # Keras may lower what the caller said, so its own word counts.
            return FitCall(
                getattr(frame.f_locals.get("epoch_iterator"), "steps_per_epoch", None)
            )
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _backend_is_tensorflow(situation: Situation) -> Iterator[Diagnostic]:
    backend = keras.backend.backend()
    if backend != "tensorflow":
        yield Diagnostic(
            code="LRS601",
            message=f"Keras runs on the `{backend}` backend",
            help="so far lrdsl applies schedules on TensorFlow only: set "
            "KERAS_BACKEND=tensorflow before Keras is imported",
        )


def _program_needs_no_metrics(situation: Situation) -> Iterator[Diagnostic]:
    if situation.program.reactive is not None:
        yield Diagnostic(
            code="LRS601",
            message="the schedule reacts to metrics",
            primary=Label(situation.program.reactive, "depends on what training measures"),
            help="so far lrdsl applies schedules of time only: give a time, such as "
            "`until 30`, here",
        )


def _target_is_the_rate(situation: Situation) -> Iterator[Diagnostic]:
    others = [(name, node) for name, node in situation.program.checked.targets if name != "lr"]
    if others:
        names = ", ".join(f"`{name}`" for name, _ in others)
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule sets {names}",
            primary=Label(others[0][1].span, f"is for `{others[0][0]}`"),
            help="so far lrdsl applies only `lr`: leave the other targets out, and give "
            "the optimizer a constant",
        )


def _model_is_fit(situation: Situation) -> Iterator[Diagnostic]:
    if situation.optimizer is None:
        yield Diagnostic(
            code="LRS601",
            message="the model has no optimizer",
            help='compile it first: `model.compile(optimizer="sgd", …)`',
        )
    if situation.fit is None:
        yield Diagnostic(
            code="LRS601",
            message="the callback was not called by `Model.fit`",
            help="pass it to `model.fit(…, callbacks=[…])`; in a loop of your own, assign "
            "`plan.values(step)` to `optimizer.learning_rate` before each step",
        )
    elif "epochs" not in situation.parameters:
        yield Diagnostic(
            code="LRS601",
            message="`fit` was given a `CallbackList`, and tells it no epochs and steps",
            help="pass the callbacks as a list: `fit(…, callbacks=[…])`",
        )


def _train_function_is_keras_own(situation: Situation) -> Iterator[Diagnostic]:
    model = type(situation.model)
    for name in ("make_train_function", "_make_function"):
        own = getattr(model, name, None) is not getattr(keras.Model, name, None)
        if own or name in vars(situation.model):
            yield Diagnostic(
                code="LRS601",
                message=f"`{model.__name__}` has a `{name}` of its own",
                help="override `train_step` instead, and let it call `self.optimizer.apply` "
                "once for each batch",
            )


def _training_is_on_one_device(situation: Situation) -> Iterator[Diagnostic]:
    import tensorflow as tf

    found = None
    strategy = situation.model.distribute_strategy
    default = tf.distribute.get_strategy() if not tf.distribute.has_strategy() else None
    if strategy is not default:
        found = type(strategy).__name__
    elif keras.distribution.distribution() is not None:
        found = type(keras.distribution.distribution()).__name__
    if found is not None:
        yield Diagnostic(
            code="LRS601",
            message=f"the model is distributed by `{found}`",
            help="so far lrdsl applies schedules on one device: make and fit the model "
            "outside of the strategy's scope",
        )


def _optimizer_is_one(situation: Situation) -> Iterator[Diagnostic]:
    for optimizer in (situation.optimizer, rate_owner(situation.optimizer)):
        if isinstance(optimizer, keras.optimizers.MultiOptimizer):
            yield Diagnostic(
                code="LRS601",
                message="the optimizer is a `MultiOptimizer`, which has a rate for each part",
                help="so far lrdsl applies one rate: compile the model with one optimizer",
            )
            return
    others = [
        name
        for name, value in vars(situation.model).items()
        if isinstance(value, keras.optimizers.Optimizer)
        and value is not situation.optimizer
        and value is not rate_owner(situation.optimizer)
    ]
    if others:
        names = ", ".join(f"`{name}`" for name in sorted(others))
        yield Diagnostic(
            code="LRS601",
            message=f"the model holds another optimizer besides its own: {names}",
            help="so far lrdsl applies one rate to one optimizer: train with the one "
            "given to `compile`",
        )


def _rate_is_a_number(situation: Situation) -> Iterator[Diagnostic]:
    optimizer = rate_owner(situation.optimizer)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        return
    rate = rate_variable(situation.optimizer)
    number = f"make it with a number, `{type(optimizer).__name__}(learning_rate=0.01)`"
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        yield Diagnostic(
            code="LRS601",
            message=f"the optimizer's rate is a `{type(rate).__name__}` already",
            help=f"{number}: the schedule replaces it",
        )
    elif not isinstance(rate, keras.Variable):
        yield Diagnostic(
            code="LRS601",
            message="the optimizer's rate is a function"
            if callable(rate)
            else f"`{type(optimizer).__name__}` does not keep its rate as Keras does",
            help=f"{number}: the schedule replaces it",
        )
    elif keras.backend.standardize_dtype(rate.dtype) != "float32":
        yield Diagnostic(
            code="LRS601",
            message=f"the optimizer's rate is a {rate.dtype}, and float32 is needed",
            help='leave `keras.config.set_floatx("float32")` in force; half precision is '
            'had by `keras.config.set_dtype_policy("mixed_float16")`',
        )


def _rate_has_one_owner(situation: Situation) -> Iterator[Diagnostic]:
    for callback in situation.callbacks:
        name = type(callback).__name__
        if isinstance(
            callback,
            keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau,
        ):
            yield Diagnostic(
                code="LRS601",
                message=f"`{name}` would set the rate too",
                help=f"take `{name}` out of `callbacks`: the schedule alone says the rate",
            )
        elif isinstance(callback, type(situation.ours)) and callback is not situation.ours:
            yield Diagnostic(
                code="LRS601",
                message="two schedules would set the rate",
                help="pass one schedule to `fit`; two curves are joined within the file, by "
                "`then` or `*`",
            )
    if situation.callbacks.count(situation.ours) > 1:
        yield Diagnostic(
            code="LRS601",
            message="the schedule stands twice in `callbacks`",
            help="pass it once",
        )


def _steps_are_known(plan: Plan) -> Iterator[Diagnostic]:
    if plan.steps_per_epoch is not None and plan.total_steps is not None:
        return
    train = plan.program.train
    message = "`fit` does not know how many steps an epoch has"
    if train is not None:
        epochs = f"{train.epochs} epochs" if train.epochs is not None else "60 epochs"
        yield Diagnostic(
            code="LRS601",
            message=message,
            primary=Label(train.span, "does not say it either"),
            help=f"write `train {epochs} of 100 steps` with the true number, or call "
            "`fit(steps_per_epoch=…)`",
        )
    else:
        yield Diagnostic(
            code="LRS601",
            message=message,
            help=f"add `train {plan.epochs or 60} epochs of 100 steps` with the true number "
            "to the schedule, or call `fit(steps_per_epoch=…)`",
        )


def _snapshots_are_supported(plan: Plan) -> Iterator[Diagnostic]:
    options = plan.snapshot_options
    if options is not None and (options.best is not None or options.monitor is not None):
        yield Diagnostic(
            code="LRS601",
            message="`snapshot(best=…)` chooses models by a metric, which is not done yet",
            help="write `snapshot(keep=3)` for the last three, or `snapshot` for all",
        )


def _epoch_is_as_long_as_said(
    plan: Plan, fit: FitCall | None, together: int
) -> Iterator[Diagnostic]:
    # Keras cuts an epoch between executions only; where the data goes on, it runs over.
    steps = plan.steps_per_epoch
    assert steps is not None
    if fit is not None and fit.steps_per_epoch and steps % together:
        runs = -(-steps // together) * together
        yield Diagnostic(
            code="LRS602",
            message=f"`steps_per_epoch={steps}` with `steps_per_execution={together}` runs "
            f"{runs} steps in an epoch",
            help=f"call `fit(steps_per_epoch={runs})`, or compile with a `steps_per_execution` "
            f"that divides {steps}",
        )


def _snapshots_are_reachable(plan: Plan, together: int) -> Iterator[Diagnostic]:
    steps = plan.steps_per_epoch
    assert steps is not None
    for snapshot in plan.snapshots:
        assert snapshot.step is not None
        done = snapshot.step % steps + 1
        if done % together and done != steps:
            yield Diagnostic(
                code="LRS601",
                message=f"a snapshot is due after {done} steps of an epoch, and "
                f"`steps_per_execution={together}` runs {together} steps at once",
                help=f"compile with a `steps_per_execution` that divides {done}, such as 1, or "
                "end the cycle with an epoch",
            )
            return  # one says it for all


_Rule = Callable[[Situation], Iterator[Diagnostic]]

_GROUPS: tuple[tuple[_Rule, ...], ...] = (
    (_backend_is_tensorflow, _program_needs_no_metrics, _target_is_the_rate),
    (_model_is_fit,),
    (
        _train_function_is_keras_own,
        _training_is_on_one_device,
        _optimizer_is_one,
        _rate_is_a_number,
        _rate_has_one_owner,
    ),
)
"""All rules of a group are asked; a group only once those before it found nothing."""
