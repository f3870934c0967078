"""Data as Keras takes it, read batch by batch, once for each of several readers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import keras
import numpy as np

Batch = tuple[Any, Any, Any]
"""Inputs, targets and weights of some samples; None for what there is not."""

_BATCH_SIZE = 32  # Keras's own


class Batches:
    """Arrays, or something that yields batches, to be read any number of times.

    Args:
        x: what `keras.Model.predict` takes: arrays, in any structure, or a dataset.
        y: the targets beside arrays.
        sample_weight: the weights beside arrays.
        batch_size: of arrays.
        steps: how many batches to read; None for all.

    Attributes:
        count: how many batches there are, None if that is not known.
        can_be_read_again: whether there is anything for a second reader.
        must_be_the_same: whether a second reader must find what the first has found; set
            before the first.
    """

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        batch_size: int | None = None,
        steps: int | None = None,
    ) -> None:
        self._x, self._steps = x, steps
        self._arrays: Batch | None = None
        self._seen: list[int] = []  # checksums of a dataset's batches
        self.can_be_read_again = not hasattr(x, "__next__")
        self.must_be_the_same = False
        if _is_of_arrays(x):
            parts = keras.tree.map_structure(_as_array, (x, y, sample_weight))
            self._arrays = parts
            lengths = {len(part) for part in keras.tree.flatten(parts) if part is not None}
            if len(lengths) > 1:
                raise ValueError(
                    f"the arrays are of several lengths: {', '.join(map(str, sorted(lengths)))}"
                )
            self._size = batch_size or _BATCH_SIZE
            self._length = lengths.pop()
            self.count: int | None = math.ceil(self._length / self._size)
        else:
            if y is not None or sample_weight is not None:
                raise ValueError("a dataset has its targets and weights in its batches")
            if batch_size is not None:
                raise ValueError("a dataset has batches of its own: leave `batch_size` out")
            self.count = _length_of(x)
        if steps is not None:
            self.count = steps if self.count is None else min(steps, self.count)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches.

        Raises:
            ValueError: they are not those of the time before.
        """
        if self._arrays is not None:
            yield from islice(self._slices(self._arrays), self._steps)
            return
        for number, batch in enumerate(islice(_batches_of(self._x), self.count)):
            x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
            x, y, weight = keras.tree.map_structure(_for_keras, (x, y, weight))
            if self.must_be_the_same:
                self._see_the_same(number, x)
            yield x, y, weight

    def _slices(self, arrays: Batch) -> Iterator[Batch]:
        for start in range(0, self._length, self._size):
            stop = start + self._size
            x, y, weight = keras.tree.map_structure(
                lambda array: None if array is None else array[start:stop],  # noqa: B023
                arrays,
            )
            yield x, y, weight

    def _see_the_same(self, number: int, x: Any) -> None:
        checksum = 0
        for leaf in keras.tree.flatten(x):
            checksum = zlib.crc32(np.ascontiguousarray(np.asarray(leaf)).data, checksum)
        if number == len(self._seen):
            self._seen.append(checksum)
        elif self._seen[number] != checksum:
            raise ValueError(
                "the dataset yields other batches each time it is read, and each member reads "
                "it: shuffle or augment none, or hold all members in memory"
            )


def _is_of_arrays(x: Any) -> bool:
    if hasattr(x, "__next__") or isinstance(x, keras.utils.PyDataset):
        return False
    leaves = keras.tree.flatten(x)
    return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)


def _as_array(value: Any) -> Any:
    if value is None or keras.ops.is_tensor(value):
        return value
    return np.asarray(value)


def _for_keras(value: Any) -> Any:
    # A tensor of another library is known to none of Keras's backends.
    if value is None or keras.ops.is_tensor(value) or not hasattr(value, "__array__"):
        return value
    return np.asarray(value)


def _length_of(x: Any) -> int | None:
    if isinstance(x, keras.utils.PyDataset):
        count = x.num_batches
        return None if count is None else int(count)
    if hasattr(x, "cardinality"):
        count = int(x.cardinality())  # of tf.data; below 0 where that is not known
        return count if count >= 0 else None
    return len(x) if isinstance(x, Sequence) or hasattr(x, "__len__") else None


def _batches_of(x: Any) -> Iterator[Any]:
    if isinstance(x, keras.utils.PyDataset):
        count = x.num_batches
        return (x[number] for number in range(count)) if count is not None else _all_of(x)
    return iter(x)


def _all_of(x: Any) -> Iterator[Any]:
    number = 0
    while True:
        yield x[number]
        number += 1
