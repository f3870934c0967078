"""`plateau` against Keras's `ReduceLROnPlateau`: the same cuts after the same epochs."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import lrdsl

Floats = NDArray[np.float64]


class Optimizer:
    """Holds a rate as Keras does, in float32."""

    def __init__(self, rate: float) -> None:
        self.learning_rate = rate

    @property
    def learning_rate(self) -> np.float32:
        return self._rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self._rate = np.float32(rate)


def by_keras(metrics: list[float | None], rate: float, **parameters: Any) -> Floats:
    """Return the rate that each epoch begins with, as Keras's own callback sets it.

    None is an epoch that does not measure the metric.
    """
    callback = keras.callbacks.ReduceLROnPlateau(**parameters)
    model = SimpleNamespace(optimizer=Optimizer(rate))
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(metrics):
        rates.append(float(model.optimizer.learning_rate))
        logs = {} if value is None else {callback.monitor: value}
        callback.on_epoch_end(epoch, {"other": 0.0, **logs})
    return np.array(rates)


def by_plan(metrics: list[float | None], rate: float, **parameters: Any) -> Floats:
    """Return the same by `plan.replay`."""
    given = {"min" if name == "min_lr" else name: one for name, one in parameters.items()}
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    plan = lrdsl.loads(f"plateau(from={rate!r}, {words})").plan(
        epochs=len(metrics), steps_per_epoch=1
    )
    monitor = parameters.get("monitor", "val_loss")
    rows = [{"other": 0.0} if one is None else {monitor: one} for one in metrics]
    return plan.replay(rows).values()


def assert_same(metrics: list[float | None], rate: float, **parameters: Any) -> None:
    theirs, ours = by_keras(metrics, rate, **parameters), by_plan(metrics, rate, **parameters)
    # Keras multiplies the float32 that its optimizer holds and rounds again after each cut:
    # up to 6e-8 for each.  A plan multiplies in float64, and `fit` rounds once.
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=0)
    # No rate is cut by so little that this could be rounding.
    np.testing.assert_array_equal(
        ours[1:] < ours[:-1] * (1 - 1e-5), theirs[1:] < theirs[:-1] * (1 - 1e-5)
    )


few = st.sampled_from((0.5, 0.50005, 0.5001, 0.501, 0.49, 0.4, 1.0, 1e-3, 0.0, -1.0, 30.0))
any_number = st.floats(-1e6, 1e6, allow_subnormal=False)
# Trainings get better for some time, and ties are common in what is counted.
values = st.one_of(few, any_number, st.just(float("inf")), st.just(float("-inf")))


@st.composite
def descents(draw: st.DrawFn) -> list[float]:
    start = draw(st.sampled_from((1.0, 0.3)))
    moves = draw(st.lists(st.sampled_from((0.0, 0.0, -1e-4, -1e-2, -0.1, 0.05)), max_size=40))
    return [start, *(start + np.cumsum(moves)).tolist()]


series = st.one_of(
    descents(), st.lists(few, min_size=2, max_size=40), st.lists(values, min_size=2)
)


@settings(max_examples=400, deadline=None)
@given(
    series,
    st.sampled_from((1.0, 0.1, 3e-4)),
    st.sampled_from((0.0, 0.1, 0.5, 0.9, 1 / 3)),
    st.integers(0, 6),
    st.integers(0, 6),
    st.sampled_from((0.0, 1e-4, 0.01, 1.0)),
    st.sampled_from((0.0, 1e-5, 0.05, 0.1, 0.7)),
    st.sampled_from(
        (
            {},
            {"monitor": "loss"},
            {"monitor": "val_loss", "mode": "auto"},
            {"monitor": "val_accuracy", "mode": "max"},
            {"monitor": "anything", "mode": "min"},
        )
    ),
)
@example([1.0] * 8, 1.0, 0.5, 2, 2, 0.0, 0.0, {})
@example([1.0, 0.99999] * 4, 1.0, 0.5, 1, 1, 1e-5, 0.0, {})
def test_random_metrics_cut_as_in_keras(
    metrics: list[float],
    rate: float,
    factor: float,
    patience: int,
    cooldown: int,
    min_delta: float,
    min_lr: float,
    monitor: dict[str, str],
) -> None:
    assert_same(
        list(metrics),
        rate,
        factor=factor,
        patience=patience,
        cooldown=cooldown,
        min_delta=min_delta,
        min_lr=min_lr,
        **monitor,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.none(), few), min_size=2, max_size=30),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_epochs_that_do_not_measure_count_as_little_as_in_keras(
    metrics: list[float | None], patience: int, cooldown: int
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns of each
        assert_same(metrics, 0.1, factor=0.5, patience=patience, cooldown=cooldown)


@pytest.mark.parametrize(
    ("patience", "cooldown", "expected"),
    [
        (0, 0, [1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (1, 0, [1, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (2, 0, [1, 1, 1, 0.5, 0.5, 0.25, 0.25]),
        (2, 1, [1, 1, 1, 0.5, 0.5, 0.25, 0.25]),
        (2, 2, [1, 1, 1, 0.5, 0.5, 0.5, 0.25]),
    ],
)
def test_a_metric_that_never_moves(patience: int, cooldown: int, expected: list[float]) -> None:
    given = {"factor": 0.5, "patience": patience, "cooldown": cooldown}
    assert by_keras([1.0] * 7, 1.0, **given).tolist() == expected
    assert by_plan([1.0] * 7, 1.0, **given).tolist() == expected


def test_defaults_are_those_of_keras() -> None:
    theirs = by_keras([1.0] * 40, 0.25)
    np.testing.assert_allclose(by_plan([1.0] * 40, 0.25, mode="auto"), theirs, rtol=1e-6)
    assert theirs[-1] < 0.001


def test_numbers_that_float32_cannot_tell_apart_are_ties() -> None:
    close = [1.0, 1.0 - 2.0**-26, 1.0 - 2.0**-25 - 2.0**-40, 1.0 - 2.0**-23]
    for count in range(2, 5):
        given = {"factor": 0.5, "patience": 1, "min_delta": 0.0}
        assert_same([*close[:count], 1.0], 1.0, **given)
