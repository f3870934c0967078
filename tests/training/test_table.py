"""The table and the tape in TensorFlow's graph: what is recorded is what was looked up."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import lrdsl
from lrdsl.diagnostics import LrsError

from .weights import fit, make_model, weights_of

STEPS = 10


@pytest.mark.parametrize("jit", [False, True])
def test_record_shows_a_table_that_was_tampered_with(jit: bool) -> None:
    class Tamper(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 6:
                table = self.model.optimizer.apply.__self__._window._tables[0]
                values = table.numpy()
                values[7] = 9.0
                table.assign(values)

    model = make_model(STEPS, jit_compile=jit)
    callback = lrdsl.compile("const(0.25)")
    with pytest.raises(LrsError, match=r"step 7 used the rate 9\.0, and 0\.25 is planned"):
        fit(model, callback, STEPS, callbacks=[Tamper()])
    used = np.where(np.arange(STEPS) == 7, 9.0, 0.25).astype(np.float32)
    np.testing.assert_array_equal(weights_of(model), -used)
    np.testing.assert_array_equal(callback.applied, used)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("together", [1, 4])
def test_step_that_fails_leaves_rate_and_record_at_the_step_before(
    together: int, jit: bool
) -> None:
    def rows() -> Any:
        yield from ((row, np.zeros(1, np.float32)) for row in np.split(np.eye(6, STEPS), 6))
        raise ValueError("the file is torn")

    data = tf.data.Dataset.from_generator(
        rows,
        output_signature=(tf.TensorSpec((1, STEPS)), tf.TensorSpec((1,))),
    )
    model = make_model(STEPS, jit_compile=jit, steps_per_execution=together)
    callback = lrdsl.compile(f"train 1 epoch of {STEPS} steps\nlinear(from=1, to=0)")
    with pytest.raises(tf.errors.OpError, match="the file is torn"):
        model.fit(data, callbacks=[callback], verbose=0)
    used = callback.plan.values()[:6].astype(np.float32)
    np.testing.assert_array_equal(weights_of(model)[:6], -used)
    np.testing.assert_array_equal(callback.applied, used)
    assert float(model.optimizer.learning_rate) == used[-1]


@pytest.mark.parametrize("together", [1, 4])
def test_step_whose_loss_fails_leaves_rate_and_record_at_the_step_before(together: int) -> None:
    def loss(y_true: Any, y_pred: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_less(y_true, 6.0)]):
            return tf.square(tf.identity(y_pred) - y_true)

    model = make_model(STEPS)
    model.compile(model.optimizer, loss, jit_compile=False, steps_per_execution=together)
    callback = lrdsl.compile("linear(from=0.1, to=0)")
    data = {"x": np.eye(STEPS), "y": np.arange(STEPS), "batch_size": 1}
    with pytest.raises(tf.errors.InvalidArgumentError):
        model.fit(**data, shuffle=False, callbacks=[callback], verbose=0)
    used = callback.plan.values()[:6].astype(np.float32)
    np.testing.assert_array_equal(callback.applied, used)
    assert float(model.optimizer.learning_rate) == used[-1]


@pytest.mark.parametrize("options", [{}, {"run_eagerly": True}, {"jit_compile": True}])
def test_update_is_given_what_keras_gives_it(options: dict[str, Any]) -> None:
    given = []

    class Layerwise(keras.optimizers.SGD):  # type: ignore[misc]
        def _backend_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
            for factor, gradient, variable in zip((1, 0.5), grads, variables, strict=True):
                rate = learning_rate if factor == 1 else learning_rate * factor
                self.update_step(gradient, variable, rate)

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            given.append(learning_rate)
            super().update_step(gradient, variable, learning_rate)

    optimizer = Layerwise(1.0)
    model = make_model(STEPS, optimizer, layers=("whole", "half"), **options)
    callback = lrdsl.compile("linear(from=1, to=0.5)")
    fit(model, callback, STEPS)
    np.testing.assert_array_equal(weights_of(model, 0), -callback.applied)
    np.testing.assert_array_equal(weights_of(model, 1), -callback.applied / 2)
    assert given[0] is optimizer._learning_rate
