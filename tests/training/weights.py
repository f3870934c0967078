"""Models whose weights tell which rate each step used, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

BATCH = 3


class SumOfPredictions(keras.losses.Loss):  # type: ignore[misc]
    """The loss whose gradient, for a one-hot row, is exactly 1 in the row's own weight."""

    def __init__(self) -> None:
        super().__init__(reduction="sum")

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return keras.ops.sum(y_pred, axis=-1)


def make_model(
    weights: int,
    optimizer: Any = None,
    model_class: Any = keras.Model,
    *,
    layers: Sequence[str | None] = (None,),
    **options: Any,
) -> Any:
    """Return a compiled model of `weights` weights, all 0; a rate of 1 unless said.

    With the names of several `layers`, each has as many weights, and they are added up.
    """
    inputs = keras.Input((weights,))
    outputs = [
        keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name=name)(inputs)
        for name in layers
    ]
    model = model_class(inputs, keras.layers.add(outputs) if outputs[1:] else outputs[0])
    model.compile(
        optimizer if optimizer is not None else keras.optimizers.SGD(1.0),
        loss=SumOfPredictions(),
        # What compiles a small model soonest; on JAX, what runs it soonest.
        **{"jit_compile": keras.backend.backend() == "jax", **options},
    )
    return model


def make_rows(steps: int, last: int = BATCH) -> NDArray[np.float32]:
    """Return batches of which number i moves weight i alone, the last one `last` rows long."""
    rows = np.zeros((steps * BATCH, steps), np.float32)
    rows[np.arange(steps) * BATCH, np.arange(steps)] = 1
    return rows[: len(rows) - BATCH + last]


def make_dataset(steps: int, *, known: bool = True, last: int = BATCH) -> Any:
    import tensorflow as tf  # on other backends too, if it is installed

    rows = make_rows(steps, last)
    data = tf.data.Dataset.from_tensor_slices((rows, np.zeros(len(rows), np.float32)))
    data = data.batch(BATCH)
    return data if known else data.filter(lambda x, y: True)


def weights_of(model: Any, layer: int = 0) -> NDArray[np.float32]:
    return np.asarray(keras.ops.convert_to_numpy(model.trainable_variables[layer])[:, 0])


def summed_rates(rates: NDArray[np.float32], epochs: int) -> NDArray[np.float32]:
    """Return the weights that so many epochs of these rates leave, subtracted in float32."""
    weights = np.zeros(len(rates) // epochs, np.float32)
    for epoch in rates.reshape(epochs, -1):
        weights = (weights - epoch).astype(np.float32)
    return weights


def fit(model: Any, callback: Any, steps: int, epochs: int = 1, **options: Any) -> Any:
    """Fit on arrays in order, quietly."""
    others: Sequence[Any] = options.pop("callbacks", ())
    rows = make_rows(steps)
    return model.fit(
        rows,
        np.zeros(len(rows), np.float32),
        batch_size=BATCH,
        shuffle=False,
        epochs=epochs,
        verbose=options.pop("verbose", 0),
        callbacks=[callback, *others],
        **options,
    )
