"""The folder of a state: whole after a kill or a failed write at any of its calls."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrdsl.training.commits import Commit, StateError, StateFolder

CALLS = ((os, "fsync"), (Path, "replace"), (Path, "unlink"))


def commit_of(epoch: int) -> Commit:
    weights = np.full((3, 2), epoch, np.float32)
    return Commit({"epoch": epoch}, (weights, np.array(epoch), np.zeros((0, 2), np.uint16)))


def write(path: Path, epochs: int, first: int = 1) -> None:
    folder = StateFolder(path)
    folder.read()
    folder.begin({"note": "kept"})
    for epoch in range(first, first + epochs):
        folder.commit(commit_of(epoch), epoch=epoch)
    folder.unlock()


def epoch_in(path: Path) -> int:
    """Return the epoch of the newest commit, having looked at every array of it; 0 for none."""
    folder = StateFolder(path)
    commit = folder.read()
    assert folder.damaged == []
    if commit is None:
        return 0
    epoch: int = commit.about["epoch"]
    for found, expected in zip(commit.arrays, commit_of(epoch).arrays, strict=True):
        np.testing.assert_array_equal(found, expected, strict=True)
    return epoch


def fork() -> int:
    """Fork, as `os.fork`; the child leaves garbage alone.

    What tests before have left of TensorFlow would wait for threads that the child has not.
    """
    gc.disable()
    child = os.fork()
    if child:
        gc.enable()
    return child


def count_calls(monkeypatch: pytest.MonkeyPatch, at: int, then: Callable[[], Any]) -> list[int]:
    """Have the call number `at` of those that change files do something else."""
    seen = [0]

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            seen[0] += 1
            if seen[0] == at:
                then()
            return function(*args, **kwargs)

        return call

    for holder, name in CALLS:
        monkeypatch.setattr(holder, name, counted(getattr(holder, name)))
    return seen


def test_newest_commit_comes_back_with_every_bit_and_the_one_before_stays(
    tmp_path: Path,
) -> None:
    write(tmp_path / "state", 4)
    assert epoch_in(tmp_path / "state") == 4
    names = sorted(one.name for one in (tmp_path / "state").iterdir())
    assert names == ["commit-000003.npz", "commit-000004.npz", "lock", "state.json"]
    record = json.loads((tmp_path / "state/state.json").read_text())
    assert record["note"] == "kept"
    assert [one["epochs_done"] for one in record["commits"]] == [3, 4]


def test_killed_at_any_call_it_holds_the_last_commit_or_the_one_before(tmp_path: Path) -> None:
    at = 0
    while True:
        at += 1
        path = tmp_path / str(at)
        child = fork()
        if child == 0:
            with pytest.MonkeyPatch.context() as patch:
                count_calls(patch, at, lambda: os.kill(os.getpid(), signal.SIGKILL))
                write(path, 3)
                os._exit(0)
        _, status = os.waitpid(child, 0)
        before = epoch_in(path)
        write(path, 2, first=before + 1)  # goes on, and sweeps what was left over
        assert epoch_in(path) == before + 2
        assert len(list(path.iterdir())) == 4
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert at > 15
    assert before == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_failed_at_any_call_the_commits_before_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    at, seen = 0, [1]
    while at <= seen[0]:
        at += 1
        path = tmp_path / str(at)
        write(path, 2)
        folder = StateFolder(path)
        folder.read()
        folder.begin({})
        with monkeypatch.context() as patch:
            seen = count_calls(patch, at, fail)
            with suppress(OSError):  # what fails to be deleted is no failure of the commit
                folder.commit(commit_of(3), epoch=3)
        assert epoch_in(path) in (2, 3)
        folder.commit(commit_of(4), epoch=4)
        assert epoch_in(path) == 4
        folder.unlock()


def test_damaged_commit_is_named_and_the_one_before_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "state", 3)
    newest = tmp_path / "state/commit-000003.npz"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    folder = StateFolder(tmp_path / "state")
    commit = folder.read()
    assert commit is not None
    assert commit.about == {"epoch": 2}
    assert folder.damaged == ["commit-000003.npz"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("notes.txt", "mine", "holds other files, such as `notes.txt`"),
        ("state.json", "{", "state.json` cannot be read"),
        ("state.json", '{"format": 9}', "has format 9, and this lrdsl reads format 1"),
        (
            "state.json",
            '{"format": 1, "commits": [{"file": "../x", "sha256": "", "epochs_done": 1}]}',
            "cannot be read",
        ),
    ],
)
def test_folder_of_something_else_is_refused(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(StateError, match=message):
        StateFolder(tmp_path).read()
    assert (tmp_path / name).read_text() == content


def test_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    write(tmp_path, 1)
    folder = StateFolder(tmp_path)
    folder.lock()
    child = fork()
    if child == 0:
        from lrdsl.training import commits

        commits._LOCKS.clear()
        try:
            StateFolder(tmp_path).lock()
        except StateError as error:
            os._exit(7 if f"process {os.getppid()}," in error.found else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    folder.unlock()
