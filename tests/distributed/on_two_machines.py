"""Train under a MultiWorkerMirroredStrategy, as one of its processes.

    TF_CONFIG=… python on_two_machines.py FOLDER OPTIONS

A script as a user would write it: what lrdsl has to do with it is in `callbacks` alone, and
nothing at all where OPTIONS say that `lrdsl train` runs it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from weights import BATCH, Vectors, copies_of_weights, make_model, make_rows

import lrdsl

warnings.simplefilter("ignore")
strategy = tf.distribute.MultiWorkerMirroredStrategy()
STEPS, EPOCHS = 6, 4


def train(folder: Path, options: dict[str, Any]) -> None:
    number = strategy.cluster_resolver.task_id
    kind = Vectors if options.get("vectors", True) else keras.Model
    momentum, layers = options.get("momentum", 0.0), options.get("layers", [None])

    def optimizer() -> Any:
        parts = [keras.optimizers.SGD(1.0, momentum=momentum, name=name) for name in layers]
        if not parts[1:]:
            return parts[0]
        by_name = {f".*{name}/.*": part for name, part in zip(layers, parts, strict=True)}
        by_name.popitem()
        return keras.optimizers.MultiOptimizer(
            keras.optimizers.OptimizerMap(parts[-1], by_name)
        )

    model = make_model(
        strategy, STEPS, optimizer, several_machines=True, model_class=kind, layers=layers
    )
    rows = make_rows(STEPS)
    data = tf.data.Dataset.from_tensor_slices((rows, np.zeros(len(rows), np.float32)))
    callbacks = []
    if "curve" in options:
        curve = options["curve"]
        text = curve if isinstance(curve, str) else curve[number]
        state = folder / "state" if options.get("state") else None
        callback = lrdsl.compile(text, state=state)
        callback.snapshots = folder / "snapshots"
        callbacks.append(callback)
    if options.get("kill") == number:

        def kill(epoch: int, logs: Any) -> None:
            if epoch == 2 and not (folder / "killed").exists():
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

        callbacks.append(keras.callbacks.LambdaCallback(on_epoch_begin=kill))
    with strategy.scope():
        history = model.fit(
            data.batch(BATCH), epochs=EPOCHS, verbose=0, callbacks=callbacks
        ).history
    weights = [copies_of_weights(model, layer)[0] for layer, _ in enumerate(layers)]
    found = {
        "worker": number,
        "weights": [str(one) for one in np.concatenate(weights)],
        "rates": [str(np.float32(one)) for one in history.get("learning_rate", ())],
        "epochs": len(history["loss"]),
    }
    if "curve" in options:
        found["applied"] = [str(one) for one in callback.applied]
        found["planned"] = [str(one) for one in callback.plan.values(slice(None)).astype("f4")]
        found["saved"] = [one.path.name for one in callback.saved]
        found["resumed"] = callback.resumed and callback.resumed.epoch
    (folder / f"worker-{number}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    train(Path(sys.argv[1]), json.loads(sys.argv[2]))
