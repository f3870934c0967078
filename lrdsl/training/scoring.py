"""Scores of predictions, by the loss and the metrics that a model was compiled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from lrdsl.training.columns import columns
from lrdsl.training.members import in_safe_mode

_PARTS = ("loss", "loss_weights", "metrics", "weighted_metrics")

_CROSSENTROPIES = {
    *("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
    *("BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"),
    *("binary_focal_crossentropy", "categorical_focal_crossentropy"),
    *("BinaryFocalCrossentropy", "CategoricalFocalCrossentropy"),
    *("kl_divergence", "kld", "KLDivergence"),
}


@dataclass(frozen=True)
class Scores:
    """What `Ensemble.evaluate` has found; `print` shows a table.

    Attributes:
        members: the scores of each member, by the name of its file.
        average: those of the ensemble.
    """

    members: Mapping[str, Mapping[str, float]]
    average: Mapping[str, float]

    def __str__(self) -> str:
        """Return a table with a line for each member and one for the average."""
        rows: list[tuple[str, ...]] = [("", *self.average)]
        for name, scores in [*self.members.items(), ("average", self.average)]:
            rows.append((name, *(f"{value:.4g}" for value in scores.values())))
        return columns(rows)


class Scorer:
    """Adds up the scores of predictions over batches.

    Args:
        compiled: how the models were compiled, as Keras's config.
        custom_objects: the losses and metrics that are not Keras's own.
        safe_mode: whether to refuse code in the config.
    """

    def __init__(
        self,
        compiled: Mapping[str, Any],
        custom_objects: Mapping[str, Any] | None,
        *,
        safe_mode: bool,
    ) -> None:
        self._config = {name: compiled.get(name) for name in _PARTS}
        self._safe_mode = safe_mode
        self._custom_objects = dict(custom_objects or {})
        self._model: Any = None
        self._loss = keras.metrics.Mean("loss")
        self._found: dict[str, Any] = {}

    def add(
        self, prediction: Any, y: Any, sample_weight: Any, names: Sequence[str] = ()
    ) -> None:
        """Add a batch; `names` are those of the outputs, which losses may go by."""
        if self._model is None:
            self._model = self._make(prediction, names)
        size = keras.tree.flatten(prediction)[0].shape[0]
        prediction, y, sample_weight = keras.tree.map_structure(
            lambda one: None if one is None else keras.ops.convert_to_tensor(one),
            (prediction, y, sample_weight),
        )
        # What Keras's own `test_step` does; `test_on_batch` forgets the batches before.
        loss = self._model.compute_loss(
            y=y, y_pred=prediction, sample_weight=sample_weight, training=False
        )
        self._loss.update_state(loss, sample_weight=size)
        self._found = self._model.compute_metrics(prediction, y, prediction, sample_weight)

    @property
    def scores(self) -> dict[str, float]:
        """The scores of all batches so far, in Keras's order."""
        scores = {**self._found, "loss": self._loss.result()}
        return {name: float(value) for name, value in scores.items()}

    def _make(self, prediction: Any, output_names: Sequence[str]) -> Any:
        # A model that hands its inputs through, so that Keras's own sums apply.
        inputs = keras.tree.map_structure(
            lambda one: keras.Input(one.shape[1:], dtype=one.dtype.name), prediction
        )
        flat = keras.tree.flatten(inputs)
        is_named = len(output_names) == len(flat)
        names = list(output_names) if is_named else [None] * len(flat)
        outputs = [
            keras.layers.Identity(name=name, dtype=one.dtype)(one)
            for name, one in zip(names, flat, strict=True)
        ]
        model = keras.Model(inputs, keras.tree.pack_sequence_as(inputs, outputs))
        with (
            in_safe_mode(self._safe_mode),
            keras.saving.custom_object_scope(self._custom_objects),
        ):
            parts = keras.saving.deserialize_keras_object(self._config)
        model.compile(optimizer=None, **parts)
        return model


def what_is_averaged(compiled: Mapping[str, Any]) -> str:
    """Return what the outputs are by the loss: "probabilities", "logits", or "outputs"."""
    loss = compiled.get("loss")
    kinds = {_kind(one) for one in _each(loss)}
    return kinds.pop() if len(kinds) == 1 else "outputs"


def _each(loss: Any) -> list[Any]:
    if isinstance(loss, Mapping) and "class_name" not in loss:
        return list(loss.values())
    return list(loss) if isinstance(loss, list | tuple) else [loss]


def _kind(loss: Any) -> str:
    name, config = loss, None
    if isinstance(loss, Mapping):
        name, config = loss.get("class_name"), loss.get("config")
        if name == "function":
            name, config = config, None
    if not isinstance(name, str) or name not in _CROSSENTROPIES:
        return "outputs"
    from_logits = isinstance(config, Mapping) and config.get("from_logits")
    return "logits" if from_logits else "probabilities"
