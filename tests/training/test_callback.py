"""What the callback tells, what it leaves behind, and what may happen around its `fit`."""

from __future__ import annotations

import copy
import csv
import gc
import json
import pickle
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import lrdsl
from lrdsl.training.callback import ScheduleCallback

from .weights import BATCH, fit, make_model, make_rows, weights_of

STEPS = 6
FALLING = "linear(from=0.1, to=1e-3)"

LOAD_ELSEWHERE = """
import json, sys, warnings
sys.modules["lrdsl"] = None
warnings.simplefilter("error", UserWarning)
import keras
for path in sys.argv[1:]:
    optimizer = keras.saving.load_model(path).optimizer
    config = getattr(optimizer, "inner_optimizer", optimizer).get_config()
    print(json.dumps({
        "rate": float(optimizer.learning_rate.numpy()),
        "config": config["learning_rate"],
        "iterations": int(optimizer.iterations),
        "variables": len(optimizer.variables),
    }))
"""


def float32(values: Any) -> NDArray[np.float32]:
    return np.asarray(values, np.float32)


def fit_without_us(model: Any, epochs: int = 1) -> NDArray[np.float32]:
    """Return the rates that a plain `fit` uses."""
    model.set_weights([np.zeros((STEPS, 1))])
    rows = make_rows(STEPS)
    model.fit(rows, np.zeros(len(rows)), batch_size=BATCH, shuffle=False, verbose=0)
    return -weights_of(model)


def scaled(optimizer: Any) -> bool:
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def state_of(model: Any) -> Any:
    """Return all that could tell that a schedule had been attached, but for the rate."""
    optimizer = model.optimizer
    config = optimizer.get_config()
    (config["inner_optimizer"]["config"] if scaled(optimizer) else config).pop("learning_rate")
    return (
        {k: id(v) for k, v in vars(optimizer).items()},
        [variable.path for variable in optimizer.variables],
        config,
        # `fit` itself makes a train function and sets this.
        sorted(set(vars(model)) - {"stop_training"}),
        id(model.train_function),
    )


