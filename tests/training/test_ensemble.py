"""The average of snapshots: which members, in which order, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.training.snapshots import MANIFEST

from .weights import fit, make_model, make_rows

STEPS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three snapshots of one training."""
    callback = lrdsl.compile("linear(from=1, to=0.5) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "snapshots"
    fit(make_model(STEPS), callback, STEPS, epochs=3)
    return tmp_path / "snapshots"


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / MANIFEST
    record = json.loads(path.read_text())
    record["snapshots"][1].update(changes)
    path.write_text(json.dumps(record))


def test_prediction_is_the_mean_of_the_members(folder: Path) -> None:
    ensemble = lrdsl.Ensemble.load(folder)
    rows = make_rows(STEPS)
    single = [
        keras.saving.load_model(path, compile=False).predict(rows, verbose=0)
        for path in ensemble.members
    ]
    mean = ensemble.predict(rows, verbose=0, batch_size=2)
    assert mean.shape == (len(rows), 1)
    assert mean.dtype == np.float32
    np.testing.assert_array_equal(mean, np.mean(single, axis=0, dtype=np.float64).astype("f4"))
    assert len({float(one[0, 0]) for one in single}) == 3


def test_members_are_those_of_the_manifest_in_its_order(folder: Path) -> None:
    path = folder / MANIFEST
    record = json.loads(path.read_text())
    record["snapshots"] = record["snapshots"][:0:-1]
    path.write_text(json.dumps(record))
    (folder / "stray.keras").write_bytes(b"not ours")
    ensemble = lrdsl.Ensemble.load(str(folder))
    assert [member.name for member in ensemble.members] == [
        "snapshot-03-epoch-003.keras",
        "snapshot-02-epoch-002.keras",
    ]
    assert len(ensemble) == 2


def test_outputs_of_several_heads_are_averaged_each(tmp_path: Path) -> None:
    inputs = keras.Input((STEPS,))
    heads = {"a": keras.layers.Dense(1), "b": keras.layers.Dense(2, dtype="float16")}
    model = keras.Model(inputs, {name: layer(inputs) for name, layer in heads.items()})
    model.compile("sgd", loss={"a": "mse", "b": "mse"}, jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "snapshots"
    rows = make_rows(STEPS)
    target = {"a": np.ones((len(rows), 1)), "b": np.ones((len(rows), 2))}
    model.fit(rows, target, epochs=2, verbose=0, callbacks=[callback])
    mean = lrdsl.Ensemble.load(callback.snapshots).predict(rows, verbose=0)
    assert {name: (one.shape, one.dtype.name) for name, one in mean.items()} == {
        "a": ((len(rows), 1), "float32"),
        "b": ((len(rows), 2), "float32"),
    }


def test_iterator_that_only_the_first_member_would_see_is_refused(folder: Path) -> None:
    with pytest.raises(TypeError, match="an iterator can be read once only"):
        lrdsl.Ensemble.load(folder).predict(iter([make_rows(STEPS)]))


def test_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        lrdsl.Ensemble.load(tmp_path)
    assert str(caught.value) == (
        f"no snapshots in `{tmp_path}`: it has no `snapshots.json`, which a training with "
        "`snapshot` in its schedule writes"
    )


def test_changed_file_is_refused(folder: Path) -> None:
    path = folder / "snapshot-02-epoch-002.keras"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"002\.keras` is not the file that was saved"):
        lrdsl.Ensemble.load(folder)


def test_missing_file_is_refused(folder: Path) -> None:
    (folder / "snapshot-02-epoch-002.keras").unlink()
    with pytest.raises(FileNotFoundError, match=r"002\.keras` is listed in `snapshots\.json`"):
        lrdsl.Ensemble.load(folder)


@pytest.mark.parametrize("name", ["../secret.keras", "/etc/passwd", "model.h5", 7, ""])
def test_name_that_leads_elsewhere_is_refused(folder: Path, name: Any) -> None:
    edit_manifest(folder, file=name)
    with pytest.raises(ValueError, match="which is no name of a model"):
        lrdsl.Ensemble.load(folder)


def test_link_is_refused(folder: Path) -> None:
    path = folder / "snapshot-02-epoch-002.keras"
    target = path.rename(folder.parent / "elsewhere.keras")
    path.symlink_to(target)
    with pytest.raises(ValueError, match="is a link"):
        lrdsl.Ensemble.load(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not a list of snapshots"),
        ("[]", "is not a list of snapshots"),
        ('{"format": 1}', "is not a list of snapshots"),
        ('{"format": 2, "snapshots": []}', "has format 2, and this lrdsl reads 1"),
        ('{"format": 1, "snapshots": []}', "lists no snapshot: none was saved"),
    ],
)
def test_odd_manifest_is_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=words):
        lrdsl.Ensemble.load(tmp_path)
