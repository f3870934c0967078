"""What the logs say the rate was: that of the last step that ran, to whoever reads them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

import lrdsl

from .weights import BATCH, fit, make_dataset, make_model, make_rows, weights_of

STEPS = 6
EPOCHS = 3
FALLING = "linear(from=0.1, to=1e-3)"


def planned(callback: Any, *steps: int) -> list[float]:
    return [float(rate) for rate in callback.plan.values(list(steps)).astype(np.float32)]


class Batches(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the logs of each batch."""

    def __init__(self, *, anywhere: bool = False) -> None:
        super().__init__()
        self.seen: list[tuple[int, dict[str, Any]]] = []
        self.async_safe = anywhere  # whether Keras may call it from another thread

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append((batch, dict(logs)))

    @property
    def rates(self) -> list[float]:
        return [logs["learning_rate"] for _, logs in self.seen]


def scalars(folder: Path, tag: str) -> dict[int, float]:
    """Return a TensorBoard scalar of each step, from the files of events in `folder`."""
    found = {}
    for path in folder.rglob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.tag == tag:
                    found[event.step] = float(tf.make_ndarray(value.tensor))
    return found


# -- Each epoch --------------------------------------------------------------------------------


@pytest.mark.parametrize("together", [1, 4, 6])
@pytest.mark.parametrize("validate", [False, True])
def test_every_reader_of_an_epochs_logs_finds_the_rate_of_its_last_step(
    together: int, validate: bool, tmp_path: Path
) -> None:
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    callback = lrdsl.compile(FALLING)
    rows = make_rows(STEPS)
    history = make_model(STEPS, steps_per_execution=together).fit(
        rows,
        np.zeros(len(rows)),
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        validation_data=(rows[:4], np.zeros(4)) if validate else None,
        callbacks=[
            keras.callbacks.CSVLogger(before),
            callback,
            keras.callbacks.CSVLogger(after),
        ],
    )
    last = planned(callback, 5, 11, 17)
    assert history.history["learning_rate"] == last
    for path in (before, after):
        with path.open(newline="") as file:
            assert [float(row["learning_rate"]) for row in csv.DictReader(file)] == last


@pytest.mark.parametrize("ours_first", [True, False])
def test_tensorboard_shows_the_rate_of_each_epochs_last_step(
    ours_first: bool, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False)
    callback = lrdsl.compile(FALLING)
    first, second = (callback, board) if ours_first else (board, callback)
    fit(make_model(STEPS), first, STEPS, epochs=EPOCHS, callbacks=[second])
    shown = scalars(tmp_path, "epoch_learning_rate")
    assert shown == dict(enumerate(planned(callback, 5, 11, 17)))