class At(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls a function before one batch of the first epoch."""

    def __init__(self, batch: int, act: Any) -> None:
        super().__init__()
        self.at = batch
        self.act = act
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == (0, self.at):
            self.act(self.model)


# -- Logs --------------------------------------------------------------------------------------


def test_history_has_the_rate_of_each_epochs_last_step() -> None:
    callback = lrdsl.compile(FALLING)
    history = fit(make_model(STEPS), callback, STEPS, epochs=3)
    last = float32(callback.plan.values([5, 11, 17]))
    assert history.history["learning_rate"] == [float(rate) for rate in last]


@pytest.mark.parametrize("ours_first", [True, False])
def test_other_callbacks_see_the_rate_wherever_ours_stands(
    ours_first: bool, tmp_path: Path
) -> None:
    seen: list[dict[str, Any]] = []
    log = tmp_path / "log.csv"
    others = [
        keras.callbacks.CSVLogger(log),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs)),
    ]
    callback = lrdsl.compile(FALLING)
    ordered = [callback, *others] if ours_first else [*others, callback]
    fit(make_model(STEPS), ordered[0], STEPS, epochs=2, callbacks=ordered[1:])
    last = [float(rate) for rate in float32(callback.plan.values([5, 11]))]
    assert [logs["learning_rate"] for logs in seen] == last
    with log.open(newline="") as file:
        assert [float(row["learning_rate"]) for row in csv.DictReader(file)] == last


def test_applied_can_be_read_while_fit_runs() -> None:
    callback = lrdsl.compile(FALLING)
    seen: list[int] = []
    look = At(4, lambda model: seen.append(len(callback.applied)))
    fit(make_model(STEPS), callback, STEPS, callbacks=[look])
    assert seen == [4]


def test_training_stopped_inside_an_epoch_has_its_steps_only() -> None:
    def stop(model: Any) -> None:
        model.stop_training = True

    callback = lrdsl.compile(FALLING)
    history = fit(make_model(STEPS), callback, STEPS, epochs=2, callbacks=[At(3, stop)])
    np.testing.assert_array_equal(callback.applied_steps, [0, 1, 2, 3])
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values([0, 1, 2, 3])))
    assert history.history["learning_rate"] == [float(callback.applied[-1])]


# -- What is left behind -----------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
def test_model_and_optimizer_are_as_before_but_for_the_rate(wrapped: bool) -> None:
    optimizer = keras.optimizers.SGD(1.0, momentum=0.5)
    model = make_model(
        STEPS, keras.optimizers.LossScaleOptimizer(optimizer) if wrapped else optimizer
    )
    fit_without_us(model)
    before = state_of(model)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS)
    assert state_of(model) == before
    assert model.optimizer.learning_rate.numpy() == np.float32(callback.plan.values(5))


def test_later_fit_without_a_schedule_keeps_the_last_rate() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile("const(0.5) until 50% then 0.25")
    fit(model, callback, STEPS)
    np.testing.assert_array_equal(fit_without_us(model), np.full(STEPS, 0.25))


def test_nothing_of_ours_outlives_the_model() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS)
    gone = weakref.ref(model.optimizer)
    callback.set_model(None)
    del model, callback
    keras.backend.clear_session()
    gc.collect()
    assert gone() is None


# -- Interruptions -----------------------------------------------------------------------------


def interrupted(model: Any, schedule: str = FALLING) -> ScheduleCallback:
    def interrupt(model: Any) -> None:
        raise KeyboardInterrupt

    callback = lrdsl.compile(schedule)
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, STEPS, callbacks=[At(3, interrupt)])
    return callback


def test_interrupted_fit_keeps_what_was_applied() -> None:
    callback = interrupted(make_model(STEPS))
    assert callback.plan is not None
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values([0, 1, 2])))


def test_fit_after_an_interrupted_one_is_free_of_its_schedule() -> None:
    model = make_model(STEPS)
    interrupted(model)
    model.optimizer.learning_rate = 0.5
    np.testing.assert_array_equal(fit_without_us(model), np.full(STEPS, 0.5))


def test_train_on_batch_after_an_interrupted_fit_is_free_of_its_schedule() -> None:
    model = make_model(STEPS)
    interrupted(model)
    model.optimizer.learning_rate = 0.5
    model.set_weights([np.zeros((STEPS, 1))])
    model.train_on_batch(make_rows(STEPS)[:BATCH], np.zeros(BATCH))
    assert weights_of(model)[0] == -0.5


def test_loop_of_ones_own_after_an_interrupted_fit_is_free_of_its_schedule() -> None:
    model = make_model(STEPS)
    interrupted(model)
    model.optimizer.learning_rate = 0.5
    model.set_weights([np.zeros((STEPS, 1))])
    model.optimizer.apply([np.ones((STEPS, 1), np.float32)], model.trainable_variables)
    np.testing.assert_array_equal(weights_of(model), np.full(STEPS, -0.5))


def test_interrupted_callback_can_be_used_again() -> None:
    model = make_model(STEPS)
    callback = interrupted(model)
    model.set_weights([np.zeros((STEPS, 1))])
    fit(model, callback, STEPS)
    assert callback.plan is not None
    np.testing.assert_array_equal(weights_of(model), -float32(callback.plan.values()))


# -- Other callbacks of the same fit -----------------------------------------------------------


def test_training_by_another_call_inside_fit_is_an_error() -> None:
    def train(model: Any) -> None:
        model.train_on_batch(make_rows(STEPS)[:BATCH], np.zeros(BATCH))

    model = make_model(STEPS)
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(model, lrdsl.compile(FALLING), STEPS, callbacks=[At(2, train)])
    (found,) = caught.value.diagnostics
    assert found.code == "LRS601"
    assert found.message == (
        "the model was trained by another call, or its train function was replaced, and the "
        "schedule has no say any more"
    )


def test_new_trace_asked_for_by_a_callback_keeps_the_schedule() -> None:
    def retrace(model: Any) -> None:
        model.make_train_function(force=True)

    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    fit(model, callback, STEPS, callbacks=[At(2, retrace)])
    np.testing.assert_array_equal(weights_of(model), -float32(callback.plan.values()))
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values()))


def test_compiling_again_inside_fit_is_an_error() -> None:
    def recompile(model: Any) -> None:
        model.compile("sgd", loss="mse")
        model.make_train_function()

    with pytest.raises(lrdsl.LrsError) as caught:
        fit(make_model(STEPS), lrdsl.compile(FALLING), STEPS, callbacks=[At(2, recompile)])
    (found,) = caught.value.diagnostics
    assert "the model was compiled again while `fit` ran" in found.message


def test_backup_that_restores_an_epoch_replays_its_rates(tmp_path: Path) -> None:
    def crash(model: Any) -> None:
        raise RuntimeError("power cut")

    def backup() -> Any:
        return keras.callbacks.BackupAndRestore(tmp_path / "backup", delete_checkpoint=False)

    class SecondEpoch(At):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.epoch = epoch - 1

    schedule = "linear(to=0)"  # from base, which the backup must not change
    first = make_model(STEPS, keras.optimizers.SGD(0.5))
    with pytest.raises(RuntimeError):
        fit(
            first,
            backup(),
            STEPS,
            epochs=3,
            callbacks=[lrdsl.compile(schedule), SecondEpoch(2, crash)],
        )
    second = make_model(STEPS, keras.optimizers.SGD(0.5))
    callback = lrdsl.compile(schedule)
    fit(second, backup(), STEPS, epochs=3, callbacks=[callback])
    assert callback.plan.base == 0.5
    np.testing.assert_array_equal(callback.applied_steps, np.arange(6, 18))
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values()[6:]))
    reference = lrdsl.compile(schedule)
    whole = make_model(STEPS, keras.optimizers.SGD(0.5))
    fit(whole, reference, STEPS, epochs=3)
    np.testing.assert_array_equal(weights_of(second), weights_of(whole))


# -- The optimizer's own rate ------------------------------------------------------------------


def test_base_is_the_optimizers_rate_as_a_short_decimal() -> None:
    callback = lrdsl.compile("linear(to=0)")
    fit(make_model(STEPS, keras.optimizers.SGD(0.1)), callback, STEPS)
    assert callback.plan.base == 0.1
    assert callback.applied[0] == np.float32(0.1)


def test_base_of_a_second_fit_is_still_the_rate_before_the_first() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(0.1))
    fit(model, lrdsl.compile("linear(to=0)"), STEPS)
    callback = lrdsl.compile("linear(to=0)")
    fit(model, callback, STEPS)
    assert callback.plan.base == 0.1


def test_base_after_an_interrupted_fit_is_still_the_rate_before_it() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(0.1))
    interrupted(model, "linear(to=0)")
    callback = lrdsl.compile("linear(to=0)")
    fit(model, callback, STEPS)
    assert callback.plan.base == 0.1


def test_base_outlives_a_fit_without_a_schedule_in_between() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(0.1))
    interrupted(model, "linear(to=0)")
    fit_without_us(model)
    callback = lrdsl.compile("linear(to=0)")
    fit(model, callback, STEPS)
    assert callback.plan.base == 0.1


def test_base_is_the_rate_that_somebody_set_between_two_fits() -> None:
    model = make_model(STEPS, keras.optimizers.SGD(0.1))
    fit(model, lrdsl.compile("linear(to=0)"), STEPS)
    model.optimizer.learning_rate = 0.3
    callback = lrdsl.compile("linear(to=0)")
    fit(model, callback, STEPS)
    assert callback.plan.base == 0.3


def test_base_can_be_given() -> None:
    callback = ScheduleCallback(lrdsl.loads("linear(to=0)"), base=0.7)
    fit(make_model(STEPS, keras.optimizers.SGD(0.1)), callback, STEPS)
    assert callback.plan is not None
    assert callback.plan.base == 0.7


# -- Saving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrapped", [False, True])
def test_models_saved_during_fit_load_without_lrdsl(wrapped: bool, tmp_path: Path) -> None:
    optimizer: Any = keras.optimizers.Adam(0.5)
    if wrapped:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer, loss="mse")
    callback = lrdsl.compile(FALLING)
    saver = keras.callbacks.ModelCheckpoint(tmp_path / "at-{batch}.keras", save_freq=4)
    model.fit(
        np.ones((30, 3)),
        np.ones(30),
        batch_size=5,
        epochs=2,
        verbose=0,
        callbacks=[callback, saver],
    )
    model.save(tmp_path / "after.keras")
    saved = {"at-4": 4, "at-2": 8, "after": 12}  # the second is of the second epoch
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, *(tmp_path / f"{name}.keras" for name in saved)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    rates = [float(rate) for rate in float32(callback.plan.values())]
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {
            "rate": rates[steps - 1],
            "config": rates[steps - 1],
            "iterations": steps,
            "variables": len(model.optimizer.variables),
        }
        for steps in saved.values()
    ]


def test_weights_loaded_while_attached_fit(tmp_path: Path) -> None:
    path = tmp_path / "model.weights.h5"
    model = make_model(STEPS)
    callback = lrdsl.compile(FALLING)
    save = At(2, lambda model: model.save_weights(path))
    load = At(4, lambda model: model.load_weights(path))
    fit(model, callback, STEPS, callbacks=[save, load])
    rates = float32(callback.plan.values())
    np.testing.assert_array_equal(callback.applied, rates)
    np.testing.assert_array_equal(
        weights_of(model), -np.where((np.arange(6) == 2) | (np.arange(6) == 3), 0, rates)
    )


# -- Copies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_copy_of_a_callback_that_has_trained_serves_another_fit(duplicate: Any) -> None:
    callback = lrdsl.compile(FALLING)
    fit(make_model(STEPS), callback, STEPS)
    other, model = duplicate(callback), make_model(STEPS)
    assert len(other.applied) == 0
    fit(model, other, STEPS)
    rates = float32(callback.plan.values())
    np.testing.assert_array_equal(weights_of(model), -rates)
    np.testing.assert_array_equal(callback.applied, rates)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"commit_every": 0}, "commit_every counts epochs, from 1; not 0"),
        ({"commit_every": "2"}, "commit_every counts epochs, from 1; not '2'"),
        ({"state_conflict": "ask"}, 'state_conflict is "keep" or "adopt", not \'ask\''),
    ],
)
def test_arguments_that_mean_nothing_are_refused(options: Any, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        lrdsl.compile(FALLING, **options)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (0.1, 'needed, not 0.1: a constant rate is written "0.1"'),
        (None, "a path or the text of a schedule is needed, not None"),
        (True, "needed, not True"),
        (b"0.1", "needed, not b'0.1'"),
        (lrdsl.loads("0.1"), "not a program: `lrdsl.ScheduleCallback(program)` applies one"),
        (
            keras.optimizers.schedules.CosineDecay(0.1, 10),
            "not a `CosineDecay`: `lrdsl.from_keras(…)` writes one as text",
        ),
    ],
)
def test_what_is_no_schedule_is_refused_with_what_to_write(given: Any, words: str) -> None:
    with pytest.raises(TypeError) as caught:
        lrdsl.compile(given)
    assert str(caught.value).endswith(words)


@pytest.mark.parametrize(
    ("name", "value", "repair"),
    [
        ("snapshots", "my models", 'before `fit`, `callback.snapshots = "models"`'),
        ("on_plan", print, "`lrdsl.ScheduleCallback(lrdsl.load(…), on_plan=…)` has it"),
        ("base", 0.1, "`lrdsl.ScheduleCallback(lrdsl.load(…), base=…)` has it"),
        ("take_over", True, "`lrdsl.ScheduleCallback(lrdsl.load(…), take_over=…)` has it"),
    ],
)
def test_argument_of_the_callback_alone_is_told_where_it_goes(
    name: str, value: Any, repair: str
) -> None:
    with pytest.raises(TypeError) as caught:
        lrdsl.compile(FALLING, **{name: value})
    assert str(caught.value).startswith(
        f"`compile` has no argument `{name}`, and the schedule no such `let`: "
    )
    assert str(caught.value).endswith(repair)


def test_let_of_that_name_is_set_all_the_same() -> None:
    assert (
        "0.3"
        in lrdsl.compile("let snapshots = 0.1  lr = snapshots", snapshots=0.3).program.text
    )


def test_let_that_is_set_to_no_value_is_named() -> None:
    with pytest.raises(TypeError, match=r"`peak` is to be .* set to a number or to text"):
        lrdsl.compile("let peak = 1  lr = peak", peak=[0.1])


@pytest.mark.parametrize("name", ["nofile.txt", "schedules/resnet", "..\\resnet.sched"])
def test_text_that_looks_like_a_path_is_told_how_a_file_is_given(name: str) -> None:
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.compile(name)
    repair = f"if a file is meant: `pathlib.Path({name!r})`, or a name with `.lrs`"
    assert (caught.value.diagnostics[0].help or "").endswith(repair)
    with pytest.raises(lrdsl.LrsError) as caught:
        lrdsl.compile("cosine(max=1.5) unti 3")
    assert "pathlib" not in str(caught.value)


def test_callback_is_made_of_a_program_and_a_folder() -> None:
    with pytest.raises(TypeError, match=r"not '0\.1'; `lrdsl.compile` takes a path or text"):
        ScheduleCallback("0.1")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match='state is a folder, such as `state="run"`, not True'):
        lrdsl.compile("0.1", state=True)  # type: ignore[arg-type]


# -- Reading the schedule ----------------------------------------------------------------------


def test_fit_of_no_epochs_does_nothing() -> None:
    callback = lrdsl.compile(FALLING)
    with pytest.warns(lrdsl.LrsWarning, match="`fit` is given `epochs=0`: nothing runs"):
        fit(make_model(STEPS), callback, STEPS, epochs=0)
    assert callback.nothing_runs is not None
    assert callback.plan is None
    assert len(callback.applied) == 0


def test_schedule_counted_in_steps_is_followed() -> None:
    model = make_model(STEPS)
    callback = lrdsl.compile("train 12 steps\nwarmup(3) then linear(from=1, to=0.5)")
    fit(model, callback, STEPS, epochs=2)
    np.testing.assert_array_equal(callback.applied, float32(callback.plan.values()))
    assert callback.plan.unit == "steps"
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(model, callback, STEPS, epochs=3)
    assert [found.code for found in caught.value.diagnostics] == ["LRS309"]


def test_schedules_of_two_models_are_apart_though_one_fit_runs_in_the_other() -> None:
    inner, outer = make_model(STEPS), make_model(STEPS)
    within, around = lrdsl.compile("const(0.25)"), lrdsl.compile(FALLING)
    nested = keras.callbacks.LambdaCallback(
        on_train_begin=lambda logs: fit(inner, within, STEPS),
        on_epoch_end=lambda epoch, logs: fit(inner, within, STEPS),
    )
    fit(outer, around, STEPS, callbacks=[nested])
    np.testing.assert_array_equal(weights_of(outer), -float32(around.plan.values()))
    np.testing.assert_array_equal(weights_of(inner), np.full(STEPS, -0.5))


def test_compile_takes_a_path_or_a_text_and_lets(tmp_path: Path) -> None:
    text = "let peak = 0.1\nlr = linear(from=peak, to=0)\n"
    path = tmp_path / "schedule.lrs"
    path.write_text(text)
    for given in (text, str(path), path):
        callback = lrdsl.compile(given, peak=0.5)
        assert callback.program.plan(epochs=1, steps_per_epoch=2).values(0) == 0.5


def test_on_plan_hears_of_the_plan_before_anything_is_touched() -> None:
    model = make_model(STEPS)
    fit_without_us(model)
    before = state_of(model)
    heard: list[Any] = []

    def stop(plan: Any) -> None:
        heard.append(plan)
        assert state_of(model) == before
        raise SystemExit

    callback = ScheduleCallback(lrdsl.loads(f"{FALLING} snapshot"), on_plan=stop)
    with pytest.raises(SystemExit):
        fit(model, callback, STEPS)
    assert heard == [callback.plan]
    assert heard[0].total_steps == STEPS
    assert not Path("snapshots").exists()
    assert state_of(model) == before


class CountsTraces(keras.Sequential):  # type: ignore[misc]
    """A model that counts how often its train step is traced."""

    traced = 0

    def train_step(self, data: Any) -> Any:
        self.traced += 1
        return super().train_step(data)


def counted_model() -> Any:
    model = CountsTraces([keras.Input((STEPS,)), keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer="sgd", loss="mse")
    return model


def test_a_loop_of_fits_traces_the_step_once() -> None:
    model = counted_model()
    for _ in range(4):
        fit(model, lrdsl.compile("const(0.1) until 50% then 0.01"), STEPS)
    traced = model.traced
    model.compile(optimizer="sgd", loss="mse")
    fit(model, lrdsl.compile("const(0.1)"), STEPS)
    assert traced == 1
    assert model.traced == 2


def test_fits_with_and_without_a_schedule_keep_a_trace_each() -> None:
    model = counted_model()
    rows = make_rows(STEPS)
    for _ in range(3):
        fit(model, lrdsl.compile("const(0.1)"), STEPS)
        model.fit(rows, np.zeros(len(rows)), batch_size=BATCH, verbose=0)
    assert model.traced == 2


def test_what_a_broken_off_fit_has_used_outlives_the_next_fit() -> None:
    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    model = make_model(STEPS)
    first = lrdsl.compile("linear(from=0.1, to=0.2)")
    with pytest.raises(KeyboardInterrupt):
        fit(model, first, STEPS, callbacks=[At(3, interrupt)])
    used = first.applied.copy()
    fit(model, lrdsl.compile("const(0.5)"), STEPS)
    assert len(used)
    np.testing.assert_array_equal(first.applied, used)
