"""Train under a MirroredStrategy of two logical devices; print what came of it as JSON.

A program of its own: logical devices must be there before TensorFlow starts.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from weights import BATCH, copies_of_weights, make_model, make_rows

import lrdsl

CURVE = "linear(from=0.3, to=0.1)"
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def train(model: Any, steps: int, callback: Any, last: int = BATCH, **options: Any) -> Any:
    rows = make_rows(steps, last)
    return model.fit(
        rows,
        np.zeros(len(rows), np.float32),
        batch_size=BATCH,
        shuffle=False,
        verbose=0,
        **{"callbacks": [callback], **options},
    )


def is_exact(model: Any, callback: Any) -> bool:
    """Whether each replica's weights are minus the rates, and so is what was recorded."""
    rates = callback.plan.values(slice(None)).astype(np.float32)
    copies = copies_of_weights(model)
    return bool(
        len(copies) == 2
        and np.array_equal(callback.applied, rates)
        and all(np.array_equal(copy, -rates) for copy in copies)
    )


def exact_with(optimizer: Any, steps: int = 12, last: int = BATCH) -> bool:
    model = make_model(strategy, steps, optimizer)
    callback = lrdsl.compile(CURVE)
    train(model, steps, callback, last)
    return is_exact(model, callback)


def exact_in_a_later_fit() -> bool:
    model = make_model(strategy, 8)
    train(model, 8, lrdsl.compile("const(0.5)"))
    model.trainable_variables[0].assign(np.zeros((8, 1)))
    callback = lrdsl.compile(CURVE)
    train(model, 8, callback)
    return is_exact(model, callback)


def exact_without_a_known_length() -> bool:
    model = make_model(strategy, 8)
    rows = make_rows(8)
    data = tf.data.Dataset.from_tensor_slices((rows, np.zeros(len(rows), np.float32)))
    callback = lrdsl.compile(f"train 1 epochs of 8 steps lr = {CURVE}")
    model.fit(data.batch(BATCH).filter(lambda x, y: True), verbose=0, callbacks=[callback])
    return is_exact(model, callback)


def exact_for_each_part() -> bool:
    def two() -> Any:
        slow, fast = (keras.optimizers.SGD(1.0, name=name) for name in ("slow", "fast"))
        parts = keras.optimizers.OptimizerMap(fast, {".*slow/.*": slow})
        return keras.optimizers.MultiOptimizer(parts)

    model = make_model(strategy, 8, two, layers=("slow", "fast"))
    callback = lrdsl.compile(f"lr = {CURVE} slow.lr = lr / 3")
    train(model, 8, callback)
    rates = [callback.plan.values(target=name).astype("f4") for name in ("slow.lr", "lr")]
    weights = [copies_of_weights(model, layer) for layer in range(2)]
    return all(
        np.array_equal(copy, -rate)
        for rate, copies in zip(rates, weights, strict=True)
        for copy in copies
    )


def snapshots(folder: Path) -> dict[str, Any]:
    model = make_model(strategy, 4)
    callback = lrdsl.compile("cosine(max=0.1, cycles=2) snapshot")
    callback.snapshots = folder / "snapshots"
    train(model, 4, callback, epochs=4)
    last = keras.models.load_model(callback.saved[-1].path, compile=False)
    same = np.array_equal(copies_of_weights(last)[0], copies_of_weights(model)[0])
    return {
        "files": sorted(one.name for one in (folder / "snapshots").iterdir()),
        "last_is_the_model": same,
    }


class _Killed(Exception):
    pass


def resumed(folder: Path) -> bool:
    """Whether a fit that broke off in its third epoch goes on to the same end."""

    def optimizer() -> Any:
        return keras.optimizers.Adam(0.1)

    def breaks_off(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise _Killed

    curve = f"lr = {CURVE} beta_2 = linear(from=0.9, to=0.99)"
    whole = make_model(strategy, 6, optimizer)
    train(whole, 6, lrdsl.compile(curve), epochs=5)
    first = make_model(strategy, 6, optimizer)
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=breaks_off)
    callback = lrdsl.compile(curve, state=folder / "state")
    with suppress(_Killed):
        train(first, 6, callback, epochs=5, callbacks=[callback, stop])
    second = make_model(strategy, 6, optimizer)
    callback = lrdsl.compile(curve, state=folder / "state")
    callback.say = lambda line: None
    train(second, 6, callback, epochs=5)
    assert callback.resumed is not None
    assert callback.resumed.epoch == 2
    ends = [*copies_of_weights(second), copies_of_weights(whole)[0]]
    counts = [int(one.optimizer.iterations.numpy()) for one in (whole, second)]
    same = all(np.array_equal(end, ends[0]) for end in ends)
    return counts == [30, 30] and len(callback.applied) == 30 and same


