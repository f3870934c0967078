"""What a step costs with a schedule, against a constant rate.

    python tests/benchmarks/step_cost.py [ROUNDS]

One line a setting: the fastest epoch over interleaved rounds with a constant rate, then,
as multiples of it, that with a constant again (how much is noise), with a schedule of three
segments and one of 300, and with a callback that assigns each rate.  Then a loop of short
fits of one model: how often its train step was traced in all of them, and what the fastest
`fit` after the first took.
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
FITS = 20
SCHEDULE = "warmup(5%) then cosine(max=0.01) until 50% then exp(0.1)"
MANY = " then ".join(["linear(from=0.01, to=0.005) for 10 steps"] * 300)


class Assign(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the rate before each batch, as a callback without access to the step must."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.01


def make(width: int, depth: int, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(width, "relu") for _ in range(depth)]
    model = CountsTraces([keras.Input((32,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.AdamW(0.01), loss="mse", **options)
    return model


class CountsTraces(keras.Sequential):  # type: ignore[misc]
    """A model that counts how often its train step is traced."""

    traced = 0

    def train_step(self, data: Any) -> Any:
        self.traced += 1
        return super().train_step(data)


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


def loop_of_fits(data: Any, schedule: str | None) -> str:
    """Fit one model again and again, and say how long that took and what was traced."""
    model = make(16, 1, jit_compile=False)
    seconds = []
    for _ in range(FITS):
        callbacks = [] if schedule is None else [lrdsl.compile(schedule)]
        begun = time.perf_counter()
        model.fit(*data, batch_size=16, shuffle=False, verbose=0, callbacks=callbacks)
        seconds.append(time.perf_counter() - begun)
    return f"{model.traced} traced, {min(seconds[1:]) * 1e3:.0f} ms a fit"


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
                "300 segments": [lrdsl.compile(MANY)],
                "assigned": [Assign()],
            }
            models = {name: make(width, depth, **options) for name in cases}
            later: dict[str, list[float]] = {name: [] for name in cases}
            for turn in range(ROUNDS + 1):
                for name, callbacks in cases.items():
                    _, *rest = epoch_seconds(models[name], data, callbacks)
                    if turn:  # in the first turn all are traced
                        later[name] += rest
            constant = min(later["constant"])
            told = ", ".join(
                f"{name} {min(later[name]) / constant:.2f}x" for name in list(cases)[1:]
            )
            print(
                f"{depth} x {width} {options}: {constant / STEPS * 1e6:.0f} us a step; {told}",
                flush=True,
            )
    few = tuple(part[: 16 * 20] for part in data)  # 20 steps
    print(
        f"{FITS} fits of 20 steps: constant {loop_of_fits(few, None)}; "
        f"schedule {loop_of_fits(few, 'linear(from=0.01, to=0)')}"
    )


if __name__ == "__main__":
    main()
