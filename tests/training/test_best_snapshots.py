"""`snapshot(best=3, monitor=…)`: which models stay, by what, and wrong metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.metrics import better_mode
from lrdsl.training.callback import ScheduleCallback
from lrdsl.training.manifest import SavedSnapshot, read_manifest
from lrdsl.training.retention import Retention

from .weights import fit, make_model, make_rows

STEPS = 4
BEST = "linear(from=1, to=0.5) for 1 repeat snapshot(best=2, monitor=val_accuracy)"
INSIDE = "linear(from=1, to=0.5) for 2 steps repeat snapshot(best=1, monitor=val_accuracy)"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Measure(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts a metric into the logs of each epoch; in front of the schedule."""

    def __init__(self, *values: float | None, name: str = "val_accuracy") -> None:
        super().__init__()
        self.values, self.name = values, name

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        value = self.values[epoch]
        if value is not None:
            logs[self.name] = value


def train(
    text: str, *values: float | None, name: str = "val_accuracy", **options: Any
) -> ScheduleCallback:
    callback = ScheduleCallback(lrdsl.loads(text), snapshots="models", **options)
    measure = Measure(*values, name=name)
    fit(make_model(STEPS), measure, STEPS, epochs=len(values), callbacks=[callback])
    return callback


def listed(folder: str = "models") -> list[int]:
    found = read_manifest(Path(folder))
    assert sorted(p.name for p in Path(folder).glob("*.keras")) == sorted(
        one.path.name for one in found
    )
    return [one.index for one in found]


def test_models_with_the_best_metric_stay() -> None:
    train(BEST, 0.5, 0.9, 0.7, 0.6, 0.8)
    assert listed() == [2, 5]


def test_model_that_is_not_among_the_best_is_not_written() -> None:
    callback = train(BEST, 0.9, 0.8, 0.7)
    assert [one.index for one in callback.saved] == [1, 2]
    assert callback.missed == []
    assert listed() == [1, 2]


@pytest.mark.parametrize(
    ("monitor", "name", "kept"),
    [
        ("val_loss", "val_loss", [1]),
        ("val_loss, mode=max", "val_loss", [2]),
        ("score, mode=min", "score", [1]),
        ("val_f1_score", "val_f1_score", [2]),
        ("val_f1_score, mode=auto", "val_f1_score", [2]),
        ('"val_top-5_accuracy"', "val_top-5_accuracy", [2]),
    ],
)
def test_which_is_best_is_said_by_the_metrics_name_or_by_mode(
    monitor: str, name: str, kept: list[int]
) -> None:
    text = f"linear(from=1, to=0.5) for 1 repeat snapshot(best=1, monitor={monitor})"
    train(text, 0.2, 0.6, 0.4, name=name)
    assert listed() == kept


def test_of_equals_the_earlier_one_stays() -> None:
    train(BEST.replace("best=2", "best=1"), 0.5, 0.5, 0.5)
    assert listed() == [1]


def test_keras_own_metrics_get_better_as_keras_says() -> None:
    found = {}
    for name in dir(keras.metrics):
        kind = getattr(keras.metrics, name)
        if not (isinstance(kind, type) and issubclass(kind, keras.metrics.Metric)):
            continue
        for arguments in ({}, {"num_classes": 2}, {"num_classes": 2, "target_class_ids": [0]}):
            try:
                metric = kind(**arguments)
            except (TypeError, ValueError):
                continue
            direction = getattr(metric, "_direction", None)
            if direction is not None:
                found[metric.name] = {"up": "max", "down": "min"}[direction]
            break
    assert len(found) > 25
    ours = {name: better_mode(name) for name in found}
    assert {n: m for n, m in ours.items() if m not in (None, found[n])} == {}
    assert [name for name, mode in ours.items() if mode is None] == []


# -- Inside an epoch -------------------------------------------------------------------------


def test_model_saved_inside_an_epoch_is_judged_by_that_epochs_metric() -> None:
    callback = train(INSIDE, 0.5, 0.9, 0.7)
    # Snapshots 3 and 4 are of the second epoch; the one inside it came first.
    assert listed() == [3]
    (only,) = read_manifest(Path("models"))
    assert (only.epoch, only.metrics_epoch) == (1.5, 2)
    assert only.metric("val_accuracy") == 0.9
    assert [one.index for one in callback.saved if one.metrics_epoch != one.epoch] == [1, 3, 5]


def test_model_inside_an_epoch_stays_beside_the_best_until_it_is_judged() -> None:
    seen = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            if batch == 3:
                seen.append([(one.index, one.metrics) for one in read_manifest(Path("models"))])

    callback = ScheduleCallback(lrdsl.loads(INSIDE), snapshots="models")
    others = [callback, Look()]
    fit(make_model(STEPS), Measure(0.9, 0.5), STEPS, epochs=2, callbacks=others)
    assert [[index for index, _ in one] for one in seen] == [[1], [1, 3]]
    assert [one[-1][1] for one in seen] == [None, None]
    assert listed() == [1]


