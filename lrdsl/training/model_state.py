"""The variables of a model and its optimizer, taken out and put back, on every backend.

Seed generators of layers (of Dropout, say) are among them, and so is Keras's global one.
Metrics are not: `fit` resets them at each epoch's start.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from lrdsl.training.feeds.parts import build_optimizer

_OPTIMIZER = "optimizer variable"
_GLOBAL_SEED = "the global seed generator"


def take(model: Any) -> tuple[list[list[Any]], list[NDArray[Any]]]:
    """Return what each variable is (kind, path, shape, dtype), and its value for NumPy."""
    described, arrays = [], []
    for kind, variable in _variables(model):
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        described.append(_describe(kind, variable))
        # What NumPy does not know itself, such as bfloat16, is kept as the bits it is.
        known = value.dtype.isbuiltin == 1
        arrays.append(value if known else value.view(f"u{value.dtype.itemsize}"))
    return described, arrays


def is_finite(model: Any) -> bool:
    """Return whether no weight of the model is nan or infinite."""
    for variable in model.weights:
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        if value.dtype.kind not in "biu" and not np.isfinite(value).all():
            return False
    return True


def build(model: Any) -> None:
    """Make the variables that Keras would make at the first step, of model and optimizer."""
    if not all(layer.built for layer in model._flatten_layers()):
        iterator = _iterator_of_fit(model)
        if iterator is not None:
            model._symbolic_build(iterator=iterator)
            iterator.reset()
    build_optimizer(model)


def find_difference(model: Any, described: Sequence[Sequence[Any]]) -> str | None:
    """Return how the model differs from the one described, None if it does not."""
    kept = [list(one) for one in described if one[0] != _GLOBAL_SEED]
    here = [_describe(*one) for one in _variables(model) if one[0] != _GLOBAL_SEED]
    for ours, theirs in zip(here, kept, strict=False):
        if _key(ours) != _key(theirs):
            return f"it has {_words(ours)} where the run had {_words(theirs)}"
    if len(here) != len(kept):
        return f"it has {len(here)} variables, and the run had {len(kept)}"
    return None


def put_back(
    model: Any, described: Sequence[Sequence[Any]], arrays: Sequence[NDArray[Any]]
) -> None:
    """Give each variable the value that `take` took from it."""
    values = list(zip(described, arrays, strict=True))
    if any(one[0] == _GLOBAL_SEED for one, _ in values):
        _make_global_seed()
    variables = dict(enumerate(_variables(model)))
    for number, (_, array) in enumerate(values):
        variable = variables[number][1]
        dtype = np.asarray(keras.ops.convert_to_numpy(variable)).dtype
        variable.assign(array if array.dtype == dtype else array.view(dtype))


def _variables(model: Any) -> list[tuple[str, Any]]:
    found = [("variable", one) for one in model.variables]
    found += [(_OPTIMIZER, one) for one in model.optimizer.variables]
    seed = _global_seed()
    return found if seed is None else [*found, (_GLOBAL_SEED, seed.state)]


def _describe(kind: str, variable: Any) -> list[Any]:
    shape = [int(size) for size in variable.shape]
    return [kind, variable.path, shape, keras.backend.standardize_dtype(variable.dtype)]


def _words(described: Sequence[Any]) -> str:
    kind, path, shape, dtype = described
    return f"the {kind} `{path}` ({dtype}, {'×'.join(map(str, shape)) or 'a number'})"


def _key(described: Sequence[Any]) -> list[Any]:
    kind, path, shape, dtype = described
    # A second model of one process has `dense_1` where the first has `dense`.  What stands
    # in front of a layer's name depends on when it was built.
    names = re.sub(r"_\d+(?=[_/]|$)", "", path).split("/")
    return [kind, names[-1 if kind == _OPTIMIZER else -2 :], shape, dtype]


def _global_seed() -> Any:
    from keras.src.backend.common import global_state
    from keras.src.random.seed_generator import GLOBAL_SEED_GENERATOR

    return global_state.get_global_attribute(GLOBAL_SEED_GENERATOR)


def _make_global_seed() -> None:
    from keras.src.random.seed_generator import global_seed_generator

    global_seed_generator()


def _iterator_of_fit(model: Any) -> Any:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_locals.get("self") is model and "epoch_iterator" in frame.f_locals:
            return frame.f_locals["epoch_iterator"]
        frame = frame.f_back  # type: ignore[assignment]
    return None