def refusal(
    of: Any = strategy, model: Any = None, curve: str = CURVE, **options: Any
) -> list[str]:
    if model is None:
        optimizer = options.pop("optimizer", None)
        model = make_model(of, 4, optimizer)
        if options:
            with of.scope():
                model.compile(model.optimizer, loss=model.loss, **options)
    try:
        train(model, 4, lrdsl.compile(curve))
    except lrdsl.LrsError as error:
        weights = copies_of_weights(model)
        untouched = all(not copy.any() for copy in weights)
        found = error.diagnostics[0]
        return [found.message, found.help or "", "untouched" if untouched else "touched"]
    return ["not refused", "", ""]


def made_outside() -> list[str]:
    optimizer = keras.optimizers.SGD(1.0)
    return refusal(model=make_model(strategy, 4, lambda: optimizer))


def without_apply() -> list[str]:
    class Idle(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            return {"loss": keras.ops.sum(self(data[0]))}

    with strategy.scope():
        inputs = keras.Input((4,))
        model = Idle(inputs, keras.layers.Dense(1, kernel_initializer="zeros")(inputs))
        model.compile(keras.optimizers.SGD(1.0), loss="mse")
    return refusal(model=model)


def applies_twice() -> list[str]:
    class Twice(keras.Model):  # type: ignore[misc]
        def train_step(self, data: Any) -> Any:
            super().train_step(data)
            return super().train_step(data)

    with strategy.scope():
        inputs = keras.Input((4,))
        model = Twice(inputs, keras.layers.Dense(1, kernel_initializer="zeros")(inputs))
        model.compile(keras.optimizers.SGD(1.0), loss="mse")
    return refusal(model=model)


def keras_itself_fails(**options: Any) -> bool:
    """Whether plain Keras cannot do what we refuse: when it can, so should we."""
    steps = options.pop("steps_per_execution", 1)
    model = make_model(strategy, 4, options.pop("optimizer", None))
    with strategy.scope():
        model.compile(model.optimizer, loss=model.loss, steps_per_execution=steps, **options)
    try:
        train(model, 4, keras.callbacks.Callback())
    except Exception:
        return True
    return False


def accumulating() -> Any:
    return keras.optimizers.SGD(1.0, gradient_accumulation_steps=2)


def main(folder: Path) -> dict[str, Any]:
    sgd = keras.optimizers.SGD
    return {
        "exact": {
            "sgd": exact_with(None),
            "more steps than are held at once": exact_with(None, steps=520),
            "a last batch of one row": exact_with(None, last=1),
            "loss scaling": exact_with(lambda: keras.optimizers.LossScaleOptimizer(sgd(1.0))),
            "a later fit": exact_in_a_later_fit(),
            "unknown length": exact_without_a_known_length(),
            "parts": exact_for_each_part(),
        },
        "snapshots": snapshots(folder),
        "resumed": resumed(folder),
        "refused": {
            "steps_per_execution": refusal(steps_per_execution=2),
            "jit_compile": refusal(jit_compile=True),
            "accumulation": refusal(optimizer=accumulating),
            "optimizer outside": made_outside(),
            "one device": refusal(tf.distribute.OneDeviceStrategy("/cpu:0")),
            "central storage": refusal(
                tf.distribute.experimental.CentralStorageStrategy(["CPU:0"], "CPU:0")
            ),
            "no apply": without_apply(),
            "apply twice": applies_twice(),
        },
        "keras_fails": {
            "steps_per_execution": keras_itself_fails(steps_per_execution=2),
            "jit_compile": keras_itself_fails(jit_compile=True),
            "accumulation": keras_itself_fails(optimizer=accumulating),
        },
    }


if __name__ == "__main__":
    found = main(Path(sys.argv[1]))
    (Path(sys.argv[1]) / "found.json").write_text(json.dumps(found))
