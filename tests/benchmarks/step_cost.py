"""What a training step costs with a schedule, against a constant rate.

    python tests/benchmarks/step_cost.py [BLOCKS]

A tiny model with SGD and one of 20 variables with AdamW, for whose every variable Keras
asks a schedule anew; with jit and without, 1 and 32 steps in each execution.  The fits of
one line run at the same time and take turns, a block of a few calls each, so that what slows
the machine down slows them all.  Of each, the median of its blocks as multiples of what the
two with a constant rate took in the same turn, on average; how far these two are apart says
how much of that is noise.

Then a loop of short fits of one model: how often its train step was traced in all of them,
and what the fastest `fit` after the first took.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from measuring import begin_table, machine, print_row

import lrdsl

BLOCKS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
CALLS = 5
BATCH = 16
FITS = 20
SCHEDULE = "warmup(5%) then cosine(max=0.01) until 50% then exp(0.1)"
MANY = " then ".join(["linear(from=0.01, to=0.005) for 0.3%"] * 300)
schedules = keras.optimizers.schedules


class Assign(keras.callbacks.Callback):  # type: ignore[misc]
    """Sets the rate before each call, as a callback without access to the step must."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.learning_rate = 0.01


def piecewise(pieces: int) -> Any:
    """Return Keras's own schedule of so many constants."""
    values = [0.01 / (i + 1) for i in range(pieces)]
    return schedules.PiecewiseConstantDecay([10 * (i + 1) for i in range(pieces - 1)], values)


CASES: dict[str, tuple[Callable[[], Any], Callable[[], list[Any]]]] = {
    # what the optimizer is given as its rate, and the callbacks
    "constant": (lambda: 0.01, list),
    "lrdsl, 3 segments": (lambda: 0.01, lambda: [lrdsl.compile(SCHEDULE)]),
    "constant again": (lambda: 0.01, list),
    "lrdsl, 300": (lambda: 0.01, lambda: [lrdsl.compile(MANY)]),
    "`CosineDecay`": (lambda: schedules.CosineDecay(0.01, 1000), list),
    "`Piecewise…`, 3": (lambda: piecewise(3), list),
    "`Piecewise…`, 300": (lambda: piecewise(300), list),
    "a callback": (lambda: 0.01, lambda: [Assign()]),
}

CONSTANTS = ("constant", "constant again")

MODELS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    # hidden layers, optimizer
    "SGD, 4 variables": (1, keras.optimizers.SGD),
    "AdamW, 20 variables": (9, keras.optimizers.AdamW),
}


class CountsTraces(keras.Sequential):  # type: ignore[misc]
    """A model that counts how often its train step is traced."""

    traced = 0

    def train_step(self, *args: Any) -> Any:
        self.traced += 1
        return super().train_step(*args)


def make(depth: int, optimizer: Any, **options: Any) -> Any:
    """Return a compiled model."""
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(16, "relu") for _ in range(depth)]
    model = CountsTraces([keras.Input((32,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse", **options)
    return model


class Turns(keras.callbacks.Callback):  # type: ignore[misc]
    """Times blocks of calls, and lets the other fits run between them."""

    def __init__(self, mine: threading.Semaphore, following: threading.Semaphore) -> None:
        super().__init__()
        self.mine, self.following = mine, following
        self.blocks: list[float] = []
        self.calls = 0

    def on_train_begin(self, logs: Any = None) -> None:
        self.mine.acquire()
        self.begun = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.calls += 1
        if self.calls % CALLS == 0:
            self.blocks.append(time.perf_counter() - self.begun)
            self.following.release()
            self.mine.acquire()
            self.begun = time.perf_counter()

    def on_train_end(self, logs: Any = None) -> None:
        self.following.release()


def fit_in_turns(models: dict[str, tuple[Any, list[Any]]], data: Any) -> dict[str, list[float]]:
    """Fit all models at the same time, one at any moment; return the seconds of the blocks."""
    gates = [threading.Semaphore(index == 0) for index in range(len(models))]
    turns, threads = {}, []
    for index, (name, (model, callbacks)) in enumerate(models.items()):
        turns[name] = Turns(gates[index], gates[(index + 1) % len(models)])
        options = {"batch_size": BATCH, "shuffle": False, "verbose": 0}
        options["callbacks"] = [turns[name], *callbacks]
        threads.append(threading.Thread(target=model.fit, args=data, kwargs=options))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # In the first blocks steps are traced and compiled.
    return {name: turn.blocks[3:] for name, turn in turns.items()}


def compare_steps() -> None:
    """Print what a step costs."""
    rng = np.random.default_rng(1)
    others = [case for case in CASES if case not in CONSTANTS]
    head = ["step", "constant", "apart", *others]
    begin_table(f"A training step on {keras.backend.backend()}", head)
    for name, (depth, optimizer) in MODELS.items():
        for jit in (False, True):
            for at_once in (1, 32):
                samples = BATCH * at_once * CALLS * (BLOCKS + 3)
                data = rng.normal(size=(samples, 32)), rng.normal(size=(samples, 1))
                options = {"jit_compile": jit, "steps_per_execution": at_once}
                models = {
                    case: (make(depth, optimizer(rate()), **options), callbacks())
                    for case, (rate, callbacks) in CASES.items()
                }
                blocks = fit_in_turns(models, data)
                turns = {case: np.array(found) for case, found in blocks.items()}
                constant = sum(turns[case] for case in CONSTANTS) / 2
                ratio = {case: np.median(found / constant) for case, found in turns.items()}
                print_row(
                    [
                        f"{name}, {'jit' if jit else 'no jit'}, {at_once} at once",
                        f"{np.median(constant) / CALLS / at_once * 1e6:.0f} µs",
                        f"{abs(ratio['constant'] - ratio['constant again']):.2f}",
                        *(f"{ratio[case]:.2f}" for case in others),
                    ]
                )
    print(f"\nKeras {keras.__version__}, {machine()}")


def loop_of_fits(data: Any, schedule: str | None) -> str:
    """Fit one model again and again, and say how long that took and what was traced."""
    model = make(1, keras.optimizers.SGD(0.01), jit_compile=False)
    seconds = []
    for _ in range(FITS):
        callbacks = [] if schedule is None else [lrdsl.compile(schedule)]
        begun = time.perf_counter()
        model.fit(*data, batch_size=BATCH, shuffle=False, verbose=0, callbacks=callbacks)
        seconds.append(time.perf_counter() - begun)
    return f"{model.traced} traced, {min(seconds[1:]) * 1e3:.0f} ms a fit"


def compare_fits() -> None:
    """Print what many short fits cost."""
    rng = np.random.default_rng(1)
    few = rng.normal(size=(BATCH * 20, 32)), rng.normal(size=(BATCH * 20, 1))
    print(
        f"\n{FITS} fits of 20 steps: constant {loop_of_fits(few, None)}; "
        f"schedule {loop_of_fits(few, 'linear(from=0.01, to=0)')}"
    )


if __name__ == "__main__":
    compare_steps()
    compare_fits()
