"""The tables of scheduled floats under a distribution strategy of TensorFlow.

Weights are updated between the replicas, in the thread that began them, where none of them
can be asked for its variables and none can be made.  So there is one table of all floats,
made before, and each replica looks up the running step's row in front of its update.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.training.feeds.targets import Slot
from lrdsl.training.feeds.tensorflow_columns import stand_in

COLUMNS = 64
"""Expressions of scheduled floats that one update may read; Keras's own read ten at most."""


class MirroredColumns:
    """Tables in one variable, of which each replica has a copy that nobody tracks."""

    def __init__(self, strategy: Any, width: int) -> None:
        import tensorflow as tf

        self._tf = tf
        self._strategy = strategy
        self.stand_in = stand_in()
        self._places: dict[Slot, int] = {}
        self._numbers = np.zeros((width, COLUMNS))
        with strategy.scope():
            self._table = tf.Variable(
                self._numbers,
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )
        self._rows: dict[int, Any] = {}  # of each replica that is in its update, by thread

    @contextmanager
    def at(self, index: Any) -> Iterator[None]:
        """Let the tables be looked up at the place that `index` says."""
        thread = threading.get_ident()
        self._rows[thread] = self._tf.gather(self._table, index)
        try:
            yield
        finally:
            del self._rows[thread]

    def make(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Add a column."""
        self._places[slot] = len(self._places)
        self.fill(slot, values)

    def fill(self, slot: Slot, values: NDArray[np.float64]) -> None:
        """Give a column other values."""
        with self._tf.init_scope():  # outside of the graph that may be being traced
            # Rounded here to the column's own type, so that the step's cast is exact.
            rounded = self._tf.cast(self._tf.constant(values, slot[1]), "float64")
            self._numbers[:, self._places[slot]] = rounded.numpy()
            for copy in self._strategy.experimental_local_results(self._table):
                copy.assign(self._numbers)

    def look_up(self, slot: Slot, *, weak: bool) -> Any:
        """Return the running step's number as a tensor."""
        # Between the replicas, where all are at the same step, any one's row will do.
        row = self._rows.get(threading.get_ident(), next(iter(self._rows.values())))
        return self._tf.cast(row[self._places[slot]], slot[1])