# -- Metrics that are missing or no numbers --------------------------------------------------


def failure(text: str, *values: float | None, **options: Any) -> Any:
    with pytest.raises(lrdsl.LrsError) as caught:
        train(text, *values, **options)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS606"
    return found


def test_metric_that_is_missing_is_an_error_after_the_first_epoch_with_those_there_are() -> (
    None
):
    late = BEST.replace("for 1", "for 4")  # the first snapshot is due after the fourth epoch
    found = failure(late, 0.5, 0.5, 0.5, 0.5, name="val_acc")
    assert found.message == (
        "epoch 0 has no metric `val_accuracy`, by which snapshots are chosen"
    )
    assert found.help.startswith("did you mean `val_acc`? the metrics are `loss`, `val_acc`")
    assert found.primary is not None


def test_missing_validation_is_named() -> None:
    found = failure(BEST, None)
    assert "give `fit` a `validation_data`; the metrics are `loss`" in found.help


def test_missing_validation_is_named_before_a_metric_of_training_of_a_like_name() -> None:
    found = failure(BEST, 0.5, name="accuracy")
    assert found.help.startswith(
        "give `fit` a `validation_data`, or choose by `monitor=accuracy`; the metrics are"
    )


def validating(epochs: int, freq: Any, text: str) -> Any:
    model = make_model(STEPS, metrics=["mae"])
    rows = make_rows(STEPS)
    callback = ScheduleCallback(lrdsl.loads(text), snapshots="models")
    fit(
        model,
        callback,
        STEPS,
        epochs=epochs,
        validation_data=(rows, np.zeros(len(rows))),
        validation_freq=freq,
    )
    return model


def test_validation_every_other_epoch_is_waited_for() -> None:
    text = "linear(from=1, to=0.5) for 2 repeat snapshot(best=1, monitor=val_loss)"
    validating(4, 2, text)
    assert listed() == [2]


@pytest.mark.parametrize("freq", [2, [4, 6]])
def test_snapshot_of_an_epoch_that_is_not_validated_is_refused_before_the_first_batch(
    freq: Any,
) -> None:
    text = "linear(from=1, to=0.5) for 3 repeat snapshot(best=1, monitor=val_loss)"
    with pytest.raises(lrdsl.LrsError) as caught:
        validating(6, freq, text)
    (found,) = caught.value.diagnostics
    assert found.message == (
        "snapshot 1 is due in epoch 2, which `fit` does not validate: it has no `val_loss`"
    )
    assert not Path("models").exists()


def test_mistyped_metric_with_rare_validation_is_found_when_it_is_first_validated() -> None:
    text = "linear(from=1, to=0.5) for 4 repeat snapshot(best=1, monitor=val_mea, mode=min)"
    with pytest.raises(lrdsl.LrsError) as caught:
        validating(4, 2, text)
    (found,) = caught.value.diagnostics
    assert found.message.startswith("epoch 1 has no metric `val_mea`")
    assert "did you mean `val_mae`?" in found.help


def test_metric_of_training_is_not_waited_for_until_an_epoch_is_validated() -> None:
    text = "linear(from=1, to=0.5) for 4 repeat snapshot(best=1, monitor=mea, mode=min)"
    with pytest.raises(lrdsl.LrsError, match="epoch 0 has no metric `mea`"):
        validating(4, 2, text)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_metric_that_is_no_number_is_never_the_best_and_training_goes_on(bad: float) -> None:
    with pytest.warns(RuntimeWarning, match=f"snapshot 2 is missing: `val_accuracy` is {bad}"):
        callback = train(BEST.replace("best=2", "best=1"), 0.5, bad, 0.4)
    assert listed() == [1]
    assert len(callback.applied) == 3 * STEPS
    assert [one.code for one in callback.missed] == ["LRS603"]


def test_model_inside_an_epoch_whose_metric_is_no_number_is_taken_out_again() -> None:
    with pytest.warns(RuntimeWarning, match="snapshot 1 is missing: `val_accuracy` is nan"):
        callback = train(INSIDE, float("nan"), 0.4)
    assert listed() == [3]
    assert len(callback.missed) == 2  # the one at the epoch's end too


def test_epoch_without_the_metric_costs_its_snapshot_alone() -> None:
    with pytest.warns(RuntimeWarning, match="snapshot 2 is missing: its epoch has no `val_acc"):
        train(BEST, 0.5, None, 0.4)
    assert listed() == [1, 3]


# -- The rule alone --------------------------------------------------------------------------


def snapshot(index: int, metric: float | str | None) -> SavedSnapshot:
    metrics = None if metric is None else {"m": metric}
    return SavedSnapshot(index, Path(f"{index}"), index, index, 0.1, metrics, "0" * 64)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("best", [1, 2, 3])
