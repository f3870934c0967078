"""Disks that are full, read-only or broken: the list stays right, and says what is missing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.diagnostics import Diagnostic
from lrdsl.training.manifest import (
    MANIFEST,
    SavedSnapshot,
    is_left_over,
    read_manifest,
    sha256_of,
)
from lrdsl.training.retention import Retention
from lrdsl.training.snapshots import EarlierSnapshots, SnapshotFolder

from .weights import fit, make_model

STEPS = 4
EACH = "linear(from=1, to=0.5) for 1 repeat snapshot"


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a model that is quick to save."""
    made = make_model(2)
    made.optimizer.build(made.trainable_variables)
    return made


def opened(model: Any, path: Path, keep: int | None = 2, **options: Any) -> SnapshotFolder:
    folder = SnapshotFolder(path, retention=Retention(keep=keep), **options)
    assert folder.find_trouble(model) is None
    assert folder.open(model) is None
    return folder


def save(folder: SnapshotFolder, model: Any, index: int, *, inside: bool = False) -> Any:
    step = index * STEPS - (3 if inside else 1)
    return folder.save(
        model,
        index=index,
        step=step,
        steps_per_epoch=STEPS,
        rate=0.5,
        metrics=None if inside else {"loss": float(index)},
    )


def assert_right(path: Path) -> list[int]:
    """Check that a folder holds what it lists; return the numbers of those models."""
    listed = read_manifest(path)
    for one in listed:
        assert sha256_of(one.path) == one.sha256
        keras.saving.load_model(one.path, compile=False)
    return [one.index for one in listed]


