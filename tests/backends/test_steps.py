"""Train steps of one's own, traces, broken fits, logs, and loops without `fit`."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from training.weights import BATCH, fit, make_model, make_rows, summed_rates, weights_of

import lrdsl

from .settings import (
    APPLY,
    BACKEND,
    JITS,
    TOGETHER,
    assert_followed,
    assert_untouched,
    number,
    planned,
)
from .train_steps import AsTheirs, model_class

STEPS = 6
FALLING = "linear(from=0.1, to=1e-3)"
ONCE = f"let `train_step` call `self.optimizer.{APPLY}` once for each batch"


def refusal(run: Any) -> Any:
    with pytest.raises(lrdsl.LrsError) as caught:
        run()
    (found,) = caught.value.diagnostics
    assert found.code == "LRS601"
    return found


# -- The train step ----------------------------------------------------------------------------


def twice(theirs: AsTheirs) -> None:
    theirs.apply()
    theirs.apply()


def never(theirs: AsTheirs) -> None:
    theirs.change()


@pytest.mark.parametrize("eager", [False, True])
@pytest.mark.parametrize(
    ("step", "message"),
    [
        (twice, f"the train step calls `optimizer.{APPLY}` more than once for a batch"),
        (never, f"the train step does not call `optimizer.{APPLY}`"),
    ],
)
def test_train_step_that_does_not_apply_once_is_refused_and_undone(
    step: Any, message: str, eager: bool
) -> None:
    options = {"run_eagerly": eager, **({"jit_compile": False} if eager else {})}
    model = make_model(STEPS, model_class=model_class(step), **options)
    model.set_weights([np.full((STEPS, 1), 7.0)])
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    assert found.message == message
    assert (found.help or "").startswith(ONCE)
    np.testing.assert_array_equal(weights_of(model), np.full(STEPS, 7.0))
    assert number(model.optimizer.iterations) == 0
    assert_untouched(model)


def test_train_step_that_applies_once_is_followed() -> None:
    model = make_model(STEPS, model_class=model_class(lambda theirs: theirs.apply()))
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS, epochs=2)
    assert_followed(model, callback, epochs=2)


@pytest.mark.skipif(BACKEND != "jax", reason="of the JAX backend alone")
@pytest.mark.parametrize("within", ["cond", "scan", "jit"])
def test_update_within_a_trace_of_the_users_own_is_refused(within: str) -> None:
    import jax

    def cond(apply: Any, optimizer: Any, weights: Any) -> Any:
        return jax.lax.cond(
            optimizer[0] >= 0, lambda: apply(optimizer, weights), lambda: (weights, optimizer)
        )

    def scan(apply: Any, optimizer: Any, weights: Any) -> Any:
        begin = (weights, optimizer)
        return jax.lax.scan(lambda c, _: (apply(c[1], c[0]), None), begin, None, 1)[0]

    def jit(apply: Any, optimizer: Any, weights: Any) -> Any:
        return jax.jit(apply)(optimizer, weights)

    wrap = {"cond": cond, "scan": scan, "jit": jit}[within]

    class Wrapping(keras.Model):  # type: ignore[misc]
        def train_step(self, state: Any, data: Any) -> Any:
            weights, others, optimizer, metrics = state
            gradients = [weight * 0 + 1 for weight in weights]

            def apply(optimizer: Any, weights: Any) -> Any:
                return self.optimizer.stateless_apply(optimizer, gradients, weights)

            weights, optimizer = wrap(apply, optimizer, weights)
            return {"loss": 0.0}, (weights, others, optimizer, metrics)

    model = make_model(STEPS, model_class=Wrapping)
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    assert found.message == (
        "the train step calls `optimizer.stateless_apply` within a loop, a condition or a "
        "compiled function of its own"
    )
    assert not weights_of(model).any()
    assert_untouched(model)


@pytest.mark.filterwarnings("ignore:The model does not have any trainable weights")
def test_model_without_trainable_weights_is_refused() -> None:
    model = make_model(STEPS)
    model.trainable = False
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    assert found.message == "the model has no trainable weights"
    assert_untouched(model)


def test_train_function_of_the_models_own_is_refused() -> None:
    class Own(keras.Model):  # type: ignore[misc]
        def make_train_function(self, force: bool = False) -> Any:
            return super().make_train_function(force)

    model = make_model(STEPS, model_class=Own)
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    assert f"let it call `self.optimizer.{APPLY}` once for each batch" in (found.help or "")


@pytest.mark.skipif(BACKEND != "jax", reason="of the JAX backend alone")
def test_nnx_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make_model(STEPS)
    monkeypatch.setattr(keras.config, "is_nnx_enabled", lambda: True)
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    assert (
        found.message == "Keras runs in NNX mode, and compiles train steps by `nnx.jit` there"
    )
    assert "leave KERAS_NNX_ENABLED" in (found.help or "")


@pytest.mark.skipif(BACKEND != "jax", reason="of the JAX backend alone")
def test_distribution_is_refused() -> None:
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        model = make_model(STEPS)
        found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS))
    finally:
        keras.distribution.set_distribution(None)
    assert found.message == "the model is distributed by `DataParallel`"


@pytest.mark.skipif(BACKEND != "torch", reason="of the torch backend alone")
def test_several_steps_an_execution_are_refused_by_keras_on_torch() -> None:
    model = make_model(STEPS, steps_per_execution=2)
    with pytest.raises(ValueError, match="steps_per_execution"):
        fit(model, lrdsl.compile(FALLING), STEPS)


# -- Traces ------------------------------------------------------------------------------------


class Counted(keras.Model):  # type: ignore[misc]
    traces = 0

    def train_step(self, *args: Any) -> Any:
        type(self).traces += 1
        return super().train_step(*args)


@pytest.mark.skipif(BACKEND == "torch", reason="steps are not traced, but run")
@pytest.mark.parametrize("together", TOGETHER[:2])
def test_a_step_is_traced_once_for_all_fits_of_a_model(together: int) -> None:
    model = make_model(8, model_class=Counted, steps_per_execution=together)

    def traces(run: Any) -> int:
        Counted.traces = 0
        run()
        return Counted.traces

    def followed() -> None:
        fit(model, lrdsl.compile(FALLING), 8, epochs=2)

    # TensorFlow traces a loop's body on its way, so one tracing may be two calls.
    first = traces(followed)
    assert first in (1, 2)
    assert traces(followed) == 0
    plain = traces(lambda: fit(model, keras.callbacks.Callback(), 8))
    assert plain <= first
    assert traces(followed) == 0
    assert traces(lambda: fit(model, keras.callbacks.Callback(), 8)) == 0
    model.compile(keras.optimizers.SGD(1.0), loss=model.loss, jit_compile=model.jit_compile)
    assert traces(followed) in (1, 2)


# -- Others who touch the model ----------------------------------------------------------------


class At(keras.callbacks.Callback):  # type: ignore[misc]
    """Does something before a batch."""

    def __init__(self, batch: int, what: Any) -> None:
        super().__init__()
        self.batch = batch
        self.what = what

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == self.batch:
            self.what(self.model)


@pytest.mark.parametrize("jit", JITS)
def test_plain_fit_after_one_that_broke_off_trains_without_us(jit: bool) -> None:
    def interrupt(model: Any) -> None:
        raise KeyboardInterrupt

    model = make_model(STEPS, jit_compile=jit)
    callback = lrdsl.compile(FALLING)
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, STEPS, callbacks=[At(4, interrupt)])
    model.set_weights([np.zeros((STEPS, 1))])
    model.optimizer.learning_rate = 0.25
    fit(model, keras.callbacks.Callback(), STEPS)
    np.testing.assert_array_equal(weights_of(model), np.full(STEPS, -0.25))
    np.testing.assert_array_equal(callback.applied, planned(callback)[:4])
    assert_untouched(model)


def test_training_by_another_call_during_fit_ends_it() -> None:
    rows = make_rows(STEPS)[:BATCH]
    model = make_model(STEPS)
    other = At(3, lambda model: model.train_on_batch(rows, np.zeros(BATCH)))
    found = refusal(lambda: fit(model, lrdsl.compile(FALLING), STEPS, callbacks=[other]))
    assert "the model was trained by another call" in found.message
    assert_untouched(model)


def test_trace_asked_for_during_fit_is_followed() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    retrace = At(3, lambda _: model.make_train_function(force=True))
    fit(model, callback, STEPS, epochs=2, callbacks=[retrace])
    assert_followed(model, callback, epochs=2)


def test_validation_and_evaluation_change_nothing() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    rows = make_rows(STEPS)
    fit(model, callback, STEPS, epochs=2, validation_data=(rows, np.zeros(len(rows))))
    model.evaluate(rows, np.zeros(len(rows)), verbose=0)
    assert_followed(model, callback, epochs=2)


# -- What is told ------------------------------------------------------------------------------


@pytest.mark.parametrize("together", TOGETHER[:2])
def test_history_has_the_rate_of_each_epochs_last_step(together: int) -> None:
    callback = lrdsl.compile(FALLING)
    history = fit(make_model(8, steps_per_execution=together), callback, 8, epochs=3)
    expected = [float(rate) for rate in planned(callback)[7::8]]
    assert history.history["learning_rate"] == expected


def test_logs_of_a_batch_have_its_rate() -> None:
    seen: list[float] = []
    reader = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(logs["learning_rate"])
    )
    callback = lrdsl.compile(FALLING, per_batch=True)
    fit(make_model(STEPS), callback, STEPS, callbacks=[reader])
    assert seen == [float(rate) for rate in planned(callback)]


def test_rate_that_others_read_during_fit_is_the_last_one_used() -> None:
    seen: list[float] = []
    callback = lrdsl.compile(FALLING)
    reader = At(4, lambda model: seen.append(number(model.optimizer.learning_rate)))
    fit(make_model(STEPS), callback, STEPS, callbacks=[reader])
    assert seen == [planned(callback)[3]]


# -- Loops without `fit` -----------------------------------------------------------------------


def test_loop_of_ones_own_is_exact_by_the_rates_of_callback_and_plan() -> None:
    callback = lrdsl.compile(f"train 2 epochs of {STEPS} steps\n{FALLING}")
    plan = callback.program.plan()
    rows = make_rows(STEPS)
    for rate in (callback.rate, plan.rate):
        model = make_model(STEPS)
        for step in range(2 * STEPS):
            model.optimizer.learning_rate = rate(step)
            model.train_on_batch(rows[BATCH * (step % STEPS) :][:BATCH], np.zeros(BATCH))
        rates = plan.values().astype(np.float32)
        np.testing.assert_array_equal(weights_of(model), summed_rates(rates, 2))


def test_rate_of_a_step_is_that_of_the_last_fit() -> None:
    callback = lrdsl.compile(FALLING)
    with pytest.raises(lrdsl.LrsError, match="LRS3"):
        callback.rate(0)
    fit(make_model(STEPS), callback, STEPS)
    assert [callback.rate(step) for step in range(STEPS)] == callback.applied.tolist()
    assert callback.rate(-1) == callback.applied[-1]
    with pytest.raises(IndexError):
        callback.rate(STEPS)
