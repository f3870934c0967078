"""Saving the models that a plan asks for, each whole or not at all, with a list of them."""

from __future__ import annotations

import hashlib
import json
import math
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

from lrdsl.diagnostics import Diagnostic
from lrdsl.training.files import replacing, write_text

MANIFEST = "snapshots.json"
"""The list of the snapshots in a folder: what is not in it is not ours."""

FORMAT = 1
"""The version of the manifest."""

DEFAULT_FOLDER = Path("snapshots")
"""Where snapshots go if nobody says; the next run takes `snapshots-2`."""

_OURS = re.compile(
    r"snapshot-\d{2,}-(?:epoch|step)-\d{3,}\.keras"
    r"|\.snapshot-\d{2,}-(?:epoch|step)-\d{3,}-[0-9a-f]{8}\.keras"
    r"|\.snapshots-[0-9a-f]{8}\.json"
)
"""The names of saved models, and of what a kill leaves beside them."""


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """A model that was saved.

    Attributes:
        index: its number in the plan, from 1.
        path: the file.
        epoch: how many epochs were done; a fraction inside an epoch.
        step: the last step before it, counted from 0 over the whole training.
        rate: the rate which that step used, as read back from the training.
        metrics: the epoch's metrics; None inside an epoch, where there are none yet.
        sha256: checksum of the file.
    """

    index: int
    path: Path
    epoch: int | float
    step: int
    rate: float
    metrics: Mapping[str, float] | None
    sha256: str


@dataclass(frozen=True, slots=True)
class EarlierSnapshots:
    """What a run that was killed has saved, where another process now goes on with it.

    Attributes:
        path: the folder that it saved into.
        saved: the models that it had saved when its state was last committed, those
            included that `keep` had deleted since.
        undone_from: the step from which on what lies there belongs to no plan any more;
            None where the same plan goes on, and makes those models again.
    """

    path: Path
    saved: Sequence[SavedSnapshot]
    undone_from: int | None


