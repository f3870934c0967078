"""When models are saved, under which names, what is written about them, and what goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.training import snapshots as snapshots_module
from lrdsl.training.callback import ScheduleCallback
from lrdsl.training.manifest import MANIFEST

from .weights import fit, make_model, make_rows, weights_of

STEPS = 6
CYCLES = "linear(from=1, to=0.5) for 2 repeat snapshot"  # a cycle is two epochs

LOAD_ELSEWHERE = """
import json, sys, warnings
sys.modules["lrdsl"] = None
warnings.simplefilter("error", UserWarning)
import keras
model = keras.saving.load_model(sys.argv[1])
config = model.optimizer.get_config()
print(json.dumps([config["learning_rate"], int(model.optimizer.iterations)]))
import numpy as np
model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
"""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def names(folder: str | Path) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def manifest(folder: str | Path) -> list[dict[str, Any]]:
    record = json.loads((Path(folder) / MANIFEST).read_text(encoding="utf-8"))
    assert record["format"] == 1
    listed: list[dict[str, Any]] = record["snapshots"]
    return listed


def loaded_weights(path: Path) -> Any:
    return weights_of(keras.saving.load_model(path, compile=False))


class Weights(keras.callbacks.Callback):  # type: ignore[misc]
    """Notes the weights at each epoch's end."""

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[Any] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.noted.append(weights_of(self.model))


def test_model_is_saved_at_each_cycles_end_with_its_weights() -> None:
    callback, weights = lrdsl.compile(CYCLES), Weights()
    fit(make_model(STEPS), callback, STEPS, epochs=6, callbacks=[weights])
    assert names("snapshots") == [
        "snapshot-01-epoch-002.keras",
        "snapshot-02-epoch-004.keras",
        "snapshot-03-epoch-006.keras",
        MANIFEST,
    ]
    assert [saved.step for saved in callback.saved] == [11, 23, 35]
    for saved, epoch in zip(callback.saved, (2, 4, 6), strict=True):
        np.testing.assert_array_equal(loaded_weights(saved.path), weights.noted[epoch - 1])


def test_cyclic_cosine_of_sixty_epochs_saves_after_20_40_and_60() -> None:
    callback = lrdsl.compile("cosine(max=0.1, cycles=3) snapshot")
    fit(make_model(1), callback, 1, epochs=60)
    assert [saved.epoch for saved in callback.saved] == [20, 40, 60]
    assert [saved.path.name for saved in callback.saved] == names("snapshots")[:3]


def test_manifest_says_what_each_file_is() -> None:
    callback = lrdsl.compile(CYCLES)
    history = fit(make_model(STEPS), callback, STEPS, epochs=4)
    first, second = manifest("snapshots")
    path = Path("snapshots/snapshot-01-epoch-002.keras")
    assert first == {
        "file": path.name,
        "index": 1,
        "epoch": 2,
        "step": 11,
        "rate": float(np.float32(callback.plan.values(11))),
        "metrics": {"loss": history.history["loss"][1]},
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "metrics_epoch": 2,
    }
    assert second["index"] == 2
    assert [saved.sha256 for saved in callback.saved] == [first["sha256"], second["sha256"]]


