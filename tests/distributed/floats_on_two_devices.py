"""Schedule floats under a MirroredStrategy of two devices, beside a step built for each.

    python floats_on_two_devices.py FOLDER [CASE …]

Prints, for each case, whether all variables of both replicas are the same bits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import lrdsl

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
optimizers = keras.optimizers

EPOCHS, STEPS, BATCH = 2, 3, 8
MOMENTUM = "momentum = linear(from=0.53, to=0.91)"

CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "SGD": (lambda: optimizers.SGD(momentum=0.9), MOMENTUM),
    "Nesterov": (lambda: optimizers.SGD(momentum=0.9, nesterov=True), MOMENTUM),
    "AdamW": (
        lambda: optimizers.AdamW(),
        "weight_decay = 0.1 * lr beta_1 = linear(from=0.53, to=0.91) "
        "beta_2 = linear(from=0.91, to=0.9987) epsilon = exp(from=1.3e-3, to=1.1e-7)",
    ),
    "all clipped": (
        lambda: optimizers.Adam(global_clipnorm=1.0),
        "global_clipnorm = linear(from=0.31, to=0.17)",
    ),
    "each clipped": (
        lambda: optimizers.Adam(clipnorm=1.0),
        "clipnorm = linear(from=0.31, to=0.17)",
    ),
    "moving average": (
        lambda: optimizers.SGD(use_ema=True),
        "ema_momentum = linear(from=0.53, to=0.91)",
    ),
    "Lamb": (
        lambda: optimizers.Lamb(weight_decay=0.1),
        "weight_decay = linear(from=0.13, to=0.011) beta_1 = linear(from=0.53, to=0.91)",
    ),
    "RMSprop": (
        lambda: optimizers.RMSprop(momentum=0.9),
        f"rho = linear(from=0.71, to=0.93) {MOMENTUM}",
    ),
    "loss scaling": (
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(momentum=0.9)),
        MOMENTUM,
    ),
}


def make(optimizer: Callable[[], Any]) -> Any:
    keras.utils.set_random_seed(1)
    with strategy.scope():
        model = keras.Sequential(
            [keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
        )
        model.compile(optimizer(), "mse")
    # Else each `fit` would put the averages into the weights at its end.
    vars(owner(model))["finalize_variable_values"] = lambda variables: None
    return model


def owner(model: Any) -> Any:
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def fit(model: Any, rows: slice, epochs: int, *callbacks: Any) -> None:
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 4)).astype("float32")[rows]
    y = x.sum(axis=1, keepdims=True)
    model.fit(x, y, BATCH, epochs, shuffle=False, verbose=0, callbacks=list(callbacks))


def copies(model: Any) -> list[NDArray[Any]]:
    variables = [*model.trainable_variables, *model.optimizer.variables]
    found = [strategy.experimental_local_results(one.value) for one in variables]
    return [copy.numpy() for several in found for copy in several]


def is_exact(name: str) -> bool:
    optimizer, text = CASES[name]
    callback = lrdsl.compile(f"lr = linear(from=0.05, to=0.01) {text}")
    followed = make(optimizer)
    own = owner(followed).get_config()
    fit(followed, slice(None), EPOCHS, callback)
    built = make(optimizer)
    plan = callback.plan
    assert plan is not None
    names = [name for name in plan.targets if name != "lr"]
    assert all(getattr(owner(followed), name) == own[name] for name in names)
    for step in range(EPOCHS * STEPS):
        for name in names:
            setattr(owner(built), name, float(plan.values(step, target=name)))
        owner(built).learning_rate = plan.rate(step)
        built.make_train_function(force=True)
        start = step % STEPS * BATCH
        fit(built, slice(start, start + BATCH), 1)
    pairs = zip(copies(followed), copies(built), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


def main(folder: Path, names: Sequence[str]) -> None:
    found = {name: is_exact(name) for name in names or CASES}
    (folder / "found.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
