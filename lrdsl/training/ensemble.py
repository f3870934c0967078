"""The average of a training's snapshots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.training.snapshots import FORMAT, MANIFEST, sha256_of


class Ensemble:
    """Models that predict together; made by `Ensemble.load`.

    Attributes:
        members: their files, in the order in which they were saved.
    """

    def __init__(self, members: Sequence[Path], models: Sequence[Any]) -> None:
        self.members = tuple(members)
        self._models = tuple(models)

    @classmethod
    def load(cls, folder: str | Path) -> Ensemble:
        """Load the snapshots that a training left in a folder.

        The folder's manifest says which they are; each is checked against its checksum.
        They are loaded without their loss and optimizer, as predicting needs neither.

        Raises:
            FileNotFoundError: there is no manifest, or a file that it lists is missing.
            ValueError: the manifest is not one of ours, lists nothing, or a file is not the
                one that was saved.
        """
        import keras

        folder = Path(folder)
        members = _read_manifest(folder)
        models = [keras.saving.load_model(path, compile=False) for path in members]
        return cls(members, models)

    def predict(self, x: Any, **options: Any) -> Any:
        """Return the mean of the members' predictions.

        Args:
            x: what `keras.Model.predict` takes; read once for each member, so no generator.
            **options: for each member's `predict`, such as `batch_size` or `verbose`.

        Returns:
            In the structure and shape of one member's prediction, float32 or wider; the
            mean is taken in float64.
        """
        import keras

        if hasattr(x, "__next__"):
            raise TypeError("an iterator can be read once only: give arrays or a dataset")
        first, *others = self._models
        prediction = first.predict(x, **options)
        total = keras.tree.map_structure(lambda one: np.asarray(one, np.float64), prediction)
        for model in others:
            more = model.predict(x, **options)
            total = keras.tree.map_structure(np.add, total, more)
        number = len(self._models)
        return keras.tree.map_structure(
            lambda sum_, like: _narrow(sum_ / number, like), total, prediction
        )

    def __len__(self) -> int:
        return len(self.members)


def _narrow(mean: NDArray[np.float64], like: Any) -> NDArray[Any]:
    return mean.astype(np.result_type(np.asarray(like).dtype, np.float32))


def _read_manifest(folder: Path) -> list[Path]:
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise FileNotFoundError(
            f"no snapshots in `{folder}`: it has no `{MANIFEST}`, which a training with "
            "`snapshot` in its schedule writes"
        )
    try:
        record = json.loads(manifest.read_text(encoding="utf-8"))
        version = record["format"]
        entries = [(entry["file"], entry["sha256"]) for entry in record["snapshots"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"`{manifest}` is not a list of snapshots: {error!r}") from None
    if version != FORMAT:
        raise ValueError(f"`{manifest}` has format {version!r}, and this lrdsl reads {FORMAT}")
    if not entries:
        raise ValueError(f"`{manifest}` lists no snapshot: none was saved")
    return [_member(folder, name, checksum) for name, checksum in entries]


def _member(folder: Path, name: Any, checksum: Any) -> Path:
    # The folder may be a stranger's: a name must not lead out of it.
    if not isinstance(name, str) or Path(name).name != name or not name.endswith(".keras"):
        raise ValueError(f"`{folder / MANIFEST}` lists {name!r}, which is no name of a model")
    path = folder / name
    if path.is_symlink():
        raise ValueError(f"`{path}` is a link, and a snapshot is a file of its own")
    if not path.is_file():
        raise FileNotFoundError(f"`{path}` is listed in `{MANIFEST}` and missing")
    if sha256_of(path) != checksum:
        raise ValueError(f"`{path}` is not the file that was saved: its checksum differs")
    return path
