"""What `fit` is refused for, before its first batch: all that is not proven exact.

One function a rule, each yielding a diagnostic for what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.outlook import outlook
from lrdsl.training.feeds import apply_name
from lrdsl.training.feeds.parts import inner_optimizer, parts_of
from lrdsl.training.optimizer_rules import (
    every_part_has_a_rate,
    optimizer_is_alone,
    parts_are_there,
    rate_is_a_number,
    targets_can_be_set,
    variables_have_parts,
)
from lrdsl.training.situation import FitCall, Situation, is_schedule, is_standalone
from lrdsl.training.takeover import as_text

if TYPE_CHECKING:
    from lrdsl.plan import Plan


def refuse(situation: Situation) -> None:
    """Raise LrsError with all that stands against applying the schedule exactly."""
    for group in _GROUPS:
        found = [diagnostic for rule in group for diagnostic in rule(situation)]
        if found:
            raise LrsError(found, situation.program.source)


def refuse_plan(plan: Plan, situation: Situation) -> None:
    """Raise LrsError if this `fit` cannot follow the plan that was made for it."""
    found = [*_steps_are_known(plan), *_base_is_a_beginning(plan, situation)]
    if not found:
        together = int(situation.model.steps_per_execution)
        found = [
            *_epoch_is_as_long_as_said(plan, situation.fit, together),
            *_data_last(plan, situation.fit, situation.parameters["epochs"]),
            *_what_may_happen_can(plan, together),
        ]
    if found:
        raise LrsError(found, plan.program.source)


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
    elif situation.fit.initial_epoch < 0:
        yield Diagnostic(
            code="LRS602",
            message=f"`fit` begins with epoch {situation.fit.initial_epoch}, and a plan with "
            "epoch 0",
            help="leave `initial_epoch` out, or give the number of epochs that are done",
        )
    together = getattr(situation.model, "steps_per_execution", 1)
    if not isinstance(together, int | np.integer):
        yield Diagnostic(
            code="LRS601",
            message=f"`steps_per_execution` is {together!r}, and Keras needs a number",
            help="compile the model with one, such as `steps_per_execution=1`",
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


def _data_are_there(situation: Situation) -> Iterator[Diagnostic]:
    fit = situation.fit
    if situation.parameters.get("steps") == 0 or (fit is not None and fit.batches == 0):
        yield Diagnostic(
            code="LRS601",
            message="the data are empty: an epoch has no batch",
            help="look where they come from: a path that matches no file, a filter that lets "
            "nothing pass, `drop_remainder=True` with fewer rows than a batch",
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

    variables = [*situation.model.trainable_variables]
    rates = [part.rate for part in parts_of(situation.optimizer)]
    variables += [rate for rate in rates if isinstance(rate, keras.Variable)]
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
    if getattr(inner_optimizer(situation.optimizer), "gradient_accumulation_steps", None):
        yield Diagnostic(
            code="LRS601",
            message=f"Keras cannot accumulate gradients under `{name}`",
            help="leave `gradient_accumulation_steps` out, and take larger batches",
        )


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
            text = as_text(callback)
            written = "" if text is None else f"; in a schedule it reads `{text}`"
            yield Diagnostic(
                code="LRS601",
                message=f"`{name}` would set the rate too",
                help=situation.or_take_over(
                    f"take `{name}` out of `callbacks`: the schedule alone says the rate"
                    + written
                ),
            )
        elif is_standalone(callback):
            module = type(callback).__module__
            yield Diagnostic(
                code="LRS601",
                message=f"the schedule of the module `{module}`, which `lrdsl compile` has "
                "written, would set the rate too",
                help=situation.or_take_over(
                    f"pass one schedule to `fit`: this one, or `{module}.callback()`"
                ),
            )
        elif is_schedule(callback) and callback is not situation.ours:
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


def _data_last(plan: Plan, fit: FitCall | None, epochs: int) -> Iterator[Diagnostic]:
    # Keras begins anew with data that end where an epoch does, and else cuts the epoch.
    if fit is None or not fit.batches or not fit.steps_per_epoch:
        return
    steps, batches = fit.steps_per_epoch, fit.batches
    needed = (epochs - fit.initial_epoch) * steps
    if batches % steps and needed > batches:
        cut = fit.initial_epoch + batches // steps
        yield Diagnostic(
            code="LRS602",
            message=f"the data have {batches:,} batches, so that epoch {cut} ends after "
            f"{batches % steps:,} steps, and {steps:,} are planned",
            help=f"leave `steps_per_epoch={steps}` out, for epochs of all {batches:,} batches, "
            "or let the data not run out (`.repeat()`)",
        )


def _base_is_a_beginning(plan: Plan, situation: Situation) -> Iterator[Diagnostic]:
    if plan.program.needs_base and plan.base == 0 and situation.base is None:
        yield Diagnostic(
            code="LRS601",
            message="the schedule begins at `base`, and the optimizer's own rate is 0",
            help="say where it begins, `from=0.1` (`max=0.1`), or set the rate before `fit`: "
            "`model.optimizer.learning_rate = 0.1`; a model saved at the end of a schedule "
            "has the rate that it ended with",
        )


def _what_may_happen_can(plan: Plan, together: int) -> Iterator[Diagnostic]:
    """Name what metrics may lead to, and only then cannot be trained."""
    expected = outlook(plan)
    if expected is not None and expected.trouble is not None:
        yield from expected.trouble.problems
        return
    for one in [plan] if expected is None else [way.plan for way in expected.ways]:
        found = [*_snapshots_are_reachable(one, together), *_stop_is_reachable(one, together)]
        if found:
            yield from found
            return  # one says it for all


def _stop_is_reachable(plan: Plan, together: int) -> Iterator[Diagnostic]:
    assert plan.steps_per_epoch is not None
    assert plan.total_steps is not None
    done = plan.total_steps % plan.steps_per_epoch
    if plan.is_stopped and done % together:
        yield Diagnostic(
            code="LRS601",
            message=f"`stop` comes after {done} steps of an epoch, and "
            f"`steps_per_execution={together}` runs {together} steps at once",
            help=f"compile with a `steps_per_execution` that divides {done}, such as 1, or "
            "stop at the end of an epoch",
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
    (_backend_is_supported, parts_are_there),
    (every_part_has_a_rate, targets_can_be_set),
    (_model_is_fit,),
    (
        _train_function_is_keras_own,
        _model_has_weights_to_train,
        _data_are_there,
        _distribution_is_supported,
        optimizer_is_alone,
        variables_have_parts,
        rate_is_a_number,
        _rate_has_one_owner,
    ),
)
"""All rules of a group are asked; a group only once those before it found nothing."""
