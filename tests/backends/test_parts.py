"""The parts of a MultiOptimizer, each with its own rate and floats at every step."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from training.weights import fit, make_model, summed_rates, weights_of

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.training.callback import ScheduleCallback

from .settings import BACKEND, JIT, SETTINGS, TWO_SETTINGS, assert_untouched, number

STEPS, EPOCHS = 6, 2
LAYERS = ("slow", "fast")
optimizers = keras.optimizers

BOTH = "slow.lr = linear(from=0.7, to=0.1)\nfast.lr = slow.lr / 3"
ONE = "lr = warmup(1) then cosine(max=0.3)\nslow.lr = 0.1 * lr"


def of(slow: Any, fast: Any) -> Any:
    """Return an optimizer of which `slow` has the first layer and `fast` what is left."""
    return optimizers.MultiOptimizer(optimizers.OptimizerMap(fast, {".*slow/.*": slow}))


def sgd(name: str, **options: Any) -> Any:
    return optimizers.SGD(options.pop("rate", 1.0), name=name, **options)


def two(**options: Any) -> Any:
    return of(sgd("slow", **options), sgd("fast", **options))


def by_function() -> Any:
    slow, fast = sgd("slow"), sgd("fast")
    return optimizers.MultiOptimizer(lambda v: slow if "slow" in v.path else fast)


def make(optimizer: Any, **options: Any) -> Any:
    return make_model(STEPS, optimizer, layers=LAYERS, **options)


def follow(text: str, model: Any, **options: Any) -> Any:
    callback = lrdsl.compile(text)
    fit(model, callback, STEPS, epochs=EPOCHS, **options)
    return callback


def rates_of(callback: Any, part: str) -> NDArray[np.float32]:
    own = f"{part}.lr"
    target = own if own in callback.plan.targets else "lr"
    return np.asarray(callback.plan.values(target=target).astype(np.float32))


def assert_followed(model: Any, callback: Any) -> None:
    """Check the weights, what was recorded, and the rates that the parts have now."""
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    parts = {part.name: part for part in inner.optimizers}
    for layer, name in enumerate(LAYERS):
        rates = rates_of(callback, name)
        np.testing.assert_array_equal(weights_of(model, layer), summed_rates(rates, EPOCHS))
        assert number(parts[name].learning_rate) == rates[-1]
    for target, applied in callback.applied_rates.items():
        planned = callback.plan.values(target=target).astype(np.float32)
        np.testing.assert_array_equal(applied, planned)
    assert_untouched(model)


# -- Exact -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("together", "jit"), SETTINGS)
def test_each_part_uses_its_own_rate_at_every_step(together: int, jit: bool) -> None:
    model = make(two(), steps_per_execution=together, jit_compile=jit)
    callback = follow(ONE, model)
    assert_followed(model, callback)
    assert list(callback.applied_rates) == ["lr", "slow.lr"]
    np.testing.assert_array_equal(callback.applied, callback.applied_rates["lr"])


@pytest.mark.parametrize("text", ["cosine(max=0.3)", BOTH], ids=["one rate", "a rate each"])
@pytest.mark.parametrize("eagerly", [False, True])
def test_rates_are_for_all_parts_or_for_one(text: str, eagerly: bool) -> None:
    options = {"run_eagerly": True, "jit_compile": False} if eagerly else {}
    model = make(two(), **options)
    callback = follow(text, model)
    assert_followed(model, callback)
    main = "lr" if text != BOTH else "slow.lr"
    np.testing.assert_array_equal(callback.applied, callback.applied_rates[main])


@pytest.mark.parametrize(("together", "jit"), TWO_SETTINGS)
def test_parts_within_a_loss_scale_optimizer(together: int, jit: bool) -> None:
    scaled = optimizers.LossScaleOptimizer(two(), 4.0, dynamic_growth_steps=7)
    model = make(scaled, steps_per_execution=together, jit_compile=jit)
    assert_followed(model, follow(ONE, model))


def test_parts_that_a_function_chooses() -> None:
    model = make(by_function())
    assert_followed(model, follow(BOTH, model))


def test_a_part_that_accumulates_uses_the_rate_of_the_batch_that_completes_it() -> None:
    model = make(of(sgd("slow", gradient_accumulation_steps=2), sgd("fast")))
    callback = follow(BOTH, model)
    moves = np.repeat(rates_of(callback, "slow")[1::2], 2) / 2
    np.testing.assert_array_equal(weights_of(model), summed_rates(moves, EPOCHS))
    rates = rates_of(callback, "fast")
    np.testing.assert_array_equal(weights_of(model, 1), summed_rates(rates, EPOCHS))
    np.testing.assert_array_equal(callback.applied_rates["slow.lr"], rates_of(callback, "slow"))


def test_a_part_that_updates_nothing_is_left_alone() -> None:
    idle = sgd("idle", rate=0.5)
    map_ = optimizers.OptimizerMap(idle, {"slow/.*": sgd("slow"), "fast/.*": sgd("fast")})
    model = make(optimizers.MultiOptimizer(map_))
    assert_followed(model, follow(BOTH, model))
    assert number(idle.learning_rate) == 0.5


def test_other_fits_follow_other_rates_of_the_same_parts() -> None:
    model = make(two())
    follow(ONE, model)
    model.set_weights([np.zeros((STEPS, 1))] * 2)
    assert_followed(model, follow(BOTH, model))
    fit(model, keras.callbacks.Callback(), STEPS)  # with the rates that were left


@pytest.mark.skipif(BACKEND == "torch", reason="steps are not traced, but run")
def test_a_step_is_traced_once_for_all_fits_of_the_parts() -> None:
    class Counted(keras.Model):  # type: ignore[misc]
        traces = 0

        def train_step(self, *arguments: Any) -> Any:
            type(self).traces += 1
            return super().train_step(*arguments)

    model = make_model(STEPS, two(), Counted, layers=LAYERS)
    follow(ONE, model)
    Counted.traces = 0
    follow(ONE, model)
    follow(BOTH, model)
    assert Counted.traces == 0


# -- Other floats ------------------------------------------------------------------------------


def trained(optimizer: Any, text: str) -> tuple[Any, Any]:
    """Train a model whose weights depend on all that the optimizer keeps."""
    model, x, y = ordinary(optimizer)
    callback = lrdsl.compile(f"train {EPOCHS} epochs of {STEPS} steps\n{text}")
    model.fit(x, y, 8, epochs=EPOCHS, shuffle=False, verbose=0, callbacks=[callback])
    return model, callback


def ordinary(optimizer: Any) -> Any:
    keras.utils.set_random_seed(1)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, "tanh", name="slow"),
            layers.Dense(1, name="fast"),
        ]
    )
    model.compile(optimizer, "mse", jit_compile=JIT)
    x = np.random.default_rng(0).normal(size=(STEPS * 8, 4)).astype("float32")
    return model, x, x.sum(axis=1, keepdims=True)


def rebuilt(optimizer: Any, plan: Any, targets: dict[tuple[int, str], str]) -> Any:
    """Return a model whose parts were given their floats before each step was built."""
    model, x, y = ordinary(optimizer)
    for step in range(EPOCHS * STEPS):
        for (part, name), target in targets.items():
            value = float(plan.values(step, target=target))
            setattr(optimizer.optimizers[part], name, value)
        rows = slice(step % STEPS * 8, step % STEPS * 8 + 8)
        model.make_train_function(force=True)
        model.train_on_batch(x[rows], y[rows])
    return model


def slow_and_adam() -> Any:
    slow = optimizers.SGD(0.05, momentum=0.9, weight_decay=0.01, name="slow")
    return of(slow, optimizers.AdamW(0.01, name="fast"))


def test_floats_of_parts_are_set_as_if_the_parts_had_been_built_with_them() -> None:
    text = (
        "lr = base\nslow.lr = 0.05\nfast.lr = 0.01\n"
        "slow.momentum = linear(from=0.53, to=0.91)\n"
        "fast.beta_1 = linear(from=0.53, to=0.91)\n"
        "weight_decay = linear(from=0.13, to=0.011)\n"
        "fast.weight_decay = 2 * weight_decay"
    )
    model, callback = trained(slow_and_adam(), text.removeprefix("lr = base\n"))
    other = rebuilt(
        slow_and_adam(),
        callback.plan,
        {
            (0, "momentum"): "slow.momentum",
            (0, "weight_decay"): "weight_decay",
            (1, "beta_1"): "fast.beta_1",
            (1, "weight_decay"): "fast.weight_decay",
        },
    )
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    slow, fast = model.optimizer.optimizers
    assert (slow.momentum, slow.weight_decay, fast.beta_1) == (0.9, 0.01, 0.9)


def test_a_later_fit_sets_floats_of_another_part() -> None:
    def train(*, anew: bool) -> Any:
        model, x, y = ordinary(slow_and_adam())
        for text in ("slow.momentum = 0.6", "fast.beta_1 = 0.7", "fast.beta_1 = 0.5"):
            callback = lrdsl.compile(f"lr = 0.1\n{text}")
            model.fit(x, y, 8, shuffle=False, verbose=0, callbacks=[callback])
            if anew:
                model.make_train_function(force=True)
        return model

    ours, theirs = (train(anew=anew).get_weights() for anew in (False, True))
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


# -- Base --------------------------------------------------------------------------------------


def test_base_is_the_own_rate_of_the_part_in_each_fit() -> None:
    model = make(of(sgd("slow", rate=0.25), sgd("fast", rate=0.5)))
    for _ in range(2):
        model.set_weights([np.zeros((STEPS, 1))] * 2)
        callback = follow("slow.lr = linear()\nfast.lr = linear(to=1)", model)
        assert callback.plan.values(0, "slow.lr") == 0.25
        assert callback.plan.values(0, "fast.lr") == 0.5
        assert_followed(model, callback)


def test_base_of_all_parts_is_their_common_rate() -> None:
    model = make(of(sgd("slow", rate=0.25), sgd("fast", rate=0.25)))
    callback = follow("cosine()", model)
    assert callback.plan.base == 0.25
    assert_followed(model, callback)


def test_base_of_parts_that_differ_is_refused_at_its_place() -> None:
    model = make(of(sgd("slow", rate=0.25), sgd("fast", rate=0.5)))
    found = refused("cosine()", model, code="LRS407")
    assert found.message == (
        "the parts of the optimizer differ in their own rates: 0.25 (`slow`), 0.5 (`fast`)"
    )
    assert found.help.startswith("give each its curve, `slow.lr = …`")


def test_base_leaves_out_parts_with_a_rate_of_their_own() -> None:
    model = make(of(sgd("slow", rate=0.25), sgd("fast", rate=0.5)))
    callback = follow("lr = cosine()\nslow.lr = 0.1", model)
    assert callback.plan.values(0) == 0.5
    assert_followed(model, callback)


def test_base_of_momentum_is_each_parts_own() -> None:
    model = make(of(sgd("slow", momentum=0.5), sgd("fast", momentum=0.9)))
    callback = follow("lr = 0.1\nslow.momentum = base / 2\nmomentum = linear(to=0.5)", model)
    assert callback.plan.own == {"slow.momentum": 0.5, "fast.momentum": 0.9}
    assert callback.plan.values(0, "slow.momentum") == 0.25
    assert callback.plan.values(0, "momentum") == 0.9


def test_base_of_momentums_that_differ_is_refused_at_its_place() -> None:
    model = make(of(sgd("slow", momentum=0.5), sgd("fast", momentum=0.9)))
    found = refused("lr = 0.1\nmomentum = linear(to=0.5)", model, code="LRS407")
    assert found.message == (
        "the parts of the optimizer differ in their own `momentum`: 0.5 (`slow`), 0.9 (`fast`)"
    )
    assert found.help.startswith("give each its curve, `slow.momentum = …`")


# -- Logs and files ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("lr = cosine(max=0.3)", ["learning_rate"]),
        (ONE, ["lr", "slow.lr"]),
        (f"lr = 0.5\n{BOTH}", ["fast.lr", "slow.lr"]),
    ],
    ids=["one rate", "one and the rest", "a rate each"],
)
def test_logs_name_each_rate_that_a_part_has(
    text: str, names: list[str], tmp_path: Path
) -> None:
    model = make(two())
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    callback = follow(text, model, callbacks=[logger])
    history = model.history.history
    assert sorted(history) == sorted(["loss", *names])
    for name in names:
        target = {"learning_rate": "lr"}.get(name, name)
        planned = callback.plan.values(target=target).astype(np.float32)
        assert history[name] == [planned[STEPS - 1], planned[-1]]
    with (tmp_path / "log.csv").open(newline="") as file:
        # Keras adds a column of `val_…` to each that it has.
        columns = [name for name in next(csv.reader(file)) if not name.startswith("val_")]
    assert sorted(columns) == sorted(["epoch", "loss", *names])


def test_floats_of_parts_are_logged_by_their_targets() -> None:
    model, callback = trained(
        slow_and_adam(), "lr = 0.1\nslow.momentum = linear(from=0.5, to=0.9)"
    )
    planned = callback.plan.values(target="slow.momentum")
    assert model.history.history["slow.momentum"] == [planned[STEPS - 1], planned[-1]]


def test_a_kept_training_goes_on_with_the_rates_of_its_parts(tmp_path: Path) -> None:
    class Stops(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise InterruptedError

    def run(state: Path, *others: Any) -> tuple[Any, Any]:
        optimizer = of(
            optimizers.SGD(0.25, momentum=0.9, name="slow"), optimizers.Adam(0.5, name="fast")
        )
        model = make(optimizer)
        callback = lrdsl.compile("lr = cosine()\nslow.lr = linear()", state=state)
        fit(model, callback, STEPS, epochs=EPOCHS, callbacks=others)
        return model, callback

    whole, _ = run(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        run(tmp_path / "cut", Stops())
    model, callback = run(tmp_path / "cut")
    assert callback.resumed is not None
    assert callback.resumed.epoch == 1
    for ours, theirs in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(model.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (ours, theirs)))
    for target, applied in callback.applied_rates.items():
        planned = callback.plan.values(target=target).astype(np.float32)
        np.testing.assert_array_equal(applied, planned)
    assert model.history.history == whole.history.history


# -- Refused -----------------------------------------------------------------------------------


def refused(text: str, model: Any, code: str = "LRS601") -> Any:
    with pytest.raises(LrsError) as caught:
        follow(text, model)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    for layer in range(len(model.trainable_variables)):
        assert not weights_of(model, layer).any()
    assert_untouched(model)
    return diagnostic


def test_target_of_a_part_under_a_plain_optimizer() -> None:
    found = refused("lr = 0.1\nslow.lr = 0.2", make(sgd("slow")))
    assert found.message == "`slow.lr` is for a part, and the optimizer is one `SGD`"
    assert found.help == "write `lr = …`; parts are those of a `MultiOptimizer`, by their names"


def test_target_of_a_part_that_there_is_not() -> None:
    found = refused("lr = 0.1\nslw.lr = 0.2", make(two()))
    assert found.message == "the optimizer has no part `slw`"
    assert found.help == (
        "did you mean `slow`? its parts are `slow` (`SGD`), `fast` (`SGD`); one is given a "
        'name where it is made: `SGD(…, name="slw")`'
    )


def test_target_of_a_name_that_two_parts_have() -> None:
    found = refused("lr = 0.1\nslow.lr = 0.2", make(of(sgd("slow"), sgd("slow"))))
    assert found.message == "2 parts of the optimizer are named `slow`"
    assert found.help == 'give each a name of its own where it is made: `SGD(…, name="slow_2")`'


def test_target_of_a_part_that_updates_nothing() -> None:
    # The whole path counts: `slow` alone matches no variable.
    parts = optimizers.OptimizerMap(sgd("fast"), {"slow": sgd("slow")})
    found = refused("lr = 0.1\nslow.lr = 0.2", make(optimizers.MultiOptimizer(parts)))
    assert found.message == "the optimizer's part `slow` has no variable to update"
    assert found.help == (
        "a key of an `OptimizerMap` is a regular expression for the whole path of a variable, "
        "such as `slow/kernel`"
    )


def test_part_without_a_rate() -> None:
    found = refused("slow.lr = 0.2", make(two()))
    assert found.message == "the schedule has no rate for the optimizer's part `fast`"
    assert found.help == (
        "add `fast.lr = …` for it, or `lr = …` for all parts that have none of their own"
    )


def test_float_that_one_of_the_parts_does_not_have() -> None:
    parts = of(sgd("slow", momentum=0.9), optimizers.Adam(0.1, name="fast"))
    found = refused("lr = 0.1\nmomentum = 0.8", make(parts))
    assert found.message == "`Adam` (the part `fast`) has no `momentum`"
    assert found.help == (
        "`momentum` is for all parts; for those alone that have it, write `slow.momentum = …`"
    )


def test_float_that_a_named_part_does_not_have() -> None:
    parts = of(sgd("slow"), optimizers.Adam(0.1, name="fast"))
    found = refused("lr = 0.1\nslow.momentum = 0.8", make(parts))
    assert found.message == (
        "`SGD` (the part `slow`) was made with `momentum=0`, and keeps no momentum then"
    )
    assert found.help == "make it with any other number: `SGD(momentum=0.9)`"


@pytest.mark.skipif(BACKEND == "torch", reason="a step that is not traced reads as it runs")
def test_float_that_the_update_of_a_part_does_not_read() -> None:
    found = refused("lr = 0.1\nslow.ema_momentum = 0.9", make(two()))
    assert found.message == "the update of `SGD` (the part `slow`) does not read `ema_momentum`"


@pytest.mark.parametrize(
    ("rate", "message"),
    [
        (
            optimizers.schedules.CosineDecay(0.1, 9),
            "the rate of the optimizer's part `slow` is a `CosineDecay` already",
        ),
        (lambda: 0.1, "the rate of the optimizer's part `slow` is a function"),
    ],
)
@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
def test_part_whose_rate_somebody_else_decides(rate: Any, message: str) -> None:
    found = refused("lr = 0.1", make(of(sgd("slow", rate=rate), sgd("fast"))))
    assert found.message == message
    assert found.help.startswith("make it with a number, `SGD(learning_rate=0.01)`")


def test_taking_over_gives_each_part_the_number_that_its_schedule_gives() -> None:
    decay = optimizers.schedules.ExponentialDecay(0.25, 9, 0.5)
    model = make(of(sgd("slow", rate=decay), sgd("fast", rate=0.5)))
    callback = ScheduleCallback(lrdsl.loads(BOTH), take_over=True)
    fit(model, callback, STEPS, epochs=EPOCHS)
    assert_followed(model, callback)
    (found,) = callback.taken_over
    assert (found.name, found.part, found.rate) == ("ExponentialDecay", "slow", 0.25)
    assert "`ExponentialDecay` in the optimizer's part `slow`: replaced by" in found.sentence()


def test_what_a_part_does_to_its_rate_within_the_step_is_found() -> None:
    class Doubling(optimizers.SGD):  # type: ignore[misc]
        def apply(self, *arguments: Any) -> Any:
            self._learning_rate.assign(self._learning_rate * 2)
            return super().apply(*arguments)

    model = make(of(Doubling(1.0, name="slow"), sgd("fast")))
    callback = lrdsl.compile(BOTH)
    with pytest.raises(LrsError, match=r"the rate 1\.4 of `slow`, and 0\.7 is planned"):
        fit(model, callback, STEPS)
    applied, ran = callback.applied_rates, len(callback.applied_steps)
    np.testing.assert_array_equal(applied["slow.lr"], 2 * rates_of(callback, "slow")[:ran])
    np.testing.assert_array_equal(applied["fast.lr"], rates_of(callback, "fast")[:ran])
