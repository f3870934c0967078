"""The rate that each step really used, told by weights, against the plan's."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from training.weights import BATCH, fit, make_dataset, make_model, make_rows, weights_of

import lrdsl

from .settings import (
    BACKEND,
    JIT,
    SETTINGS,
    TOGETHER,
    TWO_SETTINGS,
    assert_followed,
    assert_untouched,
    needs_many_steps,
    number,
    planned,
)

STEPS = 10
FALLING = "linear(from=0.1, to=1e-3)"


def quiet_fit(model: Any, data: Any, callback: Any, **options: Any) -> Any:
    return model.fit(data, callbacks=[callback], **{"verbose": 0, "shuffle": False, **options})


# -- Settings of `compile` ---------------------------------------------------------------------


@pytest.mark.parametrize(("together", "jit"), SETTINGS)
def test_every_step_uses_its_rate_however_steps_are_executed(together: int, jit: bool) -> None:
    model = make_model(37, steps_per_execution=together, jit_compile=jit)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, 37, epochs=2)
    assert_followed(model, callback, epochs=2)


@pytest.mark.parametrize("together", TOGETHER[:2])
def test_every_step_uses_its_rate_when_run_eagerly(together: int) -> None:
    model = make_model(STEPS, run_eagerly=True, jit_compile=False, steps_per_execution=together)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS)
    assert_followed(model, callback)


@pytest.mark.parametrize("together", [*TOGETHER[::2], *([2100] if len(TOGETHER) > 1 else [])])
def test_rates_are_exact_across_refills_of_the_table(together: int) -> None:
    model = make_model(4300, steps_per_execution=together)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, 4300)
    assert_followed(model, callback)


# -- The constant-then-exponential and the cyclic cosine, by their closed formulas -------------


@pytest.mark.parametrize("by", ["", " by epoch"])
def test_constant_then_exponential_is_its_formula_at_every_step(by: str) -> None:
    model = make_model(5)
    schedule = f"({'const(1e-3) until 10 then exp(0.1)'}){by}"
    callback = lrdsl.compile(schedule)
    fit(model, callback, 5, epochs=14)
    time = np.arange(70) // 5 if by else np.arange(70) / 5
    formula = np.where(time < 10, 1e-3, 1e-3 * np.exp(-0.1 * (time - 10)))
    # One unit in float32's last place: the formula above is rounded in another order.
    np.testing.assert_array_max_ulp(callback.applied, formula.astype(np.float32), 1)
    assert_followed(model, callback, epochs=14)


@pytest.mark.parametrize("by", ["", " by epoch"])
def test_cyclic_cosine_is_its_formula_at_every_step(by: str) -> None:
    model = make_model(5)
    callback = lrdsl.compile(f"cosine(max=0.1, cycles=3){by}")
    fit(model, callback, 5, epochs=12)
    time = np.arange(60) // 5 if by else np.arange(60) / 5
    formula = 0.05 * (1 + np.cos(np.pi * (time % 4) / 4))
    np.testing.assert_allclose(callback.applied, formula.astype(np.float32), rtol=1e-6)
    assert_followed(model, callback, epochs=12)


# -- Fits --------------------------------------------------------------------------------------


def test_model_that_was_fit_before_follows_the_schedule() -> None:
    model = make_model(STEPS)
    model.optimizer.learning_rate = 0.0
    rows = make_rows(STEPS)
    model.fit(rows, np.zeros(len(rows)), batch_size=BATCH, verbose=0)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS)
    assert_followed(model, callback)


def test_second_fit_with_the_same_callback_starts_afresh() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS, epochs=2)
    model.set_weights([np.zeros((STEPS, 1))])
    fit(model, callback, STEPS)
    assert_followed(model, callback)


def test_second_schedule_follows_the_first_on_the_same_model() -> None:
    model = make_model(STEPS)
    fit(model, lrdsl.compile(FALLING), STEPS)
    model.set_weights([np.zeros((STEPS, 1))])
    callback = lrdsl.compile("const(0.25) until 50% then 0.125")
    fit(model, callback, STEPS)
    assert_followed(model, callback)


def test_initial_epoch_enters_the_plan_there() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS, epochs=3, initial_epoch=2)
    np.testing.assert_array_equal(weights_of(model), -planned(callback)[20:])
    np.testing.assert_array_equal(callback.applied, planned(callback)[20:])
    np.testing.assert_array_equal(callback.applied_steps, np.arange(20, 30))


@needs_many_steps
@pytest.mark.parametrize(("before", "after"), [(1, 3), (3, 2)])
def test_steps_per_execution_set_without_compiling_is_followed(before: int, after: int) -> None:
    model = make_model(12, steps_per_execution=before)
    fit(model, lrdsl.compile(FALLING), 12)
    for together in (after, before):
        model.set_weights([np.zeros((12, 1))])
        model.steps_per_execution = together
        callback = lrdsl.compile(FALLING)
        fit(model, callback, 12)
        assert_followed(model, callback)


# -- Data --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("together", [1, 5] if len(TOGETHER) > 1 else [1])
@pytest.mark.parametrize(
    ("schedule", "known", "options"),
    [
        pytest.param(FALLING, True, {}, id="dataset of known length"),
        pytest.param(FALLING, False, {"steps_per_epoch": STEPS}, id="steps given to fit"),
        pytest.param(
            f"train 2 epochs of {STEPS} steps\n{FALLING}", False, {}, id="steps in the file"
        ),
    ],
)
def test_dataset_follows_the_schedule(
    schedule: str, known: bool, options: dict[str, Any], together: int
) -> None:
    model = make_model(STEPS, steps_per_execution=together)
    callback = lrdsl.compile(schedule)
    data = make_dataset(STEPS, known=known, last=1)
    if "steps_per_epoch" in options:
        data = data.repeat()  # so that only `fit` knows where an epoch ends
    quiet_fit(model, data, callback, epochs=2, **options)
    assert_followed(model, callback, epochs=2)


def test_generator_follows_the_schedule() -> None:
    def batches() -> Any:
        while True:
            for row in np.eye(STEPS, dtype=np.float32):
                yield row[None], np.zeros((1, 1), np.float32)

    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    quiet_fit(model, batches(), callback, epochs=2, steps_per_epoch=STEPS)
    assert_followed(model, callback, epochs=2)


def test_python_dataset_follows_the_schedule() -> None:
    class Rows(keras.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return STEPS

        def __getitem__(self, index: int) -> Any:
            return np.eye(STEPS, dtype=np.float32)[index][None], np.zeros((1, 1), np.float32)

    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    quiet_fit(model, Rows(), callback, epochs=2)
    assert_followed(model, callback, epochs=2)


# -- Optimizers --------------------------------------------------------------------------------


@pytest.mark.parametrize(("together", "jit"), TWO_SETTINGS)
def test_accumulated_update_uses_the_rate_of_its_own_batch(together: int, jit: bool) -> None:
    optimizer = keras.optimizers.SGD(1.0, gradient_accumulation_steps=4)
    model = make_model(12, optimizer, steps_per_execution=together, jit_compile=jit)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, 12)
    rates = planned(callback)
    quarter = np.float32(0.25)  # the mean of four gradients, of which one is 1
    np.testing.assert_array_equal(weights_of(model), -np.repeat(rates[3::4], 4) * quarter)
    np.testing.assert_array_equal(callback.applied, rates)


@pytest.mark.parametrize(("together", "jit"), TWO_SETTINGS)
def test_loss_scaling_leaves_every_rate_exact(together: int, jit: bool) -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))
    model = make_model(STEPS, optimizer, steps_per_execution=together, jit_compile=jit)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS)
    assert_followed(model, callback)


def test_batch_skipped_by_loss_scaling_is_a_step_all_the_same() -> None:
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0))
    model = make_model(STEPS, optimizer)
    rows = make_rows(STEPS)
    rows[3 * BATCH, 3] = np.inf
    callback = lrdsl.compile(FALLING)
    quiet_fit(model, rows, callback, y=np.zeros(len(rows)), batch_size=BATCH)
    rates = planned(callback)
    np.testing.assert_array_equal(callback.applied, rates)
    np.testing.assert_array_equal(weights_of(model), np.where(np.arange(10) == 3, 0, -rates))


class AssignBefore(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets each step's rate from outside, which is exact with one step an execution."""

    def __init__(self, rates: NDArray[np.float32]) -> None:
        super().__init__()
        self.rates = iter(rates)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = next(self.rates)


