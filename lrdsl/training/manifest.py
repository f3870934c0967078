"""The list of the snapshots in a folder: what is written of each, and how it is read again."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lrdsl import limits
from lrdsl.training.files import write_text

MANIFEST = "snapshots.json"
"""The list of the snapshots in a folder: what is not in it is not ours."""

FORMAT = 1
"""The version of the manifest."""

MOST_BYTES = 64 << 20
"""Size of a manifest: one of 10,000 snapshots with 50 metrics each is half as long."""

_NAME = r"snapshot-\d{2,}-(?:epoch|step)-\d{3,}"
_MODEL = re.compile(rf"{_NAME}\.keras")
_LEFT_OVER = re.compile(rf"\.{_NAME}-[0-9a-f]{{8}}|\.snapshots-[0-9a-f]{{8}}\.json")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SavedSnapshot:
    """A model that was saved.

    Attributes:
        index: its number in the plan, from 1.
        path: the file.
        epoch: how many epochs were done; a fraction inside an epoch.
        step: the last step before it, counted from 0 over the whole training.
        rate: the rate which that step used, as read back from the training.
        metrics: its epoch's metrics; None inside an epoch, until that ends.  What is not
            finite is a word, "nan" or "inf".
        sha256: checksum of the file.
        metrics_epoch: how many epochs were done when `metrics` were measured: more than
            `epoch` for a model that was saved inside one.
    """

    index: int
    path: Path
    epoch: int | float
    step: int
    rate: float
    metrics: Mapping[str, float | str] | None
    sha256: str
    metrics_epoch: int | None = None

    def metric(self, name: str) -> float | None:
        """Return one of its metrics, nan if that was none; None if it has none so called."""
        value = (self.metrics or {}).get(name)
        return None if value is None else float(value)


class ManifestError(ValueError):
    """A manifest that is not one of ours."""


def model_name(index: int, step: int, steps_per_epoch: int) -> str:
    """Return the file's name of the snapshot after a step."""
    whole, rest = divmod(step + 1, steps_per_epoch)
    when = f"step-{step + 1:06}" if rest else f"epoch-{whole:03}"
    return f"snapshot-{index:02}-{when}.keras"


def is_model(name: str) -> bool:
    """Return whether we save models by such a name."""
    return bool(_MODEL.fullmatch(name))


def is_left_over(name: str) -> bool:
    """Return whether a kill amid our writing leaves such a name."""
    return bool(_LEFT_OVER.fullmatch(name))


def sha256_of(path: Path) -> str:
    """Return a file's sha256, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def plain(metrics: Mapping[str, Any]) -> dict[str, float | str]:
    """Return metrics as JSON can hold them: what is not finite becomes "nan" or "inf"."""
    numbers: dict[str, float | str] = {}
    for name, value in metrics.items():
        try:
            number = float(value)
        except (TypeError, ValueError):
            continue
        numbers[name] = number if math.isfinite(number) else str(number)
    return numbers


def write_manifest(folder: Path, snapshots: Sequence[SavedSnapshot]) -> None:
    """Replace the list in a folder.

    Raises:
        OSError: it could not be written; the old list is still there, or, where only
            flushing the folder failed, the new one.
    """
    entries = []
    for saved in snapshots:
        entry = asdict(saved)
        del entry["path"]
        entries.append({"file": saved.path.name, **entry})
    text = json.dumps({"format": FORMAT, "snapshots": entries}, indent=2)
    write_text(folder / MANIFEST, text + "\n")


def read_manifest(folder: Path) -> list[SavedSnapshot]:
    """Return the snapshots that a folder lists, whoever has written the list.

    Every name is one of ours, so none leads out of the folder.  The files themselves are
    not looked at.

    Raises:
        OSError: there is no list, or it cannot be read.
        ManifestError: it is none of ours.
    """
    path = folder / MANIFEST
    with path.open("rb") as file:
        text = file.read(MOST_BYTES + 1)
    if len(text) > MOST_BYTES:
        raise ManifestError(f"`{path}` is longer than {MOST_BYTES:,} bytes")
    try:
        record = json.loads(text)
        version, entries = record["format"], list(record["snapshots"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ManifestError(f"`{path}` is not a list of snapshots: {error!r:.200}") from None
    if version != FORMAT:
        raise ManifestError(
            f"`{path}` has format {version!r:.40}, and this lrdsl reads {FORMAT}"
        )
    if len(entries) > limits.SNAPSHOTS:
        raise ManifestError(f"`{path}` lists more than {limits.SNAPSHOTS:,} snapshots")
    found = [_read_entry(path, entry) for entry in entries]
    for what, values in (("file", [s.path for s in found]), ("step", [s.step for s in found])):
        if len(set(values)) < len(found):
            raise ManifestError(f"`{path}` lists a {what} twice")
    return found


def _read_entry(path: Path, entry: Any) -> SavedSnapshot:
    try:
        name = entry["file"]
        if not isinstance(name, str) or not is_model(name):
            raise ManifestError(f"`{path}` lists {name!r:.80}, which is no name of a snapshot")
        metrics, at = entry["metrics"], entry.get("metrics_epoch")
        saved = SavedSnapshot(
            index=_whole(entry["index"]),
            path=path.with_name(name),
            epoch=_number(entry["epoch"]),
            step=_whole(entry["step"]),
            rate=float(_number(entry["rate"])),
            metrics=None if metrics is None else {k: _metric(v) for k, v in metrics.items()},
            sha256=str(entry["sha256"]),
            metrics_epoch=None if at is None else _whole(at),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ManifestError):
            raise
        raise ManifestError(f"`{path}` is not a list of snapshots: {error!r:.200}") from None
    if not _SHA256.fullmatch(saved.sha256):
        raise ManifestError(f"`{path}` has no checksum of `{name}`")
    return saved


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _number(value: Any) -> int | float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(value)
    number: int | float = value
    return number


def _metric(value: Any) -> float | str:
    if value in ("nan", "inf", "-inf"):
        return str(value)
    return _number(value)
