"""Snapshots chosen by a metric, and their ensemble as one model, on each backend."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.training.manifest import read_manifest

from .settings import JIT

LOAD = """
import sys
sys.modules["lrdsl"] = None
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Any, Any]:
    """Train by three cycles in 10 steps; return the folder of snapshots, and data."""
    random = np.random.default_rng(1)
    x = random.normal(size=(40, 5)).astype("float32")
    y = (x[:, 0] > 0) + (x[:, 1] > 0).astype("int32")
    keras.utils.set_random_seed(2)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, "relu"),
            layers.Dropout(0.2),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(0.1),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=JIT,
    )
    callback = lrdsl.compile("cosine(max=0.1, cycles=3) snapshot(best=3, monitor=val_loss)")
    callback.snapshots = tmp_path / "models"
    model.fit(
        x, y, batch_size=20, epochs=5, verbose=0, validation_data=(x, y), callbacks=[callback]
    )
    assert not callback.missed
    return tmp_path / "models", x, y


def test_best_are_judged_by_their_epochs_metric(trained: tuple[Path, Any, Any]) -> None:
    found = read_manifest(trained[0])
    assert [one.epoch for one in found] == [2, 3.5, 5]
    assert [one.metrics_epoch for one in found] == [2, 4, 5]
    assert all(one.metric("val_loss") is not None for one in found)


def test_one_model_gives_the_average_elsewhere(
    trained: tuple[Path, Any, Any], tmp_path: Path
) -> None:
    folder, x, y = trained
    ensemble = lrdsl.Ensemble.load(folder, weights="val_loss")
    mean = ensemble.predict(x, verbose=0, batch_size=16)
    one_by_one = lrdsl.Ensemble.load(folder, weights="val_loss", one_at_a_time=True)
    np.testing.assert_allclose(one_by_one.predict(x, verbose=0), mean, atol=1e-7)
    ensemble.to_model().save(tmp_path / "ensemble.keras")
    np.save(tmp_path / "x.npy", x)
    words = [str(tmp_path / name) for name in ("ensemble.keras", "y.npy", "x.npy")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *words],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), mean, atol=1e-6)
    scores = ensemble.evaluate(x, y, verbose=0)
    last = ensemble.snapshots[-1]
    found = scores.members[last.path.name]
    assert found["loss"] == pytest.approx(last.metric("val_loss"), rel=1e-4)
    right = np.mean(mean.argmax(axis=1) == y)
    assert scores.average["accuracy"] == pytest.approx(right, rel=1e-6)
