"""Schedules that react to metrics, in `fit`: the rates are those of the replayed history."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray
from training.weights import fit, make_model, make_rows, summed_rates, weights_of

import lrdsl
from lrdsl.diagnostics import Diagnostic, LrsError

from .settings import BACKEND, JIT, SETTINGS, TWO_SETTINGS, assert_untouched, number

STEPS = 4
STALLS = (3.0, 2.0, 2.0, 2.0, 1.0, 1.5, 1.5, 1.5, 1.5)


class Measure(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts a metric into the logs of each epoch; None for none."""

    def __init__(self, values: tuple[float | None, ...], name: str = "val_loss") -> None:
        super().__init__()
        self.values, self.name = values, name
        self.weights: list[NDArray[np.float32]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.weights.append(weights_of(self.model))
        value = self.values[epoch]
        if value is not None:
            logs[self.name] = value


def follow(
    text: str,
    values: tuple[float | None, ...] = STALLS,
    *,
    model: Any = None,
    name: str = "val_loss",
    **options: Any,
) -> tuple[Any, Any, Any]:
    """Train for an epoch a value; return model, callback and history."""
    model = make_model(STEPS) if model is None else model
    callback = lrdsl.compile(text, **options)
    callback.say = lambda line: None
    measure = Measure(values, name)
    history = fit(model, measure, STEPS, epochs=len(values), callbacks=[callback])
    model.measured = measure.weights
    return model, callback, history


def rows_of(history: Any) -> list[dict[str, float]]:
    columns = history.history
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def replayed(text: str, history: Any, epochs: int = len(STALLS)) -> Any:
    """Return the plan of what was measured, made apart from the `fit`."""
    plan = lrdsl.loads(text).plan(epochs=epochs, steps_per_epoch=STEPS, base=1.0)
    return plan.replay(rows_of(history))


def assert_replayed(text: str, model: Any, callback: Any, history: Any) -> Any:
    """Check weights, rates, events against the replay of the history; return the replay."""
    plan = replayed(text, history)
    rates = plan.values().astype(np.float32)
    np.testing.assert_array_equal(callback.applied, rates)
    np.testing.assert_array_equal(callback.applied_steps, np.arange(len(rates)))
    np.testing.assert_array_equal(callback.plan.values().astype(np.float32), rates)
    assert callback.plan.events == plan.events
    assert number(model.optimizer.learning_rate) == rates[-1]
    assert_untouched(model)
    return plan


CUTS = "plateau(from=1, factor=0.3, patience=2, min=0.01)"
TEXTS = {
    CUTS: [("cut", 4), ("cut", 7)],
    "warmup(2) then cosine(max=0.7) * plateau(from=1, factor=0.3, patience=2)": [
        ("cut", 7),
    ],
    "0.3 until stalled(val_loss, patience=2) then linear(to=0)": [("switch", 4)],
    "0.3 until val_loss < 1.2 or 5.5 then 0.7 until stalled(val_loss, patience=2) and 1 "
    "then 0.1": [("switch", 5), ("switch", 8)],
    "plateau(from=0.3, factor=0.3, rise=1.7, max=1, patience=2)": [
        ("rise", 2),
        ("cut", 4),
        ("cut", 7),
    ],
    "0.3 until val_loss < 1.2 then linear(from=0.7, to=0.1) until 6.5 then stop": [
        ("switch", 5),
        ("stop", 6.5),
    ],
    "linear(from=0.7, to=0.1) until stalled(val_loss, patience=2) then stop": [
        ("switch", 4),
        ("stop", 4),
    ],
}


@pytest.mark.parametrize(("together", "jit"), SETTINGS)
def test_rates_are_those_of_the_replayed_history(together: int, jit: bool) -> None:
    model = make_model(STEPS, steps_per_execution=together, jit_compile=jit)
    model, callback, history = follow(CUTS, model=model)
    plan = assert_replayed(CUTS, model, callback, history)
    assert [(e.kind, e.epoch) for e in plan.events] == TEXTS[CUTS]
    rates = callback.applied
    np.testing.assert_array_equal(weights_of(model), summed_rates(rates, len(STALLS)))


@pytest.mark.parametrize("text", list(TEXTS)[1:])
def test_reactions_of_all_kinds_are_followed(text: str) -> None:
    model, callback, history = follow(text)
    plan = assert_replayed(text, model, callback, history)
    assert [(e.kind, e.epoch) for e in plan.events] == TEXTS[text]
    if plan.is_stopped:
        assert len(history.epoch) == math.ceil(plan.length)
        assert len(callback.applied) == plan.length * STEPS
    else:
        np.testing.assert_array_equal(
            weights_of(model), summed_rates(callback.applied, len(STALLS))
        )


@pytest.mark.parametrize(("together", "jit"), TWO_SETTINGS)
def test_another_fit_of_the_model_reacts_anew(together: int, jit: bool) -> None:
    model = make_model(STEPS, steps_per_execution=together, jit_compile=jit)
    callback = lrdsl.compile(CUTS)
    for values in (STALLS, (1.0,) * 6):
        model.set_weights([np.zeros((STEPS, 1))])
        fit(model, Measure(values), STEPS, epochs=len(values), callbacks=[callback])
        plan = lrdsl.loads(CUTS).plan(epochs=len(values), steps_per_epoch=STEPS)
        plan = plan.replay([{"val_loss": value} for value in values])
        np.testing.assert_array_equal(callback.applied, plan.values().astype(np.float32))
    assert [(e.kind, e.epoch) for e in callback.plan.events] == [("cut", 3), ("cut", 5)]


def test_other_targets_react_too() -> None:
    text = (
        "lr = 0.5 until val_loss < 1.2 then 0.25\n"
        "momentum = 0.75 until stalled(val_loss, patience=2) then 0.5"
    )
    model = make_model(STEPS, keras.optimizers.SGD(1.0, momentum=0.9))
    model, _, history = follow(text, model=model)
    assert history.history["momentum"] == [0.75] * 4 + [0.5] * 5
    assert history.history["learning_rate"] == [0.5] * 5 + [0.25] * 4
    # Each weight moves in one step an epoch, by what its velocity is then.
    weight, velocity = 0.0, 0.0
    for epoch in range(9):
        for step in range(STEPS):
            velocity = history.history["momentum"][epoch] * velocity
            if step == 0:
                velocity -= history.history["learning_rate"][epoch]
            weight += velocity
    np.testing.assert_allclose(weights_of(model)[0], weight, rtol=1e-6)


@pytest.mark.skipif(BACKEND == "torch", reason="a step that is not traced may take any branch")
def test_a_branch_of_the_update_that_only_metrics_lead_to_is_refused_at_the_first_batch() -> (
    None
):
    model = make_model(STEPS, keras.optimizers.SGD(1.0, momentum=0.9))
    with pytest.raises(LrsError) as raised:
        follow("lr = 0.5\nmomentum = 0.75 until val_loss < 1.2 then 0", model=model)
    (found,) = raised.value.diagnostics
    assert f"False at step {STEPS}, if val_loss < 1.2 from the start, and" in found.message
    assert not weights_of(model).any()


def test_metrics_of_the_training_itself_are_reacted_to() -> None:
    # All weights fall, and with them the loss, by the rate; the first epoch's mean is -1.5 / 4
    # of a step's.  No callback puts it there.
    text = "0.5 until loss < -1 then 0.25"
    callback = lrdsl.compile(text)
    model = make_model(STEPS)
    history = fit(model, callback, STEPS, epochs=9)
    losses = history.history["loss"]
    assert losses[0] > -1 > losses[-1]
    first = next(epoch for epoch, loss in enumerate(losses) if loss < -1)
    assert history.history["learning_rate"] == [0.5] * (first + 1) + [0.25] * (8 - first)


# -- Metrics that are not there ----------------------------------------------------------------


def refused(text: str, values: tuple[float | None, ...], **options: Any) -> Diagnostic:
    model = make_model(STEPS)
    with pytest.raises(LrsError) as raised:
        follow(text, values, model=model, **options)
    assert_untouched(model)
    fit(model, keras.callbacks.Callback(), STEPS)  # it can be trained on
    (found,) = raised.value.diagnostics
    assert found.code == "LRS606"
    return found


@pytest.mark.parametrize(
    "text", [CUTS, "1 until stalled(val_loss) then 2", "1 until val_loss < 1 then 2"]
)
def test_a_missing_metric_is_an_error_after_the_first_epoch(text: str) -> None:
    found = refused(text, (1.0, 1.0, 1.0), name="val_loss_2")
    assert found.message == "there is no metric `val_loss` after epoch 0"
    assert found.primary is not None
    assert found.help is not None
    assert "`val_loss_2`" in found.help


def test_what_is_not_a_number_is_an_error_unless_it_may_be() -> None:
    values = (1.0, math.nan, 1.0, 1.0, 1.0)
    found = refused(CUTS, values)
    assert found.message == "the metric `val_loss` is not a number after epoch 1"
    ignoring = CUTS.replace("patience=2", "patience=2, nan=ignore")
    _, callback, _ = follow(ignoring, values)
    assert [(e.kind, e.epoch) for e in callback.plan.events] == [("cut", 4)]
    assert callback.applied.tolist() == [1.0] * 16 + [np.float32(0.3)] * 4


def test_validation_in_every_second_epoch_counts_observations() -> None:
    model, callback = make_model(STEPS), lrdsl.compile(CUTS)
    rows = make_rows(STEPS)
    nothing = np.zeros(len(rows), np.float32)
    fit(
        model,
        callback,
        STEPS,
        epochs=9,
        validation_data=(0 * rows, nothing),  # a loss of 0, whatever the weights are
        validation_freq=2,
    )
    # Observed after epochs 2, 4, 6 and 8: the first is better than nothing.
    assert [(e.kind, e.epoch) for e in callback.plan.events] == [("cut", 6)]
    assert callback.applied.tolist() == [1.0] * 24 + [np.float32(0.3)] * 12


def test_validation_that_comes_later_is_waited_for_and_then_has_to_be_there() -> None:
    model, callback = make_model(STEPS), lrdsl.compile("1 until val_mae < 1 then 2")
    rows = make_rows(STEPS)
    with pytest.raises(LrsError, match="no metric `val_mae` after epoch 2"):
        fit(
            model,
            callback,
            STEPS,
            epochs=9,
            validation_data=(rows, np.zeros(len(rows), np.float32)),
            validation_freq=3,
        )


# -- Back to the best weights ------------------------------------------------------------------

BACK = "plateau(from=1, factor=0.5, patience=2, restore=best)"


@pytest.mark.parametrize(("together", "jit"), TWO_SETTINGS)
def test_a_cut_goes_back_to_the_best_weights(together: int, jit: bool) -> None:
    model = make_model(STEPS, steps_per_execution=together, jit_compile=jit)
    model, callback, _ = follow(BACK, model=model)
    assert [(e.epoch, e.restores) for e in callback.plan.events] == [(4, 1), (7, 4)]
    # Epochs 0 and 1 at 1; 2 and 3 are undone; 4 at 0.5; 5 and 6 are undone; 7 and 8 at 0.25
    assert weights_of(model).tolist() == [-3.0] * STEPS
    measured = [float(weights[0]) for weights in model.measured]
    assert measured == [-1, -2, -3, -4, -2.5, -3, -3.5, -2.75, -3]


@pytest.mark.parametrize("dtype", ["bfloat16", "mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("kept", [False, True])
def test_best_weights_of_other_types_go_back_bit_for_bit(
    dtype: str, kept: bool, tmp_path: Path
) -> None:
    def ordinary() -> Any:
        keras.utils.set_random_seed(1)
        layers = [
            keras.layers.Dense(3, "tanh", dtype=dtype),
            keras.layers.BatchNormalization(dtype=dtype),
            keras.layers.Dense(1, dtype=dtype),
        ]
        model = keras.Sequential([keras.Input((4,)), *layers])
        model.compile("sgd", "mse", jit_compile=JIT)
        return model

    class Look(Measure):
        def __init__(self, *values: float, stop: int | None = None) -> None:
            super().__init__(values)
            self.found: list[Any] = []
            self.stop = stop

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == self.stop:
                raise KeyboardInterrupt
            self.found.append(bits(self.model))

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs[self.name] = self.values[epoch]

    def bits(model: Any) -> list[Any]:
        return [np.array(weight).tobytes() for weight in model.get_weights()]

    x = np.random.default_rng(0).normal(size=(32, 4)).astype("float32")
    y = x.sum(axis=1, keepdims=True)
    values = (2.0, 1.0, 1.5, 1.5, 1.5)
    text = BACK.replace("from=1", "from=0.1")

    def train(look: Look) -> Any:
        callback = lrdsl.compile(text, **({"state": tmp_path / "state"} if kept else {}))
        callback.say = lambda line: None
        model = ordinary()
        model.fit(x, y, 8, epochs=5, shuffle=False, verbose=0, callbacks=[look, callback])
        return callback

    if not kept:
        look = Look(*values)
        callback = train(look)
        assert [event.restores for event in callback.plan.events] == [1]
        assert look.found[4] == look.found[2]  # as after epoch 1
        assert look.found[4] != look.found[3]
        return
    first = Look(*values, stop=3)
    with pytest.raises(KeyboardInterrupt):
        train(first)
    second = Look(*values)
    train(second)
    assert second.found[0] != first.found[2]
    assert second.found[1] == first.found[2]  # epoch 4 begins as after epoch 1


def test_a_rise_and_a_cut_without_restore_leave_the_weights() -> None:
    model, callback, _ = follow(BACK.replace("restore=best", "restore=none"))
    np.testing.assert_array_equal(
        weights_of(model), summed_rates(callback.applied, len(STALLS))
    )


# -- Broken off and taken up -------------------------------------------------------------------


class BreakOff(keras.callbacks.Callback):  # type: ignore[misc]
    """Breaks a `fit` off after so many epochs of its own, if they are not its last."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.left = epochs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1


@pytest.mark.parametrize(
    "text",
    [
        "plateau(from=1, factor=0.5, patience=4)",
        "plateau(from=1, factor=0.5, patience=4, restore=best)",
        "1 until stalled(val_loss, patience=4) then linear(to=0) until val_loss < 0 or 14.5 "
        "then stop",
        "plateau(from=1, factor=0.5, patience=2, window=3, cooldown=3)",
    ],
)
def test_broken_off_every_three_epochs_it_ends_as_if_it_had_not_been(
    text: str, tmp_path: Path
) -> None:
    values = (3.0, 2.0, *[2.5] * 13)
    whole, callback, history = follow(text, values)
    events = [(e.kind, e.epoch) for e in callback.plan.events]
    assert events[0][1] in (4, 6)
    for _ in range(9):
        model, again = make_model(STEPS), lrdsl.compile(text, state=tmp_path / "state")
        again.say = lambda line: None
        try:
            told = fit(model, Measure(values), STEPS, epochs=15, callbacks=[again, BreakOff(3)])
        except KeyboardInterrupt:
            continue
        break
    assert again.resumed is not None
    assert [(e.kind, e.epoch) for e in again.plan.events] == events
    np.testing.assert_array_equal(again.applied, callback.applied)
    np.testing.assert_array_equal(weights_of(model), weights_of(whole))
    assert told.history == history.history
    assert list((tmp_path / "state").glob("best-*")) == [] or "restore" in text