def test_choosing_one_by_one_is_choosing_among_all(mode: str, best: int) -> None:
    rule = Retention(best=best, monitor="m", mode=mode)
    rng = np.random.default_rng(best)
    for _ in range(100):
        values = rng.integers(0, 5, 8).astype(float).tolist()
        all_of_them = [snapshot(index, value) for index, value in enumerate(values)]
        stay: list[SavedSnapshot] = []
        for one in all_of_them:
            stay = rule.choose([*stay, one])
        sign = -1 if mode == "max" else 1
        order = sorted(range(8), key=lambda index: (sign * values[index], index))
        assert sorted(order[:best]) == [one.index for one in stay]
        assert stay == rule.choose(all_of_them)


def test_what_waits_for_its_metric_stays_and_what_is_no_number_does_not() -> None:
    rule = Retention(best=1, monitor="m", mode="max")
    chosen = rule.choose([snapshot(1, 0.5), snapshot(2, None), snapshot(3, "nan")])
    assert [one.index for one in chosen] == [1, 2]


# -- A run that goes on ----------------------------------------------------------------------


class Break(keras.callbacks.Callback):  # type: ignore[misc]
    """Breaks the run off as the batch of an epoch begins."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("every", [1, 2])
@pytest.mark.parametrize("epoch", range(5))
@pytest.mark.parametrize("batch", [0, 3])
def test_best_of_a_run_that_was_broken_off_are_those_of_one_that_was_not(
    epoch: int, batch: int, every: int
) -> None:
    values = (0.5, 0.9, 0.9, 0.6, 0.8)
    text = INSIDE.replace("best=1", "best=3")
    options = {"state": "state", "commit_every": every}

    def run(*others: Any) -> None:
        callback = ScheduleCallback(lrdsl.loads(text), snapshots="models", **options)
        callback.say = lambda line: None
        callbacks = [callback, *others]
        fit(make_model(STEPS), Measure(*values), STEPS, epochs=5, callbacks=callbacks)

    with pytest.raises(KeyboardInterrupt):
        run(Break(epoch, batch))
    for one in read_manifest(Path("models")):
        keras.saving.load_model(one.path, compile=False)
    run()
    assert listed() == [3, 4, 5]


def test_model_lost_to_a_better_one_that_turns_out_worse_again_is_not_lost() -> None:
    text = BEST.replace("best=2", "best=1")

    def run(*values: float, **others: Any) -> None:
        callback = ScheduleCallback(lrdsl.loads(text), snapshots="models", state="state")
        callback.say = lambda line: None
        callbacks = [callback, *others.get("callbacks", ())]
        fit(make_model(STEPS), Measure(*values), STEPS, epochs=3, callbacks=callbacks)

    class BeforeTheCommit(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(0.5, 0.9, 0.1, callbacks=[BeforeTheCommit()])
    assert [one.index for one in read_manifest(Path("models"))] == [2]
    run(0.5, 0.3, 0.1)  # with other data the second epoch may turn out otherwise
    assert listed() == [1]


# -- Never due -------------------------------------------------------------------------------


def test_training_that_a_callback_stops_says_which_snapshots_were_never_due() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 4

    said: list[str] = []
    callback = lrdsl.compile("cosine(max=0.1, cycles=3) snapshot")
    callback.snapshots = "models"
    callback.say = said.append
    fit(make_model(STEPS), callback, STEPS, epochs=10, callbacks=[Stop()])
    assert said == [
        "2 of 3 snapshots were never due: the training stopped before epochs 6.75 and 10"
    ]
    assert [one.index for one in callback.never_due] == [2, 3]
    callback.snapshots = "others"
    fit(make_model(STEPS), callback, STEPS, epochs=3)
    assert len(said) == 1
    assert callback.never_due == ()


@pytest.mark.parametrize(("epochs", "cycles", "steps"), [(10, 3, 4), (7, 2, 3), (11, 5, 1)])
def test_uneven_division_gives_as_many_models_as_cycles_the_last_at_the_end(
    epochs: int, cycles: int, steps: int
) -> None:
    callback = lrdsl.compile(f"cosine(max=0.1, cycles={cycles}) snapshot")
    callback.snapshots = "models"
    fit(make_model(steps), callback, steps, epochs=epochs)
    assert listed() == list(range(1, cycles + 1))
    assert callback.saved[-1].step == epochs * steps - 1
    record = json.loads(Path("models/snapshots.json").read_text())
    assert [one["step"] for one in record["snapshots"]] == [
        snapshot.step for snapshot in callback.plan.snapshots
    ]


def test_snapshot_that_only_a_metric_makes_due_is_saved() -> None:
    text = (
        "const(0.1) until stalled(val_loss, patience=2, min_delta=0) "
        "then cosine(max=0.1) for 3 snapshot(best=2, monitor=val_loss)"
    )
    assert not lrdsl.loads(text).plan(epochs=9, steps_per_epoch=STEPS).snapshots
    values = (0.5, 0.4, 0.4, 0.4, 0.3, 0.2, 0.2, 0.2, 0.2)
    callback = train(text, *values, name="val_loss")
    assert [one.epoch for one in callback.saved] == [7]  # stalled after the fourth epoch
    assert listed() == [1]
    assert callback.never_due == ()