class Failing:
    """Lets the n-th of all calls that change the disk fail, and counts them."""

    def __init__(self, fails_at: int, error: int) -> None:
        self.fails_at = fails_at
        self.error = error
        self.calls = 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for owner, name in (
            (os, "fsync"),
            (Path, "replace"),
            (Path, "write_text"),
            (Path, "mkdir"),
            (Path, "unlink"),
            (shutil, "rmtree"),
            (keras.Model, "save"),
        ):
            monkeypatch.setattr(owner, name, self.counted(getattr(owner, name), name))

    def counted(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls != self.fails_at:
                return function(*args, **kwargs)
            if name in ("write_text", "save"):  # half of it is written
                function(*args, **kwargs)
                path = Path(args[0] if name == "write_text" else args[1])
                with path.open("rb+") as file:
                    file.truncate(path.stat().st_size // 2)
            if name == "rmtree" and kwargs.get("ignore_errors"):
                return None
            raise OSError(self.error, os.strerror(self.error))

        return call


@pytest.mark.parametrize("committed", [False, True], ids=["alone", "with state"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.filterwarnings("ignore:snapshot .* is saved, and may be lost")
@pytest.mark.filterwarnings("ignore:the metrics of snapshot")
def test_each_call_that_fails_leaves_a_right_list(
    model: Any, tmp_path: Path, error: int, committed: bool
) -> None:
    fails_at = 0
    while True:
        fails_at += 1
        path = tmp_path / str(fails_at)
        folder = opened(model, path, is_committed=committed)
        save(folder, model, 1)
        (path / "notes.txt").write_text("mine")
        failing = Failing(fails_at, error)
        before = assert_right(path)
        with pytest.MonkeyPatch.context() as patch:
            failing.patch(patch)
            results = [save(folder, model, 2), save(folder, model, 3, inside=True)]
            folder.give_metrics({"loss": 3.0}, 3)
            results.append(save(folder, model, 4))
            if committed:
                folder.committed()
        if failing.calls < fails_at:
            break
        listed = assert_right(path)
        saved = [one.index for one in results if isinstance(one, SavedSnapshot)]
        missed = [one for one in results if isinstance(one, Diagnostic)]
        # What was said to be saved is there, but for what newer ones have outdated.
        assert listed == [*before, *saved][-2:]
        assert len(missed) <= 1
        for one in missed:
            assert os.strerror(error) in one.message
            assert one.message.startswith("snapshot ")
        assert (path / "notes.txt").read_text() == "mine"
        # The next one is saved as if nothing had been, and what was left over is deleted.
        assert isinstance(save(folder, model, 5), SavedSnapshot)
        folder.committed()
        assert assert_right(path) == [*listed, 5][-2:]
    assert fails_at > 15


def test_model_that_is_listed_stays_when_only_flushing_the_folder_fails(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened(model, tmp_path / "models", keep=1)
    save(folder, model, 1)
    flushes = []

    def failing(handle: int, fsync: Callable[[int], None] = os.fsync) -> None:
        flushes.append(handle)
        if len(flushes) == 4:  # the model, its folder, the list, and the folder again
            raise OSError(errno.EIO, "Input/output error")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.warns(RuntimeWarning, match="snapshot 2 is saved, and may be lost if"):
        assert isinstance(save(folder, model, 2), SavedSnapshot)
    assert assert_right(tmp_path / "models") == [2]
    # The list that may come back has the first one, so that is not deleted yet.
    names = [one.name for one in sorted((tmp_path / "models").glob("*.keras"))]
    assert names == ["snapshot-01-epoch-001.keras", "snapshot-02-epoch-002.keras"]
    save(folder, model, 3)
    assert [one.name for one in (tmp_path / "models").glob("*.keras")] == [
        "snapshot-03-epoch-003.keras"
    ]


def test_weights_that_are_not_finite_are_no_snapshot(tmp_path: Path) -> None:
    class Spoil(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                self.model.set_weights([np.full((STEPS, 1), np.nan)])

    callback = lrdsl.compile(EACH.replace("snapshot", "snapshot(keep=1)"))
    callback.snapshots = tmp_path / "models"
    with pytest.warns(RuntimeWarning, match="snapshot 2 is missing: the weights are not fin"):
        fit(make_model(STEPS), Spoil(), STEPS, epochs=2, callbacks=[callback])
    assert assert_right(tmp_path / "models") == [1]


# -- Left over by a kill ---------------------------------------------------------------------

LEFT_OVER = (".snapshot-01-epoch-001-0123abcd", ".snapshots-0123abcd.json")
NEARLY = (
    ".snapshot-01-epoch-001-0123abc",  # seven digits
    ".snapshot-01-epoch-001-0123ABCD",
    "snapshot-01-epoch-001-0123abcd",
    ".snapshots-0123abcd.json.bak",
    ".snapshot-final-0123abcd",
)


def test_left_over_temporary_files_are_swept_at_the_start(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "models"
    (path / LEFT_OVER[0]).mkdir(parents=True)
    (path / LEFT_OVER[0] / "tmpk3j_2x").write_bytes(b"what Keras leaves")
    (path / LEFT_OVER[1]).write_text("{")
    opened(model, path)
    assert [one.name for one in path.iterdir()] == [MANIFEST]


@pytest.mark.parametrize("name", NEARLY)
def test_name_that_is_nearly_one_of_ours_is_a_users(
    model: Any, tmp_path: Path, name: str
) -> None:
    assert not is_left_over(name)
    (tmp_path / name).touch()
    trouble = SnapshotFolder(tmp_path, retention=Retention()).find_trouble(model)
    assert trouble is not None
    assert "is not empty" in trouble.message
    assert (tmp_path / name).exists()


def test_model_that_no_list_has_is_not_swept_by_another_run(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "models"
    save(opened(model, path), model, 1)
    (path / MANIFEST).write_text('{"format": 1, "snapshots": []}')
    trouble = SnapshotFolder(path, retention=Retention()).find_trouble(model)
    assert trouble is not None
    assert "has snapshots already" in trouble.message
    assert (path / "snapshot-01-epoch-001.keras").exists()


def test_link_by_a_name_of_ours_is_swept_and_what_it_leads_to_is_not(
    model: Any, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    path = tmp_path / "models"
    path.mkdir()
    (path / LEFT_OVER[0]).symlink_to(mine)
    opened(model, path)
    assert (mine / "notes.txt").read_text() == "mine"
    assert not (path / LEFT_OVER[0]).is_symlink()


# -- A run that goes on ----------------------------------------------------------------------


def gone_on(model: Any, path: Path, saved: list[SavedSnapshot], **options: Any) -> Any:
    earlier = EarlierSnapshots(path, saved, options.pop("undone_from", None))
    keep = options.pop("keep", 1)
    return opened(model, path, keep=keep, earlier=earlier, is_committed=True)


def test_model_that_another_replaced_after_the_commit_is_back(
    model: Any, tmp_path: Path
) -> None:
    folder = opened(model, tmp_path / "models", keep=1, is_committed=True)
    first = save(folder, model, 1)
    folder.committed()
    save(folder, model, 2)  # and the process is killed before the next commit
    assert assert_right(folder.path) == [2]  # type: ignore[arg-type]
    again = gone_on(model, tmp_path / "models", [first])
    # Until it is made again the second one stays too.
    assert assert_right(again.path) == [1, 2]
    second = save(again, model, 2)
    assert assert_right(again.path) == [2]
    again.committed()
    assert [one.name for one in again.path.glob("*.keras")] == [second.path.name]


def test_model_of_an_undone_plan_is_swept_and_the_one_before_is_back(
    model: Any, tmp_path: Path
) -> None:
    folder = opened(model, tmp_path / "models", keep=1, is_committed=True)
    first = save(folder, model, 1)
    folder.committed()
    save(folder, model, 2)
    again = gone_on(model, tmp_path / "models", [first], undone_from=STEPS)
    assert assert_right(again.path) == [1]
    assert [one.name for one in again.path.glob("*.keras")] == [first.path.name]


def test_list_never_names_a_model_that_is_being_made_again(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened(model, tmp_path / "models", keep=None, is_committed=True)
    first = save(folder, model, 1)
    folder.committed()
    save(folder, model, 2)
    again = gone_on(model, tmp_path / "models", [first], keep=None)
    replace, seen = Path.replace, []

    def watched(self: Path, target: Path) -> Path:
        replace(self, target)  # type: ignore[arg-type]
        seen.append((target.name, assert_right(again.path)))  # as a kill would leave it
        return target

    monkeypatch.setattr(Path, "replace", watched)
    save(again, model, 2)
    assert seen == [
        (MANIFEST, [1]),
        ("snapshot-02-epoch-002.keras", [1]),
        (MANIFEST, [1, 2]),
    ]


def test_model_made_again_that_cannot_be_written_leaves_the_one_there_was(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = opened(model, tmp_path / "models", keep=None, is_committed=True)
    first = save(folder, model, 1)
    folder.committed()
    save(folder, model, 2)
    again = gone_on(model, tmp_path / "models", [first], keep=None)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", full)
        assert isinstance(save(again, model, 2), Diagnostic)
    assert assert_right(again.path) == [1, 2]


@pytest.mark.heavy
def test_after_sixty_kills_amid_saving_all_models_load(
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = str(Path(__file__).with_name("snapshot_sweep.py"))
    done = subprocess.run(
        [sys.executable, script, "60"], capture_output=True, text=True, check=False
    )
    with capsys.disabled():
        print("\n" + done.stdout)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| 60 | 0 | 0 | 0 |") == 3
