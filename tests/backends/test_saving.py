"""What is saved while a schedule is followed is what would be saved without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training.weights import fit, make_model, weights_of

import lrdsl

from .settings import TOGETHER, assert_followed, number, planned

STEPS = 6
EPOCHS = 2

# In a process that cannot import lrdsl and in which a warning is an error.
READ = f"""
import json, sys, warnings
sys.modules["lrdsl"] = None
import keras, numpy as np
found = {{}}
for path in sys.argv[1:]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        if path.endswith(".keras"):
            model = keras.models.load_model(path)
        else:
            dense = keras.layers.Dense(1, use_bias=False)
            model = keras.Sequential([keras.Input(({STEPS},)), dense])
            model.compile(keras.optimizers.SGD(1.0), loss="mse")
            model.optimizer.build(model.trainable_variables)
            model.load_weights(path)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    parts = getattr(optimizer, "optimizers", [optimizer])
    found[path] = [[float(part.learning_rate), int(part.iterations)] for part in parts]
    rows = np.zeros((3, {STEPS}), np.float32)
    model.fit(rows, rows[:, 0], verbose=0)  # it trains on
print(json.dumps(found))
"""


def read(paths: list[Path]) -> dict[str, list[list[float]]]:
    """Return rate and iterations of saved optimizers' parts, by the names of the files."""
    done = subprocess.run(
        [sys.executable, "-c", READ, *map(str, paths)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return {path.name: found[str(path)] for path in paths}


class SaveAmid(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves by hand after the third batch of each epoch."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 2:
            self.model.save(self.folder / f"amid-{self.epoch}.keras")
            self.model.save_weights(self.folder / f"amid-{self.epoch}.weights.h5")


def test_models_saved_during_fit_are_plain_and_load_without_us(tmp_path: Path) -> None:
    model = make_model(STEPS)
    model.compile(keras.optimizers.SGD(1.0), loss="mse", jit_compile=model.jit_compile)
    callback = lrdsl.compile("linear(from=0.1, to=1e-3)")
    epochs = keras.callbacks.ModelCheckpoint(tmp_path / "epoch-{epoch}.keras")
    weights = keras.callbacks.ModelCheckpoint(
        tmp_path / "epoch-{epoch}.weights.h5", save_weights_only=True
    )
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)
    others = [epochs, weights, backup, SaveAmid(tmp_path)]
    fit(model, callback, STEPS, epochs=EPOCHS, callbacks=others)
    model.save(tmp_path / "after.keras")
    model.save_weights(tmp_path / "after.weights.h5")

    (backed_up,) = (tmp_path / "backup").rglob("*.weights.h5")
    found = read([*tmp_path.glob("*.keras"), *tmp_path.glob("*.h5"), backed_up])
    rates = planned(callback)
    steps = {backed_up.name: EPOCHS * STEPS}
    for kind in ("keras", "weights.h5"):
        steps |= {f"after.{kind}": EPOCHS * STEPS}
        steps |= {f"epoch-{epoch + 1}.{kind}": (epoch + 1) * STEPS for epoch in range(EPOCHS)}
        steps |= {f"amid-{epoch}.{kind}": epoch * STEPS + 3 for epoch in range(EPOCHS)}
    assert found == {name: [[rates[step - 1], step]] for name, step in steps.items()}


@pytest.mark.parametrize("scaled", [False, True])
def test_models_with_parts_are_saved_with_the_rate_of_each(
    scaled: bool, tmp_path: Path
) -> None:
    slow, fast = (keras.optimizers.SGD(1.0, name=name) for name in ("slow", "fast"))
    optimizer = keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(fast, {"slow/.*": slow})
    )
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, 4.0)
    model = make_model(STEPS, optimizer, layers=["slow", "fast"])
    model.compile(optimizer, loss="mse", jit_compile=model.jit_compile)
    callback = lrdsl.compile("lr = linear(from=0.1, to=1e-3)\nslow.lr = lr / 3")
    fit(model, callback, STEPS, epochs=EPOCHS, callbacks=[SaveAmid(tmp_path)])
    model.save(tmp_path / "after.keras")

    found = read([*tmp_path.glob("*.keras")])
    rates = callback.applied_rates
    steps = {f"amid-{epoch}.keras": epoch * STEPS + 3 for epoch in range(EPOCHS)}
    steps["after.keras"] = EPOCHS * STEPS
    assert found == {
        name: [[rates[target][step - 1], step] for target in ("slow.lr", "lr")]
        for name, step in steps.items()
    }


@pytest.mark.parametrize("together", TOGETHER[:2])
def test_snapshots_hold_the_weights_and_the_rate_of_their_step(
    together: int, tmp_path: Path
) -> None:
    model = make_model(12, steps_per_execution=together)
    callback = lrdsl.compile("linear(from=0.5, to=0.1) for 4 steps repeat snapshot")
    callback.snapshots = tmp_path / "models"
    fit(model, callback, 12)
    assert_followed(model, callback)
    assert not callback.missed
    assert [one.step for one in callback.saved] == [3, 7, 11]
    rates = planned(callback)
    for one in callback.saved:
        loaded = keras.models.load_model(one.path, compile=False)
        done = np.where(np.arange(12) <= one.step, rates, 0)
        np.testing.assert_array_equal(weights_of(loaded), -done)
        assert one.rate == rates[one.step]


def test_weights_loaded_into_a_model_that_follows_a_schedule_are_followed_on(
    tmp_path: Path,
) -> None:
    model = make_model(STEPS)
    fit(model, lrdsl.compile("linear(from=0.1, to=1e-3)"), STEPS)
    model.save_weights(tmp_path / "one.weights.h5")
    before = weights_of(model)
    other = make_model(STEPS)
    callback = lrdsl.compile("cosine(max=0.25)")
    fit(other, keras.callbacks.Callback(), STEPS)  # builds the optimizer
    other.load_weights(tmp_path / "one.weights.h5")
    fit(other, callback, STEPS)
    np.testing.assert_array_equal(weights_of(other), before - callback.applied)
    assert number(other.optimizer.iterations) == 2 * STEPS
