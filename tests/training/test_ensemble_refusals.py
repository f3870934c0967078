"""Folders that may be anybody's: what is refused before Keras opens it, and why."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lrdsl
from lrdsl.training import manifest as manifest_module
from lrdsl.training import members as members_module
from lrdsl.training.manifest import MANIFEST

from .weights import fit, make_model

STEPS = 4
SECOND = "snapshot-02-epoch-002.keras"


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
    with pytest.raises(ValueError, match="which is no name of a snapshot"):
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


def test_run_folder_stands_for_the_snapshots_in_it(folder: Path) -> None:
    assert len(lrdsl.Ensemble.load(folder.parent)) == 3


# -- Files that a stranger made --------------------------------------------------------------


def rewrite(folder: Path, change: Any, how: int = zipfile.ZIP_STORED) -> None:
    """Change the files in the second model's archive, and make the list fit."""
    path = folder / SECOND
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    accept(folder)


def accept(folder: Path) -> None:
    """Make the list fit the second model, whatever that is."""
    content = (folder / SECOND).read_bytes()
    edit_manifest(folder, sha256=hashlib.sha256(content).hexdigest())


def edit_config(folder: Path, edit: Any) -> None:
    def change(files: dict[str, bytes]) -> None:
        config = json.loads(files["config.json"])
        edit(config)
        files["config.json"] = json.dumps(config).encode()

    rewrite(folder, change)


def refusal(folder: Path) -> str:
    with pytest.raises(ValueError) as caught:
        lrdsl.Ensemble.load(folder)
    assert SECOND in str(caught.value)
    return str(caught.value)


def test_archive_rewritten_as_it_was_is_loaded(folder: Path) -> None:
    rewrite(folder, lambda files: None)
    assert len(lrdsl.Ensemble.load(folder)) == 3


def test_archive_that_is_compressed_is_refused(folder: Path) -> None:
    rewrite(folder, lambda files: files.update(bomb=bytes(50_000_000)), zipfile.ZIP_DEFLATED)
    assert "in compressed form, and Keras stores all as it is" in refusal(folder)


def test_archive_that_holds_one_content_many_times_is_refused(folder: Path) -> None:
    path = folder / SECOND
    with zipfile.ZipFile(path, "a") as archive:
        member = archive.getinfo("model.weights.h5")
        for number in range(20):
            again = copy(member)
            again.filename = f"assets/{number}"
            archive.filelist.append(again)
        archive._didModify = True
    accept(folder)
    assert re.search(r"has [\d,]+ bytes and says that it holds [\d,]+", refusal(folder))


def test_archive_of_many_files_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members_module, "MOST_FILES", 100)
    rewrite(folder, lambda files: files.update({f"assets/{n}": b"" for n in range(100)}))
    assert "holds 103 files, more than 100" in refusal(folder)


@pytest.mark.parametrize(
    "name", ["../out", "/etc/passwd", "assets/../../out", "C:/out", "..\\x"]
)
def test_archive_with_a_path_that_leads_out_is_refused(folder: Path, name: str) -> None:
    rewrite(folder, lambda files: files.update({name: b""}))
    assert "a path that leads out" in refusal(folder)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_archive_without_description_or_weights_is_refused(folder: Path, name: str) -> None:
    rewrite(folder, lambda files: files.pop(name))
    assert f"has no `{name}`" in refusal(folder)


def test_long_description_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members_module, "MOST_CONFIG", 100)
    with pytest.raises(ValueError) as caught:
        lrdsl.Ensemble.load(folder)
    words = str(caught.value)
    assert "describes its model in" in words
    assert "more than 100" in words


def test_file_that_is_no_archive_is_refused(folder: Path) -> None:
    (folder / SECOND).write_bytes(b"\x89HDF\r\n")
    edit_manifest(folder, sha256=hashlib.sha256(b"\x89HDF\r\n").hexdigest())
    assert "is no archive of Keras" in refusal(folder)


def test_folder_in_a_models_place_is_refused(folder: Path) -> None:
    (folder / SECOND).unlink()
    (folder / SECOND).mkdir()
    with pytest.raises(FileNotFoundError, match=r"is listed in `snapshots\.json` and missing"):
        lrdsl.Ensemble.load(folder)


