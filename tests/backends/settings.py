"""What the running backend can do, and which of it a quick run tries."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
from training.weights import summed_rates, weights_of

BACKEND = keras.backend.backend()

TOGETHER = [1] if BACKEND == "torch" else [1, 4, 32]
"""Values of `steps_per_execution`: Keras refuses more than 1 on torch."""

JIT = {"tensorflow": False, "jax": True, "torch": False}[BACKEND]
"""The value of `jit_compile` that is the quickest for a small model."""

# torch.compile takes half a minute, and a compiler for C++.
_SLOW = [pytest.mark.heavy] if BACKEND == "torch" else []

JITS = [False, pytest.param(True, marks=_SLOW)]

SETTINGS = [
    pytest.param(together, jit, marks=_SLOW if jit else [])
    for together, jit in itertools.product(TOGETHER, [False, True])
]
"""Values of `steps_per_execution` and `jit_compile`."""

TWO_SETTINGS = SETTINGS[1:4:2] if BACKEND == "jax" else SETTINGS[:4:3]
"""Two of them that differ in both; on JAX, where conditions that are not compiled are slow,
both are compiled."""

needs_many_steps = pytest.mark.skipif(
    BACKEND == "torch", reason="Keras has steps_per_execution=1 on torch"
)
needs_tensorflow = pytest.mark.skipif(
    BACKEND != "tensorflow", reason="of the TensorFlow backend alone"
)

APPLY = "stateless_apply" if BACKEND == "jax" else "apply"

SHADOWS = {
    *("apply", "stateless_apply", "update_step", "_parallel_update_step"),
    *("make_train_function", "_untrack_variable"),
}


def planned(callback: Any) -> Any:
    return np.asarray(callback.plan.values().astype(np.float32))


def number(variable: Any) -> Any:
    return np.float32(keras.ops.convert_to_numpy(variable))


def assert_untouched(model: Any) -> None:
    """Check that nothing of ours is left in a model and its optimizer."""
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    for holder in (model, model.optimizer, inner, *getattr(inner, "optimizers", ())):
        assert not SHADOWS & set(vars(holder))


def assert_followed(model: Any, callback: Any, epochs: int = 1) -> None:
    rates = planned(callback)
    np.testing.assert_array_equal(weights_of(model), summed_rates(rates, epochs))
    np.testing.assert_array_equal(callback.applied, rates)
    np.testing.assert_array_equal(callback.applied_steps, np.arange(len(rates)))
    assert number(model.optimizer.learning_rate) == rates[-1]
    assert_untouched(model)