def test_metrics_that_are_not_numbers_are_written_as_words() -> None:
    class Spoil(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs.update(val_loss=float("nan"), note="text", size=np.float32(2))

    fit(make_model(STEPS), Spoil(), STEPS, epochs=2, callbacks=[lrdsl.compile(CYCLES)])
    (only,) = manifest("snapshots")
    assert only["metrics"]["val_loss"] == "nan"
    assert only["metrics"]["size"] == 2
    assert "note" not in only["metrics"]


@pytest.mark.parametrize("together", [1, 4])
def test_cycle_that_ends_inside_an_epoch_is_saved_before_the_next_step(together: int) -> None:
    steps = 8
    callback = lrdsl.compile("linear(from=1, to=0.5) for 12 steps repeat snapshot")
    model = make_model(steps, steps_per_execution=together)
    history = fit(model, callback, steps, epochs=3)
    assert names("snapshots")[:2] == [
        "snapshot-01-step-000012.keras",
        "snapshot-02-epoch-003.keras",
    ]
    first, second = manifest("snapshots")
    assert (first["epoch"], first["step"]) == (1.5, 11)
    assert (second["epoch"], second["step"]) == (3, 23)
    # Its metrics are those of the epoch that it was saved in, and are marked so.
    assert (first["metrics_epoch"], second["metrics_epoch"]) == (2, 3)
    losses = history.history["loss"]
    assert [one["metrics"]["loss"] for one in (first, second)] == losses[1:]
    assert [one.metrics for one in callback.saved] == [first["metrics"], second["metrics"]]
    rates = callback.plan.values().astype(np.float32)
    assert first["rate"] == float(rates[11])
    expected = -rates[:8] - np.where(np.arange(8) < 4, rates[8:16], 0)
    np.testing.assert_array_equal(loaded_weights(callback.saved[0].path), expected)


def test_cycle_end_is_saved_though_training_stops_there() -> None:
    class Stop(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 2

    callback = lrdsl.compile("linear(from=1, to=0.5) for 3 steps repeat snapshot")
    fit(make_model(STEPS), callback, STEPS, callbacks=[Stop()])
    assert [saved.step for saved in callback.saved] == [2]


def test_snapshots_before_the_initial_epoch_are_not_due() -> None:
    callback = lrdsl.compile(CYCLES)
    fit(make_model(STEPS), callback, STEPS, epochs=6, initial_epoch=3)
    assert names("snapshots")[:2] == [
        "snapshot-02-epoch-004.keras",
        "snapshot-03-epoch-006.keras",
    ]


def test_last_models_are_kept_and_only_ours_deleted() -> None:
    schedule = "linear(from=1, to=0.5) for 1 repeat snapshot(keep=2)"

    class Foreign(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            Path("snapshots/notes.txt").write_text("mine")

    callback = lrdsl.compile(schedule)
    fit(make_model(STEPS), callback, STEPS, epochs=4, callbacks=[Foreign()])
    kept = ["snapshot-03-epoch-003.keras", "snapshot-04-epoch-004.keras"]
    assert names("snapshots") == ["notes.txt", *kept, MANIFEST]
    assert [entry["file"] for entry in manifest("snapshots")] == kept
    assert [saved.index for saved in callback.saved] == [1, 2, 3, 4]


def test_snapshot_loads_and_trains_on_without_lrdsl() -> None:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.5), loss="mse", metrics=["mae"])
    callback = lrdsl.compile(CYCLES)
    model.fit(
        np.ones((8, 3)), np.ones(8), batch_size=4, epochs=4, verbose=0, callbacks=[callback]
    )
    saved = callback.saved[0]
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, str(saved.path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert json.loads(done.stdout) == [saved.rate, 4]


# -- The folder ----------------------------------------------------------------------------


def test_default_folder_is_numbered_on_and_nothing_overwritten() -> None:
    callback = lrdsl.compile(CYCLES)
    for folder in ("snapshots", "snapshots-2", "snapshots-3"):
        fit(make_model(STEPS), callback, STEPS, epochs=2)
        assert callback.snapshot_folder == Path(folder).resolve()
    first = manifest("snapshots")[0]
    again = hashlib.sha256(Path("snapshots", first["file"]).read_bytes()).hexdigest()
    assert again == first["sha256"]


def test_folder_is_the_callbacks_attribute() -> None:
    callback = lrdsl.compile(CYCLES)
    callback.snapshots = "runs/first"
    fit(make_model(STEPS), callback, STEPS, epochs=2)
    assert names("runs/first") == ["snapshot-01-epoch-002.keras", MANIFEST]
    assert not Path("snapshots").exists()


def test_schedule_without_snapshots_makes_no_folder() -> None:
    callback = lrdsl.compile("const(0.1)")
    callback.snapshots = "models"
    fit(make_model(STEPS), callback, STEPS)
    assert names(".") == []
    assert callback.snapshot_folder is None


def refusal(callback: ScheduleCallback, model: Any = None) -> Any:
    model = model or make_model(STEPS)
    with pytest.raises(lrdsl.LrsError) as caught:
        fit(model, callback, STEPS, epochs=2)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS603"
    assert int(model.optimizer.iterations) == 0
    assert "apply" not in vars(model.optimizer)
    return found


def test_folder_of_an_earlier_run_is_refused() -> None:
    callback = lrdsl.compile(CYCLES)
    callback.snapshots = Path("models")
    fit(make_model(STEPS), callback, STEPS, epochs=2)
    before = names("models")
    found = refusal(callback)
    folder = Path("models").resolve()
    assert found.message == (
        f"the folder `{folder}` has snapshots already, and snapshots need a new or empty one"
    )
    assert "choose another, `callback.snapshots = …`" in found.help
    assert names("models") == before


def test_folder_of_a_run_that_saved_nothing_is_taken_again() -> None:
    class Break(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    callback = ScheduleCallback(lrdsl.loads(CYCLES), snapshots="models")
    with pytest.raises(KeyboardInterrupt):
        fit(make_model(STEPS), callback, STEPS, epochs=2, callbacks=[Break()])
    assert names("models") == [MANIFEST]
    fit(make_model(STEPS), callback, STEPS, epochs=2)
    assert names("models") == ["snapshot-01-epoch-002.keras", MANIFEST]


def test_folder_of_somebody_elses_is_refused() -> None:
    Path("models").mkdir()
    Path("models/photo.jpg").touch()
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES), snapshots="models"))
    assert "is not empty, and snapshots need a new or empty one" in found.message
    assert names("models") == ["photo.jpg"]