def test_model_that_asks_for_more_weights_than_it_holds_is_refused_before_they_are_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []
    zeros = keras.initializers.Zeros.__call__

    def noted(self: Any, shape: Any, dtype: Any = None) -> Any:
        made.append(np.prod(shape))
        return zeros(self, shape, dtype)

    monkeypatch.setattr(keras.initializers.Zeros, "__call__", noted)

    def edit(config: Any) -> None:
        (dense,) = [one for one in config["config"]["layers"] if one["class_name"] == "Dense"]
        dense["config"]["units"] = 400_000_000

    edit_config(folder, edit)
    assert "asks for a model of 1,600,000,000 values or more" in refusal(folder)
    assert max(made) < 100
    keras.Variable(np.ones(3))  # Keras is as it was
    assert "bounded" not in keras.Variable.__init__.__qualname__


# -- Weights in forms in which Keras never stores them ---------------------------------------

KERNEL = "layers/dense/vars/0"


def edit_weights(folder: Path, edit: Callable[[Any], None]) -> None:
    def change(files: dict[str, bytes]) -> None:
        content = io.BytesIO(files["model.weights.h5"])
        with h5py.File(content, "r+") as store:
            assert store[KERNEL].shape == (STEPS, 1)
            edit(store)
        files["model.weights.h5"] = content.getvalue()

    rewrite(folder, change)


def replace(store: Any, *shape: int, dtype: Any = "f4", **options: Any) -> None:
    del store[KERNEL]
    store.create_dataset(KERNEL, shape or (STEPS, 1), dtype, **options)


def virtual(store: Any) -> None:
    layout = h5py.VirtualLayout((STEPS, 1), "f4")
    layout[...] = h5py.VirtualSource("other.h5", "x", shape=(STEPS, 1))
    del store[KERNEL]
    store.create_virtual_dataset(KERNEL, layout)


@pytest.mark.parametrize(
    "edit",
    [
        lambda store: replace(store, 10**9, chunks=(10**6,), compression="gzip"),
        lambda store: replace(store, compression="gzip"),
        lambda store: replace(store, chunks=(STEPS, 1)),
        lambda store: replace(store, external=[("/etc/passwd", 0, 16)]),
        lambda store: replace(store, dtype=h5py.string_dtype()),
        virtual,
    ],
    ids=["compressed", "compressed, small", "in chunks", "elsewhere", "text", "virtual"],
)
def test_weights_in_a_form_that_keras_never_writes_are_refused(
    folder: Path, edit: Callable[[Any], None]
) -> None:
    edit_weights(folder, edit)
    assert f"stores its weights `{KERNEL}` in a form in which Keras never does" in refusal(
        folder
    )


@pytest.mark.parametrize("shape", [(10**12,), (2**31, 2**31, 4)], ids=["long", "overflowing"])
def test_weights_that_are_declared_and_not_there_are_refused(
    folder: Path, shape: tuple[int, ...]
) -> None:
    edit_weights(folder, lambda store: replace(store, *shape))
    assert "declares weights of" in refusal(folder)


def test_many_weights_that_share_what_is_declared_are_added_up(folder: Path) -> None:
    def edit(store: Any) -> None:
        for number in range(20):
            store.create_dataset(f"layers/more/vars/{number}", (1000,), "f4")

    edit_weights(folder, edit)
    assert "declares weights of" in refusal(folder)


def test_weights_that_are_no_hdf5_are_refused(folder: Path) -> None:
    rewrite(folder, lambda files: files.update({"model.weights.h5": b"weights"}))
    assert "has weights that cannot be read: " in refusal(folder)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_shape_are_refused_with_keras_reason(folder: Path) -> None:
    edit_weights(folder, lambda store: replace(store, STEPS, 2))
    found = refusal(folder)
    assert "cannot be loaded: " in found
    assert "shape" in found


# -- Models that run something --------------------------------------------------------------


