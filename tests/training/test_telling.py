"""What a plan that does not fit its `fit` says, before the first batch."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl

from .weights import fit, make_model, weights_of

STEPS = 4


class First(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes what has been warned of by the first batch."""

    def __init__(self, caught: list[Any]) -> None:
        super().__init__()
        self.caught = caught
        self.by_then: int | None = None

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self.by_then is None:
            self.by_then = len(self.caught)


def warned(schedule: str, **options: Any) -> list[warnings.WarningMessage]:
    """Return the warnings of a `fit`, all of them issued before its first batch."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", lrdsl.LrsWarning)
        first = First(caught)
        callback = lrdsl.compile(schedule)
        fit(make_model(STEPS), callback, STEPS, callbacks=[first], **options)
        assert first.by_then in (len(caught), None)
    return [one for one in caught if one.category is lrdsl.LrsWarning]


def refused(schedule: str, **options: Any) -> lrdsl.Diagnostic:
    model = make_model(STEPS)
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(model, lrdsl.compile(schedule), STEPS, **options)
    assert not weights_of(model).any()
    (found,) = caught.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (
            "cosine(max=0.1) for 6",
            [
                "warning[LRS503]: the training ends 3 epochs before this segment does",
                "stops after 50% of it, at 0.05, and would end at 0",
                "help: train for 6 epochs, or let it end by 3 epochs",
            ],
        ),
        (
            "0.1 until 5 then 0.01",
            [
                "warning[LRS302]: a segment from 5 epochs on never runs",
                "the block around it ends at 3 epochs",
            ],
        ),
        (
            "cosine(max=0.1) for 2 repeat snapshot",
            [
                "warning[LRS502]: a turn is cut short and leaves no snapshot",
                "it would end at 4 epochs, training at 3 epochs",
            ],
        ),
        ("let peak = 1\nlr = 0.1", ["warning[LRS501]: "]),
    ],
)
def test_plans_warnings_come_before_the_first_batch(
    schedule: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = warned(schedule, epochs=3)
    for word in words:
        assert word in str(found.message)


def test_warning_names_the_line_that_calls_fit() -> None:
    (found,) = warned("cosine(max=0.1) for 6", epochs=3)
    assert Path(found.filename) == Path(__file__).with_name("weights.py")


def test_two_fits_alike_are_warned_of_once() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default", lrdsl.LrsWarning)
        for _ in range(2):
            fit(make_model(STEPS), lrdsl.compile("cosine(max=0.1) for 7"), STEPS, epochs=3)
    assert len([one for one in caught if one.category is lrdsl.LrsWarning]) == 1


def test_warning_made_an_error_stops_fit_before_anything_is_touched() -> None:
    model = make_model(STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("error", lrdsl.LrsWarning)
        with pytest.raises(lrdsl.LrsWarning, match="the training ends 3 epochs before"):
            fit(model, lrdsl.compile("cosine(max=0.1) for 6"), STEPS, epochs=3)
    assert not weights_of(model).any()
    assert "apply" not in vars(model.optimizer)


@pytest.mark.parametrize(
    "schedule",
    [
        "train 3 epochs of 4 steps\ncosine(max=0.1)",
        "train 12 steps\nwarmup(3) then cosine(max=0.1) until 80% then 0.01",
        "one_cycle(0.1) for 11 steps",
        "cosine(max=0.1) for 2",
        "warmup(10%) then exp(0.1, from=0.1)",
    ],
)
def test_plan_that_fits_says_nothing(schedule: str) -> None:
    assert warned(schedule, epochs=3) == []


def test_part_of_a_plan_that_an_earlier_fit_has_run_is_no_reason_to_warn() -> None:
    assert warned("0.1 until 2 then linear(to=0)", epochs=4, initial_epoch=3) == []


def test_a_fit_that_lacks_the_metrics_of_epochs_before_is_told_of() -> None:
    (found,) = warned("0.1 until stalled(loss, patience=9) then 0.2", epochs=4, initial_epoch=2)
    assert "begins with epoch 2, and knows no `loss` of the epochs before" in str(found.message)
    assert 'lrdsl.compile(…, state="run")' in str(found.message)


@pytest.mark.parametrize(
    "schedule",
    [
        "warmup(2) then plateau(from=0.1, monitor=loss)",
        "0.1 until 2 then 0.1 until loss < -99 or 90% then 0.2",
    ],
)
def test_metrics_of_epochs_before_that_have_no_say_are_not_missed(schedule: str) -> None:
    assert warned(schedule, epochs=4, initial_epoch=2) == []
    assert warned(schedule, epochs=4) == []
    (found,) = warned(schedule, epochs=4, initial_epoch=3)
    assert "begins with epoch 3" in str(found.message)


@pytest.mark.parametrize(("freq", "epochs"), [(5, 4), ([9], 4), (2, 1)])
def test_a_metric_that_no_epoch_measures_is_told_of(freq: Any, epochs: int) -> None:
    options = {"validation_data": (np.ones((STEPS, STEPS)), np.ones(STEPS))}
    (found,) = warned("plateau(from=0.1)", epochs=epochs, validation_freq=freq, **options)
    assert f"`validation_freq={freq}` validates after none of" in str(found.message)
    assert "help: validate more often: `validation_freq=1`" in str(found.message)
    assert warned("plateau(from=0.1)", epochs=epochs, validation_freq=1, **options) == []


def test_a_run_that_goes_on_knows_the_metrics_of_epochs_before(tmp_path: Path) -> None:
    model = make_model(STEPS)
    for epochs in (2, 4):
        callback = lrdsl.compile("plateau(from=0.1, monitor=loss)", state=tmp_path / "state")
        callback.say, callback.state_conflict = lambda line: None, "adopt"
        with warnings.catch_warnings():
            warnings.simplefilter("error", lrdsl.LrsWarning)
            fit(model, callback, STEPS, epochs=epochs)
    assert callback.resumed is not None


# -- A `train` line and the fit ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "message", "repair"),
    [
        ("9 epochs", "9 epochs are planned, and 3 run", "write `train 3 epochs`"),
        ("3 epochs of 5 steps", "an epoch of 5 steps is planned, and one of 4 runs", "of 4"),
        (
            "33 steps",
            "33 steps are planned, and 3 epochs of 4 steps, 12 in all, run",
            "write `train 12 steps`",
        ),
    ],
)
def test_train_line_that_disagrees_with_the_fit_is_refused_with_both_numbers(
    train: str, message: str, repair: str
) -> None:
    found = refused(f"train {train}\ncosine(max=0.1)", epochs=3)
    assert (found.code, found.message) == ("LRS309", message)
    assert repair in (found.help or "")


def test_train_line_counts_the_epochs_before_initial_epoch_too() -> None:
    assert warned("train 4 epochs\ncosine(max=0.1)", epochs=4, initial_epoch=2) == []
    found = refused("train 2 epochs\ncosine(max=0.1)", epochs=4, initial_epoch=2)
    assert found.message == "2 epochs are planned, and 4 run"


# -- A fit of no epoch -------------------------------------------------------------------------


@pytest.mark.parametrize("begin", [3, 5])
def test_fit_that_begins_after_its_last_epoch_says_that_nothing_runs(begin: int) -> None:
    (found,) = warned("cosine(max=0.1)", epochs=3, initial_epoch=begin)
    assert f"`fit` begins with epoch {begin} and trains up to epoch 3: nothing runs" in str(
        found.message
    )
    assert f"call `fit(initial_epoch={begin}, epochs={begin + 5})`" in str(found.message)


def test_fit_of_no_epoch_leaves_model_and_callback_alone() -> None:
    model, callback = make_model(STEPS), lrdsl.compile("cosine(max=0.1)")
    with pytest.warns(lrdsl.LrsWarning):
        fit(model, callback, STEPS, epochs=3, initial_epoch=3)
    assert callback.plan is None
    assert len(callback.applied) == 0
    fit(model, callback, STEPS, epochs=3)
    np.testing.assert_array_equal(callback.applied, callback.plan.values().astype(np.float32))


def test_epoch_that_a_backup_left_on_the_model_is_told_of() -> None:
    model = make_model(STEPS)
    model._initial_epoch = 2  # what Keras's BackupAndRestore leaves there
    with pytest.warns(lrdsl.LrsWarning, match="begins with epoch 2 and trains up to epoch 1"):
        fit(model, lrdsl.compile("cosine(max=0.1)"), STEPS, epochs=1)