def optimizers() -> list[Any]:
    make = keras.optimizers
    kinds = ["Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lamb"]
    kinds += ["Lion", "Muon", "Nadam", "RMSprop", "ScheduleFreeAdamW", "SGD"]
    chosen = [(kind, {}) for kind in kinds if hasattr(make, kind)]
    chosen += [
        ("SGD", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
        ("AdamW", {"clipnorm": 0.1, "use_ema": True}),
        ("Adam", {"gradient_accumulation_steps": 3, "amsgrad": True}),
    ]
    heavy = {"Adadelta", "Adafactor", "Adagrad", "Adamax", "Ftrl", "Lamb", "Nadam", "RMSprop"}
    if BACKEND != "tensorflow":
        heavy |= {"Lion", "Muon", "ScheduleFreeAdamW"}
    return [
        pytest.param(
            kind,
            options,
            marks=[pytest.mark.heavy] if kind in heavy else [],
            id=" ".join([kind, *options]),
        )
        for kind, options in chosen
    ]


@pytest.mark.parametrize(("kind", "options"), optimizers())
def test_weights_are_those_of_assigning_the_rate_before_each_step(
    kind: str, options: dict[str, Any]
) -> None:
    def train(callback: Any) -> Any:
        keras.utils.set_random_seed(1)
        model = keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(7, "tanh"), keras.layers.Dense(1)]
        )
        optimizer = getattr(keras.optimizers, kind)(0.01, **options)
        model.compile(optimizer, loss="mse", jit_compile=JIT)
        rows = np.random.default_rng(1).normal(size=(36, 8)).astype(np.float32)
        target = np.sin(rows.sum(1))
        model.fit(
            rows, target, batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=[callback]
        )
        return model

    callback = lrdsl.compile("warmup(50%, from=1e-3) then cosine(max=0.3)")
    ours = train(callback)
    theirs = train(AssignBefore(planned(callback)))
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        one, other, path = *map(keras.ops.convert_to_numpy, (one, other)), one.path
        np.testing.assert_array_equal(one, other, err_msg=path)


