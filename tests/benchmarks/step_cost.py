"""What a step costs with a schedule, against a constant rate: `python tests/benchmarks/step_cost.py`.

Prints one line a setting: the median over interleaved rounds of the time of a step with a
constant rate, then that with a schedule and with a callback that assigns each rate, as
multiples of it.  The spread of the constant against itself says how much of that is noise.
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
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 9
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


def seconds(model: Any, data: Any, callbacks: list[Any]) -> float:
    begun = time.perf_counter()
    model.fit(*data, batch_size=16, shuffle=False, verbose=0, callbacks=callbacks)
    return time.perf_counter() - begun


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
            times: dict[str, list[float]] = {name: [] for name in cases}
            for turn in range(ROUNDS + 1):
                for name, callbacks in cases.items():
                    took = seconds(models[name], data, callbacks)
                    if turn:
                        times[name].append(took)
            constant = np.median(times["constant"])
            told = ", ".join(
                f"{name} {np.median(times[name]) / constant:.2f}x" for name in list(cases)[1:]
            )
            print(
                f"{depth} x {width} {options}: {constant / STEPS * 1e6:.0f} us; {told}",
                flush=True,
            )


if __name__ == "__main__":
    main()
