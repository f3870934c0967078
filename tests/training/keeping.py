"""Trainings that can be killed at any moment: each run in a process of its own.

    python keeping.py OUT '{"epochs": 6, "kill": {"after": 0.03}}'

`kill` says where the process kills itself by SIGKILL: `after` so many seconds from its first
epoch's end, before `batch` ([epoch, batch]), or before the `write` (the number of an fsync,
rename or deletion; of a `save_weights`, so many tenths of a millisecond in, for Keras).
At its end the training leaves everything that it has come to in OUT/end.npz.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 7
BATCH = 8
SCHEDULE = "warmup(2) then cosine(max=0.05) for 2 repeat snapshot(keep=2)"
FALLS = "linear(from=0.05, to=0.01)"
BOTH = f"slow.lr = {FALLS} fast.lr = slow.lr / 3 fast.momentum = linear(from=0.53, to=0.91)"


@dataclass(frozen=True)
class Case:
    """A way to train.

    Attributes:
        optimizer: makes the optimizer, given `keras.optimizers`.
        schedule: the text.
        compile: options of `compile`.
        fit: options of `fit`.
        dtype: the policy of the layers.
    """

    optimizer: Callable[[Any], Any] = lambda of: of.Adam(0.01)
    schedule: str = SCHEDULE
    compile: dict[str, Any] = field(default_factory=dict)
    fit: dict[str, Any] = field(default_factory=dict)
    dtype: str = "float32"


def parts(of: Any) -> Any:
    """Return a MultiOptimizer of which `slow` has the first layer and `fast` what is left."""
    slow, fast = of.AdamW(0.01, name="slow"), of.SGD(0.01, momentum=0.9, name="fast")
    return of.MultiOptimizer(of.OptimizerMap(fast, {".*inner/.*": slow}))


CASES = {
    "Adam": Case(),
    "compiled": Case(schedule=FALLS, compile={"jit_compile": True}),
    "not compiled": Case(schedule=FALLS, compile={"jit_compile": False}),
    "four steps at once": Case(schedule=FALLS, compile={"steps_per_execution": 4}),
    "SGD, momentum scheduled": Case(
        lambda of: of.SGD(0.01, momentum=0.9),
        f"lr = {FALLS} momentum = linear(from=0.53, to=0.91)",
    ),
    "AdamW, numbers scheduled": Case(
        lambda of: of.AdamW(0.01, weight_decay=0.004),
        f"lr = {FALLS} weight_decay = 0.1 * lr beta_2 = linear(from=0.9, to=0.999)",
    ),
    "loss scaling": Case(
        lambda of: of.LossScaleOptimizer(of.AdamW(0.01), dynamic_growth_steps=3),
        FALLS,
        dtype="mixed_float16",
    ),
    "loss scaling, momentum scheduled": Case(
        lambda of: of.LossScaleOptimizer(of.SGD(0.01, momentum=0.9)),
        f"lr = {FALLS} momentum = linear(from=0.53, to=0.91)",
    ),
    # 3 does not divide the steps: an epoch ends amid an accumulation.
    "accumulation": Case(lambda of: of.Adam(0.01, gradient_accumulation_steps=3), FALLS),
    "moving average": Case(
        lambda of: of.SGD(0.01, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=5),
        FALLS,
    ),
    "bfloat16": Case(schedule=FALLS, dtype="bfloat16"),
    "parts": Case(parts, BOTH),
    "parts, loss scaling": Case(
        lambda of: of.LossScaleOptimizer(parts(of)), BOTH, dtype="mixed_float16"
    ),
    "shuffled": Case(schedule=FALLS, fit={"shuffle": True}),
    "a plateau": Case(
        schedule="plateau(from=0.05, monitor=loss, factor=0.5, patience=1, min_delta=1, "
        "restore=best)"
    ),
}


def make_model(case: Case, *, width: int = 16, seed: int = 3) -> Any:
    """Return a compiled model with random numbers of several kinds in it."""
    import keras

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(width, activation="relu", dtype=case.dtype, name="inner"),
            layers.BatchNormalization(dtype=case.dtype),
            layers.Dropout(0.5, dtype=case.dtype),
            layers.GaussianNoise(0.1, seed=7, dtype=case.dtype),
            layers.Dense(1, dtype=case.dtype),
        ]
    )
    optimizer = case.optimizer(keras.optimizers)
    # What compiles a small model soonest; on JAX, what runs it soonest.
    options = {"jit_compile": keras.backend.backend() == "jax", **case.compile}
    model.compile(optimizer, "mse", **options)
    return model


def fit(model: Any, case: Case, epochs: int, callbacks: Sequence[Any]) -> Any:
    """Train on data that are always the same, the last batch smaller."""
    random = np.random.default_rng(0)
    x = random.normal(size=(BATCH * STEPS - 3, 8)).astype("float32")
    return model.fit(
        x,
        x.sum(axis=1, keepdims=True),
        batch_size=BATCH,
        epochs=epochs,
        verbose=0,
        callbacks=list(callbacks),
        **{"shuffle": False, **case.fit},
    )


def end_of(model: Any, callback: Any, history: Any) -> dict[str, Any]:
    """Return everything that a training has come to."""
    import keras

    variables = [*model.variables, *model.optimizer.variables]
    numbers = [np.asarray(keras.ops.convert_to_numpy(one)) for one in variables]
    return {
        **{f"variable_{i}": one.view(f"u{one.itemsize}") for i, one in enumerate(numbers)},
        **{f"log_{name}": values for name, values in history.history.items()},
        "epochs": history.epoch,
        "applied": callback.applied,
        "steps": callback.applied_steps,
        "iterations": int(keras.ops.convert_to_numpy(model.optimizer.iterations)),
        "initial": -1 if model._initial_epoch is None else int(model._initial_epoch),
    }


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_before_write(number: int) -> None:
    left = [number]

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                die()
            return function(*args, **kwargs)

        return call

    os.fsync = counted(os.fsync)
    Path.replace = counted(Path.replace)  # type: ignore[method-assign]
    Path.unlink = counted(Path.unlink)  # type: ignore[method-assign]


def kill_amid_saving(keras: Any, number: int) -> None:
    save, calls = keras.Model.save_weights, [number % 5]

    def save_weights(*args: Any, **kwargs: Any) -> None:
        calls[0] -= 1
        if calls[0] < 0:
            threading.Timer(number / 10_000, die).start()
        save(*args, **kwargs)

    keras.Model.save_weights = save_weights


def main(out: Path, options: dict[str, Any]) -> None:
    import keras

    import lrdsl

    kill = options.get("kill") or {}
    case = CASES[options.get("case", "Adam")]
    with_keras = options.get("keeper") == "keras"

    class Kill(keras.callbacks.Callback):  # type: ignore[misc]
        ended = 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.ended += 1
            if "after" in kill and self.ended == 1:
                threading.Timer(kill["after"], die).start()

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if kill.get("batch") == [self.epoch, batch]:
                die()

    model = make_model(case, width=options.get("width", 16), seed=options.get("seed", 3))
    callbacks: list[Any] = []
    if with_keras:
        callbacks.append(keras.callbacks.BackupAndRestore(str(out / "state")))
        ours = lrdsl.compile(case.schedule.replace(" snapshot(keep=2)", ""))
    else:
        ours = lrdsl.compile(case.schedule, state=out / "state")
        ours.snapshots = out / "snapshots"
    if "write" in kill:
        if with_keras:
            kill_amid_saving(keras, kill["write"])
        else:
            kill_before_write(kill["write"])
    history = fit(model, case, options["epochs"], [*callbacks, ours, Kill()])
    np.savez(out / "end.npz", **end_of(model, ours, history))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
