"""Several models as one model of Keras, with the average inside and nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def combine(models: Sequence[Any], weights: Sequence[float]) -> Any:
    """Return a model that gives the weighted mean of the models' outputs.

    It is made of layers that any Keras 3 has, so a file of it loads without lrdsl.  The
    models become its parts, under the names `member_1`, `member_2` …

    Raises:
        ValueError: the inputs of a model are not known, or an output is not a number.
    """
    first = models[0]
    inputs = _inputs_of(first)
    given = []
    for number, model in enumerate(models, 1):
        model.name = f"member_{number}"  # in one model no two have the same
        given.append(model(inputs))
    names = _names_of_averages(first, given[0])
    means = [
        _mean(outputs, weights, name)
        for name, *outputs in zip(names, *map(keras.tree.flatten, given), strict=True)
    ]
    return keras.Model(inputs, keras.tree.pack_sequence_as(given[0], means), name="ensemble")


def _mean(outputs: Sequence[Any], weights: Sequence[float], name: str) -> Any:
    dtype = keras.backend.standardize_dtype(outputs[0].dtype)
    if not keras.backend.is_float_dtype(dtype):
        raise ValueError(f"an output of the models is of {dtype}, which has no average")
    wide = "float64" if dtype == "float64" else "float32"
    layers = keras.layers
    if len(outputs) == 1:
        return layers.Identity(dtype=wide, name=name)(outputs[0])
    if len(set(weights)) == 1:
        return layers.Average(dtype=wide, name=name)(outputs)
    parts = [
        layers.Rescaling(weight, dtype=wide)(output)
        for weight, output in zip(weights, outputs, strict=True)
    ]
    return layers.Add(dtype=wide, name=name)(parts)


def _inputs_of(model: Any) -> Any:
    """Return new inputs such as a model has."""
    if isinstance(model, keras.Sequential):
        return _like(model.inputs[0])
    try:
        known = model.input
    except AttributeError:  # a subclass, which was built by its first batch
        known = None
    if known is not None:
        return keras.tree.map_structure(_like, known)
    shape = (model.get_build_config() or {}).get("input_shape")
    if shape is None:
        raise ValueError(
            f"the inputs of `{type(model).__name__}` are not in its file: give the class a "
            "`build(self, input_shape)`, and a call with one argument"
        )
    return keras.tree.map_shape_structure(lambda size: keras.Input(tuple(size)[1:]), shape)


def _like(tensor: Any) -> Any:
    layer = tensor._keras_history.operation
    return keras.layers.InputLayer.from_config(layer.get_config()).output


def _names_of_averages(model: Any, outputs: Any) -> list[str]:
    """Return the names of the outputs: what losses and metrics go by, if there are several."""
    count = len(keras.tree.flatten(outputs))
    if count == 1:
        return ["average"]
    names = list(getattr(model, "output_names", None) or ())
    inputs = {tensor.name for tensor in getattr(model, "inputs", None) or ()}
    if len(names) == count == len(set(names)) and not inputs & set(names):
        return names
    return [f"average_{number}" for number in range(1, count + 1)]
