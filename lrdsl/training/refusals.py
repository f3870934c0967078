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
from lrdsl.training.feeds import apply_name, rate_owner, rate_variable
from lrdsl.training.feeds.targets import why_not
from lrdsl.training.takeover import holds_a_schedule, in_the_optimizer

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
        return tuple(one for one in behind if _would_set_the_rate(one, self.ours))

    def or_take_over(self, repair: str) -> str:
        """Return the repair, and what else can be done where `lrdsl train` runs the program."""
        if self.take_over is not False:
            return repair
        return f"{repair}; or run `lrdsl train --take-over`, which does it for this run"


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
        initial_epoch: the epoch that it begins with, as far as is known when it begins.
    """

    steps_per_epoch: int | None
    initial_epoch: int = 0


def find_fit(model: Any) -> FitCall | None:
    """Return the running `fit` of `model`, by Keras and no other; None if there is none."""
    code = inspect.unwrap(keras.Model.fit).__code__
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code is code and frame.f_locals.get("self") is model:
            # Keras may lower what the caller said, so its own word counts.
            return FitCall(
                getattr(frame.f_locals.get("epoch_iterator"), "steps_per_epoch", None),
                # What a `BackupAndRestore` of an earlier `fit` left there comes first.
                getattr(model, "_initial_epoch", 0) or frame.f_locals.get("initial_epoch", 0),
            )
        frame = frame.f_back  # type: ignore[assignment]
    return None


def _backend_is_supported(situation: Situation) -> Iterator[Diagnostic]:
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax", "torch"):
        yield Diagnostic(
            code="LRS601",
            message=f"Keras runs on the `{backend}` backend",
            help="so far lrdsl applies schedules on TensorFlow, JAX and torch: set "
            "KERAS_BACKEND to one of them before Keras is imported",
        )
    elif backend == "jax" and keras.config.is_nnx_enabled():
        yield Diagnostic(
            code="LRS601",
            message="Keras runs in NNX mode, and compiles train steps by `nnx.jit` there",
            help="so far lrdsl applies schedules without it: leave KERAS_NNX_ENABLED and "
            '`"nnx_enabled"` in keras.json unset',
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


def _targets_can_be_set(situation: Situation) -> Iterator[Diagnostic]:
    targets = dict(situation.program.checked.targets)
    if "lr" not in targets:
        name, node = next(iter(targets.items()))
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule sets `{name}` and not `lr`",
            primary=Label(node.span, f"is for `{name}`"),
            help="add `lr = base`, which keeps the optimizer's own rate, or any other",
        )
    if situation.optimizer is None:
        return
    others = [name for name in targets if name != "lr"]
    half = [v.path for v in situation.model.trainable_variables if "16" in str(v.dtype)]
    if others and half and keras.backend.backend() == "jax":
        # XLA leaves out the rounding that a constant has there.
        yield Diagnostic(
            code="LRS601",
            message=f"on JAX `{others[0]}` is not exact for weights of half precision, such "
            f"as `{half[0]}`",
            primary=Label(targets[others[0]].span, f"is for `{others[0]}`"),
            help='keep the weights in float32: `set_dtype_policy("mixed_bfloat16")`',
        )
    for name, message, repair in why_not(rate_owner(situation.optimizer), others):
        yield Diagnostic(
            code="LRS601",
            message=message,
            primary=Label(targets[name].span, f"is for `{name}`"),
            help=repair,
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
            "`callback.rate(step)` to `model.optimizer.learning_rate` before each step",
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
                help="override `train_step` instead, and let it call "
                f"`self.optimizer.{apply_name()}` once for each batch",
            )


def _model_has_weights_to_train(situation: Situation) -> Iterator[Diagnostic]:
    model = situation.model
    own = getattr(type(model), "train_step", None) is not getattr(keras.Model, "train_step", 0)
    if model.built and not own and not model.trainable_variables:
        yield Diagnostic(
            code="LRS601",
            message="the model has no trainable weights",
            help="leave the schedule out, or set `trainable = True` where there are weights "
            "to train, and compile the model after it",
        )


def _distribution_is_supported(situation: Situation) -> Iterator[Diagnostic]:
    if keras.backend.backend() != "tensorflow":
        distribution = keras.distribution.distribution()
        if distribution is not None:
            yield Diagnostic(
                code="LRS601",
                message=f"the model is distributed by `{type(distribution).__name__}`",
                help="so far lrdsl applies schedules on one device of this backend: take the "
                "distribution away, `keras.distribution.set_distribution(None)`",
            )
        return
    import tensorflow as tf

    strategy = situation.model.distribute_strategy
    if strategy is (None if tf.distribute.has_strategy() else tf.distribute.get_strategy()):
        return
    mirrored = (tf.distribute.MirroredStrategy, tf.distribute.MultiWorkerMirroredStrategy)
    if not isinstance(strategy, mirrored):
        yield Diagnostic(
            code="LRS601",
            message=f"the model is distributed by `{_name_of_strategy(strategy)}`",
            help="so far lrdsl applies schedules under `MirroredStrategy` and "
            "`MultiWorkerMirroredStrategy`, and without a strategy",
        )
        return
    yield from _model_is_of_the_strategy(situation, strategy)
    yield from _keras_can_distribute(situation, strategy)


def _name_of_strategy(strategy: Any) -> str:
    """Return its public name: `MultiWorkerMirroredStrategy` is a `CollectiveAllReduce…`."""
    import tensorflow as tf

    names = [name for name in dir(tf.distribute) if name.endswith("Strategy")]
    found = [name for name in names if type(strategy) is getattr(tf.distribute, name)]
    return found[0] if found else type(strategy).__name__


def _model_is_of_the_strategy(situation: Situation, strategy: Any) -> Iterator[Diagnostic]:
    import tensorflow as tf

    rate = rate_variable(situation.optimizer)
    variables = [*situation.model.trainable_variables]
    if isinstance(rate, keras.Variable):
        variables.append(rate)
    strange = [
        one for one in variables if not strategy.extended.variable_created_in_scope(one.value)
    ]
    if strange:
        where = "it is fitted in" if tf.distribute.has_strategy() else "the model was made in"
        yield Diagnostic(
            code="LRS601",
            message=f"`{strange[0].path}` was made outside of the "
            f"`{_name_of_strategy(strategy)}` that {where}",
            help="make layers and optimizer within `with strategy.scope():`",
        )


def _keras_can_distribute(situation: Situation, strategy: Any) -> Iterator[Diagnostic]:
    """Name what Keras itself fails at, in words that do not name the cause."""
    name = _name_of_strategy(strategy)
    others = [name for name in situation.program.targets if name != "lr"]
    if others:
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule sets `{others[0]}`, and the model is distributed by "
            f"`{name}`",
            help="so far lrdsl applies only `lr` there",
        )
    if strategy.num_replicas_in_sync == 1:
        return
    if int(situation.model.steps_per_execution) > 1:
        yield Diagnostic(
            code="LRS601",
            message=f"Keras cannot run several steps at once under `{name}`",
            help="leave `steps_per_execution` at 1",
        )
    if situation.model.jit_compile:
        yield Diagnostic(
            code="LRS601",
            message=f"Keras cannot compile the train step by XLA under `{name}`",
            help='leave `jit_compile` at "auto", which switches it off there',
        )
    if getattr(rate_owner(situation.optimizer), "gradient_accumulation_steps", None):
        yield Diagnostic(
            code="LRS601",
            message=f"Keras cannot accumulate gradients under `{name}`",
            help="leave `gradient_accumulation_steps` out, and take larger batches",
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
    if situation.take_over and holds_a_schedule(situation.optimizer):
        yield from _rate_taken_over_is_one(situation)
    elif isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        yield Diagnostic(
            code="LRS601",
            message=f"the optimizer's rate is a `{type(rate).__name__}` already",
            help=situation.or_take_over(f"{number}: the schedule replaces it"),
        )
    elif not isinstance(rate, keras.Variable):
        yield Diagnostic(
            code="LRS601",
            message="the optimizer's rate is a function"
            if callable(rate)
            else f"`{type(optimizer).__name__}` does not keep its rate as Keras does",
            help=situation.or_take_over(f"{number}: the schedule replaces it")
            if callable(rate)
            else f"{number}: the schedule replaces it",
        )
    elif keras.backend.standardize_dtype(rate.dtype) != "float32":
        yield Diagnostic(
            code="LRS601",
            message=f"the optimizer's rate is a {rate.dtype}, and float32 is needed",
            help='leave `keras.config.set_floatx("float32")` in force; half precision is '
            'had by `keras.config.set_dtype_policy("mixed_float16")`',
        )


def _rate_taken_over_is_one(situation: Situation) -> Iterator[Diagnostic]:
    found = in_the_optimizer(situation.optimizer)
    assert found.rate is not None
    if not 0 <= found.rate < float("inf"):
        yield Diagnostic(
            code="LRS601",
            message=f"the optimizer's {found.name} gives {found.rate} at step {found.step}, "
            "which is no rate to take over",
            help="make the optimizer with a number",
        )
    elif found.rate == 0 and situation.base is None and situation.program.needs_base:
        yield Diagnostic(
            code="LRS601",
            message=f"the schedule begins at `base`, and the optimizer's {found.name}, which "
            f"it takes over from, gives 0 at step {found.step}",
            help="say where it begins: `--base 0.1`, or `from=0.1` (`max=0.1`) in the file",
        )


def _would_set_the_rate(callback: Any, ours: Any) -> bool:
    rivals = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)
    return callback is not ours and isinstance(callback, (*rivals, type(ours)))


def _rate_has_one_owner(situation: Situation) -> Iterator[Diagnostic]:
    left_out = situation.rivals_to_leave_out
    for callback in situation.callbacks:
        if any(callback is one for one in left_out):
            continue
        name = type(callback).__name__
        if isinstance(
            callback,
            keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau,
        ):
            yield Diagnostic(
                code="LRS601",
                message=f"`{name}` would set the rate too",
                help=situation.or_take_over(
                    f"take `{name}` out of `callbacks`: the schedule alone says the rate"
                ),
            )
        elif isinstance(callback, type(situation.ours)) and callback is not situation.ours:
            yield Diagnostic(
                code="LRS601",
                message="two schedules would set the rate",
                help=situation.or_take_over(
                    "pass one schedule to `fit`; two curves are joined within the file, by "
                    "`then` or `*`"
                ),
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
    (_backend_is_supported, _program_needs_no_metrics, _targets_can_be_set),
    (_model_is_fit,),
    (
        _train_function_is_keras_own,
        _model_has_weights_to_train,
        _distribution_is_supported,
        _optimizer_is_one,
        _rate_is_a_number,
        _rate_has_one_owner,
    ),
)
"""All rules of a group are asked; a group only once those before it found nothing."""
