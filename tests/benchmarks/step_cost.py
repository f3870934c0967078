"""What a step costs with a schedule, against a constant rate.

    python tests/benchmarks/step_cost.py [ROUNDS]

One line a setting: the fastest epoch over interleaved rounds with a constant rate, then,
as multiples of it, that with a constant again (how much is noise), with a schedule, and with
a callback that assigns each rate.  The first epoch of a `fit`, in which the train step may be
traced, is told apart: a schedule has it traced once a `fit`.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys
import time
from typing import Any

import keras
import numpy as np

import lrdsl

STEPS = 1000
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
SCHEDULE = "warmup(5%) then cosine(max=0.01) until 50% then exp(0.1)"


class Assign(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the rate before each batch, as a callback without access to the step must."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.01


def make(width: int, depth: int, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(width, "relu") for _ in range(depth)]
    model = keras.Sequential([keras.Input((32,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.01), loss="mse", **options)
    return model


class Clock(keras.callbacks.Callback):  # type: ignore[misc]
    """Times each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(time.perf_counter() - self.begun)


def epoch_seconds(model: Any, data: Any, callbacks: list[Any]) -> list[float]:
    clock = Clock()
    model.fit(
        *data,
        batch_size=16,
        epochs=3,
        shuffle=False,
        verbose=0,
        callbacks=[clock, *callbacks],
    )
    return clock.epochs


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(16 * STEPS, 32)), rng.normal(size=(16 * STEPS, 1))
    for width, depth in ((16, 1), (256, 4)):
        for options in (
            {"jit_compile": False},
            {"jit_compile": False, "steps_per_execution": 32},
            {"jit_compile": True},
        ):
            cases = {
                "constant": [],
                "constant again": [],
                "schedule": [lrdsl.compile(SCHEDULE)],
                "assigned": [Assign()],
            }
            models = {name: make(width, depth, **options) for name in cases}
            first: dict[str, list[float]] = {name: [] for name in cases}
            later: dict[str, list[float]] = {name: [] for name in cases}
            for turn in range(ROUNDS + 1):
                for name, callbacks in cases.items():
                    begin, *rest = epoch_seconds(models[name], data, callbacks)
                    if turn:  # in the first turn all are traced
                        first[name].append(begin)
                        later[name] += rest
            constant = min(later["constant"])
            told = ", ".join(
                f"{name} {min(later[name]) / constant:.2f}x" for name in list(cases)[1:]
            )
            trace = min(first["schedule"]) - min(later["schedule"])
            print(
                f"{depth} x {width} {options}: {constant / STEPS * 1e6:.0f} us a step; {told}; "
                f"{trace:.2f} s a fit",
                flush=True,
            )


if __name__ == "__main__":
    main()
