"""`ReduceLROnPlateau` and the text that `from_keras` makes of it cut after the same epochs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras.callbacks import ReduceLROnPlateau

import lrdsl

from .weights import fit, make_model


class Optimizer:
    """Holds a rate as Keras's optimizers do, in float32."""

    def __init__(self, rate: float) -> None:
        self.learning_rate = rate

    def __setattr__(self, name: str, value: float) -> None:
        super().__setattr__(name, np.float32(value))


def rates_of(callback: Any, rate: float, metrics: list[float]) -> list[float]:
    """Return the rate of each epoch of a training that measured these."""
    model = SimpleNamespace(optimizer=Optimizer(rate))
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(metrics):
        rates.append(float(model.optimizer.learning_rate))
        callback.on_epoch_end(epoch, {callback.monitor: value})
    return rates


def replayed(text: str, rate: float, monitor: str, metrics: list[float]) -> list[float]:
    plan = lrdsl.loads(text).plan(epochs=len(metrics), steps_per_epoch=1, base=rate)
    return [float(value) for value in plan.replay([{monitor: one} for one in metrics]).values()]


values = st.sampled_from((0.5, 0.50005, 0.5002, 0.501, 0.49, 0.4, 1.0, 0.0, -1.0))


@settings(max_examples=200, deadline=None)
@given(
    metrics=st.lists(values, min_size=2, max_size=40),
    rate=st.sampled_from((1.0, 0.1, 3e-4)),
    monitor=st.sampled_from(
        (("val_loss", "auto"), ("loss", "max"), ("val_top-5", "max"), ("progress", "min"))
    ),
    factor=st.sampled_from((0.0, 0.1, 0.5, 1 / 3, 0.9)),
    patience=st.sampled_from((-1, 0, 1, 2, 2.5, 3, np.int64(4))),
    cooldown=st.sampled_from((-1, 0, 1, 1.5, 2, 5)),
    min_delta=st.sampled_from((0.0, 1e-4, -1e-4, 0.01, np.float32(0.1))),
    min_lr=st.sampled_from((-1.0, 0.0, 1e-5, 0.05)),
)
def test_the_text_cuts_as_the_callback_does(
    metrics: list[float], rate: float, monitor: tuple[str, str], **parameters: Any
) -> None:
    name, mode = monitor
    callback = ReduceLROnPlateau(name, mode=mode, **parameters)
    text = lrdsl.from_keras(callback)
    assert lrdsl.loads(text).text == text
    ours = np.array(replayed(text, rate, name, metrics))
    theirs = np.array(rates_of(callback, rate, metrics))
    # Keras rounds to float32 after each cut, up to 6e-8 for each.
    np.testing.assert_allclose(ours, theirs, rtol=3e-6, atol=0)
    # What it has counted meanwhile is no parameter.
    assert lrdsl.from_keras(callback) == text


@pytest.mark.parametrize(
    ("callback", "text"),
    [
        (ReduceLROnPlateau(), "plateau(monitor=val_loss, factor=0.1, patience=10)"),
        (
            ReduceLROnPlateau("val_accuracy", 0.5, 5, 1, "max", 0, 2, 1e-6),
            "plateau(\n"
            "    monitor=val_accuracy,\n"
            "    factor=0.5,\n"
            "    patience=5,\n"
            "    mode=max,\n"
            "    min_delta=0,\n"
            "    cooldown=2,\n"
            "    min=1e-6\n"
            ")",
        ),
        (
            ReduceLROnPlateau("val_top-5", mode="max"),
            'plateau(monitor="val_top-5", factor=0.1, patience=10, mode=max)',
        ),
    ],
)
def test_a_plateau_says_what_differs_from_our_defaults(callback: Any, text: str) -> None:
    assert lrdsl.from_keras(callback) == text + "\n"


def test_fit_cuts_as_the_callback_would() -> None:
    # Nothing is better by so much, so that every second epoch cuts.
    parameters = {"monitor": "loss", "factor": 0.5, "patience": 2, "min_delta": 1e3}
    ours = lrdsl.compile(lrdsl.from_keras(ReduceLROnPlateau(**parameters)))
    fit(make_model(3), ours, 3, epochs=6)
    theirs = fit(make_model(3), ReduceLROnPlateau(**parameters), 3, epochs=6)
    assert ours.applied[::3].tolist() == [1, 1, 1, 0.5, 0.5, 0.25]
    assert ours.applied[::3].tolist() == theirs.history["learning_rate"]


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (
            ReduceLROnPlateau("reward"),
            "`reward` does not say whether more of it is better: give the callback "
            '`mode="max"`, or `mode="min"`',
        ),
        (
            ReduceLROnPlateau('a"b', mode="min"),
            "`monitor` cannot be written in quotes: 'a\"b'",
        ),
        (ReduceLROnPlateau(factor=-0.1), "`factor` must be 0 or more, not -0.1"),
        (ReduceLROnPlateau(min_lr=float("nan")), "`min_lr` must be a finite number, not nan"),
    ],
)
def test_parameters_that_cannot_be_said(callback: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        lrdsl.from_keras(callback)
    assert str(caught.value) == message


class Noting(ReduceLROnPlateau):  # type: ignore[misc]
    """A callback of somebody's own, which may do anything."""


def test_a_subclass_is_code_of_its_own() -> None:
    with pytest.raises(TypeError) as caught:
        lrdsl.from_keras(Noting())
    assert str(caught.value) == (
        "`Noting` is code of your own, and what it adds to `ReduceLROnPlateau` cannot be read "
        "from it: write `plateau(…)` with the same parameters, `min_lr` as `min`"
    )
