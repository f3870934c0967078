"""Settings of `compile` × data × what went before the `fit` × what an update is.

A few combinations, in which every choice occurs, are run each time; all of them are `heavy`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from training.weights import (
    BATCH,
    SumOfPredictions,
    make_dataset,
    make_model,
    make_rows,
    summed_rates,
    weights_of,
)

import lrdsl

from .settings import BACKEND, TOGETHER, assert_untouched, number, planned

EPOCHS = 2
DATA = ["arrays", "partial", "dataset", "unknown", "steps given", "generator", "PyDataset"]
FITS = ["first", "fit before", "second", "initial_epoch", "recompiled"]
UPDATES = ["plain", "accumulated", "scaled", "parts"]
RUNS = ["graph", "jit", "eager"]

if BACKEND == "torch":
    DATA.append("DataLoader")
    RUNS.remove("jit")  # tried by itself, below: each model takes half a minute to compile

ALL = list(itertools.product(TOGETHER, RUNS, UPDATES, DATA, FITS))
if BACKEND == "tensorflow":  # where Keras accumulates in another rhythm, see below
    ALL = [one for one in ALL if one[2:4] != ("accumulated", "unknown")]


def is_slow(run: str, updates: str) -> bool:
    """Return whether Keras takes 0.2 s for a step: a condition that is not compiled."""
    return BACKEND == "jax" and run != "jit" and updates != "plain"


QUICK = [one for one in ALL if not is_slow(one[1], one[2])]
FEW = QUICK[:: {"tensorflow": 57, "jax": 38, "torch": 23}[BACKEND]]


class Rows(keras.utils.PyDataset):  # type: ignore[misc]
    def __init__(self, steps: int) -> None:
        super().__init__()
        self.rows = make_rows(steps)

    def __len__(self) -> int:
        return len(self.rows) // BATCH

    def __getitem__(self, index: int) -> Any:
        return self.rows[index * BATCH :][:BATCH], np.zeros(BATCH, np.float32)


def batches(steps: int) -> Any:
    while True:
        yield from map(Rows(steps).__getitem__, range(steps))


def loader(steps: int) -> Any:
    from torch.utils.data import DataLoader, TensorDataset

    rows = make_rows(steps)
    data = TensorDataset(*map(keras.ops.convert_to_tensor, (rows, np.zeros(len(rows)))))
    return DataLoader(data, batch_size=BATCH)


def arrays(steps: int, last: int = BATCH) -> dict[str, Any]:
    rows = make_rows(steps, last)
    return {"x": rows, "y": np.zeros(len(rows), np.float32), "batch_size": BATCH}


MAKE: dict[str, Callable[[int], dict[str, Any]]] = {
    "arrays": arrays,
    "partial": lambda steps: arrays(steps, last=1),
    "dataset": lambda steps: {"x": make_dataset(steps)},
    "unknown": lambda steps: {"x": make_dataset(steps, known=False)},
    "steps given": lambda steps: {
        "x": make_dataset(steps, known=False).repeat(),
        "steps_per_epoch": steps,
    },
    "generator": lambda steps: {"x": batches(steps), "steps_per_epoch": steps},
    "PyDataset": lambda steps: {"x": Rows(steps)},
    "DataLoader": lambda steps: {"x": loader(steps)},
}


def make_optimizer(updates: str) -> Any:
    if updates == "accumulated":
        return keras.optimizers.SGD(1.0, gradient_accumulation_steps=4)
    if updates == "parts":
        fast, slow = (keras.optimizers.SGD(1.0, name=name) for name in ("fast", "slow"))
        parts = keras.optimizers.OptimizerMap(fast, {"slow/.*": slow})
        return keras.optimizers.MultiOptimizer(parts)
    plain = keras.optimizers.SGD(1.0)
    if updates == "scaled":
        return keras.optimizers.LossScaleOptimizer(plain, 4.0, dynamic_growth_steps=7)
    return plain


def steps_for(together: int, run: str, updates: str, data: str) -> int:
    quick = not is_slow(run, updates)
    if data in ("steps given", "generator"):  # whole executions
        return 32 if quick or together == 32 else 4
    if updates == "accumulated":  # whole updates
        return 32 if quick else 4
    return 37 if quick else 4


def assert_exact(together: int, run: str, updates: str, data: str, order: str) -> None:
    steps = steps_for(together, run, updates, data)
    options = {
        "steps_per_execution": together,
        "jit_compile": run == "jit",
        "run_eagerly": run == "eager",
    }
    first = EPOCHS - 1 if order == "initial_epoch" else 0
    line = f"train {EPOCHS} epochs of {steps} steps\n" if data == "unknown" else ""
    several = updates == "parts"
    text = line + "lr = warmup(1) then cosine(max=0.3)"
    callback = lrdsl.compile(text + "\nslow.lr = linear(from=0.7, to=0.1)" * several)
    layers = ["slow", "fast"] if several else [None]
    model = make_model(steps, make_optimizer(updates), layers=layers, **options)

    def train(callbacks: list[Any], **more: Any) -> None:
        options = {"epochs": EPOCHS, "shuffle": False, "verbose": 0, **MAKE[data](steps)}
        model.fit(callbacks=callbacks, **options, **more)

    if order == "fit before":
        train([])
    if order in ("second", "recompiled"):
        train([lrdsl.compile(line + "linear(from=1, to=0.5)")])
    if order == "recompiled":
        model.compile(make_optimizer(updates), loss=SumOfPredictions(), **options)
    model.set_weights([np.zeros((steps, 1))] * len(layers))
    train([callback], initial_epoch=first)

    targets = ["slow.lr", "lr"] if several else ["lr"]
    owners = model.optimizer.optimizers if several else [model.optimizer]
    assert list(callback.applied_rates) == sorted(targets)
    for layer, (target, owner) in enumerate(zip(targets, owners, strict=True)):
        rates = callback.plan.values(target=target).astype(np.float32)[first * steps :]
        moves = np.repeat(rates[3::4], 4) / 4 if updates == "accumulated" else rates
        weights = weights_of(model, layer)
        np.testing.assert_array_equal(weights, summed_rates(moves, EPOCHS - first))
        np.testing.assert_array_equal(callback.applied_rates[target], rates)
        assert number(owner.learning_rate) == rates[-1]
    assert_untouched(model)


def test_every_choice_is_among_the_few() -> None:
    for place, choices in enumerate((TOGETHER, RUNS, UPDATES, DATA, FITS)):
        assert {one[place] for one in FEW} == set(choices)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(("together", "run", "updates", "data", "order"), FEW)
def test_rates_are_exact_in(
    together: int, run: str, updates: str, data: str, order: str
) -> None:
    assert_exact(together, run, updates, data, order)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="of the TensorFlow backend alone")
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize("ours", [False, True])
def test_keras_counts_a_batch_too_many_where_data_end_unannounced(ours: bool) -> None:
    # Its step runs once more and fails for want of data, but has counted by then.  So under
    # accumulation each epoch's updates come a batch sooner, whoever sets the rate.
    model = make_model(8, make_optimizer("accumulated"))
    callback = lrdsl.compile("train 2 epochs of 8 steps\nlinear(from=1, to=0.5)")
    callbacks = [callback] if ours else []
    model.fit(make_dataset(8, known=False), epochs=2, callbacks=callbacks, verbose=0)
    assert number(model.optimizer._iterations) == 18
    if ours:
        np.testing.assert_array_equal(callback.applied, planned(callback))


@pytest.mark.heavy
@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@pytest.mark.parametrize(("together", "run", "updates", "data", "order"), ALL)
def test_rates_are_exact_in_every_combination(
    together: int, run: str, updates: str, data: str, order: str
) -> None:
    assert_exact(together, run, updates, data, order)


@pytest.mark.heavy
@pytest.mark.skipif(BACKEND != "torch", reason="other backends have it among the rest")
@pytest.mark.parametrize("order", FITS)
@pytest.mark.parametrize("updates", UPDATES)
def test_rates_are_exact_under_torch_compile(updates: str, order: str) -> None:
    import torch

    torch._dynamo.reset()  # it gives up after eight models
    assert_exact(1, "jit", updates, "partial" if updates != "accumulated" else "arrays", order)
