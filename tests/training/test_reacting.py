"""Reacting in `fit`: what is refused before it begins, and what is kept for going on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.best_weights import BestWeights
from lrdsl.training.callback import ScheduleCallback
from lrdsl.training.commits import KEPT

from .weights import fit, make_model, weights_of

STEPS = 8
BACK = "plateau(from=1, factor=0.5, patience=2, restore=best)"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Measure(keras.callbacks.Callback):  # type: ignore[misc]
    """Puts a `val_loss` into the logs, and breaks off at the start of an epoch."""

    def __init__(self, *values: float, stop: int | None = None) -> None:
        super().__init__()
        self.values, self.stop = values, stop

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.stop:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs["val_loss"] = self.values[epoch]


def train(
    text: str, *values: float, stop: int | None = None, **options: Any
) -> tuple[Any, ScheduleCallback, list[str]]:
    """Train for an epoch a value; return the model, the callback, and what it said."""
    said: list[str] = []
    model, callback = make_model(STEPS), lrdsl.compile(text, **options)
    callback.say = said.append
    measure = Measure(*values, stop=stop)
    try:
        fit(model, measure, STEPS, epochs=len(values), callbacks=[callback])
    except KeyboardInterrupt:
        assert stop is not None
    return model, callback, said


# -- Before the first batch --------------------------------------------------------------------


def refused(text: str, epochs: int = 12, **options: Any) -> Diagnostic:
    model = make_model(STEPS, **options)
    with pytest.raises(LrsError) as raised:
        fit(model, lrdsl.compile(text), STEPS, epochs=epochs)
    assert not weights_of(model).any()
    (found,) = raised.value.diagnostics
    return found


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (
            "const(0.1) until stalled(loss, patience=2) then 1 - epoch",
            "LRS404",
            "the rate is negative at step 24 (epoch 3), if loss stalls from the start",
        ),
        (
            "0.1 until loss < 0.5 then 0.1 / (elapsed - 2)",
            "LRS404",
            "the rate is negative at step 8 (epoch 1), if loss < 0.5 from the start",
        ),
        (
            "0.1 until loss < 0.5 then 0.1 + 0 / (epoch - 10.5)",
            "LRS403",
            "the rate is not finite at step 84 (epoch 10.5), if loss < 0.5 from the start",
        ),
        (
            # In most ways that it may go nothing is wrong.
            "0.1 until loss < 0.5 then 0.1 - 0.011 * elapsed",
            "LRS404",
            "the rate is negative at step 81 (epoch 10.125), if loss < 0.5 from the start",
        ),
    ],
)
def test_a_bad_rate_that_only_metrics_lead_to_is_refused_before_the_first_batch(
    text: str, code: str, message: str
) -> None:
    found = refused(text)
    assert (found.code, found.message) == (code, message)
    assert found.primary is not None


def test_a_bad_rate_that_comes_after_the_end_is_none() -> None:
    model, _, _ = train("0.1 until val_loss < 0.5 then 0.1 - 0.011 * elapsed", 1, 1, 1)
    assert weights_of(model).any()


STOPS = "0.1 until loss < 0.5 then 0.2 until {} then stop"


@pytest.mark.parametrize(
    ("text", "done"),
    [
        ("0.1 until 2.75 then stop", 6),
        ("0.1 until loss < 0.5 or 2.75 then stop", 6),
        (STOPS.format(2.75), 6),  # seen only if the metric comes
    ],
)
def test_a_stop_between_steps_that_run_at_once_is_refused(text: str, done: int) -> None:
    found = refused(text, steps_per_execution=4)
    assert found.code == "LRS601"
    assert found.message == (
        f"`stop` comes after {done} steps of an epoch, and `steps_per_execution=4` runs 4 "
        "steps at once"
    )
    assert found.help is not None
    assert f"a `steps_per_execution` that divides {done}" in found.help


@pytest.mark.parametrize(("when", "steps"), [("2.5", 20), ("3", 24), ("2.75", 22)])
def test_a_stop_between_executions_is_exact(when: str, steps: int) -> None:
    model = make_model(STEPS, steps_per_execution=4 if when != "2.75" else 2)
    callback = lrdsl.compile(STOPS.format(when).replace("loss", "val_loss"))
    fit(model, Measure(0.1, *[1] * 8), STEPS, epochs=9, callbacks=[callback])
    assert len(callback.applied) == steps


def test_a_snapshot_that_only_metrics_make_due_is_refused_too() -> None:
    text = "0.1 until loss < 0.5 then (linear(from=0.2, to=0) for 1.75) snapshot until 9 then 1"
    found = refused(text, steps_per_execution=4)
    assert found.message.startswith("a snapshot is due after 6 steps of an epoch")


# -- The best weights --------------------------------------------------------------------------


def files() -> list[str]:
    return sorted(path.name for path in Path("state").glob("best-*"))


def test_files_that_no_commit_needs_are_deleted() -> None:
    values = (9, 8, 7, 7, 7, 3, 3, 2, 2, 2, 2)
    _, callback, said = train(BACK, *values, state="state")
    assert callback.plan is not None
    assert [(e.epoch, e.restores) for e in callback.plan.events] == [(5, 2), (10, 7)]
    assert files() == ["best-7.npz"]
    assert said == []


def test_files_that_the_commit_before_the_last_needs_stay() -> None:
    train(BACK, 9, 8, 7, 7, 7, stop=3, state="state")
    assert files() == ["best-1.npz", "best-2.npz"]
    train(BACK, 9, 8, 7, 7, 7, stop=4, state="state")
    assert files() == ["best-1.npz", "best-2.npz"]  # of this process there is one commit


def test_a_run_goes_on_from_the_commit_before_with_its_best_weights() -> None:
    values = (9, 8, 10, 7, 7.5, 7.5)
    whole, _, _ = train(BACK, *values)
    train(BACK, *values, stop=4, state="state")
    max(Path("state").glob("commit-*.npz")).write_bytes(b"damaged")
    again, callback, said = train(BACK, *values, state="state")
    assert callback.resumed is not None
    assert callback.resumed.epoch == 3
    np.testing.assert_array_equal(weights_of(again), weights_of(whole))
    assert any("damaged" in line for line in said)


def test_a_cut_says_which_weights_it_goes_back_to() -> None:
    _, _, said = train(BACK, 2, 1, 3, 3, 3, verbose=True)
    assert said == [
        "epoch 4: lr 1 → 0.5: val_loss no better than 1 (epoch 1) in 2 observations; back to "
        "the weights of epoch 1"
    ]


@pytest.mark.parametrize("damage", ["missing", "cut short", "other bytes"])
def test_best_weights_that_are_lost_are_said(damage: str) -> None:
    values = (2, 1, 3, 3, 3)
    train(BACK, *values, stop=3, state="state")
    (path,) = Path("state").glob("best-1.npz")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut short":
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = content.index(b"NUMPY") + 130
        path.write_bytes(
            content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        )
    _, callback, said = train(BACK, *values, state="state", verbose=True)
    assert callback.plan is not None
    assert [(e.epoch, e.restores) for e in callback.plan.events] == [(4, 1)]
    assert "back to" not in said[-2]
    assert said[-1] == (
        "epoch 4: the weights of epoch 1 are not known, and the training goes on with those "
        "it has"
    )


def test_best_weights_that_cannot_be_written_are_said_and_kept_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: BestWeights, epoch: int) -> None:
        raise OSError(28, "No space left on device")

    values = (2, 1, 3, 3, 3)
    whole, _, _ = train(BACK, *values)
    monkeypatch.setattr(BestWeights, "_write", full)
    model, _, said = train(BACK, *values, state="state")
    assert said[0] == (
        "the weights of epoch 0 cannot be written: No space left on device; a run that goes "
        "on after a kill cannot go back to them"
    )
    np.testing.assert_array_equal(weights_of(model), weights_of(whole))


def test_only_one_process_writes(tmp_path: Path) -> None:
    model = make_model(STEPS)
    writing, reading = (BestWeights(model, tmp_path, writes=one) for one in (True, False))
    reading.keep(0, {0})
    assert list(tmp_path.iterdir()) == []
    model.set_weights([np.ones((STEPS, 1))])
    writing.keep(1, {1})
    model.set_weights([np.zeros((STEPS, 1))])
    for _ in range(KEPT):
        reading.forget(())
    assert reading.put_back(1)
    assert weights_of(model).tolist() == [1] * STEPS
    assert not reading.put_back(2)


# -- Going on ----------------------------------------------------------------------------------

CUTS = "plateau(from=1, factor=0.5, patience=2)"


def test_where_it_goes_on_is_told_with_the_rate_that_metrics_have_led_to() -> None:
    train(CUTS, 1, 1, 1, 1, 1, 1, stop=4, state="state")
    _, callback, said = train(CUTS, *[1] * 6, state="state")
    assert said[0] == "goes on after epoch 4 of 6 (step 32), with the rate 0.5"
    assert callback.resumed is not None
    assert callback.resumed.plan.rate(-1) == 0.5


def test_another_plan_is_refused_with_the_rates_that_metrics_have_led_to() -> None:
    train(CUTS, *[1] * 6, stop=4, state="state")
    with pytest.raises(LrsError) as raised:
        train("plateau(from=1, factor=0.3, patience=1)", *[1] * 6, state="state")
    (found,) = raised.value.diagnostics
    assert found.code == "LRS604"
    assert found.help is not None
    assert "the old plan has the rate 0.5 and the new one 0.027;" in found.help


def test_another_plan_may_wait_for_what_was_not_measured() -> None:
    train(CUTS, *[1] * 6, stop=4, state="state")
    with pytest.raises(LrsError) as raised:
        train("1 until mae < 1 then 2", *[1] * 6, state="state")
    (found,) = raised.value.diagnostics
    assert found.code == "LRS604"
    assert found.help is not None
    assert "none: there is no metric `mae` after epoch 0" in found.help


def test_a_plan_that_was_left_is_compared_as_metrics_had_led_it() -> None:
    train(CUTS, *[1] * 6, stop=4, state="state")
    _, callback, _ = train("const(0.1)", *[1] * 6, state="state", state_conflict="adopt")
    (left,) = callback.earlier
    planned = left.plan.values(left.steps).astype(np.float32)
    np.testing.assert_array_equal(left.applied, planned)
    assert planned[[0, -1]].tolist() == [1.0, 0.5]
