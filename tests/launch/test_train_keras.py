"""`lrdsl train` with the real Keras: what stand-ins cannot show, in as few starts as can be."""

from __future__ import annotations

import csv
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from lrdsl.cli.main import main; main()", "train", "--yes"]

DATA = """
    import numpy as np
    x, y = np.ones((40, 3), "float32"), np.ones((40, 1), "float32")
"""


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONUTF8": "1",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


def write(path: Path, *parts: str) -> None:
    path.write_text("".join(textwrap.dedent(part) for part in parts))


def train(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def say(errors: str) -> list[str]:
    lead = "lrdsl: "
    lines = [line.removeprefix(lead) for line in errors.splitlines() if line.startswith(lead)]
    return [line for line in lines if not re.match(r"epoch \d+/\d", line)]


def applied(path: Path) -> np.ndarray:
    with path.open(newline="") as file:
        return np.array([row["applied"] for row in csv.DictReader(file)], np.float32)


def test_program_finds_its_snapshots_by_the_environment(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        "import keras, os, pathlib",
        DATA,
        """
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=8, epochs=6, verbose=0)
        os.chdir("/")

        import lrdsl
        run = pathlib.Path(os.environ["LRDSL_RUN"])
        ensemble = lrdsl.Ensemble.load(run / "snapshots")
        print([file.name for file in ensemble.members], ensemble.predict(x, verbose=0).shape)
        """,
    )
    write(tmp_path / "cycles.lrs", "cosine(max=0.1, cycles=3) snapshot(keep=2)\n")
    done = train(tmp_path, "--out", "out", "cycles.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    names = ["snapshot-02-epoch-004.keras", "snapshot-03-epoch-006.keras"]
    assert done.stdout == f"{names} (40, 1)\n"
    assert say(done.stderr)[2:] == [
        "plan = run at all 30 steps",
        "the results are in out/",
        "  snapshots/  the 2 models saved",
        "  rates.csv   the log: each step's rate, planned and applied",
        "  plan.png    the picture of the plan",
        "  run.png     what was applied, over the plan",
        "to average the models into one: lrdsl ensemble out -o FILE.keras",
    ]
    epoch = np.arange(30) / 5
    formula = 0.05 * (1 + np.cos(np.pi * (epoch % 2) / 2))
    np.testing.assert_allclose(applied(tmp_path / "out/rates.csv"), formula, rtol=1e-6)


def test_events_are_told_when_they_happen_and_the_run_can_be_replayed(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        "import keras, sys",
        DATA,
        """
        class Tell(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                print(f"epoch {epoch}", file=sys.stderr)

        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.5), "mse")
        model.fit(x, y, batch_size=8, epochs=20, verbose=0, callbacks=[Tell()])
        """,
    )
    text = "const() until stalled(loss, patience=2, min_delta=100) then 0.01 until 5 then stop"
    write(tmp_path / "stalled.lrs", text)
    done = train(tmp_path, "--out", "out", "--epochs", "20", "stalled.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert "if loss stalls from the start" in done.stderr
    lines = done.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("lrdsl: epoch 3: "))
    assert lines[at].startswith("lrdsl: epoch 3: next segment, lr 0.01: loss no better than ")
    assert lines[at - 1] == "epoch 2"
    assert lines[at + 1] == "epoch 3"
    assert "epoch 5" not in lines
    told = say(done.stderr)
    assert "plan = run at all 25 steps" in told
    assert "events: switch at epoch 3; stop at epoch 5" in told
    rates = applied(tmp_path / "out/rates.csv")
    assert rates.tolist() == [0.5] * 15 + [np.float32(0.01)] * 10

    import lrdsl

    plan = lrdsl.load(tmp_path / "stalled.lrs").plan(epochs=20, steps_per_epoch=5, base=0.5)
    replayed = plan.replay(lrdsl.read_metrics(tmp_path / "out/run.json"))
    assert replayed.values().astype(np.float32).tolist() == rates.tolist()
    (fit,) = json.loads((tmp_path / "out/run.json").read_text())["fits"]
    assert [event["cause"] for event in fit["events"]] == [
        event.cause.replace("`", "") for event in replayed.events
    ]


@pytest.mark.heavy
def test_example_runs_by_itself_too(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/digits.py")],
        cwd=tmp_path,
        env={name: value for name, value in environment().items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    (score,) = re.findall(r"model after 60 epochs +([\d.]+)%", done.stdout)
    assert float(score) > 95


def test_every_fit_of_a_tf_keras_program_follows_the_plan(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        """
        import importlib.util
        importlib.util.find_spec("keras")
        import tensorflow as tf
        """,
        DATA,
        """
        class Mine(tf.keras.Model):
            def __init__(self):
                super().__init__()
                self.dense = tf.keras.layers.Dense(1)

            def call(self, x):
                return self.dense(x)

            def fit(self, *args, **kwargs):
                return super().fit(*args, **kwargs)

        class Stop(tf.keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                self.model.stop_training = epoch == 1

        model = Mine()
        model.compile("sgd", "mse", jit_compile=False)
        history = model.fit(x, y, 8, 4, 0, [tf.keras.callbacks.LambdaCallback()])
        print([f"{rate:.4f}" for rate in history.history["learning_rate"]])
        model.fit(x, y, 4, epochs=4, verbose=0, callbacks=Stop())
        """,
    )
    write(tmp_path / "line.lrs", "linear(from=0.1, to=0)\n")
    done = train(tmp_path, "--out", "out", "line.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['0.0800', '0.0550', '0.0300', '0.0050']\n"
    assert say(done.stderr)[1:5] == [
        "fit 1 at train.py:26: 4 epochs of 5 steps, 20 steps in all",
        "fit 2 at train.py:28: 4 epochs of 10 steps, 40 steps in all",
        "fit 1: plan = run at all 20 steps",
        "fit 2: plan = run at all 20 steps that ran; stopped 20 steps before the plan's end",
    ]
    line = (0.1 - 0.1 * np.arange(40) / 40).astype(np.float32)
    np.testing.assert_allclose(applied(tmp_path / "out/fit-2/rates.csv"), line[:20], rtol=1e-6)


def test_rate_that_something_else_sets_ends_the_run_at_its_first_step(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        "import keras",
        DATA,
        """
        class Sabotage(keras.optimizers.SGD):
            def apply(self, *args, **kwargs):
                self.learning_rate.assign(self.learning_rate * 0.5)
                return super().apply(*args, **kwargs)

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(Sabotage(), "mse")
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        print("trained")
        """,
    )
    write(tmp_path / "constant.lrs", "0.1\n")
    done = train(tmp_path, "constant.lrs", "train.py")
    assert done.stdout == ""
    assert done.returncode == 1
    assert "error[LRS601]: step 0 used the rate 0.05, and 0.1 is planned" in done.stderr
    assert "in the optimizer's class `Sabotage`" in done.stderr
    assert (
        "plan ≠ run: first at step 0 (epoch 0): planned 0.1, applied 0.05; 1 of 1 step differs"
    ) in say(done.stderr)


def test_refusal_is_a_diagnostic_even_where_the_program_swallows_it(tmp_path: Path) -> None:
    script = """
        model = keras.Sequential([keras.layers.Dense(1)])
        rate = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
        model.compile(keras.optimizers.SGD(rate), "mse")
        try:
            model.fit(x, y, epochs=2, verbose=0)
        except Exception as error:
            print(type(error).__name__)
            if RAISE:
                raise
        """
    write(tmp_path / "constant.lrs", "0.1\n")
    for swallow in (True, False):
        write(tmp_path / "train.py", "import keras\n", f"RAISE = {not swallow}\n", DATA, script)
        done = train(tmp_path, "constant.lrs", "train.py")
        assert done.returncode == 1
        assert done.stdout == "LrsError\n"
        assert "error[LRS601]: the optimizer's rate is a `ExponentialDecay`" in done.stderr
        assert "Traceback" not in done.stderr
        assert ("the program went on without it" in done.stderr) == swallow
        assert not (tmp_path / "runs").exists()


def test_take_over_replaces_what_else_sets_the_rate_and_says_so(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        "import keras",
        DATA,
        """
        rate = keras.optimizers.schedules.CosineDecay(0.1, 40)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(rate), "mse")
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
        plateau = keras.callbacks.ReduceLROnPlateau("loss")
        history = model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[plateau])
        print(history.history["learning_rate"])
        """,
    )
    write(tmp_path / "line.lrs", "linear(to=0)\n")
    words = ("--fit", "2", "line.lrs", "train.py")
    refused = train(tmp_path, *words)
    assert refused.returncode == 1
    repair = "or run `lrdsl train --take-over`, which does it for this run"
    assert refused.stderr.count(repair) == 2
    done = train(tmp_path, "--take-over", "--out", "out", *words)
    assert done.returncode == 0, done.stderr
    # At step 10 of 40 the cosine is at (1 + √½)/2 of its height.
    base = float(str(np.float32(0.1 * (1 + np.sqrt(0.5)) / 2)))
    assert say(done.stderr)[2:7] == [
        "fit 2 at train.py:10: 2 epochs of 5 steps, 10 steps in all",
        "fit 2 takes over from `CosineDecay` in the optimizer: replaced by a plain number, "
        f"{base} as it gives at step 10; the optimizer keeps a number after `fit`",
        "  `CosineDecay` reads: cosine(max=0.1) for 40 steps",
        "fit 2 takes over from `ReduceLROnPlateau`, which is left out of its callbacks",
        "  `ReduceLROnPlateau` reads: plateau(monitor=loss, factor=0.1, patience=10)",
    ]
    line = (base - base * np.arange(10) / 10).astype(np.float32)
    np.testing.assert_array_equal(applied(tmp_path / "out/rates.csv"), line)
    (fit,) = json.loads((tmp_path / "out/run.json").read_text())["fits"]
    assert fit["base"] == base
    assert [one["name"] for one in fit["taken_over"]] == ["CosineDecay", "ReduceLROnPlateau"]


def test_fit_that_begins_after_its_last_epoch_is_told_of_and_is_not_a_success(
    tmp_path: Path,
) -> None:
    write(
        tmp_path / "train.py",
        "import keras",
        DATA,
        """
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, epochs=3, initial_epoch=3, verbose=0)
        """,
    )
    write(tmp_path / "line.lrs", "linear(to=0)\n")
    done = train(tmp_path, "line.lrs", "train.py")
    assert done.returncode == 1, done.stderr
    assert (
        "lrdsl: fit 1 at train.py:7: `fit` begins with epoch 3 and trains up to epoch 3: "
        "nothing runs; `epochs` counts from 0"
    ) in done.stderr
    assert "lrdsl: nothing was trained: no `fit` had an epoch to run" in done.stderr


def test_interrupted_training_keeps_the_rates_so_far(tmp_path: Path) -> None:
    write(
        tmp_path / "train.py",
        "import keras",
        DATA,
        """
        class Slow(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 3:
                    print("slow now", flush=True)
                    import time
                    time.sleep(60)

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(x, y, batch_size=8, epochs=9, verbose=0, callbacks=[Slow()])
        """,
    )
    write(tmp_path / "constant.lrs", "0.1\n")
    process = subprocess.Popen(
        [*COMMAND, "--out", "out", "constant.lrs", "train.py"],
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "slow now\n"
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "KeyboardInterrupt" in errors
    assert (
        "plan = run at all 15 steps that ran; stopped 30 steps before the plan's end"
    ) in say(errors)
    assert len(applied(tmp_path / "out/rates.csv")) == 15


PROGRESS = """
    import keras
    class Talker(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            print("script: epoch", epoch)
    def model():
        made = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        made.compile("sgd", "mse")
        return made
    data = {"x": x, "y": y, "batch_size": 10, "epochs": 4, "shuffle": False}
    model().fit(**data, validation_split=0.5, callbacks=[Talker()])
    print("asked for")
    model().fit(**data, verbose=1)
    print("silenced")
    model().fit(**data, verbose=0)
    print("over")
"""
STYLES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def train_on_a_terminal(folder: Path, *words: str) -> tuple[int, str]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=folder,
        env={**environment(), "TERM": "xterm"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    found = b""
    try:
        while part := os.read(master, 1 << 16):
            found += part
    except OSError:  # so ends a terminal that nobody has open any more
        pass
    os.close(master)
    return process.wait(30), found.decode("utf-8", "replace").replace("\r\n", "\n")


def test_progress_is_told_and_keras_own_bar_stays_where_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "train.py", DATA, PROGRESS)
    (tmp_path / "a.lrs").write_text("cosine(max=0.1, cycles=2) snapshot\n")
    status, seen = train_on_a_terminal(tmp_path, "--out", "out", "a.lrs", "train.py")
    assert status == 0, seen
    left_to_keras, rest = seen.split("asked for\n")
    asked_for, rest = rest.split("silenced\n")
    silenced, closing = rest.split("over\n")

    # Ours in place of Keras's own; what the script prints has lines of its own.
    assert re.search("epoch 1/4 ━*─+ step 1/2", left_to_keras)
    assert "Epoch 1/4" not in left_to_keras
    for epoch in range(4):
        assert f"script: epoch {epoch}\n" in left_to_keras
    line = r"lrdsl: epoch 4/4  lr 0\.01464  loss \S+  val_loss \S+\n"
    assert re.search(line, seen_text(left_to_keras))
    # Keras's alone.
    assert asked_for.count("Epoch ") == 4
    assert "━━" in asked_for
    assert "lrdsl: epoch" not in seen_text(asked_for)
    assert "in cosine" not in asked_for
    # Ours alone.
    assert "Epoch" not in silenced
    assert re.search("epoch 1/4 ━*─+ step 1/4", silenced)

    told = seen_text(closing)
    assert "scoring the 2 models and their average on the validation data" in told
    assert re.search(r"lrdsl:   average +\S+\n", told)
    assert re.search(r"run\.png +what was applied, over the plan", told)
    assert "to average the models into one: lrdsl ensemble out -o FILE.keras" in told
    record = json.loads((tmp_path / "out/run.json").read_text())
    first, second, _ = record["fits"]
    assert [row["epoch"] for row in first["metrics"]] == [0, 1, 2, 3]
    assert set(first["metrics"][0]) == {"epoch", "loss", "val_loss", "learning_rate"}
    assert len(first["scores"]["members"]) == 2
    assert first["scores"]["average"]["loss"] >= 0
    assert second["scores"] is None  # nothing to score on
    for folder in ("out", "out/fit-2", "out/fit-3"):
        assert (tmp_path / folder / "run.png").read_bytes().startswith(b"\x89PNG")


def seen_text(text: str) -> str:
    """Return what was written, without styles and without what was taken away again."""
    return STYLES.sub("", text).replace("\r", "\n")


def test_in_a_pipe_epochs_are_lines_and_quiet_has_none(tmp_path: Path) -> None:
    write(tmp_path / "train.py", DATA, PROGRESS.replace("callbacks=[Talker()]", "verbose=0"))
    (tmp_path / "a.lrs").write_text("cosine(max=0.1)\n")
    done = train(tmp_path, "a.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    # Keras has its bar on standard output, another pipe, as ever.
    assert "Epoch 4/4" in done.stdout
    assert "lrdsl" not in done.stdout
    assert len(re.findall(r"^lrdsl: epoch 4/4  lr \S+  loss", done.stderr, re.M)) == 3
    assert "\x1b" not in done.stderr
    done = train(tmp_path, "--quiet", "a.lrs", "train.py")
    assert "lrdsl: epoch" not in done.stderr
    assert "plan = run at all 40 steps of 3 fits" in done.stderr
