"""Every reason why `fit` is refused: its words, and that nothing was touched."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrdsl
from lrdsl.export import module_text
from lrdsl.training.callback import ScheduleCallback

from .weights import BATCH, fit, make_dataset, make_model, make_rows, weights_of

STEPS = 6


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where models are saved that nobody says a folder for


@dataclass(frozen=True)
class Refused:
    """What a refusal says."""

    code: str
    message: str
    help: str


def refusal(run: Callable[[], Any], model: Any = None) -> Refused:
    """Return what `run` is refused with, having seen that it changed no weight or shadow."""
    with pytest.raises(lrdsl.LrsError) as caught:
        run()
    (found,) = caught.value.diagnostics
    assert found.message in str(caught.value)
    if model is not None:
        assert not weights_of(model).any()
        assert keras.ops.convert_to_numpy(model.optimizer.iterations) == 0
        for holder in (model, model.optimizer):
            assert not {"apply", "update_step", "make_train_function"} & set(vars(holder))
    return Refused(found.code, found.message, found.help or "")


def refused_fit(model: Any, schedule: str = "const(0.1)", **options: Any) -> Refused:
    return refusal(lambda: fit(model, lrdsl.compile(schedule), STEPS, **options), model)


def assert_says(refused: Refused, message: str, repair: str, code: str = "LRS601") -> None:
    assert refused.code == code
    assert refused.message == message
    assert repair in refused.help


# -- The program -------------------------------------------------------------------------------


def test_target_that_the_optimizer_keeps_no_room_for() -> None:
    assert_says(
        refused_fit(make_model(STEPS), "lr = 0.1\nmomentum = 0.9"),
        "`SGD` was made with `momentum=0`, and keeps no momentum then",
        "make it with any other number: `SGD(momentum=0.9)`",
    )


def test_train_line_that_contradicts_fit() -> None:
    refused = refused_fit(make_model(STEPS), f"train 3 epochs of {STEPS} steps\nconst(1)")
    assert refused.code == "LRS309"
    refused = refused_fit(make_model(STEPS), "train 1 epochs of 7 steps\nconst(1)")
    assert refused.code == "LRS309"


# -- The backend, the model, the call ----------------------------------------------------------


@pytest.mark.parametrize("backend", ["numpy", "openvino"])
def test_a_backend_that_cannot_train(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    assert_says(
        refused_fit(make_model(STEPS)),
        f"Keras runs on the `{backend}` backend",
        "set KERAS_BACKEND to one of them before Keras is imported",
    )


def test_hooks_that_are_not_called_by_fit() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile("const(0.1)")
    callbacks = keras.callbacks.CallbackList([callback], model=model, epochs=1, steps=STEPS)
    for begin in (callbacks.on_train_begin, callback.on_train_begin):
        assert_says(
            refusal(begin, model),
            "the callback was not called by `Model.fit`",
            "assign `callback.rate(step)` to `model.optimizer.learning_rate` before each step",
        )


def test_model_without_an_optimizer() -> None:
    model = make_model(STEPS)
    model.compile(optimizer=None)
    with pytest.raises(lrdsl.LrsError, match="the model has no optimizer"):
        fit(model, lrdsl.compile("const(0.1)"), STEPS)


def test_callback_list_that_hears_of_no_epochs() -> None:
    model = make_model(STEPS)
    callbacks = keras.callbacks.CallbackList([lrdsl.compile("const(0.1)")], model=model)
    rows = make_rows(STEPS)
    assert_says(
        refusal(
            lambda: model.fit(rows, np.zeros(len(rows)), callbacks=callbacks, verbose=0), model
        ),
        "`fit` was given a `CallbackList`, and tells it no epochs and steps",
        "pass the callbacks as a list",
    )


def test_train_function_of_the_models_own() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def make_train_function(self, force: bool = False) -> Any:
            return super().make_train_function(force)

    assert_says(
        refused_fit(make_model(STEPS, model_class=Own)),
        "`Own` has a `make_train_function` of its own",
        "override `train_step` instead",
    )


@pytest.mark.parametrize("kind", ["OneDeviceStrategy"])
def test_distributed_model(kind: str) -> None:
    strategy = getattr(tf.distribute, kind)("/cpu:0")
    with strategy.scope():
        model = make_model(STEPS)
    assert_says(
        refused_fit(model),
        f"the model is distributed by `{kind}`",
        "under `MirroredStrategy` and `MultiWorkerMirroredStrategy`, and without a strategy",
    )


# -- The optimizer and its rate ----------------------------------------------------------------


def test_second_optimizer_in_the_model() -> None:
    model = make_model(STEPS)
    model.critic_optimizer = keras.optimizers.SGD(0.1)
    assert_says(
        refused_fit(model),
        "the model holds another optimizer besides its own: `critic_optimizer`",
        "so far lrdsl applies a schedule to one optimizer: train with the one given to "
        "`compile`",
    )


@pytest.mark.parametrize("hold", [lambda one: [one], lambda one: {"critic": one}])
def test_second_optimizer_in_a_list_or_dictionary_of_the_model(hold: Any) -> None:
    model = make_model(STEPS)
    model.others = hold(keras.optimizers.SGD(0.1))
    message = "the model holds another optimizer besides its own: `others`"
    assert refused_fit(model).message == message


def test_second_optimizer_that_only_the_train_step_knows() -> None:
    critic = keras.optimizers.SGD(0.1)
    main = keras.optimizers.SGD(1.0)

    class Own(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            critic.build(self.trainable_variables)
            assert main is self.optimizer
            return super().train_step(data)

    assert_says(
        refused_fit(make_model(STEPS, main, model_class=Own)),
        "`train_step` uses another optimizer besides the model's: `critic`",
        "train with the one given to `compile`, `self.optimizer`",
    )


def test_base_of_0() -> None:
    # As a model has that was saved at the end of a schedule, and loaded in another process.
    model = make_model(STEPS, keras.optimizers.SGD(0.0))
    assert_says(
        refused_fit(model, "linear(to=0)"),
        "the schedule begins at `base`, and the optimizer's own rate is 0",
        "say where it begins, `from=0.1` (`max=0.1`), or set the rate before `fit`",
    )
    fit(model, lrdsl.compile("linear(from=0.1, to=0)"), STEPS)
    assert weights_of(model).any()


def test_keras_schedule_in_the_optimizer() -> None:
    rate = keras.optimizers.schedules.CosineDecay(0.1, 10)
    model = make_model(STEPS, keras.optimizers.Adam(rate))
    assert_says(
        refused_fit(model),
        "the optimizer's rate is a `CosineDecay` already",
        "make it with a number, `Adam(learning_rate=0.01)`: the schedule replaces it",
    )


def test_function_as_rate() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(lambda: 0.1))
    assert_says(
        refused_fit(model),
        "the optimizer's rate is a function",
        "make it with a number, `SGD(learning_rate=0.01)`",
    )


def test_schedule_within_a_loss_scale_optimizer() -> None:
    inner = keras.optimizers.SGD(keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5))
    model = make_model(STEPS, keras.optimizers.LossScaleOptimizer(inner))
    assert "is a `ExponentialDecay` already" in refused_fit(model).message


def test_rate_of_half_precision() -> None:
    keras.config.set_floatx("float16")
    try:
        optimizer = keras.optimizers.SGD(1.0)
    finally:
        keras.config.set_floatx("float32")
    assert_says(
        refused_fit(make_model(STEPS, optimizer)),
        "the optimizer's rate is a float16, and float32 is needed",
        'leave `keras.config.set_floatx("float32")` in force',
    )


# -- One owner ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.callbacks.LearningRateScheduler(lambda epoch: 0.1),
        lambda: keras.callbacks.ReduceLROnPlateau(),
    ],
    ids=["LearningRateScheduler", "ReduceLROnPlateau"],
)
def test_callback_that_sets_the_rate_too(make: Any) -> None:
    rival = make()
    name = type(rival).__name__
    assert_says(
        refused_fit(make_model(STEPS), callbacks=[rival]),
        f"`{name}` would set the rate too",
        f"take `{name}` out of `callbacks`",
    )


def test_plateau_of_keras_is_refused_with_ours_to_write() -> None:
    rival = keras.callbacks.ReduceLROnPlateau(
        factor=0.5, patience=4, min_delta=0.01, min_lr=0.1
    )
    refused = refused_fit(make_model(STEPS), callbacks=[rival])
    assert refused.help is not None
    assert refused.help.endswith(
        "; in a schedule it reads `plateau(monitor=val_loss, factor=0.5, patience=4, "
        "min_delta=0.01, min=0.1)`"
    )


def test_rival_hidden_in_a_nested_list_of_callbacks() -> None:
    rival = keras.callbacks.ReduceLROnPlateau()
    nested = keras.callbacks.CallbackList([rival])
    refused = refused_fit(make_model(STEPS), callbacks=[nested])
    assert refused.message == "`ReduceLROnPlateau` would set the rate too"


def test_second_schedule() -> None:
    assert_says(
        refused_fit(make_model(STEPS), callbacks=[lrdsl.compile("const(0.2)")]),
        "two schedules would set the rate",
        "pass one schedule to `fit`",
    )


def test_second_schedule_from_a_module_that_was_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = lrdsl.loads("linear(from=0.2)").plan(epochs=1, steps_per_epoch=STEPS)
    (tmp_path / "falling_rate.py").write_text(module_text(plan))
    monkeypatch.syspath_prepend(tmp_path)
    theirs = importlib.import_module("falling_rate").callback()
    assert_says(
        refused_fit(make_model(STEPS), callbacks=[theirs]),
        "the schedule of the module `falling_rate`, which `lrdsl compile` has written, would "
        "set the rate too",
        "pass one schedule to `fit`: this one, or `falling_rate.callback()`",
    )


def test_second_schedule_beside_one_of_a_derived_class() -> None:
    class Mine(ScheduleCallback):
        pass

    assert_says(
        refusal(
            lambda: fit(
                model, Mine(lrdsl.loads("0.1")), STEPS, callbacks=[lrdsl.compile("0.2")]
            ),
            model := make_model(STEPS),
        ),
        "two schedules would set the rate",
        "pass one schedule to `fit`",
    )


def test_same_schedule_twice() -> None:
    model, callback = make_model(STEPS), lrdsl.compile("const(0.1)")
    assert_says(
        refusal(lambda: fit(model, callback, STEPS, callbacks=[callback]), model),
        "the schedule stands twice in `callbacks`",
        "pass it once",
    )


def test_all_rivals_are_named_at_once() -> None:
    rivals = [keras.callbacks.ReduceLROnPlateau(), lrdsl.compile("const(0.2)")]
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(make_model(STEPS), lrdsl.compile("const(0.1)"), STEPS, callbacks=rivals)
    assert len(caught.value.diagnostics) == 2


# -- The train step ----------------------------------------------------------------------------


class Twice(keras.Model):  # type: ignore[misc]
    def train_step(self, data: Any) -> Any:
        super().train_step(data)
        return super().train_step(data)


class Never(keras.Model):  # type: ignore[misc]
    def train_step(self, data: Any) -> Any:
        self.trainable_variables[0].assign_add(keras.ops.ones((STEPS, 1)))
        return {"loss": 0.0}


class Looped(keras.Model):  # type: ignore[misc]
    def train_step(self, data: Any) -> Any:
        def body(turn: Any) -> Any:
            ones = [v * 0 + 1 for v in self.trainable_variables]
            self.optimizer.apply(ones, self.trainable_variables)
            return [turn + 1]

        tf.while_loop(lambda turn: turn < 3, body, [0])
        return {"loss": 0.0}


class Decorated(keras.Model):  # type: ignore[misc]
    @tf.function  # type: ignore[untyped-decorator]
    def train_step(self, data: Any) -> Any:
        return super().train_step(data)


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("model_class", "message"),
    [
        (Twice, "the train step calls `optimizer.apply` more than once for a batch"),
        (Never, "the train step does not call `optimizer.apply`"),
        (Looped, None),
    ],
)
def test_train_step_that_does_not_apply_once(
    model_class: Any, message: str | None, eager: bool
) -> None:
    model = make_model(STEPS, model_class=model_class, run_eagerly=eager)
    if message is None:
        within = (
            "the train step calls `optimizer.apply` within a loop, a condition or a "
            "`tf.function` of its own"
        )
        more = "the train step calls `optimizer.apply` more than once for a batch"
        message = more if eager else within
    assert_says(
        refused_fit(model),
        message,
        "let `train_step` call `self.optimizer.apply` once for each batch",
    )


def test_train_step_in_a_function_of_its_own() -> None:
    refused = refused_fit(make_model(STEPS, model_class=Decorated))
    assert "a `tf.function` of its own" in refused.message
    assert "do not decorate it" in refused.help


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_model_without_trainable_weights() -> None:
    model = make_model(STEPS)
    model.trainable = False
    refused = refused_fit_frozen(model)
    assert refused.message == "the model has no trainable weights"
    assert "set `trainable = True` where there are weights to train" in refused.help


def refused_fit_frozen(model: Any) -> Refused:
    return refusal(lambda: fit(model, lrdsl.compile("const(0.1)"), STEPS))


def test_train_step_that_applies_once_is_followed() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            rows, _ = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(self(rows, training=True))
            gradients = tape.gradient(loss, self.trainable_variables)
            self.optimizer.apply(gradients, self.trainable_variables)
            return {"loss": loss}

    model = make_model(STEPS, model_class=Own)
    callback = lrdsl.compile("linear(from=0.1, to=1e-3)")
    fit(model, callback, STEPS)
    rates = callback.plan.values().astype(np.float32)
    np.testing.assert_array_equal(weights_of(model), -rates)
    np.testing.assert_array_equal(callback.applied, rates)


def test_fit_that_another_library_has_wrapped_is_followed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = keras.Model.fit
    monkeypatch.setattr(keras.Model, "fit", lambda *args, **kwargs: theirs(*args, **kwargs))
    model = make_model(STEPS)
    callback = lrdsl.compile("linear(from=0.1, to=1e-3)")
    fit(model, callback, STEPS)
    np.testing.assert_array_equal(weights_of(model), -callback.plan.values().astype(np.float32))


def test_fit_of_the_models_own_that_trains_without_us() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def fit(self, *args: Any, **kwargs: Any) -> Any:
            callbacks = keras.callbacks.CallbackList(
                kwargs["callbacks"], model=self, epochs=1, steps=STEPS
            )
            callbacks.on_train_begin()

    assert_says(
        refused_fit(make_model(STEPS, model_class=Own)),
        "the callback was not called by `Model.fit`",
        "pass it to `model.fit(…, callbacks=[…])`",
    )


# -- How many steps ----------------------------------------------------------------------------


def test_steps_of_an_epoch_that_nobody_knows() -> None:
    model = make_model(STEPS)
    data = make_dataset(STEPS, known=False)
    for schedule, repair in (
        ("const(0.1)", "add `train 2 epochs of 100 steps` with the true number"),
        ("train 2 epochs\nconst(0.1)", "write `train 2 epochs of 100 steps` with the true"),
    ):
        callback = lrdsl.compile(schedule)
        train = partial(model.fit, data, epochs=2, callbacks=[callback], verbose=0)
        refused = refusal(train, model)
        assert_says(refused, "`fit` does not know how many steps an epoch has", repair)
        assert "or call `fit(steps_per_epoch=…)`" in refused.help


def test_data_that_are_empty() -> None:
    model = make_model(STEPS)
    rows = np.zeros((0, STEPS), np.float32)
    batches = tf.data.Dataset.from_tensor_slices((rows, rows[:, 0])).batch(BATCH)
    for schedule in ("const(0.1)", "train 1 epochs\nlinear(from=1) until 3 steps then 0.1"):
        for data in ((rows, rows[:, 0]), (batches,)):
            callback = lrdsl.compile(schedule)
            assert_says(
                refusal(partial(model.fit, *data, callbacks=[callback], verbose=0), model),
                "the data are empty: an epoch has no batch",
                "look where they come from",
            )


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_generator_that_one_epoch_has_used_up() -> None:
    def batches() -> Any:
        for row in np.eye(STEPS, dtype=np.float32):
            yield row[None], np.zeros((1, 1), np.float32)

    callback = lrdsl.compile(f"train 2 epochs of {STEPS} steps\nconst(0.1)")
    with pytest.raises(lrdsl.LrsError) as caught:
        make_model(STEPS).fit(batches(), epochs=2, callbacks=[callback], verbose=0)
    (found,) = caught.value.diagnostics
    # Keras gives the two batches again that it had looked at before the first epoch.
    assert found.message == "epoch 1 had 2 steps, and 6 are planned"
    assert "used up before, as a generator is after one epoch" in (found.help or "")
    assert "`fit(steps_per_epoch=6)`" in (found.help or "")


def test_steps_per_epoch_that_executions_run_over() -> None:
    model = make_model(STEPS, steps_per_execution=4)
    data = make_dataset(STEPS).repeat()
    callback = lrdsl.compile("const(0.1)")
    assert_says(
        refusal(
            lambda: model.fit(data, steps_per_epoch=6, callbacks=[callback], verbose=0), model
        ),
        "`steps_per_epoch=6` with `steps_per_execution=4` runs 8 steps in an epoch",
        "call `fit(steps_per_epoch=8)`, or compile with a `steps_per_execution` that divides 6",
        code="LRS602",
    )


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("together", [1, 4])
@pytest.mark.parametrize(("real", "planned"), [(10, 12), (10, 11), (10, 9), (10, 4)])
def test_epoch_of_another_length_than_planned(real: int, planned: int, together: int) -> None:
    model = make_model(real, steps_per_execution=together)
    callback = lrdsl.compile(f"train 1 epochs of {planned} steps\nlinear(from=1, to=0.5)")
    data = make_dataset(real, known=False)
    with pytest.raises(lrdsl.LrsError) as caught:
        model.fit(data, callbacks=[callback], verbose=0, shuffle=False)
    (found,) = caught.value.diagnostics
    count = str(real) if real < planned else f"more than {planned}"
    assert found.code == "LRS602"
    assert found.message == f"epoch 0 had {count} steps, and {planned} are planned"
    assert "say how many steps an epoch really has" in (found.help or "")
    # No step trained with a rate that the plan does not have.
    trained = min(real, planned)
    rates = callback.plan.values(range(trained)).astype(np.float32)
    expected = np.concatenate([-rates, np.zeros(real - trained, np.float32)])
    np.testing.assert_array_equal(weights_of(model), expected)
    np.testing.assert_array_equal(callback.applied, rates)
    assert "apply" not in vars(model.optimizer)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_data_that_runs_out_before_the_steps_given_to_fit() -> None:
    def train(**options: Any) -> Any:
        callback = lrdsl.compile("const(0.1)")
        return model.fit(
            make_dataset(STEPS), callbacks=[callback], verbose=0, shuffle=False, **options
        )

    model = make_model(STEPS)
    for steps, epochs, cut, left in ((4, 2, 1, 2), (9, 1, 0, 6)):
        assert_says(
            refusal(partial(train, steps_per_epoch=steps, epochs=epochs), model),
            f"the data have 6 batches, so that epoch {cut} ends after {left} steps, and "
            f"{steps} are planned",
            f"leave `steps_per_epoch={steps}` out, for epochs of all 6 batches, or let the "
            "data not run out (`.repeat()`)",
            code="LRS602",
        )
    # Keras begins anew where the end of the data is one of an epoch.
    assert len(train(steps_per_epoch=3, epochs=4).epoch) == 4
    assert len(train(steps_per_epoch=4, epochs=1).epoch) == 1


def test_negative_number_of_steps_says_nothing_about_them() -> None:
    model = make_model(STEPS)
    refused = refused_fit(model, steps_per_epoch=-1)
    assert refused.message == "`fit` does not know how many steps an epoch has"
    callback = lrdsl.compile(f"train 1 epochs of {STEPS} steps\nlinear(from=0.1, to=0)")
    fit(model, callback, STEPS, steps_per_epoch=-1)
    rates = callback.plan.values().astype(np.float32)
    np.testing.assert_array_equal(weights_of(model), -rates)


def test_steps_per_execution_that_is_no_number() -> None:
    assert_says(
        refused_fit(make_model(STEPS, steps_per_execution="auto")),
        "`steps_per_execution` is 'auto', and Keras needs a number",
        "compile the model with one, such as `steps_per_execution=1`",
    )


def test_epochs_before_the_first() -> None:
    assert_says(
        refused_fit(make_model(STEPS), initial_epoch=-1),
        "`fit` begins with epoch -1, and a plan with epoch 0",
        "leave `initial_epoch` out",
        code="LRS602",
    )


# -- Snapshots ---------------------------------------------------------------------------------


def test_snapshot_that_executions_run_over() -> None:
    model = make_model(8, steps_per_execution=4)
    schedule = "linear(from=1, to=0) for 3 steps repeat snapshot"
    assert_says(
        refusal(lambda: fit(model, lrdsl.compile(schedule), 8), model),
        "a snapshot is due after 3 steps of an epoch, and `steps_per_execution=4` runs 4 "
        "steps at once",
        "compile with a `steps_per_execution` that divides 3, such as 1, or end the cycle "
        "with an epoch",
    )


def test_refusal_names_the_schedules_file(tmp_path: Any) -> None:
    path = tmp_path / "mine.lrs"
    path.write_text("const(0.1)")
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(
            make_model(STEPS),
            lrdsl.compile(path),
            STEPS,
            callbacks=[keras.callbacks.ReduceLROnPlateau()],
        )
    assert "mine.lrs" in str(caught.value)


def test_batches_are_what_a_step_is() -> None:
    # Pins the meaning of a step that all of the above builds on.
    callback = lrdsl.compile("const(0.1)")
    fit(make_model(STEPS), callback, STEPS, epochs=2)
    assert callback.plan.total_steps == 2 * len(make_rows(STEPS)) // BATCH