# -- What is recorded is what happened, and held against the plan ------------------------------


def test_rate_assigned_from_outside_changes_nothing() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS, callbacks=[AssignBefore(np.ones(STEPS, np.float32))])
    assert_followed(model, callback)


def test_rate_that_the_optimizer_changed_after_ours_is_an_error() -> None:
    class Meddling(keras.optimizers.SGD):  # type: ignore[misc]
        def apply(self, grads: Any, trainable_variables: Any = None) -> None:
            self.learning_rate.assign(0.5)
            super().apply(grads, trainable_variables)

    assert_found_out(Meddling)


class Swap(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts a schedule of Keras's into the optimizer in one of its hooks."""

    def __init__(self, hook: str, batch: int | None, schedule: Any) -> None:
        super().__init__()
        self.schedule, self.batch = schedule, batch
        setattr(self, hook, self.swap)

    def swap(self, batch: Any, logs: Any = None) -> None:
        if self.batch in (batch, None):
            inner = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
            (*parts,) = getattr(inner, "optimizers", [inner])
            parts[-1].learning_rate = self.schedule


DECAY = keras.optimizers.schedules.CosineDecay(0.5, 1000)


def parted(inner: Any) -> Any:
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(inner, {"nothing": keras.optimizers.SGD(1.0)})
    )


