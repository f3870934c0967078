"""A module written by `lrdsl compile` trains by its plan, in a process without lrdsl."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lrdsl
from lrdsl.export import module_text

# Each batch moves a weight of its own, from zero, by a gradient of exactly 1: afterwards
# weight i is minus the rate of step i.
TRAIN = """
import sys
sys.modules["lrdsl"] = None
import keras, numpy as np, schedule
keras.utils.set_random_seed(1)
steps = 6
layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
model = keras.Sequential([keras.Input((2 * steps,)), layer])
options = {options}
model.compile("sgd", loss=lambda y, p: p, **options)
x = np.eye(2 * steps, dtype="float32")

def batches():
    for row in x:
        yield row[None], np.zeros((1, 1), "float32")

history = model.fit(
    batches(), epochs=2, steps_per_epoch=steps, verbose=0, callbacks=[schedule.callback()]
)
weights = model.get_weights()[0][:, 0]
assert np.array_equal(-weights, schedule.rates().astype("float32")), (weights, schedule.rates())
assert history.history["learning_rate"] == [
    float(rate) for rate in schedule.rates().astype("float32")[[5, 11]]
]
"""

BACKENDS = [name for name in ("tensorflow", "jax", "torch") if find_spec(name)]

SCHEDULE = "train 2 epochs of 6 steps  warmup(3 steps) then cosine(max=0.1, cycles=2) snapshot"


def run(
    folder: Path, options: str, backend: str, schedule: str = SCHEDULE
) -> subprocess.CompletedProcess[str]:
    text = module_text(lrdsl.loads(schedule).plan())
    (folder / "schedule.py").write_text(text, encoding="utf-8")
    (folder / "train.py").write_text(TRAIN.replace("{options}", options), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "train.py"],
        cwd=folder,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_step_uses_the_planned_rate_and_snapshots_are_saved(
    backend: str, tmp_path: Path
) -> None:
    done = run(tmp_path, "{}", backend)
    assert done.returncode == 0, done.stderr
    saved = sorted(path.name for path in (tmp_path / "snapshots").iterdir())
    assert saved == ["snapshot-01.keras", "snapshot-02.keras"]


def test_stop_ends_the_training_after_the_last_step_planned(tmp_path: Path) -> None:
    schedule = "train 2 epochs of 6 steps  linear(from=0.1, to=0.05) until 9 steps then stop"
    stopped = TRAIN.partition("weights = ")[0] + (
        "weights = -model.get_weights()[0][:, 0]\n"
        "rates = schedule.rates().astype('float32')\n"
        "assert len(rates) == 9\n"
        "assert np.array_equal(weights, [*rates, 0, 0, 0]), weights\n"
        "assert history.history['learning_rate'] == [float(rates[5]), float(rates[8])]\n"
    )
    text = module_text(lrdsl.loads(schedule).plan())
    (tmp_path / "schedule.py").write_text(text, encoding="utf-8")
    (tmp_path / "train.py").write_text(stopped.replace("{options}", "{}"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train.py"],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": BACKENDS[0]},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_steps_per_execution_is_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "{'steps_per_execution': 3}", BACKENDS[0])
    assert "a rate for every step needs steps_per_execution=1" in done.stderr


def test_snapshots_of_which_some_are_dropped_are_refused(tmp_path: Path) -> None:
    done = run(tmp_path, "{}", BACKENDS[0], f"{SCHEDULE}(keep=1)")
    assert "this callback keeps all snapshots, and the plan does not" in done.stderr
    assert not (tmp_path / "snapshots").exists()
