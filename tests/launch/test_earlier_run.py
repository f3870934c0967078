"""What `--resume` says where it cannot go on, on a stand-in for Keras."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .test_train_command import folder as folder
from .test_train_command import lrdsl


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume", "none"], "`none` is no folder of a run: it has no `run.json`"),
        (["--resume", "run", "-o", "x"], "`--resume RUN` goes on in RUN: leave `--out` out"),
        (["--resume", "run", "--keep", "--adopt"], "contradict each other: give one"),
        (["--resume", "run", "--commit-every", "0"], "`--resume` needs the state"),
        (["--keep", "cosine.lrs", "train.py"], "`--keep` says how `--resume RUN` goes on"),
        ([], "Missing argument 'FILE'."),
    ],
)
def test_wrong_use_is_told_with_status_2(folder: Path, words: list[str], message: str) -> None:
    done = lrdsl(folder, "train", "--yes", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_run_without_a_commit_begins_anew_in_its_folder(folder: Path) -> None:
    first = lrdsl(folder, "train", "--yes", "--out", "out", "cosine.lrs", "train.py", "--x")
    assert first.returncode == 0, first.stderr
    done = lrdsl(folder, "train", "--yes", "--resume", "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == first.stdout
    assert "no epoch of the run in out was committed: it begins anew" in done.stderr
    record = json.loads((folder / "out/run.json").read_text())
    assert record["file"] == "cosine.lrs"
    assert len(record["resumed"]) == 1


def test_values_of_lets_are_those_of_before_for_the_same_file_only(folder: Path) -> None:
    (folder / "top.lrs").write_text("let top = 0.3\nlr = cosine(max=top)\n")
    words = ("--yes", "--out", "out", "top.lrs", "top=0.1", "train.py")
    assert lrdsl(folder, "train", *words).returncode == 0
    for file, overrides in (("./top.lrs", ["top=0.1"]), ("cosine.lrs", [])):
        done = lrdsl(folder, "train", "--yes", "--resume", "out", file)
        assert done.returncode == 0, done.stderr
        record = json.loads((folder / "out/run.json").read_text())
        assert record["overrides"] == overrides


def test_run_that_kept_no_state_is_not_gone_on_with(folder: Path) -> None:
    words = ("--yes", "--commit-every", "0", "--out", "out", "cosine.lrs", "train.py")
    assert lrdsl(folder, "train", *words).returncode == 0
    done = lrdsl(folder, "train", "--yes", "--resume", "out")
    assert done.returncode == 2
    assert "the run in `out` kept no state (`--commit-every 0`)" in done.stderr


def test_run_is_gone_on_with_where_it_began(folder: Path) -> None:
    lrdsl(folder, "train", "--yes", "--out", "out", "cosine.lrs", "train.py")
    (folder / "below").mkdir()
    done = lrdsl(folder / "below", "train", "--yes", "--resume", "../out")
    assert done.returncode == 2
    assert f"the run began in another folder: `cd {folder}` first" in done.stderr


def test_record_that_was_tampered_with_is_refused(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out/run.json").write_text('{"program": 3}')
    done = lrdsl(folder, "train", "--yes", "--resume", "out")
    assert done.returncode == 2
    assert "`out/run.json` does not say what was run" in done.stderr
