"""An ensemble as one model: the same predictions, for every kind of model, without lrdsl."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import lrdsl
from lrdsl.training.combining import combine

from .test_ensemble import classifier


@keras.saving.register_keras_serializable("lrdsl_tests")
class Own(keras.Model):  # type: ignore[misc]
    """A model that is a class of its own."""

    def __init__(self, units: int = 2, **options: Any) -> None:
        super().__init__(**options)
        self.units = units
        self.dense = keras.layers.Dense(units)
        self.scale = Scale()

    def call(self, inputs: Any) -> Any:
        return self.scale(self.dense(inputs))

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units}


class Scale(keras.layers.Layer):  # type: ignore[misc]
    """A layer that is registered nowhere."""

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(shape[-1],), initializer="ones")

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor


def functional() -> Any:
    a, b = keras.Input((3,), name="a"), keras.Input((4,), name="b")
    hidden = keras.layers.Concatenate()([a, b])
    outputs = {
        "p": keras.layers.Dense(2, name="p")(keras.layers.Dropout(0.5)(hidden)),
        "q": keras.layers.Dense(1, "sigmoid", name="q")(hidden),
    }
    return keras.Model({"a": a, "b": b}, outputs)


def sequential() -> Any:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((7,)), layers.BatchNormalization(), layers.Dense(3, "softmax")]
    )


KINDS = {
    "functional": functional,
    "sequential": sequential,
    "sequential that is built by its data": lambda: keras.Sequential([keras.layers.Dense(2)]),
    "a class of its own": Own,
    "a layer of its own": lambda: keras.Sequential([keras.Input((7,)), Scale()]),
}


def train(kind: str, folder: Path) -> tuple[Any, lrdsl.Ensemble]:
    """Train a model of some kind, and return what it predicts from with its ensemble."""
    random = np.random.default_rng(1)
    keras.utils.set_random_seed(3)
    model = KINDS[kind]()
    x: Any = random.normal(size=(20, 7)).astype("float32")
    if kind == "functional":
        x = {"a": x[:, :3], "b": x[:, 3:]}
    y = keras.tree.map_structure(lambda one: one * 0 + 0.5, model.predict(x, verbose=0))
    model.compile("adam", "mse", jit_compile=False)
    callback = lrdsl.compile("const(0.1) for 1 repeat snapshot")
    callback.snapshots = folder
    model.fit(x, y, epochs=3, batch_size=8, verbose=0, callbacks=[callback])
    return x, lrdsl.Ensemble.load(folder, custom_objects={"Scale": Scale})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [(1, 1, 1), (1, 2, 3)])
def test_one_model_predicts_what_the_ensemble_does(
    kind: str, weights: tuple[int, ...], tmp_path: Path
) -> None:
    x, _ = train(kind, tmp_path / "models")
    own = {"Scale": Scale}
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", weights=weights, custom_objects=own)
    ensemble.to_model().save(tmp_path / "ensemble.keras")
    loaded = keras.saving.load_model(tmp_path / "ensemble.keras", custom_objects=own)
    expected, found = ensemble.predict(x, verbose=0), loaded.predict(x, verbose=0)
    single = lrdsl.Ensemble.load(tmp_path / "models", 1, custom_objects=own)
    different = single.predict(x, verbose=0)
    keras.tree.assert_same_structure(expected, found)
    for one, other, member in zip(
        *map(keras.tree.flatten, (expected, found, different)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)
        assert np.abs(one - member).max() > 1e-4  # the members differ


def test_single_member_is_a_model_too(tmp_path: Path) -> None:
    _, x, _ = classifier(tmp_path / "models")
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", 1)
    np.testing.assert_allclose(
        ensemble.to_model().predict(x, verbose=0), ensemble.predict(x, verbose=0), atol=1e-7
    )


LOAD_ELSEWHERE = """
import sys, warnings
sys.modules["lrdsl"] = None
warnings.simplefilter("error")
warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
import keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


def test_one_model_loads_elsewhere_without_lrdsl_and_without_a_warning(tmp_path: Path) -> None:
    _, x, _ = classifier(tmp_path / "models")
    ensemble = lrdsl.Ensemble.load(tmp_path / "models", weights="val_accuracy")
    ensemble.to_model().save(tmp_path / "ensemble.keras")
    np.save(tmp_path / "x.npy", x)
    words = [str(tmp_path / name) for name in ("ensemble.keras", "y.npy", "x.npy")]
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ELSEWHERE, *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "y.npy"), ensemble.predict(x, verbose=0), atol=1e-6
    )


def test_half_precision_is_averaged_in_single(tmp_path: Path) -> None:
    _, x, _ = classifier(tmp_path / "models", dtype="float16")
    ensemble = lrdsl.Ensemble.load(tmp_path / "models")
    mean = ensemble.predict(x, verbose=0)
    assert mean.dtype == np.float32
    np.testing.assert_allclose(ensemble.to_model().predict(x, verbose=0), mean, atol=1e-6)


def test_inputs_that_are_not_known_are_named(tmp_path: Path) -> None:
    class Unknown:
        def get_build_config(self) -> None:
            return None

    with pytest.raises(ValueError, match="the inputs of `Unknown` are not in its file"):
        combine([Unknown()], [1.0])
