"""Saving the models that a plan asks for, each whole or not at all, with a list of them.

What lies in the folder is right at every instant.  A model is written beside its place,
flushed and renamed; then the list is replaced; and only then is deleted what the list no
longer has.  Where the state of the training is kept too, that waits for the next commit,
so that a run which goes on after it finds all that it had then.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from lrdsl.diagnostics import Diagnostic
from lrdsl.training.files import flush, flush_folder, folder_beside, remove
from lrdsl.training.manifest import (
    MANIFEST,
    ManifestError,
    SavedSnapshot,
    is_left_over,
    is_model,
    model_name,
    plain,
    read_manifest,
    sha256_of,
    write_manifest,
)
from lrdsl.training.retention import Retention

DEFAULT_FOLDER = Path("snapshots")
"""Where snapshots go if nobody says; the next run takes `snapshots-2`."""


@dataclass(frozen=True, slots=True)
class EarlierSnapshots:
    """What a run that was killed has saved, where another process now goes on with it.

    Attributes:
        path: the folder that it saved into.
        saved: the models that it had saved when its state was last committed, those
            included that were deleted since.
        undone_from: the step from which on what lies there belongs to no plan any more;
            None where the same plan goes on, and makes those models again.
    """

    path: Path
    saved: Sequence[SavedSnapshot]
    undone_from: int | None


class SnapshotFolder:
    """The folder that one `fit` saves into.

    Args:
        asked: where; None for a new folder in the working directory.
        retention: which of the models stay.
        earlier: what the run has saved before, where it goes on.
        is_committed: whether the state of the training is kept, so that `committed` is
            called; what is outdated is then deleted there.
    """

    def __init__(
        self,
        asked: Path | None,
        *,
        retention: Retention,
        earlier: EarlierSnapshots | None = None,
        is_committed: bool = False,
    ) -> None:
        if earlier is not None and asked not in (None, earlier.path):
            earlier = None  # the models from here on go elsewhere
        self.path = asked if earlier is None else earlier.path
        self._retention = retention
        self._earlier = earlier
        self._is_committed = is_committed
        self._listed: list[SavedSnapshot] = []
        self._to_be_made_again: set[int] = set()  # steps
        self._outdated: set[Path] = set()
        self._is_flushed = True

    # -- Before the first batch ---------------------------------------------------------

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
        try:
            names = [one.name for one in folder.iterdir() if not is_left_over(one.name)]
        except OSError as error:
            return self._cannot_write(error)
        if self._earlier is not None and MANIFEST in names:
            return self._take_up(self._earlier)
        if names == [MANIFEST] and _is_of_no_snapshot(folder):
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
            # A new model stands beside the old ones for a moment.
            needed = 2 * _size_of(model)
            free = shutil.disk_usage(self.path).free
            if free >= needed:
                write_manifest(self.path, self._listed)
                self._sweep()
        except OSError as error:
            return self._cannot_write(error)
        if free < needed:
            return Diagnostic(
                code="LRS603",
                message=f"saving needs {needed:,} bytes, and `{self.path}` has {free:,} free",
                help="make room, or choose another folder: `callback.snapshots = …`",
            )
        return None

    def _take_up(self, earlier: EarlierSnapshots) -> Diagnostic | None:
        """List what an earlier process has saved here; return why that cannot be."""
        assert self.path is not None
        try:
            listed = read_manifest(self.path)
        except (OSError, ManifestError):
            return Diagnostic(
                code="LRS603",
                message=f"`{self.path / MANIFEST}` cannot be read",
                help="move it away, or choose another folder: `callback.snapshots = …`",
            )
        committed = {(one.step, one.sha256) for one in earlier.saved}
        last = max((one.step for one in earlier.saved), default=-1)
        since = [one for one in listed if (one.step, one.sha256) not in committed]
        if any(one.step <= last for one in since):
            return Diagnostic(
                code="LRS603",
                message=f"the folder `{self.path}` has snapshots of another run",
                help="choose another folder, `callback.snapshots = …`, or move them",
            )
        # Since the commit others may have taken the place of some that it had.
        had = [one for one in self._retention.choose(earlier.saved) if _is_whole(one)]
        if earlier.undone_from is not None:
            since = [one for one in since if one.step < earlier.undone_from]
        self._to_be_made_again = {one.step for one in since}
        self._listed = sorted([*had, *since], key=lambda one: one.step)
        return None

    def _sweep(self) -> None:
        """Delete what is ours by its name and not listed: a kill has left it."""
        assert self.path is not None
        listed = {one.path.name for one in self._listed}
        for path in self.path.iterdir():
            # A model that no list has may be somebody's, unless we go on with the list.
            is_undone = self._earlier is not None and is_model(path.name)
            if is_left_over(path.name) or (is_undone and path.name not in listed):
                remove(path)

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

    def _cannot_write(self, error: OSError) -> Diagnostic:
        return Diagnostic(
            code="LRS603",
            message=f"cannot write to the folder `{self.path or DEFAULT_FOLDER}`: "
            f"{error.strerror or error}",
            help="choose another: `callback.snapshots = …`",
        )

    # -- While `fit` runs ---------------------------------------------------------------

    def save(
        self,
        model: Any,
        *,
        index: int,
        step: int,
        steps_per_epoch: int,
        rate: float,
        metrics: Mapping[str, Any] | None,
    ) -> SavedSnapshot | Diagnostic | None:
        """Save the model as it is now.

        Args:
            model: what to save.
            index: the snapshot's number in the plan.
            step: the last step that the model was trained by, of the plan.
            steps_per_epoch: the plan's.
            rate: what that step used.
            metrics: those of the epoch, which has ended; None inside an epoch.

        Returns:
            What was saved; why it could not be; or None where it is not among the best.
        """
        from lrdsl.training.model_state import is_finite

        assert self.path is not None
        rest = (step + 1) % steps_per_epoch
        saved = SavedSnapshot(
            index=index,
            path=self.path / model_name(index, step, steps_per_epoch),
            epoch=(step + 1) / steps_per_epoch if rest else (step + 1) // steps_per_epoch,
            step=step,
            rate=rate,
            metrics=None if metrics is None else plain(metrics),
            sha256="",
            metrics_epoch=None if metrics is None else -(-(step + 1) // steps_per_epoch),
        )
        if not is_finite(model):
            return _missing(saved, "the weights are not finite")
        wrong = self._why_never_best(saved)
        if wrong is not None:
            return _missing(saved, wrong)
        kept = self._choose(saved)
        if saved not in kept:
            if step in self._to_be_made_again:  # and was better the time before
                with suppress(OSError):
                    write_manifest(self.path, kept)
                    self._take_over(kept, saved)
            return None
        try:
            with folder_beside(saved.path) as beside:
                model.save(beside)
                flush(beside)
                saved = replace(saved, sha256=sha256_of(beside))
                self._put(saved, beside)
        except Exception as error:  # Keras, h5py and TensorFlow each raise their own
            return _missing(saved, f"cannot write `{saved.path}`: {_first_line(error)}")
        return saved

    def give_metrics(
        self, metrics: Mapping[str, Any], epoch: int
    ) -> tuple[list[SavedSnapshot], list[Diagnostic]]:
        """Give an epoch's metrics to the models that were saved inside it.

        Args:
            metrics: what was measured at its end.
            epoch: how many epochs are done then.

        Returns:
            These models with their metrics, and what is wrong with some.
        """
        assert self.path is not None
        waiting = [
            one
            for one in self._listed
            if one.metrics is None and one.step not in self._to_be_made_again
        ]
        if not waiting:
            return [], []
        numbers = plain(metrics)
        given = {
            one.step: replace(one, metrics=numbers, metrics_epoch=epoch) for one in waiting
        }
        wrong = [
            _missing(one, why)
            for one in given.values()
            if (why := self._why_never_best(one)) is not None
        ]
        before = self._listed
        self._listed = [given.get(one.step, one) for one in before]
        try:
            kept = self._choose()
            write_manifest(self.path, kept)
            self._is_flushed = True
            self._take_over(kept)
        except OSError as error:
            warnings.warn(
                f"the metrics of snapshot {waiting[0].index} are not in "
                f"`{self.path / MANIFEST}` yet: {_first_line(error)}",
                RuntimeWarning,
                stacklevel=2,
            )
        return list(given.values()), wrong

    def committed(self) -> None:
        """Delete what is outdated: the state of the training needs it no longer."""
        if self._is_flushed:  # else the list before, which has it, may come back
            for path in self._outdated:
                remove(path)
            self._outdated = {path for path in self._outdated if path.exists()}

    # -- The list -----------------------------------------------------------------------

    def _choose(self, new: SavedSnapshot | None = None) -> list[SavedSnapshot]:
        """Return what is to be listed, with a new model that may take another's place."""
        # What is to be made again takes no part: it may turn out otherwise.
        again = [one for one in self._listed if one.step in self._to_be_made_again]
        others = [one for one in self._listed if one.step not in self._to_be_made_again]
        if new is not None:
            again = [one for one in again if one.step != new.step]
            others = [*(one for one in others if one.step != new.step), new]
        return sorted([*self._retention.choose(others), *again], key=lambda one: one.step)

    def _why_never_best(self, saved: SavedSnapshot) -> str | None:
        rule = self._retention
        if rule.best is None or saved.metrics is None or rule.is_rated(saved):
            return None
        assert rule.monitor is not None
        value = saved.metric(rule.monitor)
        if value is None:
            return f"its epoch has no `{rule.monitor}`"
        return f"`{rule.monitor}` is {value}"

    def _put(self, saved: SavedSnapshot, beside: Path) -> None:
        """Rename the new model to its place and list it."""
        assert self.path is not None
        kept = self._choose(saved)
        others = [one for one in self._listed if one.step != saved.step]
        if len(others) < len(self._listed):
            # It is made again: the list must not name the new file with the old checksum.
            write_manifest(self.path, others)
        beside.replace(saved.path)
        try:
            flush_folder(self.path)
            write_manifest(self.path, kept)
        except BaseException as error:
            if not self._may_be_listed(saved):
                self._listed = others
                remove(saved.path)
                raise
            # Only flushing the folder has failed: the new list is there.
            self._is_flushed = False
            self._take_over(kept, saved)
            if not isinstance(error, OSError):
                raise
            warnings.warn(
                f"snapshot {saved.index} is saved, and may be lost if the machine fails now: "
                f"cannot flush `{self.path}`: {_first_line(error)}",
                RuntimeWarning,
                stacklevel=2,
            )
        else:
            self._is_flushed = True
            self._take_over(kept, saved)

    def _take_over(self, kept: list[SavedSnapshot], new: SavedSnapshot | None = None) -> None:
        """Go on with a list that has been written, and a model that is new in it."""
        if new is not None:
            self._to_be_made_again.discard(new.step)
        stay = {one.path for one in kept}
        self._outdated = (self._outdated | {one.path for one in self._listed}) - stay
        self._listed = kept
        if not self._is_committed:
            self.committed()

    def _may_be_listed(self, saved: SavedSnapshot) -> bool:
        assert self.path is not None
        new = saved.step, saved.sha256
        try:
            listed = read_manifest(self.path)
            return any((one.step, one.sha256) == new for one in listed)
        except (OSError, ManifestError):
            return True  # nobody knows, so it is left alone


def _is_whole(saved: SavedSnapshot) -> bool:
    try:
        return not saved.path.is_symlink() and sha256_of(saved.path) == saved.sha256
    except OSError:
        return False


def _is_of_no_snapshot(folder: Path) -> bool:
    """Return whether a list is from a training that broke off before its first snapshot."""
    with suppress(OSError, ManifestError):
        return not read_manifest(folder)
    return False


def _missing(saved: SavedSnapshot, why: str) -> Diagnostic:
    return Diagnostic(
        code="LRS603",
        message=f"snapshot {saved.index} is missing: {why}",
        help="the earlier snapshots are whole, and training goes on",
    )


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
