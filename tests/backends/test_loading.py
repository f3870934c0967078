"""What is loaded while a schedule is attached, and what is left when it lets go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training.weights import fit, make_model, weights_of

import lrdsl
from lrdsl.training.callback import ScheduleCallback

from .settings import assert_followed, assert_untouched, number

STEPS, EPOCHS = 5, 3
FALLS = "base * linear(from=0.5, to=0.25)"
SAVED_STEPS = 7
SAVED_WEIGHT = 64.0

optimizers = keras.optimizers
MAKE: dict[str, Callable[[], Any]] = {
    "plain": lambda: optimizers.SGD(1.0),
    "loss scaling": lambda: optimizers.LossScaleOptimizer(optimizers.SGD(1.0), 4.0),
}


def make(kind: str) -> Any:
    return make_model(STEPS, MAKE[kind]())


def owner(model: Any) -> Any:
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def ordered(in_front: bool, other: Any, ours: ScheduleCallback) -> list[Any]:
    return [other, ours] if in_front else [ours, other]


@pytest.fixture
def saved(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return weights of another training: a rate of 0.125, 7 steps, each weight 64."""
    model = make(request.param)
    fit(model, keras.callbacks.Callback(), STEPS)  # builds the optimizer
    model.set_weights([np.full((STEPS, 1), SAVED_WEIGHT)])
    owner(model).learning_rate = 0.125
    owner(model).iterations.assign(SAVED_STEPS)
    path = tmp_path / "other.weights.h5"
    model.save_weights(path)
    return path


class Load(keras.callbacks.Callback):  # type: ignore[misc]
    """Loads weights at one moment of the training."""

    def __init__(self, path: Path, moment: str) -> None:
        super().__init__()
        self.path, self.moment = path, moment

    def on_train_begin(self, logs: Any = None) -> None:
        if self.moment == "train":
            if not self.model.optimizer.built:
                self.model.optimizer.build(self.model.trainable_variables)
            self.model.load_weights(self.path)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        if (self.moment, epoch) == ("epoch", 1):
            self.model.load_weights(self.path)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.moment, self.epoch, batch) == ("batch", 1, 2):
            self.model.load_weights(self.path)


FROM = {"train": 0, "epoch": STEPS, "batch": STEPS + 2}
"""The first step after the weights were loaded."""


@pytest.mark.parametrize("in_front", [True, False], ids=["in front", "behind"])
@pytest.mark.parametrize("moment", list(FROM))
@pytest.mark.parametrize(("kind", "saved"), [(kind, kind) for kind in MAKE], indirect=["saved"])
def test_the_plan_goes_on_from_weights_that_a_callback_loads(
    kind: str, saved: Path, moment: str, in_front: bool
) -> None:
    model, ours = make(kind), lrdsl.compile(FALLS)
    load = Load(saved, moment)
    first, second = ordered(in_front, load, ours)
    fit(model, first, STEPS, epochs=EPOCHS, callbacks=[second])
    assert ours.plan is not None
    assert ours.plan.base == 1.0  # the model's own rate, not that of the file
    rates = ours.plan.values().astype(np.float32)
    np.testing.assert_array_equal(ours.applied, rates)
    weights = np.full(STEPS, SAVED_WEIGHT, np.float32)
    for step in range(FROM[moment], EPOCHS * STEPS):
        weights[step % STEPS] -= rates[step]
    np.testing.assert_array_equal(weights_of(model), weights)
    left = EPOCHS * STEPS - FROM[moment]
    assert number(owner(model).iterations) == SAVED_STEPS + left
    assert number(owner(model).learning_rate) == rates[-1]
    assert_untouched(model)


def test_rates_are_right_though_a_callback_builds_the_optimizer_once_more() -> None:
    def build(logs: Any = None) -> None:  # more variables, in front of the rate
        model.optimizer.build(model.trainable_variables)

    model, ours = make("loss scaling"), lrdsl.compile(FALLS)
    builds = keras.callbacks.LambdaCallback(on_train_begin=build)
    fit(model, ours, STEPS, callbacks=[builds])
    assert_followed(model, ours)


