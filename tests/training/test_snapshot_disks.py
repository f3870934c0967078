"""Snapshots on disks that are really full, read-only or limited while `fit` runs."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import pytest

import lrdsl

from .test_snapshot_failures import EACH, STEPS, assert_right
from .weights import fit, make_model


def mounted(*words: str) -> None:
    try:
        done = subprocess.run(["mount", *words], capture_output=True, text=True, timeout=20)
    except OSError:
        pytest.skip("there is no `mount`")
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir()
    mounted("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True, timeout=20)


class Do(keras.callbacks.Callback):  # type: ignore[misc]
    """Does something as each epoch begins."""

    def __init__(self, what: Callable[[int], None]) -> None:
        super().__init__()
        self.what = what

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.what(epoch)


def test_full_disk_costs_the_snapshots_that_find_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "512k") as disk:

        def fill(epoch: int) -> None:
            filler = disk / "filler"
            if epoch == 1:
                filler.write_bytes(bytes(shutil.disk_usage(disk).free))
            if epoch == 2:
                filler.unlink()

        callback = lrdsl.compile(EACH)
        callback.snapshots = disk / "models"
        with pytest.warns(RuntimeWarning, match=r"snapshot 2 is missing: cannot write .*No sp"):
            fit(make_model(STEPS), callback, STEPS, epochs=3, callbacks=[Do(fill)])
        assert len(callback.applied) == 3 * STEPS
        assert assert_right(disk / "models") == [1, 3]
        assert len(list((disk / "models").iterdir())) == 3
        (missed,) = callback.missed
        assert "snapshot-02-epoch-002.keras" in missed.message


def test_folder_that_becomes_read_only_costs_its_snapshots_alone(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:

        def lock(epoch: int) -> None:
            how = {1: "remount,ro", 2: "remount,rw"}.get(epoch)
            if how is not None:
                mounted("-o", how, str(disk))

        callback = lrdsl.compile(EACH.replace("snapshot", "snapshot(keep=1)"))
        callback.snapshots = disk / "models"
        with pytest.warns(RuntimeWarning, match="Read-only file system"):
            fit(make_model(STEPS), callback, STEPS, epochs=3, callbacks=[Do(lock)])
        assert assert_right(disk / "models") == [3]
        assert [one.index for one in callback.saved] == [1, 3]


def test_read_only_disk_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        mounted("-o", "remount,ro", str(disk))
        callback = lrdsl.compile(EACH)
        callback.snapshots = disk / "models"
        with pytest.raises(lrdsl.LrsError) as caught:
            fit(make_model(STEPS), callback, STEPS, epochs=1)
    (found,) = caught.value.diagnostics
    assert found.code == "LRS603"
    assert found.message.startswith("cannot write to the folder")
    assert found.message.endswith("Read-only file system")


def test_folder_without_permission_is_refused_before_the_first_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Simulated, as permissions do not bind root.
    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", denied)
    callback = lrdsl.compile(EACH)
    callback.snapshots = tmp_path / "models"
    with pytest.raises(lrdsl.LrsError, match=r"cannot write to .* Permission denied"):
        fit(make_model(STEPS), callback, STEPS, epochs=1)


UNDER_A_LIMIT = """
import json, resource, sys, warnings
sys.path[:0] = [sys.argv[1]]
import keras
import numpy as np
import lrdsl
from training.weights import fit, make_model

def limit(epoch):
    bytes = {1: 2000, 2: resource.RLIM_INFINITY}.get(epoch)
    if bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (bytes, resource.RLIM_INFINITY))

class Limit(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        limit(epoch)

callback = lrdsl.compile(sys.argv[3])
callback.snapshots = sys.argv[2]
fit(make_model(4), callback, 4, epochs=3, callbacks=[Limit()])
print(json.dumps([[one.index for one in callback.saved], [m.message for m in callback.missed]]))
"""


def test_limit_on_file_sizes_costs_the_snapshots_above_it(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    if hard != resource.RLIM_INFINITY:
        pytest.skip("file sizes are limited here already")
    words = [str(Path(__file__).parents[1]), str(tmp_path / "models"), EACH]
    done = subprocess.run(
        [sys.executable, "-c", UNDER_A_LIMIT, *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saved, missed = json.loads(done.stdout.splitlines()[-1])
    assert saved == [1, 3]
    (message,) = missed
    assert "snapshot 2 is missing" in message
    assert "File too large" in message
    assert assert_right(tmp_path / "models") == [1, 3]
    assert len(list((tmp_path / "models").iterdir())) == 3