class SnapshotFolder:
    """The folder that one `fit` saves into."""

    def __init__(
        self,
        asked: Path | None,
        *,
        keep: int | None,
        earlier: EarlierSnapshots | None = None,
    ) -> None:
        if earlier is not None and asked not in (None, earlier.path):
            earlier = None  # the models from here on go elsewhere
        self.path = asked if earlier is None else earlier.path
        self._keep = keep
        self._earlier = earlier
        self._listed: list[SavedSnapshot] = []

    def find_trouble(self, model: Any) -> Diagnostic | None:
        """Return why nothing could be saved here, as far as can be told without writing."""
        import keras

        try:
            keras.saving.serialize_keras_object(model)
        except Exception as error:
            return Diagnostic(
                code="LRS603",
                message=f"the model cannot be saved: {_first_line(error)}",
                help="give its layers a `get_config`, or take `snapshot` out of the schedule",
            )
        folder = self.path
        if folder is None or not folder.exists():
            return None
        if not folder.is_dir():
            return Diagnostic(
                code="LRS603",
                message=f"`{folder}` is a file, and snapshots need a folder",
                help="choose a folder: `callback.snapshots = …`",
            )
        names = [path.name for path in folder.iterdir()]
        if self._earlier is not None and MANIFEST in names:
            return self._take_up(self._earlier)
        if names == [MANIFEST] and _is_of_no_snapshot(folder / MANIFEST):
            return None
        if names:
            what = "has snapshots already" if MANIFEST in names else "is not empty"
            return Diagnostic(
                code="LRS603",
                message=f"the folder `{folder}` {what}, and snapshots need a new or empty one",
                help="choose another, `callback.snapshots = …`, or move what is there",
            )
        return None

    def open(self, model: Any) -> Diagnostic | None:
        """Make the folder and write to it; return why that fails, None if it does not."""
        try:
            self._make()
            assert self.path is not None
            # With `keep`, a new model stands beside the old one for a moment.
            needed = 2 * _size_of(model)
            free = shutil.disk_usage(self.path).free
            if free >= needed:
                self._write_manifest()
                if self._earlier is not None:
                    self._sweep()
        except OSError as error:
            where = self.path or DEFAULT_FOLDER
            return Diagnostic(
                code="LRS603",
                message=f"cannot write to the folder `{where}`: {error.strerror or error}",
                help="choose another: `callback.snapshots = …`",
            )
        if free < needed:
            return Diagnostic(
                code="LRS603",
                message=f"saving needs {needed:,} bytes, and `{self.path}` has {free:,} free",
                help="make room, or choose another folder: `callback.snapshots = …`",
            )
        return None

    def save(
        self,
        model: Any,
        *,
        index: int,
        step: int,
        steps_per_epoch: int,
        rate: float,
        metrics: Mapping[str, Any] | None,
    ) -> SavedSnapshot | Diagnostic:
        """Save the model as it is now; return what was saved, or why it could not be."""
        assert self.path is not None
        whole, rest = divmod(step + 1, steps_per_epoch)
        when = f"step-{step + 1:06}" if rest else f"epoch-{whole:03}"
        path = self.path / f"snapshot-{index:02}-{when}.keras"
        try:
            with replacing(path) as beside:
                model.save(beside)
                checksum = sha256_of(beside)
            saved = SavedSnapshot(
                index=index,
                path=path,
                epoch=(step + 1) / steps_per_epoch if rest else whole,
                step=step,
                rate=rate,
                metrics=_plain(metrics),
                sha256=checksum,
            )
            self._list(saved)
        except Exception as error:  # Keras, h5py and TensorFlow each raise their own
            return Diagnostic(
                code="LRS603",
                message=f"snapshot {index} is missing: cannot write `{path}`: "
                f"{_first_line(error)}",
                help="the earlier snapshots are whole, and training goes on",
            )
        return saved

    def _list(self, saved: SavedSnapshot) -> None:
        """Put the new snapshot into the manifest, and only then delete what it outdates."""
        before = self._listed
        # After a kill one may be there already, and even later ones.
        others = [one for one in before if one.step != saved.step]
        kept = sorted([*others, saved], key=lambda one: one.step)
        if self._keep is not None:
            kept = kept[-self._keep :]
        self._listed = kept
        try:
            self._write_manifest()
        except BaseException:
            self._listed = before
            saved.path.unlink(missing_ok=True)
            raise
        stay = {one.path for one in kept}
        for old in (*before, saved):
            if old.path not in stay:
                old.path.unlink(missing_ok=True)

    def _take_up(self, earlier: EarlierSnapshots) -> Diagnostic | None:
        """List what an earlier process has saved here; return why that cannot be."""
        assert self.path is not None
        try:
            record = json.loads((self.path / MANIFEST).read_bytes())
            listed = [_from_manifest(self.path, entry) for entry in record["snapshots"]]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return Diagnostic(
                code="LRS603",
                message=f"`{self.path / MANIFEST}` cannot be read",
                help="move it away, or choose another folder: `callback.snapshots = …`",
            )
        committed = {one.sha256 for one in earlier.saved}
        last = max((one.step for one in earlier.saved), default=-1)
        if any(one.step <= last and one.sha256 not in committed for one in listed):
            return Diagnostic(
                code="LRS603",
                message=f"the folder `{self.path}` has snapshots of another run",
                help="choose another folder, `callback.snapshots = …`, or move them",
            )
        undone = earlier.undone_from
        self._listed = [one for one in listed if undone is None or one.step < undone]
        return None

    def _sweep(self) -> None:
        """Delete what is ours by its name and not listed: a kill has left it."""
        assert self.path is not None
        listed = {one.path.name for one in self._listed}
        for path in self.path.iterdir():
            if path.name not in listed and _OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def _make(self) -> None:
        if self.path is not None:
            self.path.mkdir(parents=True, exist_ok=True)
            return
        for number in count(1):
            path = Path(DEFAULT_FOLDER if number == 1 else f"{DEFAULT_FOLDER}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                continue
            self.path = path.resolve()  # a script may change its working directory
            return

    def _write_manifest(self) -> None:
        assert self.path is not None
        entries = []
        for saved in self._listed:
            entry = asdict(saved)
            del entry["path"]
            entries.append({"file": saved.path.name, **entry})
        text = json.dumps({"format": FORMAT, "snapshots": entries}, indent=2)
        write_text(self.path / MANIFEST, text + "\n")


def _from_manifest(folder: Path, entry: Mapping[str, Any]) -> SavedSnapshot:
    name = entry["file"]
    if not _OURS.fullmatch(name):
        raise ValueError(name)
    fields = {key: value for key, value in entry.items() if key != "file"}
    return SavedSnapshot(path=folder / name, **fields)


def _is_of_no_snapshot(manifest: Path) -> bool:
    """Return whether it is from a training that broke off before its first snapshot."""
    try:
        return bool(json.loads(manifest.read_bytes()) == {"format": FORMAT, "snapshots": []})
    except (OSError, ValueError, RecursionError):
        return False


def sha256_of(path: Path) -> str:
    """Return a file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _plain(metrics: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return metrics as JSON can hold them: what is not finite becomes "nan" or "inf"."""
    if metrics is None:
        return None
    plain: dict[str, Any] = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        plain[name] = number if math.isfinite(number) else str(number)
    return plain


def _size_of(model: Any) -> int:
    """Return the bytes of a model's weights and its optimizer's."""
    variables = [*model.variables, *model.optimizer.variables]
    return sum(math.prod(one.shape) * _bytes_of(one.dtype) for one in variables)


def _bytes_of(dtype: str) -> int:
    bits = "".join(letter for letter in dtype if letter.isdigit())
    return int(bits) // 8 if bits else 1  # of float8_e4m3fn too much: it is a bound


def _first_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