class BreakOff(keras.callbacks.Callback):  # type: ignore[misc]
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("in_front", [True, False], ids=["in front", "behind"])
@pytest.mark.parametrize("kind", list(MAKE))
def test_backup_and_restore_enters_the_plan_where_it_goes_on(
    kind: str, in_front: bool, tmp_path: Path
) -> None:
    def run(model: Any, *others: Any) -> ScheduleCallback:
        ours = lrdsl.compile(FALLS)
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        first, second = ordered(in_front, backup, ours)
        fit(model, first, STEPS, epochs=EPOCHS, callbacks=[second, *others])
        return ours

    with pytest.raises(KeyboardInterrupt):
        run(make(kind), BreakOff())
    model = make(kind)
    ours = run(model)
    assert ours.plan is not None
    assert ours.plan.base == 1.0
    rates = ours.plan.values().astype(np.float32)
    np.testing.assert_array_equal(ours.applied, rates[2 * STEPS :])
    np.testing.assert_array_equal(ours.applied_steps, np.arange(2 * STEPS, EPOCHS * STEPS))
    weights = np.zeros(STEPS, np.float32)
    for step, rate in enumerate(rates):
        weights[step % STEPS] -= rate
    np.testing.assert_array_equal(weights_of(model), weights)
    assert number(owner(model).iterations) == EPOCHS * STEPS


# -- After `fit`, and amid it ------------------------------------------------------------------

OPTIMIZERS: dict[str, tuple[Callable[[], Any], str]] = {
    "plain": (lambda: optimizers.SGD(0.1), "cosine(max=0.1)"),
    "floats": (
        lambda: optimizers.AdamW(0.1, weight_decay=0.01),
        "lr = cosine(max=0.1) weight_decay = 0.1 * lr beta_2 = linear(from=0.9, to=0.99)",
    ),
    "loss scaling": (
        lambda: optimizers.LossScaleOptimizer(optimizers.SGD(0.1, momentum=0.9), 4.0),
        "lr = cosine(max=0.1) momentum = linear(from=0.5, to=0.9)",
    ),
    "accumulation": (
        lambda: optimizers.Adam(0.1, gradient_accumulation_steps=2),
        "cosine(max=0.1)",
    ),
}


def state_of(optimizer: Any) -> dict[str, Any]:
    """Return all that an optimizer has but its rate: attributes, config, variables."""
    config = optimizer.get_config()
    if "inner_optimizer" in config:
        config["inner_optimizer"]["config"].pop("learning_rate")
    config.pop("learning_rate", None)
    inner = vars(optimizer).get("inner_optimizer")
    return {
        "attributes": {
            name: value if isinstance(value, bool | int | float | str | None) else ...
            for name, value in vars(optimizer).items()
        },
        "config": config,
        "variables": [(one.path, one.shape, one.dtype) for one in optimizer.variables],
        "inner": inner and state_of(inner),
    }


def trained(make_optimizer: Callable[[], Any], *callbacks: Any) -> tuple[Any, Any]:
    """Return a model that was trained, and the state of its optimizer amid that."""
    keras.utils.clear_session()  # so that the same names are given to each
    found = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            found.append(keras.saving.serialize_keras_object(self.model.optimizer))

    model = make_model(STEPS, make_optimizer())
    fit(model, Look(), STEPS, callbacks=callbacks)
    for one in found:
        config = one["config"]
        config.get("inner_optimizer", one)["config"].pop("learning_rate")
        config.pop("learning_rate", None)
    return model, found


@pytest.mark.parametrize("kind", list(OPTIMIZERS))
def test_the_optimizer_is_what_it_is_without_us_but_for_its_rate(kind: str) -> None:
    make_optimizer, text = OPTIMIZERS[kind]
    without, amid_without = trained(make_optimizer)
    followed, amid = trained(make_optimizer, lrdsl.compile(text))
    assert amid == amid_without
    assert state_of(followed.optimizer) == state_of(without.optimizer)
    assert vars(followed).keys() == vars(without).keys()
    assert_untouched(followed)
