"""The weights of the best epochs, for a plateau that goes back to them when it cuts."""

from __future__ import annotations

import io
import zlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lrdsl.training.commits import KEPT
from lrdsl.training.files import remove, replacing

_NAME = "best-{epoch}.npz"


class BestWeights:
    """Keeps a model's weights as they were after certain epochs.

    Args:
        model: the model.
        folder: where to keep them too, for a run that goes on after a kill; None for nowhere.
        writes: whether this process is the one that writes there.
    """

    def __init__(self, model: Any, folder: Path | None, *, writes: bool) -> None:
        self._model = model
        self._folder = folder
        self._writes = writes and folder is not None
        self._kept: dict[int, list[NDArray[Any]]] = {}
        self._needed: list[set[int]] = []

    def keep(self, epoch: int, wanted: Collection[int]) -> None:
        """Keep the weights as they are after `epoch` if that is among the `wanted`.

        Raises:
            OSError: they cannot be written; in this process they are kept all the same.
        """
        for old in [one for one in self._kept if one not in wanted]:
            del self._kept[old]
        if epoch in wanted:
            self._kept[epoch] = [np.array(weight) for weight in self._model.get_weights()]
            if self._writes:
                self._write(epoch)

    def forget(self, wanted: Collection[int]) -> None:
        """Delete the files that no commit there is needs; called after each commit."""
        self._needed = [*self._needed, set(wanted)][-KEPT:]
        if not self._writes or len(self._needed) < KEPT:
            return
        assert self._folder is not None
        needed = set().union(*self._needed)
        for path in self._folder.glob(_NAME.format(epoch="*")):
            if path.stem.removeprefix("best-") not in map(str, needed):
                remove(path)

    def put_back(self, epoch: int) -> bool:
        """Give the model the weights it had after `epoch`; return whether they are known."""
        if epoch not in self._kept and self._folder is not None:
            with (
                suppress(OSError, ValueError, EOFError, BadZipFile, zlib.error),
                np.load(self._path(epoch)) as found,
            ):
                now = self._model.get_weights()
                self._kept[epoch] = [
                    # What NumPy does not know itself, such as bfloat16, comes as its bits.
                    found[name].view(weight.dtype)
                    if found[name].dtype.kind == "V"
                    else found[name]
                    for name, weight in zip(found.files, now, strict=True)
                ]
        if epoch not in self._kept:
            return False
        self._model.set_weights(self._kept[epoch])
        return True

    def _write(self, epoch: int) -> None:
        content = io.BytesIO()
        np.savez(content, *self._kept[epoch])
        with replacing(self._path(epoch)) as beside:
            beside.write_bytes(content.getvalue())

    def _path(self, epoch: int) -> Path:
        assert self._folder is not None
        return self._folder / _NAME.format(epoch=epoch)