def test_code_in_a_model_is_refused_though_the_process_has_allowed_it(folder: Path) -> None:
    function = {"class_name": "__lambda__", "config": {"value": "4wEAAAAA"}}

    def edit(config: Any) -> None:
        (dense,) = [one for one in config["config"]["layers"] if one["class_name"] == "Dense"]
        dense["class_name"] = "Lambda"
        dense["config"] = {"name": dense["config"]["name"], "function": function}

    edit_config(folder, edit)
    assert "if the file is your own, pass `safe_mode=False`" in refusal(folder)
    keras.config.enable_unsafe_deserialization()
    try:
        assert "pass `safe_mode=False`" in refusal(folder)
    finally:
        # What there was before that call.
        from keras.src.backend.common import global_state

        global_state.set_global_attribute("safe_mode_saving", None)


def test_lambda_of_your_own_is_loaded_on_request(tmp_path: Path) -> None:
    inputs = keras.Input((STEPS,))
    doubled = keras.layers.Lambda(lambda x: 2 * x, output_shape=(STEPS,))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(doubled))
    model.compile("sgd", "mse", jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "models"
    fit(model, callback, STEPS, epochs=1)
    with pytest.raises(ValueError, match="pass `safe_mode=False`"):
        lrdsl.Ensemble.load(tmp_path / "models")
    assert len(lrdsl.Ensemble.load(tmp_path / "models", safe_mode=False)) == 1


def test_class_that_is_not_known_is_asked_for(folder: Path) -> None:
    def edit(config: Any) -> None:
        (dense,) = [one for one in config["config"]["layers"] if one["class_name"] == "Dense"]
        dense.update(class_name="Mystery", module=None, registered_name="Mystery")

    edit_config(folder, edit)
    assert "pass its classes as `custom_objects={…}`" in refusal(folder)


# -- The list --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "../../x"}, "has no checksum of"),
        ({"step": -1}, "is not a list of snapshots"),
        ({"step": "7"}, "is not a list of snapshots"),
        ({"index": True}, "is not a list of snapshots"),
        ({"rate": None}, "is not a list of snapshots"),
        ({"rate": 10**400}, "is not a list of snapshots"),
        ({"metrics": [1]}, "is not a list of snapshots"),
        ({"metrics": {"loss": "os.remove"}}, "is not a list of snapshots"),
        ({"metrics": {"loss": [[]]}}, "is not a list of snapshots"),
        ({"file": "snapshot-01-epoch-001.keras"}, "lists a file twice"),
        ({"step": STEPS - 1}, "lists a step twice"),
    ],
)
def test_odd_entry_is_refused(folder: Path, changes: Any, words: str) -> None:
    edit_manifest(folder, **changes)
    with pytest.raises(ValueError, match=words):
        lrdsl.Ensemble.load(folder)


def test_long_list_is_not_read_into_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifest_module, "MOST_BYTES", 100)
    with pytest.raises(ValueError, match="is longer than 100 bytes"):
        lrdsl.Ensemble.load(folder)


def test_list_of_too_many_is_refused(folder: Path) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    record["snapshots"] *= 5000
    (folder / MANIFEST).write_text(json.dumps(record))
    with pytest.raises(ValueError, match="lists more than 10,000 snapshots"):
        lrdsl.Ensemble.load(folder)


def test_deeply_nested_list_is_refused(folder: Path) -> None:
    (folder / MANIFEST).write_text('{"format": 1, "snapshots": ' + "[" * 100_000)
    with pytest.raises(ValueError, match="is not a list of snapshots"):
        lrdsl.Ensemble.load(folder)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
FIELDS = ("file", "index", "epoch", "step", "rate", "metrics", "sha256", "metrics_epoch")


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES), VALUES)
def test_any_list_is_read_or_refused_as_a_list(changes: dict[str, Any], other: Any) -> None:
    entry = {
        "file": SECOND,
        "index": 1,
        "epoch": 1,
        "step": 3,
        "rate": 0.1,
        "metrics": {"loss": 1},
        "sha256": "0" * 64,
        "metrics_epoch": 1,
    }
    for record in ({"format": 1, "snapshots": [{**entry, **changes}]}, other):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, MANIFEST).write_text(json.dumps(record))
            try:
                (found,) = manifest_module.read_manifest(Path(folder))
            except manifest_module.ManifestError:
                continue
            assert found.path.parent == Path(folder)
            assert all(isinstance(found.metric(name), float) for name in found.metrics or ())