def test_file_in_the_folders_place_is_refused() -> None:
    Path("models").touch()
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES), snapshots="models"))
    assert "is a file, and snapshots need a folder" in found.message


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes anywhere")
def test_folder_that_cannot_be_written_is_refused() -> None:
    Path("locked").mkdir(mode=0o500)
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES), snapshots="locked/models"))
    assert "Permission denied" in found.message


def test_folder_that_cannot_be_made_is_refused() -> None:
    Path("file").touch()
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES), snapshots="file/models"))
    assert found.message.startswith("cannot write to the folder")
    assert found.message.endswith("Not a directory")


def test_full_disk_is_seen_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = snapshots_module.shutil.disk_usage(".")
    monkeypatch.setattr(
        snapshots_module.shutil, "disk_usage", lambda path: usage._replace(free=10)
    )
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES), snapshots="models"))
    assert "saving needs 72 bytes" in found.message  # twice the model, and two counters
    assert found.message.endswith("has 10 free")
    assert names("models") == []


def test_model_that_cannot_be_described_is_refused() -> None:
    class Mystery(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, secret: object) -> None:
            super().__init__()
            self.secret = secret

        def call(self, inputs: Any) -> Any:
            return inputs

    inputs = keras.Input((STEPS,))
    outputs = keras.layers.Dense(1)(Mystery(object())(inputs))
    model = keras.Model(inputs, outputs)
    model.compile("sgd", loss="mse")
    found = refusal(ScheduleCallback(lrdsl.loads(CYCLES)), model)
    assert found.message.startswith("the model cannot be saved: ")
    assert "give its layers a `get_config`" in found.help
    assert not Path("snapshots").exists()


# -- Failures while training -----------------------------------------------------------------


class FailingSave:
    """Stands in for `Model.save`: fails on its second call, having written half a file."""

    def __init__(self, model: Any) -> None:
        self.save = model.save
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        if self.calls == 2:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        self.save(path)


def test_model_that_cannot_be_saved_is_named_and_training_goes_on() -> None:
    model = make_model(STEPS)
    vars(model)["save"] = FailingSave(model)
    callback = lrdsl.compile(CYCLES)
    with pytest.warns(RuntimeWarning, match="snapshot 2 is missing: cannot write") as warned:
        fit(model, callback, STEPS, epochs=6)
    (ours,) = [warning for warning in warned if warning.category is RuntimeWarning]
    assert "No space left on device" in str(ours.message)
    assert len(callback.applied) == 36
    assert [saved.index for saved in callback.saved] == [1, 3]
    (missed,) = callback.missed
    assert missed.code == "LRS603"
    assert "snapshot-02-epoch-004.keras" in missed.message
    # Neither half a file nor a temporary one is left, and the list is right.
    listed = ["snapshot-01-epoch-002.keras", "snapshot-03-epoch-006.keras"]
    assert names("snapshots") == [*listed, MANIFEST]
    assert [entry["file"] for entry in manifest("snapshots")] == listed


def test_saving_changes_nothing_in_training() -> None:
    with_models, without = make_model(STEPS), make_model(STEPS)
    fit(with_models, lrdsl.compile(CYCLES), STEPS, epochs=4)
    fit(without, lrdsl.compile(CYCLES.removesuffix(" snapshot")), STEPS, epochs=4)
    np.testing.assert_array_equal(weights_of(with_models), weights_of(without))
    assert make_rows(STEPS).any()