@pytest.mark.parametrize("verbose", [1, 2])
def test_progress_bar_ends_each_epoch_with_the_rate_of_its_last_step(
    verbose: int, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = lrdsl.compile(FALLING)
    fit(make_model(STEPS), callback, STEPS, epochs=EPOCHS, verbose=verbose)
    shown = re.findall(r"learning_rate: ([\d.e-]+)", capsys.readouterr().out)
    assert shown == [f"{rate:.4f}" for rate in planned(callback, 5, 11, 17)]


def test_epoch_that_a_callback_stops_has_the_rate_of_the_last_step_that_ran() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 2

    callback = lrdsl.compile(FALLING)
    history = fit(make_model(STEPS), callback, STEPS, epochs=EPOCHS, callbacks=[Stop()])
    assert history.history["learning_rate"] == [float(callback.applied[-1])]
    assert history.history["learning_rate"] == planned(callback, 2)


def test_early_stopping_leaves_the_rates_of_the_epochs_that_ran() -> None:
    stop = keras.callbacks.EarlyStopping("loss", patience=1, mode="max")
    callback = lrdsl.compile(FALLING)
    history = fit(make_model(STEPS), callback, STEPS, epochs=EPOCHS, callbacks=[stop])
    assert history.history["learning_rate"] == planned(callback, 5, 11)


def test_interrupted_fit_has_logged_the_rates_of_its_whole_epochs(tmp_path: Path) -> None:
    class Interrupt(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    log = tmp_path / "log.csv"
    callback = lrdsl.compile(FALLING)
    model = make_model(STEPS)
    others = [keras.callbacks.CSVLogger(log), Interrupt()]
    with pytest.raises(KeyboardInterrupt):
        fit(model, callback, STEPS, epochs=EPOCHS, callbacks=others)
    assert model.history.history["learning_rate"] == planned(callback, 5, 11)


def test_data_of_unknown_length_logs_the_rate_of_its_last_step() -> None:
    callback = lrdsl.compile(f"train {EPOCHS} epochs of {STEPS} steps\n{FALLING}")
    history = make_model(STEPS).fit(
        make_dataset(STEPS, known=False), epochs=EPOCHS, verbose=0, callbacks=[callback]
    )
    assert history.history["learning_rate"] == planned(callback, 5, 11, 17)


# -- Each batch --------------------------------------------------------------------------------


@pytest.mark.parametrize("anywhere", [False, True])
@pytest.mark.parametrize("ours_first", [True, False])
def test_logs_of_each_batch_have_its_rate_if_asked(ours_first: bool, anywhere: bool) -> None:
    batches = Batches(anywhere=anywhere)
    callback = lrdsl.compile(FALLING, per_batch=True)
    first, second = (callback, batches) if ours_first else (batches, callback)
    history = fit(make_model(STEPS), first, STEPS, epochs=EPOCHS, callbacks=[second])
    # From several threads they come in any order; the schedule falls, and tells which is which.
    rates = sorted(batches.rates, reverse=True) if anywhere else batches.rates
    assert rates == planned(callback, *range(EPOCHS * STEPS))
    assert history.history["learning_rate"] == planned(callback, 5, 11, 17)


def test_logs_of_a_batch_have_no_rate_unless_asked() -> None:
    batches = Batches()
    fit(make_model(STEPS), lrdsl.compile(FALLING), STEPS, callbacks=[batches])
    assert [set(logs) for _, logs in batches.seen] == [{"loss"}] * STEPS


def test_steps_run_at_once_log_the_rate_of_the_last_of_them() -> None:
    batches = Batches()
    callback = lrdsl.compile(FALLING, per_batch=True)
    model = make_model(10, steps_per_execution=4)
    fit(model, callback, 10, callbacks=[batches])
    assert [batch for batch, _ in batches.seen] == [3, 7, 11]  # Keras's count, of 10
    assert batches.rates == planned(callback, 3, 7, 9)
    assert len(callback.applied) == 10


def test_what_a_batch_logs_besides_is_as_without_us() -> None:
    plain, ours = Batches(), Batches()
    rates: list[NDArray[np.float32]] = []
    for seen, others in ((plain, []), (ours, [lrdsl.compile("const(1)", per_batch=True)])):
        model = make_model(STEPS, metrics=["mae"])
        history = fit(model, seen, STEPS, epochs=2, callbacks=others)
        seen.history = {k: v for k, v in history.history.items() if k != "learning_rate"}
        rates.append(weights_of(model))
    for _, logs in ours.seen:
        assert logs.pop("learning_rate") == 1
    assert ours.seen == plain.seen
    assert ours.history == plain.history
    np.testing.assert_array_equal(*rates)


def test_tensorboard_shows_the_rate_of_each_batch_if_asked(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    board = keras.callbacks.TensorBoard(tmp_path, write_graph=False, update_freq=1)
    callback = lrdsl.compile(FALLING, per_batch=True)
    fit(make_model(STEPS), board, STEPS, epochs=2, callbacks=[callback])
    shown = scalars(tmp_path, "batch_learning_rate")
    assert [shown[step] for step in sorted(shown)] == planned(callback, *range(2 * STEPS))


def test_progress_bar_shows_the_rate_of_each_batch_if_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    callback = lrdsl.compile(FALLING, per_batch=True)
    fit(make_model(STEPS), callback, STEPS, verbose=1)
    shown = re.findall(r"learning_rate: ([\d.e-]+)", capsys.readouterr().out)
    assert shown[0] == f"{planned(callback, 0)[0]:.4f}"
    assert shown[-1] == f"{planned(callback, 5)[0]:.4f}"


def test_batches_after_the_fit_are_logged_as_without_us() -> None:
    model = make_model(STEPS)
    fit(model, lrdsl.compile(FALLING, per_batch=True), STEPS)
    batches = Batches()
    fit(model, batches, STEPS)
    assert [set(logs) for _, logs in batches.seen] == [{"loss"}] * STEPS
