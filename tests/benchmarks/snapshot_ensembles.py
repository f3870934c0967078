"""Does averaging snapshots help?  The claim of a paper, at a size that runs on one core.

    python tests/benchmarks/snapshot_ensembles.py [SEEDS]

Source: Huang et al., *Snapshot Ensembles: Train 1, get M for free* (ICLR 2017,
arXiv:1704.00109).

The claim, written down before any run.  A budget of 60 epochs is spent in three ways, with
SGD of momentum 0.9, weight decay 1e-4 and batches of 64:

- *step*: a single model by the schedule that the paper compares with, a rate of 0.1 that
  falls tenfold at 50% and at 75% of the training;
- *cosine*: a single model by half a cosine from 0.1 to 0, a stronger schedule of today, which
  the paper does not have;
- *cyclic*: five half cosines from 0.1 to 0, with a snapshot at the end of each.

1. The average of the five snapshots has a lower test error than *step*.
2. It has a lower test error than the last of the five snapshots alone.

Not claimed, and shown all the same: the average against *cosine*.

Each is judged by the mean over seeds of the paired difference of test errors, with a 95%
interval of Student's t: the claim holds where all of the interval is below 0, and is refuted
where all of it is above; otherwise nothing is shown.  A seed decides the split or the making
of the data, the first weights and the order of the batches.  All snapshots are averaged, and
nothing is tuned on the test data or on these seeds.

Two sets of data: the 1,797 handwritten digits of scikit-learn, a third of them for testing;
and *blobs*, which is made here and harder: images of 12 x 12 of ten classes, each with two
patterns of smooth noise, which are shifted by up to 3 pixels, scaled and covered with other
noise; 2,000 to train on, of which every tenth has a random label, and 4,000 to test.  How hard
it is was chosen by the error of *step* alone (about 20%), on a seed that is none of those.
"""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import lrdsl

SEEDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
FIRST_SEED = 0
EPOCHS = 60
BATCH = 64
STEP = "0.1 until 50% then 0.01 until 75% then 0.001"
COSINE = "cosine(max=0.1)"
CYCLIC = "cosine(max=0.1, cycles=5) snapshot"

Images = NDArray[np.float32]
Data = tuple[Images, NDArray[np.int64], Images, NDArray[np.int64]]


def digits(seed: int) -> Data:
    found = load_digits()
    images = (found.images[..., np.newaxis] / 16).astype(np.float32)
    train, test, labels, truths = train_test_split(
        images, found.target, test_size=1 / 3, stratify=found.target, random_state=seed
    )
    return train, labels, test, truths


def blobs(seed: int) -> Data:
    random = np.random.default_rng(seed)
    patterns = smooth(random, 20, 15)

    def make(count: int) -> tuple[Images, NDArray[np.int64]]:
        which = random.integers(20, size=count)
        noise = smooth(random, count, 12)
        images = np.empty((count, 12, 12), np.float32)
        for at, (pattern, (down, right)) in enumerate(
            zip(which, random.integers(4, size=(count, 2)), strict=True)
        ):
            images[at] = patterns[pattern, down : down + 12, right : right + 12]
        images *= random.uniform(0.7, 1.3, size=(count, 1, 1))
        images += 0.6 * noise + random.normal(scale=0.4, size=images.shape)
        return images[..., np.newaxis].astype(np.float32), which % 10

    train, labels = make(2000)
    test, truths = make(4000)
    labels[::10] = random.integers(10, size=len(labels[::10]))
    return train, labels, test, truths


def smooth(random: np.random.Generator, count: int, size: int) -> NDArray[np.float64]:
    """Return fields of noise without high frequencies, of variance 1."""
    waves = np.fft.rfft2(random.normal(size=(count, size, size)))
    across = np.fft.rfftfreq(size)[np.newaxis] ** 2 + np.fft.fftfreq(size)[:, np.newaxis] ** 2
    fields = np.fft.irfft2(waves * np.exp(-40 * across), s=(size, size))
    return fields / fields.std(axis=(1, 2), keepdims=True)


def train(data: Data, seed: int, schedule: str, folder: Path) -> Any:
    """Train a small network; return it."""
    keras.utils.set_random_seed(seed)
    images, labels, _, _ = data
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(images.shape[1:]),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=1e-4),
        "sparse_categorical_crossentropy",
        jit_compile=False,
    )
    callback = lrdsl.compile(schedule)
    callback.snapshots = folder
    model.fit(images, labels, BATCH, EPOCHS, verbose=0, callbacks=[callback])
    return model


def errors_of(data: Data, seed: int) -> dict[str, float]:
    """Return the test errors of one seed, in percent."""

    def error(probabilities: Any) -> float:
        return float(100 * np.mean(probabilities.argmax(axis=1) != data[3]))

    with tempfile.TemporaryDirectory() as top:
        found = {
            name: error(train(data, seed, text, Path(top)).predict(data[2], 500, verbose=0))
            for name, text in (("step", STEP), ("cosine", COSINE))
        }
        last = train(data, seed, CYCLIC, Path(top, "models"))
        found["last snapshot"] = error(last.predict(data[2], 500, verbose=0))
        ensemble = lrdsl.Ensemble.load(Path(top, "models"))
        assert len(ensemble) == 5
        found["average"] = error(ensemble.predict(data[2], 500, verbose=0))
    keras.backend.clear_session()
    return found


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return a mean and half the width of its 95% interval."""
    width = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(width)


def verdict(mean: float, width: float) -> str:
    if mean + width < 0:
        return "lower"
    return "higher" if mean - width > 0 else "nothing shown"


def main() -> None:
    """Train, and print two tables."""
    # One core, so that the machine may do something else.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    began = time.monotonic()
    names = ("step", "cosine", "last snapshot", "average")
    means = [
        f"| test error in %, {SEEDS} seeds | {' | '.join(names)} |",
        "| --- |" + " --- |" * len(names),
    ]
    judged = [
        "| average − … | step | last snapshot | cosine (not claimed) |",
        "| --- |" + " --- |" * 3,
    ]
    for name, make in (("digits", digits), ("blobs", blobs)):
        found: dict[str, list[float]] = {one: [] for one in names}
        for seed in range(FIRST_SEED, FIRST_SEED + SEEDS):
            for one, value in errors_of(make(seed), seed).items():
                found[one].append(value)
            print(name, seed, {k: round(v[-1], 2) for k, v in found.items()}, file=sys.stderr)
        arrays = {one: np.array(values) for one, values in found.items()}
        cells = ["{:.2f} ± {:.2f}".format(*interval(arrays[one])) for one in names]
        means.append(f"| {name} | {' | '.join(cells)} |")
        cells = []
        for other in ("step", "last snapshot", "cosine"):
            mean, width = interval(arrays["average"] - arrays[other])
            cells.append(f"{mean:+.2f} ± {width:.2f}: {verdict(mean, width)}")
        judged.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join([*means, "", *judged]))
    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
