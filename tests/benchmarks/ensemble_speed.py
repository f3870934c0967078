"""What predicting by an ensemble costs, against its members one after another.

    python tests/benchmarks/ensemble_speed.py [ROUNDS]

The median time of `predict` of all members, one after another, over interleaved rounds, and
as multiples of it that of the one model that `Ensemble.to_model` gives and that of
`Ensemble.predict`; then how far the predictions are apart.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from measuring import begin_table, interleaved, machine, print_row, spread

import lrdsl

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
MEMBERS = 5
layers = keras.layers

MODELS: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "dense, 2 x 64": ((32,), [layers.Dense(64, "relu"), layers.Dense(64, "relu")]),
    "dense, 4 x 1024": ((256,), [layers.Dense(1024, "relu") for _ in range(4)]),
    "convolutions": (
        (32, 32, 3),
        [
            layers.Conv2D(16, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.GlobalAveragePooling2D(),
        ],
    ),
    "LSTM": ((20, 16), [layers.LSTM(32)]),
}


def make_ensemble(shape: tuple[int, ...], body: list[Any], folder: Path) -> lrdsl.Ensemble:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input(shape), *body, layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = folder
    x = np.ones((10, *shape), np.float32)
    model.fit(x, np.arange(10), epochs=MEMBERS, verbose=0, callbacks=[callback])
    return lrdsl.Ensemble.load(folder)


def main() -> None:
    """Measure and print."""
    head = ["members", "rows", "in turn", "spread", "one model", "`Ensemble.predict`", "apart"]
    begin_table(f"Predictions of {MEMBERS} members", head)
    for name, (shape, body) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            ensemble = make_ensemble(shape, body, Path(folder, "models"))
            members = [keras.saving.load_model(path) for path in ensemble.members]
            one = ensemble.to_model()
        for rows in (32, 2048):
            x = np.random.default_rng(1).normal(size=(rows, *shape)).astype("float32")

            def in_turn() -> Any:
                found = [member.predict(x, verbose=0) for member in members]  # noqa: B023
                return np.mean(found, axis=0)

            ways = {
                "in turn": in_turn,
                "one model": lambda: one.predict(x, verbose=0),  # noqa: B023
                "Ensemble.predict": lambda: ensemble.predict(x, verbose=0),  # noqa: B023
            }
            apart = np.abs(in_turn() - one.predict(x, verbose=0)).max()
            # The first turn, in which all are traced, is not among them.
            taken = interleaved(ways, ROUNDS, time.perf_counter)
            median = {way: statistics.median(found) for way, found in taken.items()}
            whole = median.pop("in turn")
            print_row(
                [
                    name,
                    f"{rows:,}",
                    f"{whole * 1e3:.0f} ms",
                    f"± {100 * spread(taken['in turn']):.0f}%",
                    *(f"{value / whole:.2f}" for value in median.values()),
                    f"{apart:.0e}",
                ]
            )
    print(f"\nKeras {keras.__version__}, {machine()}")


if __name__ == "__main__":
    main()
