"""A `fit` that broke off or was killed goes on to the same bits, on the running backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from training import keeping
from training.weights import fit, make_model, weights_of

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.training.callback import ScheduleCallback
from lrdsl.training.commits import Commit, StateFolder

from .settings import BACKEND, assert_untouched

EPOCHS, STEPS = 4, 5
SWEEP = Path(keeping.__file__).with_name("kill_sweep.py")

# Each compiles three times, which takes longest on JAX.
QUICK = ("AdamW, numbers scheduled", *(() if BACKEND == "jax" else ("accumulation", "parts")))
NOT_ON = {
    "tensorflow": {"shuffled"},  # by random numbers that nobody can read
    "torch": {"four steps at once"},  # Keras refuses
}.get(BACKEND, set())

CASES = [
    pytest.param(name, marks=[] if name in QUICK else [pytest.mark.heavy])
    for name in keeping.CASES
    if name not in NOT_ON
]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class BreakOff(keras.callbacks.Callback):  # type: ignore[misc]
    """Breaks off a `fit` amid an epoch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__()
        self.at = (epoch, batch)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.at:
            raise KeyboardInterrupt


def train(name: str, state: str | None, *others: Any, seed: int = 3) -> dict[str, Any]:
    """Train by a case to its end, and return what came of it."""
    case = keeping.CASES[name]
    callback = kept(case.schedule, state)
    model = keeping.make_model(case, seed=seed)
    history = keeping.fit(model, case, EPOCHS, [callback, *others])
    assert_untouched(model)
    return keeping.end_of(model, callback, history)


def kept(text: str, state: str | None) -> ScheduleCallback:
    callback = lrdsl.compile(text, state=state)
    callback.snapshots = f"{state}-snapshots"
    callback.say = lambda line: None
    return callback


def break_off(name: str, epoch: int = 2, batch: int = 4) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(name, "state", BreakOff(epoch, batch))


def assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(value, other[name], err_msg=name, strict=True)


@pytest.mark.parametrize("name", CASES)
def test_broken_off_amid_an_epoch_it_ends_with_the_same_bits(name: str) -> None:
    expected = train(name, None)
    break_off(name)
    # From other weights, and other random numbers: all of them are in the state.
    assert_same(train(name, "state", seed=11), expected)


def test_killed_amid_an_epoch_and_amid_a_commit_it_ends_with_the_same_bits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(SWEEP.parent)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["right"]


# Each training is a process of its own, forked before the backend has begun.
KILL = f"""
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import kill_sweep
options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {{}}
options["epochs"] = {EPOCHS}
kill_sweep.import_keras()
whole = Path("whole")
assert kill_sweep.train(whole, **options) == 0, (whole / "log").read_text()
kills = [{{"batch": [2, 4]}}, {{"write": 9}}]
print(json.dumps([kill_sweep.trial(whole, Path("trial"), "lrdsl", kills, **options)]))
"""


@pytest.mark.heavy
@pytest.mark.parametrize(
    "name", [name for name in keeping.CASES if name not in NOT_ON and name != "Adam"]
)
def test_killed_it_ends_with_the_same_bits(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILL, str(SWEEP.parent), json.dumps({"case": name})],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["right"]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SWEEP.parents[2])}


def small(*callbacks: Any, state: str | None = "state") -> tuple[Any, Any]:
    """Train a model that is compiled soon; return its weights and its `History`."""
    ours = kept("linear(from=1, to=0.5)", state)
    model = make_model(STEPS)
    history = fit(model, ours, STEPS, epochs=EPOCHS, callbacks=callbacks)
    return weights_of(model), history.history


class Load(keras.callbacks.Callback):  # type: ignore[misc]
    """Loads weights when training begins, as pretrained ones are."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.model.set_weights([np.full((STEPS, 1), 100.0)])


@pytest.mark.parametrize("in_front", [True, False])
def test_weights_that_a_callback_loads_at_the_start_do_not_undo_the_state(
    in_front: bool,
) -> None:
    def train(state: str | None, *others: Any) -> Any:
        ours, load = kept("linear(from=1, to=0.5)", state), Load()
        model = make_model(STEPS)
        first, second = (load, ours) if in_front else (ours, load)
        fit(model, first, STEPS, epochs=EPOCHS, callbacks=[second, *others])
        return weights_of(model)

    expected = train(None)

    def interrupt(logs: Any = None) -> None:
        raise KeyboardInterrupt

    amid = BreakOff(1, 2)
    at_end = keras.callbacks.LambdaCallback(on_train_end=interrupt)
    for breaks in (amid, at_end):
        with pytest.raises(KeyboardInterrupt):
            train("state", breaks)
    np.testing.assert_array_equal(train("state"), expected)
    np.testing.assert_array_equal(train("state"), expected)  # it is over now


def test_run_that_is_over_has_its_last_weights_whatever_callbacks_do_at_the_end() -> None:
    class Halve(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_end(self, logs: Any = None) -> None:
            self.model.set_weights([one * 0.5 for one in self.model.get_weights()])

    expected, _ = small(Halve())
    found, _ = small(Halve())
    np.testing.assert_array_equal(found, expected)


class Measure(keras.callbacks.Callback):  # type: ignore[misc]
    """Adds to an epoch's metrics."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        logs |= {"third": epoch / 3, "epoch": 0.1, "none": float("nan")}


def test_metrics_of_the_epochs_before_are_known_exactly_before_the_first_epoch() -> None:
    found: list[Any] = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: Any = None) -> None:
            found.extend(ours._run._keeper.log)

    _, expected = small(Measure(), state=None)
    with pytest.raises(KeyboardInterrupt):
        small(Measure(), BreakOff(2, 0))
    ours = kept("linear(from=1, to=0.5)", "state")
    callbacks = [Measure(), Look()]
    history = fit(make_model(STEPS), ours, STEPS, epochs=EPOCHS, callbacks=callbacks).history
    np.testing.assert_equal(history, expected)
    assert [one.epoch for one in found] == [0, 1]
    for one in found:
        assert set(one.metrics) == {"loss", "learning_rate", "third", "epoch", "none"}
        np.testing.assert_equal(one.metrics, {n: v[one.epoch] for n, v in expected.items()})


def test_state_of_another_backend_is_refused_with_its_name() -> None:
    with pytest.raises(KeyboardInterrupt):
        small(BreakOff(2, 0))
    folder = StateFolder(Path("state"))
    commit = folder.read()
    assert commit is not None
    folder.commit(Commit({**commit.about, "backend": "numpy"}, commit.arrays), epoch=2)
    with pytest.raises(LrsError) as caught:
        small()
    (found,) = caught.value.diagnostics
    assert found.code == "LRS605"
    assert f"is trained on Keras's backend `numpy`, and this is `{BACKEND}`" in found.message
    assert found.help == "set `KERAS_BACKEND=numpy`, or start afresh in another folder"


@pytest.mark.heavy
def test_after_fifty_kills_every_run_ends_as_if_it_had_not_been(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = subprocess.run(
        [sys.executable, str(SWEEP), "50"],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    with capsys.disabled():
        print(f"\n{BACKEND}\n{done.stdout}")
    assert done.returncode == 0, done.stderr
    assert "| `state=…` | 50 | 0 | 0 | 0 |" in done.stdout