@pytest.mark.parametrize(
    ("hook", "batch", "done"),
    [
        ("on_train_begin", None, 0),
        ("on_train_batch_begin", 0, 0),
        ("on_train_batch_end", 3, 4),
        ("on_train_batch_end", STEPS - 1, STEPS),
    ],
)
@pytest.mark.parametrize("is_first", [False, True])
def test_schedule_put_into_the_optimizer_while_fit_runs_is_refused(
    hook: str, batch: int | None, done: int, is_first: bool
) -> None:
    if is_first and batch is None:
        pytest.skip("that is before ours has looked")
    model = make_model(STEPS, keras.optimizers.SGD(1.0, momentum=0.5))
    names = [variable.path for variable in model.optimizer.variables]
    callback, swap = lrdsl.compile("const(1)"), Swap(hook, batch, DECAY)
    both = [swap, callback] if is_first else [callback, swap]
    rows = make_rows(STEPS)
    with pytest.raises(lrdsl.LrsError) as caught:
        model.fit(rows, rows[:, 0], batch_size=BATCH, shuffle=False, verbose=0, callbacks=both)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS601"
    assert found.message == "a `CosineDecay` was put into the optimizer while `fit` runs"
    assert "take out the line that assigns it" in (found.help or "")
    # Nothing trained by it, and the optimizer is whole: the same model goes on from there.
    assert number(model.optimizer.iterations) == done
    assert [variable.path for variable in model.optimizer.variables][: len(names)] == names
    assert callback.applied.tolist() == [1] * done
    again = lrdsl.compile(FALLING)
    fit(model, again, STEPS)
    np.testing.assert_array_equal(again.applied, planned(again))


@pytest.mark.parametrize(
    ("optimizer", "schedule", "message"),
    [
        (
            lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0)),
            lambda: 0.1,
            "a function was put into the optimizer while `fit` runs",
        ),
        (
            lambda: parted(keras.optimizers.SGD(1.0, name="main")),
            DECAY,
            "a `CosineDecay` was put into the optimizer's part `main` while `fit` runs",
        ),
    ],
    ids=["LossScaleOptimizer", "MultiOptimizer"],
)
def test_schedule_put_into_an_inner_optimizer_is_refused(
    optimizer: Any, schedule: Any, message: str
) -> None:
    model = make_model(STEPS, optimizer())
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(
            model,
            lrdsl.compile("0.1"),
            STEPS,
            callbacks=[Swap("on_train_batch_end", 2, schedule)],
        )
    assert [one.message for one in caught.value.diagnostics] == [message]


def test_schedule_may_be_put_into_the_optimizer_after_a_fit_that_broke_off() -> None:
    def broken(epoch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    model = make_model(STEPS)
    breaking = keras.callbacks.LambdaCallback(on_epoch_end=broken)
    with pytest.raises(KeyboardInterrupt):
        fit(model, lrdsl.compile(FALLING), STEPS, callbacks=[breaking])
    model.optimizer.learning_rate = DECAY
    model.set_weights([np.zeros((STEPS, 1))])
    fit(model, keras.callbacks.Callback(), STEPS)
    assert weights_of(model).any()
    assert_untouched(model)


def test_rate_that_was_given_to_the_update_alone_is_an_error() -> None:
    class Meddling(keras.optimizers.SGD):  # type: ignore[misc]
        def _backend_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
            super()._backend_update_step(grads, variables, keras.ops.multiply(learning_rate, 2))

    assert_found_out(Meddling)


def assert_found_out(meddling: Any) -> None:
    """Check that a fit ends where an optimizer uses 0.5 and 0.25 is planned."""
    callback = lrdsl.compile("const(0.25)")
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(make_model(STEPS, meddling(1.0)), callback, STEPS, epochs=2)
    (found,) = caught.value.diagnostics
    assert found.message == "step 0 used the rate 0.5, and 0.25 is planned"
    assert "in the optimizer's class `Meddling`" in (found.help or "")
    np.testing.assert_array_equal(callback.applied, np.full(1, 0.5))  # it ended there
