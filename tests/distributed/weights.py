"""Models under a strategy whose weights tell which rate each step used in all replicas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

BATCH = 4


class SumOfPredictions(keras.losses.Loss):  # type: ignore[misc]
    """The loss whose gradient is the sum of a batch's rows, and not scaled by the replicas."""

    def __init__(self) -> None:
        super().__init__(reduction="sum")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.sum(y_pred, axis=-1)


class Vectors(keras.Model):  # type: ignore[misc]
    """A model whose logs Keras can average over several machines."""

    def train_step(self, data: Any) -> Any:
        return _as_vectors(super().train_step(data))

    def test_step(self, data: Any) -> Any:
        return _as_vectors(super().test_step(data))


def _as_vectors(logs: dict[str, Any]) -> dict[str, Any]:
    return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


def make_rows(steps: int, last: int = BATCH) -> NDArray[np.float32]:
    """Return batches of which number i moves weight i by exactly the rate.

    Each row of a batch has its share, so that no replica can be left out: BATCH is a power
    of 2, as is `last`, and the sum of the shares is 1 in whatever order.
    """
    rows = np.zeros((steps * BATCH, steps), np.float32)
    for step in range(steps):
        count = last if step == steps - 1 else BATCH
        rows[step * BATCH :][:count, step] = 1 / count
    return rows[: len(rows) - BATCH + last]


def make_model(
    strategy: Any,
    steps: int,
    optimizer: Any = None,
    several_machines: bool = False,
    model_class: Any = Vectors,
    layers: Sequence[str | None] = (None,),
) -> Any:
    """Return a compiled model of so many weights, all 0; a rate of 1 unless said.

    With the names of several `layers`, each has as many weights, and they are added up.
    """
    with strategy.scope():
        inputs = keras.Input((steps,))
        options = {"use_bias": False, "kernel_initializer": "zeros"}
        found = [keras.layers.Dense(1, name=name, **options)(inputs) for name in layers]
        outputs = keras.layers.add(found) if found[1:] else found[0]
        if not several_machines:
            model = keras.Model(inputs, outputs)
    if several_machines:  # outside of the scope: see README, "On many machines"
        model = model_class(inputs, outputs)
    with strategy.scope():
        made = keras.optimizers.SGD(1.0) if optimizer is None else optimizer()
        model.compile(made, loss=SumOfPredictions())
    return model


def copies_of_weights(model: Any, layer: int = 0) -> list[NDArray[np.float32]]:
    """Return the weights as each replica of this process has them."""
    value = model.trainable_variables[layer].value
    copies = getattr(value, "values", (value,))
    return [np.asarray(copy.numpy()[:, 0]) for copy in copies]
