"""Hyperparameters other than the rate: as if each step had been built with its own float."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.training.feeds.targets import available

from .settings import BACKEND, TOGETHER

EPOCHS, STEPS, BATCH = 2, 4, 8
optimizers = keras.optimizers

MAKE: dict[str, Callable[..., Any]] = {
    "SGD": lambda **k: optimizers.SGD(0.05, momentum=0.9, **k),
    "SGD nesterov": lambda **k: optimizers.SGD(0.05, momentum=0.9, nesterov=True, **k),
    "RMSprop": lambda **k: optimizers.RMSprop(0.01, momentum=0.9, **k),
    "Adam": lambda **k: optimizers.Adam(0.01, **k),
    "AdamW": lambda **k: optimizers.AdamW(0.01, **k),
    "Adadelta": lambda **k: optimizers.Adadelta(0.1, **k),
    "Adagrad": lambda **k: optimizers.Adagrad(0.1, **k),
    "Adamax": lambda **k: optimizers.Adamax(0.01, **k),
    "Adafactor": lambda **k: optimizers.Adafactor(0.01, **k),
    "Nadam": lambda **k: optimizers.Nadam(0.01, **k),
    "Ftrl": lambda **k: optimizers.Ftrl(0.1, **k),
    "Lion": lambda **k: optimizers.Lion(0.01, **k),
    "Lamb": lambda **k: optimizers.Lamb(0.01, **k),
}

# Numbers that no compiler treats as special, as it does 0, 0.5 and 1.
CURVES = {
    "momentum": "linear(from=0.53, to=0.91)",
    "ema_momentum": "linear(from=0.53, to=0.91)",
    "beta_1": "linear(from=0.53, to=0.91)",
    "beta_2": "linear(from=0.91, to=0.9987)",
    "rho": "linear(from=0.71, to=0.93)",
    "epsilon": "exp(from=1.3e-3, to=1.1e-7)",
    "weight_decay": "linear(from=0.13, to=0.011)",
    "beta_2_decay": "linear(from=-0.81, to=-0.7)",
    "learning_rate_power": "linear(from=-0.61, to=-0.41)",
    "clipnorm": "linear(from=0.31, to=0.17)",
    "clipvalue": "linear(from=0.31, to=0.17)",
    "global_clipnorm": "linear(from=0.31, to=0.17)",
}
OTHERWISE = "linear(from=0.13, to=0.37)"

FOLDED = {
    "tensorflow": {("Adafactor", "clip_threshold"), ("Ftrl", "learning_rate_power")},
    "jax": {
        *((name, clip) for name in MAKE for clip in ("clipnorm", "global_clipnorm")),
        ("Adafactor", "clip_threshold"),
        *((name, "weight_decay") for name in ("Adadelta", "Adagrad")),
    },
}.get(BACKEND, set())
"""Where a compiler makes another formula of a constant, of which the last bits differ."""


def data() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    x = np.random.default_rng(0).normal(size=(STEPS * BATCH, 4)).astype("float32")
    return x, x.sum(axis=1, keepdims=True)


def make(optimizer: Any, **options: Any) -> Any:
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
    )
    settings = {"jit_compile": BACKEND == "jax", **options}
    model.compile(optimizer=optimizer, loss="mse", **settings)
    return model


def follow(optimizer: Any, text: str, **options: Any) -> tuple[Any, Any, Any]:
    model = make(optimizer, **options)
    callback = lrdsl.compile(f"train {EPOCHS} epochs of {STEPS} steps\nlr = base\n{text}")
    x, y = data()
    history = model.fit(
        x, y, BATCH, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[callback]
    )
    return model, callback, history.history


def rebuilt(optimizer: Any, plan: Any, names: list[str], **options: Any) -> Any:
    """Return a model trained with floats that were assigned before each step was built."""
    model = make(optimizer, **options)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    x, y = data()
    for step in range(EPOCHS * STEPS):
        for name in names:
            setattr(inner, name, float(plan.values(step, target=name)))
        rows = slice(step % STEPS * BATCH, step % STEPS * BATCH + BATCH)
        model.make_train_function(force=True)
        model.train_on_batch(x[rows], y[rows])
    if inner.use_ema:  # as at the end of a `fit`
        inner.finalize_variable_values(model.trainable_variables)
    return model


def assert_same(one: Any, other: Any, *, to_the_bit: bool = True) -> None:
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        if to_the_bit:
            np.testing.assert_array_equal(left, right)
        else:
            np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def curve(name: str) -> str:
    return CURVES.get(name, OTHERWISE)


# -- Exact -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"),
    [("SGD", "momentum"), ("AdamW", "weight_decay"), ("Adam", "beta_2"), ("Adam", "epsilon")],
)
@pytest.mark.parametrize("together", TOGETHER[:2])
def test_a_step_is_as_if_built_with_its_float(kind: str, name: str, together: int) -> None:
    model, callback, _ = follow(
        MAKE[kind](), f"{name} = {curve(name)}", steps_per_execution=together
    )
    assert_same(model, rebuilt(MAKE[kind](), callback.plan, [name]))


@pytest.mark.parametrize("kind", ["SGD", "AdamW"])
def test_a_step_run_eagerly_is_as_if_it_had_its_float(kind: str) -> None:
    name = {"SGD": "momentum", "AdamW": "beta_1"}[kind]
    options = {"run_eagerly": True, "jit_compile": False}
    model, callback, _ = follow(MAKE[kind](), f"{name} = {curve(name)}", **options)
    assert_same(model, rebuilt(MAKE[kind](), callback.plan, [name], **options))


def test_several_targets_of_an_inner_optimizer_are_set_together() -> None:
    def scaled() -> Any:
        return optimizers.LossScaleOptimizer(optimizers.AdamW(0.01), initial_scale=4.0)

    names = ["beta_1", "weight_decay"]
    text = "\n".join(f"{name} = {curve(name)}" for name in names)
    model, callback, _ = follow(scaled(), text)
    assert_same(model, rebuilt(scaled(), callback.plan, names))


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, make_one in MAKE.items() for name in available(make_one())],
)
def test_every_float_of_every_optimizer(kind: str, name: str) -> None:
    extra = {"use_ema": True} if name == "ema_momentum" else {}
    text = f"{name} = {curve(name)}"
    model, callback, _ = follow(MAKE[kind](**extra), text)
    other = rebuilt(MAKE[kind](**extra), callback.plan, [name])
    assert_same(model, other, to_the_bit=(kind, name) not in FOLDED)


@pytest.mark.parametrize(
    ("kind", "name", "text", "first", "last"),
    [
        ("SGD", "momentum", "momentum = 0.5 * base until 1 then base", 0.45, 0.9),
        ("SGD", "momentum", "momentum = linear(to=0.5)", 0.9, 0.55),
        (
            "SGD",
            "momentum",
            "momentum = plateau(monitor=loss, factor=0.5, patience=0, min_delta=9)",
            0.9,
            0.9,
        ),
        ("Adam", "beta_2", "beta_2 = base until 1 then 0.99", 0.999, 0.99),
    ],
)
def test_a_float_begins_at_the_optimizers_own(
    kind: str, name: str, text: str, first: float, last: float
) -> None:
    model, callback, _ = follow(MAKE[kind](), text)
    planned = callback.plan.values(target=name)
    assert (planned[0], planned[-1]) == (first, pytest.approx(last, rel=1e-12))
    assert_same(model, rebuilt(MAKE[kind](), callback.plan, [name]))


# -- Around it ---------------------------------------------------------------------------------


def test_another_plan_of_the_same_targets_is_followed_by_the_same_trace() -> None:
    model = make(MAKE["SGD"]())
    x, y = data()
    others = make(MAKE["SGD"]())
    for start in (0.5, 0.7):
        text = f"lr = base\nmomentum = linear(from={start}, to=0.9)"
        callback = lrdsl.compile(text)
        model.fit(x, y, BATCH, shuffle=False, verbose=0, callbacks=[callback])
        for step in range(STEPS):
            others.optimizer.momentum = float(callback.plan.values(step, target="momentum"))
            others.make_train_function(force=True)
            rows = slice(step * BATCH, step * BATCH + BATCH)
            others.train_on_batch(x[rows], y[rows])
    assert_same(model, others)


def test_logs_have_what_the_last_step_of_the_epoch_used() -> None:
    _, callback, history = follow(MAKE["SGD"](), "momentum = linear(from=0.5, to=0.9)")
    planned = callback.plan.values(target="momentum")
    assert history["momentum"] == [planned[STEPS - 1], planned[-1]]


def test_the_optimizer_has_its_own_float_again_and_saves_it(tmp_path: Any) -> None:
    seen = []

    class Saves(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seen.append(self.model.optimizer.get_config()["momentum"])

    model = make(MAKE["SGD"]())
    x, y = data()
    text = f"train 1 epoch of {STEPS} steps\nlr = base\nmomentum = 0.5"
    model.fit(x, y, BATCH, verbose=0, callbacks=[lrdsl.compile(text), Saves()])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert [*seen, model.optimizer.momentum, loaded.optimizer.momentum] == [0.9, 0.9, 0.9]
    assert type(model.optimizer.momentum) is float


# -- Refused -----------------------------------------------------------------------------------


def refused(optimizer: Any, text: str) -> Any:
    with pytest.raises(LrsError) as caught:
        follow(optimizer, text)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "LRS601"
    return diagnostic


def test_what_the_optimizer_does_not_have_lists_what_it_has() -> None:
    found = refused(optimizers.Adam(), "momentum = 0.9")
    assert found.message == "`Adam` has no `momentum`"
    assert found.help.startswith("what it has is `beta_1`, `beta_2`, `clipnorm`")


def test_momentum_of_an_optimizer_made_without_it() -> None:
    found = refused(optimizers.SGD(0.1), "momentum = 0.9")
    assert found.message == "`SGD` was made with `momentum=0`, and keeps no momentum then"
    assert found.help == "make it with any other number: `SGD(momentum=0.9)`"


@pytest.mark.skipif(BACKEND == "torch", reason="a step that is not traced may take any branch")
def test_a_plan_that_crosses_a_branch_of_the_update() -> None:
    found = refused(optimizers.SGD(0.1, momentum=0.9), "momentum = 0 until 1 then 0.9")
    assert "at step 0 and" in found.message
    assert f"at step {STEPS}, and the update is another one then" in found.message


@pytest.mark.skipif(BACKEND == "torch", reason="a step that is not traced reads as it runs")
def test_a_float_that_the_update_does_not_read() -> None:
    found = refused(optimizers.Adam(0.1), "ema_momentum = 0.9")
    assert found.message == "the update of `Adam` does not read `ema_momentum`"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("learning_rate_", "`Adam` has no `learning_rate_`"),
        ("loss_scale_factor", "`loss_scale_factor` cannot be scheduled: the loss is scaled"),
        ("gradient_accumulation_steps", "cannot be scheduled: it is a number of steps"),
    ],
)
def test_a_number_that_is_not_of_the_update(name: str, message: str) -> None:
    assert message in refused(optimizers.Adam(0.1), f"{name} = 2").message


def test_a_number_that_variables_are_made_with() -> None:
    found = refused(optimizers.Adagrad(0.1), "initial_accumulator_value = 0.2")
    assert found.message == (
        "`initial_accumulator_value` cannot be scheduled: it is where the optimizer's "
        "variables begin"
    )


def test_two_ways_to_clip() -> None:
    found = refused(optimizers.SGD(0.1, clipvalue=0.5), "clipnorm = 0.5")
    assert found.message == "`SGD` clips by one of `clipnorm` and `clipvalue`, not by both"


def test_a_schedule_without_a_rate() -> None:
    x, y = data()
    with pytest.raises(LrsError, match="add `lr = base`"):
        make(MAKE["SGD"]()).fit(
            x, y, BATCH, verbose=0, callbacks=[lrdsl.compile("momentum = 0.9")]
        )
