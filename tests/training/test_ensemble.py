"""The average of snapshots: which members, in which order, and what is refused."""

from __future__ import annotations

import json
import logging
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.training import members as members_module
from lrdsl.training.manifest import MANIFEST
from lrdsl.training.scoring import what_is_averaged

from .weights import fit, make_model, make_rows

STEPS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with three snapshots of one training."""
    callback = lrdsl.compile("linear(from=1, to=0.5) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "snapshots"
    fit(make_model(STEPS), callback, STEPS, epochs=3)
    return tmp_path / "snapshots"


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


def test_generator_is_read_once_by_all_members(folder: Path) -> None:
    ensemble, rows = lrdsl.Ensemble.load(folder), make_rows(STEPS)
    batches = ((rows[at : at + 5], None) for at in range(0, len(rows), 5))
    np.testing.assert_array_equal(
        ensemble.predict(batches, verbose=0), ensemble.predict(rows, verbose=0)
    )


class Shuffled(keras.utils.PyDataset):  # type: ignore[misc]
    """Yields the rows in another order each time."""

    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.rows, self.random, self.given = rows, np.random.default_rng(1), []

    @property
    def num_batches(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        if index == 0:
            self.order = self.random.permutation(len(self.rows))
        batch = self.rows[np.array_split(self.order, 3)[index]]
        self.given.append(batch)
        return batch, np.zeros(len(batch))


def test_members_average_over_the_same_rows_of_a_dataset_that_shuffles(folder: Path) -> None:
    ensemble, data = lrdsl.Ensemble.load(folder), Shuffled(make_rows(STEPS))
    mean = ensemble.predict(data, verbose=0)
    np.testing.assert_array_equal(mean, ensemble.predict(np.concatenate(data.given), verbose=0))


def test_dataset_that_shuffles_is_refused_where_each_member_reads_it(folder: Path) -> None:
    ensemble = lrdsl.Ensemble.load(folder, one_at_a_time=True)
    with pytest.raises(ValueError, match="yields other batches each time it is read"):
        ensemble.predict(Shuffled(make_rows(STEPS)), verbose=0)


def test_iterator_is_refused_where_each_member_reads_it(folder: Path) -> None:
    with pytest.raises(TypeError, match="an iterator can be read once only"):
        lrdsl.Ensemble.load(folder, one_at_a_time=True).predict(iter([make_rows(STEPS)]))


def test_steps_end_a_dataset_without_end(folder: Path) -> None:
    ensemble, rows = lrdsl.Ensemble.load(folder), make_rows(STEPS)
    endless = ((rows,) for _ in iter(int, 1))
    assert len(ensemble.predict(endless, steps=2, verbose=0)) == 2 * len(rows)


def test_one_at_a_time_gives_the_same_with_one_model_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = make_rows(STEPS)
    alive: list[Any] = []
    load, most = keras.saving.load_model, [0]

    def counted(*args: Any, **kwargs: Any) -> Any:
        model = load(*args, **kwargs)
        alive.append(weakref.ref(model))
        most[0] = max(most[0], sum(one() is not None for one in alive))
        return model

    together = lrdsl.Ensemble.load(folder).predict(rows, verbose=0)
    monkeypatch.setattr(keras.saving, "load_model", counted)
    ensemble = lrdsl.Ensemble.load(folder, one_at_a_time=True)
    assert alive == []
    np.testing.assert_array_equal(ensemble.predict(rows, verbose=0, batch_size=5), together)
    assert len(alive) == 3
    assert most == [1]


def test_progress_is_shown_unless_asked_not_to(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ensemble, rows = lrdsl.Ensemble.load(folder, one_at_a_time=True), make_rows(STEPS)
    ensemble.predict(rows, batch_size=6, verbose=0)
    assert capsys.readouterr().out == ""
    ensemble.predict(rows, batch_size=6)
    assert "6/6" in capsys.readouterr().out  # two batches, three members


def test_members_that_are_many_bring_no_warning_of_tracing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    callback = lrdsl.compile("linear(from=1, to=0.5) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "snapshots"
    fit(make_model(STEPS), callback, STEPS, epochs=6)
    ensemble, rows = lrdsl.Ensemble.load(tmp_path / "snapshots"), make_rows(STEPS)
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    filters = list(logger.filters)
    try:
        ensemble.predict(rows, verbose=0)
        assert not [one for one in caplog.records if "retracing" in one.getMessage()]
    finally:
        logger.removeHandler(caplog.handler)
    assert logger.filters == filters


# -- Which members, and how much each counts -------------------------------------------------


def test_members_are_so_many_of_the_last_or_those_of_some_numbers(folder: Path) -> None:
    def indices(members: Any) -> list[int]:
        return [one.index for one in lrdsl.Ensemble.load(folder, members).snapshots]

    assert indices(2) == [2, 3]
    assert indices([3, 1]) == [1, 3]
    assert indices(None) == [1, 2, 3]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (4, "members=4: the folder has 3 snapshots"),
        (0, "members=0: the folder has 3 snapshots"),
        ([1, 5], "there is no snapshot 5; there are 1, 2, 3"),
        ([], "give each number once, and one at least"),
        ([1, 1], "give each number once"),
    ],
)
def test_members_that_are_not_there_are_refused(folder: Path, members: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        lrdsl.Ensemble.load(folder, members)


def test_weights_count_in_proportion(folder: Path) -> None:
    ensemble = lrdsl.Ensemble.load(folder, weights=[2, 1, 1])
    assert ensemble.weights == (0.5, 0.25, 0.25)
    rows = make_rows(STEPS)
    single = [
        keras.saving.load_model(path, compile=False).predict(rows, verbose=0)
        for path in ensemble.members
    ]
    expected = np.average(single, axis=0, weights=[2, 1, 1])
    np.testing.assert_allclose(ensemble.predict(rows, verbose=0), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("metric", "weights"),
    [("val_accuracy", (1 / 6, 2 / 6, 3 / 6)), ("val_loss", (6 / 11, 3 / 11, 2 / 11))],
)
def test_weights_by_a_metric_prefer_what_is_better(
    folder: Path, metric: str, weights: tuple[float, ...]
) -> None:
    record = json.loads((folder / MANIFEST).read_text())
    for value, entry in enumerate(record["snapshots"], 1):
        entry["metrics"][metric] = value / 10
    (folder / MANIFEST).write_text(json.dumps(record))
    assert lrdsl.Ensemble.load(folder, weights=metric).weights == pytest.approx(
        weights, rel=1e-12
    )


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("val_loss", "snapshot 1 has no metric `val_loss`; it has `loss`"),
        ("loss", "the values of `loss` have to be finite and above zero, not 0, "),
        ("quality", "is more or less of `quality` better"),
        ([1, 2], "2 weights for 3 members"),
        ([1, 2, -1], "the weights have to be finite and above zero"),
        ([1, 2, float("nan")], "the weights have to be finite and above zero"),
    ],
)
def test_weights_that_give_no_average_are_refused(
    folder: Path, weights: Any, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        lrdsl.Ensemble.load(folder, weights=weights)


# -- Scores ----------------------------------------------------------------------------------


def classifier(folder: Path, *, logits: bool = False, **options: Any) -> tuple[Any, Any, Any]:
    """Train a classifier of three classes that leaves three snapshots; return it and data."""
    random = np.random.default_rng(1)
    x = random.normal(size=(50, 6)).astype("float32")
    y = (x[:, 0] > 0) + (x[:, 1] > 0).astype(int)
    keras.utils.set_random_seed(2)
    last = keras.layers.Dense(3, None if logits else "softmax", **options)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), last])
    model.compile(
        keras.optimizers.Adam(0.1),
        keras.losses.SparseCategoricalCrossentropy(from_logits=logits),
        metrics=["accuracy"],
        jit_compile=False,
    )
    callback = lrdsl.compile("linear(from=0.1, to=0.01) for 1 repeat snapshot")
    callback.snapshots = folder
    model.fit(x, y, epochs=3, verbose=0, validation_data=(x, y), callbacks=[callback])
    return model, x, y


@pytest.mark.parametrize("one_at_a_time", [False, True])
def test_each_member_and_the_average_are_scored_as_keras_scores(
    tmp_path: Path, one_at_a_time: bool
) -> None:
    _, x, y = classifier(tmp_path / "models")
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", one_at_a_time=one_at_a_time)
    scores = ensemble.evaluate(x, y, verbose=0, batch_size=16)
    for one in ensemble.snapshots:
        found = scores.members[one.path.name]
        assert list(found) == ["loss", "accuracy"]
        assert found["accuracy"] == pytest.approx(one.metric("val_accuracy"), rel=1e-6)
        assert found["loss"] == pytest.approx(one.metric("val_loss"), rel=1e-5)
    model = ensemble.to_model()
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    expected = model.evaluate(x, y, verbose=0, return_dict=True)
    assert scores.average == pytest.approx(expected, rel=1e-5)
    lines = str(scores).splitlines()
    assert lines[0].split() == ["loss", "accuracy"]
    assert [line.split()[0] for line in lines[1:]] == [*scores.members, "average"]


def test_scores_take_sample_weights_and_datasets(tmp_path: Path) -> None:
    _, x, y = classifier(tmp_path / "models")
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", 1)
    weight = (np.arange(len(x)) < 25).astype("float32")
    weighted = ensemble.evaluate(x, y, sample_weight=weight, verbose=0, batch_size=25)
    halves = ensemble.evaluate(((x[a : a + 25], y[a : a + 25]) for a in (0, 25)), verbose=0)
    first = ensemble.evaluate(x[:25], y[:25], verbose=0)
    assert halves.average == pytest.approx(ensemble.evaluate(x, y, verbose=0).average, rel=1e-5)
    # Keras divides a loss by all samples, those without weight included.
    assert 2 * weighted.average["loss"] == pytest.approx(first.average["loss"], rel=1e-5)


def test_losses_by_the_names_of_outputs_are_those_of_each_output(tmp_path: Path) -> None:
    inputs = keras.Input((STEPS,))
    heads = [keras.layers.Dense(1, name="a")(inputs), keras.layers.Dense(2, name="b")(inputs)]
    model = keras.Model(inputs, heads)
    model.compile("sgd", loss={"a": "mse", "b": "mae"}, jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "models"
    rows = make_rows(STEPS)
    target = [np.ones((len(rows), 1)), np.ones((len(rows), 2))]
    model.fit(rows, target, epochs=2, verbose=0, callbacks=[callback])
    ensemble = lrdsl.Ensemble.load(tmp_path / "models")
    scores = ensemble.evaluate(rows, target, verbose=0)
    a, b = ensemble.predict(rows, verbose=0)
    assert scores.average["a_loss"] == pytest.approx(np.mean((a - 1) ** 2), rel=1e-5)
    assert scores.average["b_loss"] == pytest.approx(np.mean(np.abs(b - 1)), rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "averages"),
    [
        ("sparse_categorical_crossentropy", "probabilities"),
        (keras.losses.BinaryCrossentropy(from_logits=True), "logits"),
        (keras.losses.BinaryCrossentropy(), "probabilities"),
        ("mse", "outputs"),
        (["mse", "binary_crossentropy"], "outputs"),
        ({"a": "binary_crossentropy", "b": "kl_divergence"}, "probabilities"),
    ],
)
def test_what_is_averaged_is_said_by_the_loss(loss: Any, averages: str) -> None:
    config = keras.saving.serialize_keras_object({"loss": loss})
    assert what_is_averaged(config) == averages


def test_logits_are_averaged_as_they_are_and_said_so(tmp_path: Path) -> None:
    _, x, _ = classifier(tmp_path / "models", logits=True)
    ensemble = lrdsl.Ensemble.load(tmp_path / "models")
    assert ensemble.averages == "logits"
    assert (ensemble.predict(x, verbose=0) < 0).any()


def test_model_saved_without_a_loss_has_no_scores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members_module, "read_compiled", lambda path: {})
    ensemble = lrdsl.Ensemble.load(folder)
    with pytest.raises(ValueError, match="were saved without a loss, so they have no scores"):
        ensemble.evaluate(make_rows(STEPS), np.ones(12), verbose=0)


def test_outputs_that_are_whole_numbers_have_no_average(tmp_path: Path) -> None:
    class Winner(keras.layers.Layer):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            return keras.ops.argmax(inputs, axis=-1)

    inputs = keras.Input((STEPS,))
    hidden = keras.layers.Dense(2, name="a")(inputs)
    model = keras.Model(inputs, {"a": hidden, "b": Winner(dtype="int32")(hidden)})
    model.compile("sgd", loss={"a": "mse"}, jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = tmp_path / "models"
    rows = make_rows(STEPS)
    model.fit(rows, {"a": np.ones((len(rows), 2))}, verbose=0, callbacks=[callback])
    own = {"Winner": Winner}
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", custom_objects=own)
    with pytest.raises(ValueError, match=r"the models give int.*, which has no average"):
        ensemble.predict(rows, verbose=0)
    with pytest.raises(ValueError, match=r"is of int.*, which has no average"):
        ensemble.to_model()
