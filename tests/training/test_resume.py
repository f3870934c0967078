"""A `fit` that was killed goes on as if it had not been: weights, counts, rates, snapshots."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.callback import ScheduleCallback
from lrdsl.training.manifest import sha256_of

from .weights import fit, make_model, weights_of

HERE = Path(__file__).parent
STEPS = 4
FALLS = "linear(from=1, to=0.5) snapshot"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def train_apart(out: Path, **options: Any) -> int:
    """Train in a process of its own, and return its exit status."""
    out.mkdir(exist_ok=True)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, str(HERE / "keeping.py"), str(out), json.dumps(options)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def assert_same_end(left: Path, right: Path) -> None:
    a, b = np.load(left / "end.npz"), np.load(right / "end.npz")
    assert a.files == b.files
    for name in a.files:
        np.testing.assert_array_equal(a[name], b[name], err_msg=name, strict=True)


def snapshots_in(out: Path) -> list[tuple[int, str, bool]]:
    record = json.loads((out / "snapshots/snapshots.json").read_text())
    return [
        (one["index"], one["file"], sha256_of(out / "snapshots" / one["file"]) == one["sha256"])
        for one in record["snapshots"]
    ]


def test_killed_again_and_again_it_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_apart(whole, epochs=6)
    for kill in (
        {"batch": [0, 3]},  # before anything is committed
        {"write": 13},  # amid a commit
        {"batch": [3, 6]},
        {"write": 5},  # amid saving a snapshot, which is made again
        {"batch": [5, 1]},
    ):
        assert train_apart(killed, epochs=6, kill=kill) == -signal.SIGKILL
    assert train_apart(killed, epochs=6) == 0
    assert_same_end(whole, killed)
    assert snapshots_in(whole) == snapshots_in(killed)
    assert len(list((killed / "snapshots").iterdir())) == 3
    end = np.load(killed / "end.npz")
    assert int(end["iterations"]) == len(end["applied"]) == 42
    assert int(end["initial"]) == -1  # Keras's `_initial_epoch`


class Interrupt(keras.callbacks.Callback):  # type: ignore[misc]
    """Breaks off a `fit` at the start of an epoch."""

    def __init__(self, epoch: int) -> None:
        super().__init__()
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.epoch:
            raise KeyboardInterrupt


def kept(text: str = FALLS, **options: Any) -> ScheduleCallback:
    said: list[str] = []
    callback = lrdsl.compile(text, state="state", **options)
    callback.say = said.append
    callback.said = said
    return callback


def break_off(epoch: int = 2, epochs: int = 4, text: str = FALLS, **options: Any) -> None:
    """Leave a state after `epoch` epochs."""
    with pytest.raises(KeyboardInterrupt):
        fit(
            make_model(STEPS, **options),
            kept(text),
            STEPS,
            epochs=epochs,
            callbacks=[Interrupt(epoch)],
        )


def go_on(callback: ScheduleCallback, epochs: int = 4, **options: Any) -> Any:
    """Take the state up with a new model, and return that."""
    model = make_model(STEPS)
    model.history_ = fit(model, callback, STEPS, epochs=epochs, **options)
    return model


def refused(callback: ScheduleCallback, **options: Any) -> Diagnostic:
    with pytest.raises(LrsError) as caught:
        go_on(callback, **options)
    (only,) = caught.value.diagnostics
    return only


def test_applied_history_and_saved_hold_the_epochs_before() -> None:
    whole = lrdsl.compile(FALLS)
    whole.snapshots = "other"
    expected = make_model(STEPS)
    history = fit(expected, whole, STEPS, epochs=4)
    break_off()
    callback = kept()
    model = go_on(callback)
    np.testing.assert_array_equal(callback.applied, whole.applied, strict=True)
    np.testing.assert_array_equal(callback.applied_steps, whole.applied_steps, strict=True)
    np.testing.assert_array_equal(weights_of(model), weights_of(expected), strict=True)
    assert model.history_.history == history.history
    assert model.history_.epoch == history.epoch
    assert [one.step for one in callback.saved] == [one.step for one in whole.saved]
    assert callback.said == ["goes on after epoch 2 of 4 (step 8), with the rate 0.75"]


def test_initial_epoch_does_not_leak_into_the_next_fit() -> None:
    break_off()
    model = go_on(kept())
    steps = int(model.optimizer.iterations.numpy())
    history = model.fit(np.ones((3, STEPS)), np.ones(3), verbose=0)
    assert history.epoch == [0]
    assert int(model.optimizer.iterations.numpy()) == steps + 1


def test_initial_epoch_does_not_leak_out_of_a_fit_that_another_callback_ends() -> None:
    class Fail(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            raise OSError("no such server")

    break_off()
    model = make_model(STEPS)
    with pytest.raises(OSError, match="no such server"):
        fit(model, kept(), STEPS, epochs=4, callbacks=[Fail()])
    history = model.fit(np.ones((3, STEPS)), np.ones(3), epochs=2, verbose=0)
    assert history.epoch == [0, 1]


def test_run_that_is_over_is_not_trained_again_and_says_so() -> None:
    fit(make_model(STEPS), kept(), STEPS, epochs=4)
    callback = kept()
    model = go_on(callback)
    assert callback.said == ["nothing left to do: the run is over after 4 epochs"]
    assert int(model.optimizer.iterations.numpy()) == len(callback.applied) == 16
    assert len(model.history_.history["loss"]) == 4
    again = lrdsl.compile("base")  # of the next fit, as after the one that trained
    fit(model, again, STEPS)
    assert again.plan is not None
    assert again.plan.base == 1.0


def test_run_that_a_callback_stopped_is_over_with_the_weights_it_left() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

        def on_train_end(self, logs: Any = None) -> None:
            self.model.set_weights([np.full((STEPS, 1), 7.0)])  # the best ones, say

    fit(make_model(STEPS), kept(), STEPS, epochs=4, callbacks=[Stop()])
    callback = kept()
    model = go_on(callback)
    assert callback.said == ["nothing left to do: a callback stopped the run after epoch 2"]
    assert weights_of(model).tolist() == [7.0] * STEPS


def test_other_callbacks_are_named_as_not_restored() -> None:
    break_off()
    callback = kept()
    go_on(callback, callbacks=[keras.callbacks.EarlyStopping("loss", patience=9)])
    assert callback.said[1:] == [
        "not restored, begins anew: what `EarlyStopping` had counted or remembered"
    ]


def test_base_is_that_of_the_first_run() -> None:
    break_off(text="base * 0.5 ^ epoch")
    callback = kept("base * 0.5 ^ epoch")
    model = make_model(STEPS, keras.optimizers.SGD(0.3))
    fit(model, callback, STEPS, epochs=4)
    assert callback.plan is not None
    assert callback.plan.base == 1.0


def test_base_of_momentum_is_that_of_the_first_run() -> None:
    text = "lr = 0.1\nmomentum = 0.5 * base until 3 then base"
    sgd = keras.optimizers.SGD
    model = make_model(STEPS, sgd(1.0, momentum=0.9))
    with pytest.raises(KeyboardInterrupt):
        fit(model, kept(text), STEPS, epochs=4, callbacks=[Interrupt(2)])
    callback = kept(text)
    fit(make_model(STEPS, sgd(1.0, momentum=0.8)), callback, STEPS, epochs=4)
    assert callback.plan is not None
    assert callback.plan.values([0, -1], "momentum").tolist() == [0.45, 0.9]


def test_base_of_momentum_that_only_an_adopted_plan_asks_for_is_the_optimizers() -> None:
    def sgd() -> Any:
        return make_model(STEPS, keras.optimizers.SGD(1.0, momentum=0.8))

    with pytest.raises(KeyboardInterrupt):
        fit(sgd(), kept("0.1"), STEPS, epochs=4, callbacks=[Interrupt(2)])
    callback = kept("lr = 0.1\nmomentum = 0.5 * base", state_conflict="adopt")
    fit(sgd(), callback, STEPS, epochs=4)
    assert callback.plan is not None
    assert callback.plan.values(0, "momentum") == 0.4


def test_commit_every_goes_back_to_the_last_commit() -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(
            make_model(STEPS),
            kept(commit_every=2),
            STEPS,
            epochs=6,
            callbacks=[Interrupt(3)],
        )
    callback = kept(commit_every=2)
    model = go_on(callback, epochs=6)
    assert callback.said[0].startswith("goes on after epoch 2 of 6")
    assert int(model.optimizer.iterations.numpy()) == len(callback.applied) == 24


OTHER = "linear(from=0.5, to=0.25)"


@pytest.mark.parametrize(
    ("text", "epochs", "changed", "new"),
    [
        (OTHER, 4, "the schedule has changed", "0.375"),
        (FALLS, 8, "its length was 4 epochs of 4 steps and is 8 epochs of 4 steps", "0.875"),
    ],
)
def test_changed_plan_is_refused_with_both_rates_and_both_ways_out(
    text: str, epochs: int, changed: str, new: str
) -> None:
    break_off()
    found = refused(kept(text), epochs=epochs)
    assert found.code == "LRS604"
    assert found.message == (
        f"the run in `{Path('state').absolute()}` followed another plan: {changed}"
    )
    assert found.help == (
        f"after epoch 2 the old plan has the rate 0.75 and the new one {new}; to go on by the "
        'old plan: `--keep`, in Python `state_conflict="keep"`; by the new one from here: '
        '`--adopt`, `state_conflict="adopt"`'
    )


def test_comments_and_spaces_are_no_change() -> None:
    break_off()
    callback = kept("# falls\nlinear(from = 1,  to=0.5)   snapshot")
    go_on(callback)
    assert len(callback.applied) == 16


def test_kept_plan_is_followed_to_its_end_and_no_further() -> None:
    break_off()
    callback = kept(OTHER, state_conflict="keep")
    model = go_on(callback, epochs=9)
    expected = lrdsl.loads(FALLS).plan(epochs=4, steps_per_epoch=STEPS).values()
    np.testing.assert_array_equal(callback.applied, expected.astype(np.float32))
    assert model.stop_training


def test_kept_plan_of_another_number_of_steps_is_refused() -> None:
    break_off()
    callback = kept(state_conflict="keep")
    with pytest.raises(LrsError) as caught:
        fit(make_model(5), callback, 5, epochs=4)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS604"
    assert "is of 4 steps an epoch, and this `fit` has 5" in found.message


def test_adopted_plan_rules_from_here_on_and_stays() -> None:
    break_off()
    with pytest.raises(KeyboardInterrupt):
        go_on(kept(OTHER, state_conflict="adopt"), callbacks=[Interrupt(3)])
    callback = kept(OTHER)  # nothing has changed since
    model = go_on(callback)
    new = lrdsl.loads(OTHER).plan(epochs=4, steps_per_epoch=STEPS).values()
    np.testing.assert_array_equal(callback.applied, new[8:].astype(np.float32))
    assert callback.applied_steps.tolist() == list(range(8, 16))
    (before,) = callback.earlier
    old = before.plan.values()[:8].astype(np.float32)
    np.testing.assert_array_equal(before.applied, old)
    assert int(model.optimizer.iterations.numpy()) == 16


@pytest.mark.filterwarnings("ignore::lrdsl.diagnostics.LrsWarning")
def test_snapshot_that_keep_replaced_after_the_commit_is_there_once() -> None:
    cycles = "linear(from=1, to=0.5) for 6 steps repeat snapshot(keep=1)"
    break_off(epoch=3, text=cycles)
    # As if the last commit had not been: its epoch saved a second model and deleted one.
    record = json.loads(Path("state/state.json").read_text())
    Path("state", record["commits"][-1]["file"]).write_bytes(b"")
    callback = kept(cycles)
    go_on(callback)
    assert callback.said[0] == (
        "`commit-000003.npz` is damaged: taking the commit before it, of epoch 2"
    )
    assert [one.step for one in callback.saved] == [5, 11]
    listed = json.loads(Path("snapshots/snapshots.json").read_text())["snapshots"]
    assert [one["step"] for one in listed] == [11]
    assert len(list(Path("snapshots").iterdir())) == 2


def test_weights_that_are_not_finite_never_replace_good_ones() -> None:
    class Spoil(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                self.model.set_weights([np.full((STEPS, 1), np.nan)])

    callback = kept()
    fit(make_model(STEPS), callback, STEPS, epochs=4, callbacks=[Spoil()])
    assert callback.said[0] == (
        "the weights after epoch 2 are not finite: not committed, and the commit before stays"
    )
    again = kept()
    go_on(again)
    assert again.said[0].startswith("goes on after epoch 1 of 4")


def test_another_model_is_refused_with_the_variable() -> None:
    break_off()
    callback = kept(state_conflict="adopt")
    with pytest.raises(LrsError) as caught:
        fit(make_model(STEPS, keras.optimizers.Adam(1.0)), callback, STEPS, epochs=4)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS605"
    assert "the model is not that of the run" in found.message


def test_backup_and_restore_beside_a_state_is_refused() -> None:
    found = refused(kept(), callbacks=[keras.callbacks.BackupAndRestore("backup")])
    assert found.code == "LRS605"
    assert found.message == "`BackupAndRestore` would restore the model too"


def test_folder_with_other_files_is_refused_before_anything_is_trained() -> None:
    Path("state").mkdir()
    Path("state/notes.txt").write_text("mine")
    found = refused(kept())
    assert (found.code, found.help) == ("LRS605", "choose another folder, new or empty")


def test_state_without_a_whole_commit_is_not_trained_over() -> None:
    break_off()
    for path in Path("state").glob("commit-*.npz"):
        path.write_bytes(b"")
    found = refused(kept())
    assert found.code == "LRS605"
    assert found.message.endswith("is whole: `commit-000002.npz`, `commit-000001.npz`")


def test_half_precision_and_loss_scaling_come_back_bit_for_bit() -> None:
    def make() -> Any:
        keras.utils.set_random_seed(1)
        policy = keras.DTypePolicy("mixed_float16")
        inputs = keras.Input((8,))
        hidden = keras.layers.Dense(8, dtype=policy)(inputs)
        hidden = keras.layers.Dropout(0.5, dtype=policy)(hidden)
        model = keras.Model(inputs, keras.layers.Dense(1, dtype="bfloat16")(hidden))
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01))
        model.compile(optimizer, "mse", jit_compile=False)
        return model

    def train(model: Any, callback: Any, *others: Any) -> list[bytes]:
        x = np.arange(80, dtype=np.float32).reshape(10, 8) / 80
        model.fit(
            x,
            x.sum(axis=1),
            batch_size=4,
            epochs=4,
            shuffle=False,
            verbose=0,
            callbacks=[callback, *others],
        )
        variables = [*model.variables, *model.optimizer.variables]
        return [np.asarray(keras.ops.convert_to_numpy(one)).tobytes() for one in variables]

    expected = train(make(), lrdsl.compile("linear(from=0.1)"))
    with pytest.raises(KeyboardInterrupt):
        train(make(), kept("linear(from=0.1)"), Interrupt(2))
    assert train(make(), kept("linear(from=0.1)")) == expected


@pytest.mark.heavy
def test_after_fifty_kills_every_run_ends_as_if_it_had_not_been(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = str(HERE / "kill_sweep.py")
    done = subprocess.run(
        [sys.executable, script, "50"], capture_output=True, text=True, check=False
    )
    with capsys.disabled():
        print("\n" + done.stdout)
    assert done.returncode == 0, done.stderr
    assert "| `state=…` | 50 | 0 | 0 | 0 |" in done.stdout
