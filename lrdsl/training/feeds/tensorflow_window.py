"""Planned rates and used ones in variables of TensorFlow, within reach of a compiled step.

They are ours alone: no optimizer or model tracks them, so what is saved while a schedule is
applied is what would be saved without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

WINDOW = 2048
"""Steps held at once.  XLA copies table and tape at every step, of which this is few enough
to cost nothing, and enough that filling the table again does not either."""


class RateWindow:
    """The rates of some steps: a table of those planned, a tape of those used, and a count.

    Under a distribution strategy each replica has its own of them.  On a small model every
    operation within a step can be measured, and one that looks at the whole table more than
    most.

    Args:
        strategy: how the model is distributed.
        size: how many steps it holds.
        parts: how many parts of an optimizer have a rate.
    """

    def __init__(self, strategy: Any, size: int, parts: int) -> None:
        import tensorflow as tf

        self._tf = tf
        self._strategy = strategy
        self._size = size
        # Both end with a place for steps that nobody planned, which are given a rate of 0.
        empty = np.zeros(size + 1, np.float32)
        self._tables = [self._make_variable(empty) for _ in range(parts)]
        self._tapes = [self._make_variable(empty) for _ in range(parts)]
        # Of 64 bits, as GPUs do not count in 32.
        self._count = self._make_variable(np.int64(0))

    # -- Within a step -------------------------------------------------------------------

    def index(self) -> Any:
        """Return the running step's place."""
        return self._tf.minimum(self._count.read_value(), np.int64(self._size))

    def planned(self, index: Any) -> list[Any]:
        """Return the rate planned at a place, for each part."""
        return [self._tf.gather(table, index) for table in self._tables]

    def record(self, index: Any, used: Sequence[Any]) -> None:
        """Write down the rate used at a place, of each part."""
        for tape, rate in zip(self._tapes, used, strict=True):
            # In place.  (`tape[index].assign` ended in segmentation faults under XLA.)
            self._tf.raw_ops.ResourceScatterUpdate(
                resource=tape.handle, indices=index, updates=self._tf.cast(rate, "float32")
            )

    def count_step(self) -> None:
        """Count the running step."""
        self._count.assign_add(1, read_value=False)

    def replica_here(self) -> str | None:
        """Return the replica that we are in, by its device; None where there is one."""
        return self.replica_of(self._count)

    def replica_of(self, variable: Any) -> str | None:
        """Return the replica that we are in, or whose copy `variable` is, by its device."""
        return str(variable.device) if len(self._copies(self._count)) > 1 else None

    # -- Between steps -------------------------------------------------------------------

    def fill(self, rates: NDArray[np.float32]) -> None:
        """Begin with the rates of at most `size` steps, a row for each; any beyond have 0."""
        for table, planned in zip(self._tables, rates.T, strict=True):
            self._assign(table, np.pad(planned, (0, self._size + 1 - len(planned))))
        self._assign(self._count, np.int64(0))

    @property
    def count(self) -> int:
        """How many steps have run since it was filled."""
        return int(self._copies(self._count)[0].numpy())

    def used(self) -> tuple[int, NDArray[np.float32]]:
        """Return how many steps have run since it was filled, and the rates they used."""
        count = self.count
        tapes = [[copy.numpy() for copy in self._copies(tape)] for tape in self._tapes]
        used = np.stack(tapes, axis=-1)[:, : min(count, self._size)]
        # A rate that is not the same in all replicas is none.
        return count, np.where((used == used[0]).all(axis=0), used[0], np.float32("nan"))

    def _make_variable(self, value: Any) -> Any:
        tf = self._tf
        with self._strategy.scope():
            return tf.Variable(
                value,
                trainable=False,
                # Each replica writes its own copy, and nobody adds them up.
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
            )

    def _copies(self, variable: Any) -> tuple[Any, ...]:
        """Return what the replicas of this process have."""
        copies: tuple[Any, ...] = self._strategy.experimental_local_results(variable)
        return copies

    def _assign(self, variable: Any, value: Any) -> None:
        for copy in self._copies(variable):
            copy.assign(value)
