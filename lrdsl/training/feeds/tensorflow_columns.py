"""The tables of scheduled floats on the TensorFlow backend, looked up within the graph."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.training.feeds.targets import ScheduledFloat, Slot


class GraphColumns:
    """Tables in a variable each, made while the step is traced, that nobody tracks."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self.stand_in = stand_in()
        self._variables: dict[Slot, Any] = {}
        self._index: Any = None
        self._seen: dict[Any, Any] = {}

    @contextmanager
    def at(self, index: Any) -> Iterator[None]:
        """Let the tables be looked up at the place that `index` says."""
        self._index = index
        try:
            yield
        finally:
            self._index = None
            self._seen.clear()

    def make(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Add a column."""
        with self._tf.init_scope():  # outside of the graphs that are being traced
            numbers = self._tf.constant(values, slot[1])
            self._variables[slot] = self._tf.Variable(numbers, trainable=False)

    def fill(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Give a column other values."""
        self._variables[slot].assign(self._tf.constant(values, slot[1]))

    def look_up(self, slot: Slot, *, weak: bool) -> Any:
        """Return the running step's number as a tensor."""
        # Once for each graph: an update under a condition has one of its own.
        place = (self._tf.compat.v1.get_default_graph(), slot)
        if place not in self._seen:
            self._seen[place] = self._tf.gather(self._variables[slot], self._index)
        return self._seen[place]


@functools.cache
def stand_in() -> type[ScheduledFloat]:
    """Return what stands in for floats, after telling TensorFlow what its tensor is."""
    import tensorflow as tf

    def convert(value: Any, dtype: Any = None, name: Any = None, as_ref: bool = False) -> Any:
        return value.as_tensor(None if dtype is None else dtype.name)

    # Rather than by `__tf_tensor__`, which is not told the type of the tensor beside.
    tf.register_tensor_conversion_function(ScheduledFloat, convert)
    return ScheduledFloat
