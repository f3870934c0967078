"""`lrdsl train --resume` with the real Keras, in as few starts as can be."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from .test_train_keras import DATA, say, train, write

pytest.importorskip("keras")

SCRIPT = """
    import os, signal, sys
    import keras
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse", jit_compile=False)

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and os.path.exists("kill"):
                os.remove("kill")
                os.kill(os.getpid(), signal.SIGKILL)

    options = dict(batch_size=8, verbose=0, shuffle=False)
    model.fit(x, y, epochs=1, **options)
    history = model.fit(x, y, epochs=4, callbacks=[Kill()], **options)
    print(sys.argv[1:], history.history["loss"], [w.numpy().tolist() for w in model.weights])
"""


def test_killed_run_goes_on_in_its_folder_with_nothing_said_again(tmp_path: Path) -> None:
    write(tmp_path / "train.py", DATA, SCRIPT)
    write(tmp_path / "cosine.lrs", "let top = 0.3\nlr = cosine(max=top) snapshot(keep=1)\n")
    whole = train(tmp_path, "--out", "whole", "cosine.lrs", "top=0.1", "train.py", "--deep")
    assert whole.returncode == 0, whole.stderr
    (tmp_path / "kill").touch()
    words = ("--out", "run", "cosine.lrs", "top=0.1", "train.py", "--deep")
    assert train(tmp_path, *words).returncode == -signal.SIGKILL

    changed = train(tmp_path, "--resume", "run", "cosine.lrs", "top=0.2")
    assert changed.returncode == 1
    assert (
        "error[LRS604]: the run in `run` followed another plan: the schedule has changed"
        in (changed.stderr)
    )
    assert "has the rate 0.05 and the new one 0.1;" in changed.stderr

    done = train(tmp_path, "--resume", "run")
    assert done.returncode == 0, done.stderr
    assert done.stdout == whole.stdout
    assert say(done.stderr)[:6] == [
        "the run in run is committed up to epoch 2 of 4",
        "the plan is shown when `fit` starts, as it needs the length of the training",
        "fit 1 at train.py:20: nothing left to do: the run is over after 1 epoch",
        "fit 2 at train.py:21: goes on after epoch 2 of 4 (step 10), with the rate 0.05",
        "fit 2 at train.py:21: 4 epochs of 5 steps, 20 steps in all",
        "not restored, begins anew: what `Kill` had counted or remembered",
    ]
    assert "plan = run at all 25 steps of 2 fits" in say(done.stderr)
    for part in (".", "fit-2"):
        rates = [(tmp_path / run / part / "rates.csv").read_text() for run in ("whole", "run")]
        assert rates[0] == rates[1]
    record = json.loads((tmp_path / "run/run.json").read_text())
    assert record["overrides"] == ["top=0.1"]
    assert len(record["resumed"]) == 1
    assert [one["resumed_after_epoch"] for one in record["fits"]] == [1, 2]

    # All is over now: whatever is to be adopted, nothing of the run is written again.
    write(tmp_path / "line.lrs", "linear(from=0.2)\n")
    before = files_of(tmp_path / "run")
    over = train(tmp_path, "--resume", "run", "--adopt", "line.lrs")
    assert over.returncode == 0, over.stderr
    assert over.stdout == whole.stdout
    assert say(over.stderr)[-1].startswith("nothing was trained, and run/ stays as it was;")
    assert files_of(tmp_path / "run") == before


def files_of(folder: Path) -> dict[str, bytes]:
    """Return what a run folder holds, but for the pid of who has it open."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.heavy
def test_adopted_schedule_stands_beside_the_one_before(tmp_path: Path) -> None:
    write(tmp_path / "train.py", DATA, SCRIPT)
    write(tmp_path / "cosine.lrs", "cosine(max=0.1)\n")
    write(tmp_path / "line.lrs", "linear(from=0.2)\n")
    (tmp_path / "kill").touch()
    assert train(tmp_path, "--out", "run", "cosine.lrs", "train.py").returncode < 0
    done = train(tmp_path, "--resume", "run", "--adopt", "line.lrs")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run/schedule.lrs").read_text() == "linear(from=0.2)\n"
    assert (tmp_path / "run/schedule-1.lrs").read_text() == "cosine(max=0.1)\n"
    assert len((tmp_path / "run/fit-2/rates.csv").read_text().splitlines()) == 21
    again = train(tmp_path, "--resume", "run")
    assert again.returncode == 0, again.stderr
    assert again.stdout == done.stdout
