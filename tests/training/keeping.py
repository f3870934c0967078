"""A training that can be killed at any moment: run in a process of its own.

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
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 7
SCHEDULE = "warmup(2) then cosine(max=0.05) for 2 repeat snapshot(keep=2)"


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

    keras.utils.set_random_seed(3)
    random = np.random.default_rng(0)
    x = random.normal(size=(8 * STEPS - 3, 8)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8,)),
            layers.Dense(options.get("width", 16), activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.5),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    callbacks: list[Any] = []
    if options.get("keeper") == "keras":
        callbacks.append(keras.callbacks.BackupAndRestore(str(out / "state")))
        ours = lrdsl.compile(options.get("schedule", SCHEDULE).replace(" snapshot(keep=2)", ""))
    else:
        ours = lrdsl.compile(
            options.get("schedule", SCHEDULE), state=out / "state", **options.get("more", {})
        )
        ours.snapshots = out / "snapshots"
    if "write" in kill:
        if options.get("keeper") == "keras":
            kill_amid_saving(keras, kill["write"])
        else:
            kill_before_write(kill["write"])
    history = model.fit(
        x,
        y,
        batch_size=8,
        epochs=options["epochs"],
        shuffle=False,
        verbose=0,
        callbacks=[*callbacks, ours, Kill()],
    )
    variables = [*model.variables, *model.optimizer.variables]
    np.savez(
        out / "end.npz",
        *[keras.ops.convert_to_numpy(one) for one in variables],
        applied=ours.applied,
        steps=ours.applied_steps,
        loss=history.history["loss"],
        iterations=int(model.optimizer.iterations),
        initial=-1 if model._initial_epoch is None else int(model._initial_epoch),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
