"""A `MirroredStrategy` of two devices, by a program of its own that does all of it at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.distributed.cluster import HERE, environment


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run("on_two_devices.py", tmp_path_factory.mktemp("devices"))


def run(program: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """Run a program of this folder, and return what it has found."""
    done = subprocess.run(
        [sys.executable, str(HERE / program), str(folder), *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(Path(folder / "found.json").read_text())
    return result


@pytest.mark.parametrize(
    "case",
    [
        "sgd",
        "more steps than are held at once",
        "a last batch of one row",
        "loss scaling",
        "a later fit",
        "unknown length",
        "parts",
    ],
)
def test_each_replicas_weights_are_minus_the_rates(found: dict[str, Any], case: str) -> None:
    assert found["exact"][case]


def test_snapshots_are_saved_once_and_load_without_a_strategy(found: dict[str, Any]) -> None:
    names = ["snapshot-01-epoch-002.keras", "snapshot-02-epoch-004.keras", "snapshots.json"]
    assert found["snapshots"] == {"files": names, "last_is_the_model": True}


def test_a_broken_off_fit_goes_on_to_the_same_weights(found: dict[str, Any]) -> None:
    assert found["resumed"]


@pytest.mark.parametrize(
    ("case", "message", "repair"),
    [
        (
            "steps_per_execution",
            "Keras cannot run several steps at once under `MirroredStrategy`",
            "leave `steps_per_execution` at 1",
        ),
        (
            "jit_compile",
            "Keras cannot compile the train step by XLA under `MirroredStrategy`",
            'leave `jit_compile` at "auto"',
        ),
        (
            "accumulation",
            "Keras cannot accumulate gradients under `MirroredStrategy`",
            "leave `gradient_accumulation_steps` out",
        ),
        (
            "optimizer outside",
            "was made outside of the `MirroredStrategy` that the model was made in",
            "make layers and optimizer within `with strategy.scope():`",
        ),
        (
            "one device",
            "the model is distributed by `OneDeviceStrategy`",
            "under `MirroredStrategy` and `MultiWorkerMirroredStrategy`",
        ),
        (
            "central storage",
            "the model is distributed by `CentralStorageStrategy`",
            "under `MirroredStrategy` and `MultiWorkerMirroredStrategy`",
        ),
        ("no apply", "the train step does not call `optimizer.apply`", "once for each batch"),
        (
            "apply twice",
            "the train step calls `optimizer.apply` more than once for a batch",
            "once for each batch",
        ),
    ],
)
def test_what_is_not_exact_is_refused_before_a_weight_moves(
    found: dict[str, Any], case: str, message: str, repair: str
) -> None:
    said, help_, state = found["refused"][case]
    assert message in said
    assert repair in help_
    assert state == "untouched"


@pytest.mark.parametrize("case", ["steps_per_execution", "jit_compile", "accumulation"])
def test_keras_itself_still_fails_at_what_we_refuse_for_it(
    found: dict[str, Any], case: str
) -> None:
    assert found["keras_fails"][case]


def test_other_targets_are_as_if_each_step_had_been_built_with_its_own_floats(
    tmp_path: Path,
) -> None:
    assert run("floats_on_two_devices.py", tmp_path, "AdamW") == {"AdamW": True}


@pytest.mark.heavy
def test_other_targets_of_every_kind_are(tmp_path: Path) -> None:
    found = run("floats_on_two_devices.py", tmp_path)
    assert len(found) == 9
    assert all(found.values()), found
