"""A `MultiWorkerMirroredStrategy` of two processes, over this machine's loopback."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lrdsl
from tests.distributed.cluster import SCRIPT, Ended, results, run_two, train_on_two

CURVE = "cosine(max=0.1, min=0.01, cycles=2) snapshot"
STEPS, EPOCHS = 6, 4
SNAPSHOTS = ["snapshot-01-epoch-002.keras", "snapshot-02-epoch-004.keras"]


def assert_ended_well(workers: list[Ended]) -> None:
    for worker in workers:
        assert worker.status == 0, worker.text[-3000:]


def assert_exact(found: list[dict[str, Any]]) -> None:
    """Both have the plan's rates, and weights that only these rates leave."""
    planned = np.array(found[0]["planned"], np.float32)
    weights = np.zeros(STEPS, np.float32)
    for epoch in planned.reshape(EPOCHS, STEPS):
        weights = (weights - epoch).astype(np.float32)
    for one in found:
        assert one["applied"] == found[0]["planned"] == one["planned"]
        assert np.array_equal(np.array(one["weights"], np.float32), weights)
        assert one["rates"] == [str(rate) for rate in planned[STEPS - 1 :: STEPS]]


def test_both_machines_apply_the_plan_and_one_of_them_writes(tmp_path: Path) -> None:
    assert_ended_well(train_on_two(tmp_path, curve=CURVE, state=True))
    found = results(tmp_path)
    assert_exact(found)
    assert [one["saved"] for one in found] == [SNAPSHOTS, []]
    names = sorted(one.name for one in (tmp_path / "snapshots").iterdir())
    assert names == [*SNAPSHOTS, "snapshots.json"]
    commits = list((tmp_path / "state").glob("commit-*"))
    assert len(commits) == 1  # the run is over


def test_machines_that_follow_other_plans_are_refused(tmp_path: Path) -> None:
    ended = train_on_two(tmp_path, curve=["const(0.1)", "const(0.2)"])
    for worker in ended:
        assert worker.status == 1
        assert "worker 1 does not follow the plan of worker 0" in worker.text
        assert "run the same script with the same schedule on all machines" in worker.text


@pytest.mark.heavy
def test_a_machine_that_refuses_ends_the_others(tmp_path: Path) -> None:
    other = "lr = const(0.1) momentum = 0.9"
    chief, worker = train_on_two(tmp_path, curve=["const(0.1)", other])
    assert [chief.status, worker.status] == [1, 1]
    assert "worker 1 does not begin" in chief.text
    assert "was made with `momentum=0`" in worker.text


@pytest.mark.heavy
def test_both_machines_apply_each_parts_rate_and_momentum(tmp_path: Path) -> None:
    layers = ["slow", "fast"]
    curve = (
        "lr = linear(from=0.3, to=0.1) slow.lr = lr / 3 "
        "momentum = linear(from=0.53, to=0.91) slow.momentum = 0.7 * momentum"
    )
    assert_ended_well(train_on_two(tmp_path, curve=curve, momentum=0.5, layers=layers))
    plan = lrdsl.loads(curve).plan(epochs=EPOCHS, steps_per_epoch=STEPS)
    expected = []
    for prefix in ("slow.", ""):
        moves, weights = np.zeros((2, STEPS), np.float32)
        for step in range(EPOCHS * STEPS):
            rate = plan.values(step, f"{prefix}lr").astype("f4")
            momentum = plan.values(step, f"{prefix}momentum").astype("f4")
            gradient = np.float32(np.arange(STEPS) == step % STEPS)
            moves = moves * momentum - gradient * rate
            weights = weights + moves
        expected.append(weights)
    for one in results(tmp_path):
        assert one["applied"] == one["planned"]
        assert np.array_equal(np.array(one["weights"], np.float32), np.concatenate(expected))


@pytest.mark.heavy
def test_logs_that_keras_cannot_average_are_refused(tmp_path: Path) -> None:
    for worker in train_on_two(tmp_path, curve="const(0.1)", vectors=False):
        assert worker.status == 1
        assert "Keras cannot average what `train_step` returns over several" in worker.text
        assert "let `train_step` return vectors" in worker.text


@pytest.mark.heavy
def test_keras_itself_still_fails_at_logs_that_are_numbers(tmp_path: Path) -> None:
    for worker in train_on_two(tmp_path, vectors=False):
        assert worker.status == 1
        assert "Invalid reduction dimension 0 for input with 0 dimensions" in worker.text


@pytest.mark.heavy
@pytest.mark.parametrize("killed", [0, 1])
def test_a_cluster_of_which_one_was_killed_goes_on_exactly(tmp_path: Path, killed: int) -> None:
    ended = train_on_two(tmp_path, curve=CURVE, state=True, kill=killed)
    assert ended[killed].status == -9
    assert ended[1 - killed].status != 0
    assert_ended_well(train_on_two(tmp_path, curve=CURVE, state=True, kill=killed))
    found = results(tmp_path)
    assert [one["resumed"] for one in found] == [2, 2]
    assert_exact(found)
    names = sorted(one.name for one in (tmp_path / "snapshots").iterdir())
    assert names == [*SNAPSHOTS, "snapshots.json"]


@pytest.mark.heavy
def test_the_command_asks_tells_and_writes_on_the_chief_alone(tmp_path: Path) -> None:
    (tmp_path / "s.lrs").write_text(CURVE + "\n")
    (tmp_path / "temporary").mkdir()
    lrdsl = [sys.executable, "-c", "from lrdsl.cli.main import main; main()", "train"]
    script = [str(SCRIPT), str(tmp_path), json.dumps({"kill": 1})]
    first = [*lrdsl, "--yes", "--out", "run", "s.lrs", *script]
    again = [*lrdsl, "--yes", "--resume", "run"]
    temporary = {"TMPDIR": str(tmp_path / "temporary")}

    chief, worker = run_two(tmp_path, [first, first], more=temporary)
    assert worker.status == -9
    assert "plan = run at all 12 steps that ran; stopped 12 steps" in chief.text
    assert "lrdsl:" not in worker.text

    chief, worker = run_two(tmp_path, [again, again], more=temporary)
    assert_ended_well([chief, worker])
    assert "goes on after epoch 2 of 4 (step 12)" in chief.text
    assert "plan = run at all 24 steps" in chief.text
    assert "lrdsl:" not in worker.text
    written = (tmp_path / "run" / "rates.csv").read_text().splitlines()
    assert len(written) == 1 + EPOCHS * STEPS
    found = results(tmp_path)
    assert found[0]["weights"] == found[1]["weights"]
    assert found[0]["rates"] == found[1]["rates"]
    names = {one.name for one in (tmp_path / "run").iterdir()}
    assert names == {
        *("plan.png", "rates.csv", "run.json", "schedule.lrs", "snapshots", "state")
    }
