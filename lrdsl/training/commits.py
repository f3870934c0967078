"""The state of one `fit` in a folder of its own: commits, each whole or not there.

    state.json          which commits there are, with their checksums
    commit-000012.npz   one commit: what is known of the run, and arrays
    lock                who is writing, for as long as that process lives

A commit is written beside its place, flushed and renamed; then `state.json` is replaced,
and only then what it no longer lists is deleted.  So at every instant `state.json` lists
commits that are whole, and the last two of them stay.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrdsl.training.files import replacing, write_text
from lrdsl.training.manifest import sha256_of

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: two runs in one folder are not noticed there
    fcntl = None

MANIFEST = "state.json"
LOCK = "lock"
FORMAT = 1
"""The version of the manifest and of the commits."""

KEPT = 2
"""How many commits stay while a `fit` runs."""

_ABOUT = "about"
_COMMIT = re.compile(r"commit-\d{6,}\.npz")
_LEFT_OVER = re.compile(r"\.(?:commit-\d{6,}|state)-[0-9a-f]{8}\.(?:npz|json)")


class StateError(Exception):
    """The folder cannot be used.

    Attributes:
        found: what was found, in one line.
        repair: what to do about it.
    """

    def __init__(self, found: str, repair: str) -> None:
        super().__init__(found)
        self.found = found
        self.repair = repair


@dataclass(frozen=True)
class Commit:
    """What one commit holds.

    Attributes:
        about: what is known of the run, as JSON can hold it.
        arrays: the arrays, of dtypes that NumPy itself has.
    """

    about: dict[str, Any]
    arrays: tuple[NDArray[Any], ...]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A commit in the manifest."""

    number: int
    file: str
    sha256: str
    epoch: int


class StateFolder:
    """The folder that the state of one `fit` is kept in.

    Attributes:
        path: where it is, absolute.
        exists: whether a run has kept its state here before.
        note: what else that run has noted when it began.
        damaged: the commits that are not what the manifest says, newest first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.exists = False
        self.note: dict[str, Any] = {}
        self.damaged: list[str] = []
        self._listed: list[_Entry] = []

    def read(self) -> Commit | None:
        """Return the newest commit that is whole, None if there is none; write nothing.

        Raises:
            StateError: the folder is of something else, or its manifest is damaged.
        """
        self.exists, self.note, self.damaged, self._listed = False, {}, [], []
        another = "choose another folder, new or empty"
        try:
            names = [one.name for one in self.path.iterdir()]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateError(
                f"cannot read the folder `{self.path}`: {error.strerror}", another
            ) from None
        if MANIFEST not in names:
            foreign = [n for n in names if n != LOCK and not _LEFT_OVER.fullmatch(n)]
            if foreign:
                raise StateError(
                    f"the folder `{self.path}` holds other files, such as `{foreign[0]}`",
                    another,
                )
            return None
        self._read_manifest()
        self.exists = True
        for entry in reversed(list(self._listed)):
            commit = self._load(entry)
            if commit is not None:
                return commit
            self._listed.remove(entry)
            self.damaged.append(entry.file)
        return None

    def lock(self) -> None:
        """See to it that no other process writes here until `unlock`.

        Raises:
            StateError: another one does.
            OSError: the lock file cannot be written.
        """
        if self.path in _LOCKS:  # of a `fit` of this process that broke off
            return
        handle = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                # A record lock: forked workers, which may outlive a killed run, have none.
                fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(handle, 20).decode("ascii", "replace").strip()
            os.close(handle)
            raise StateError(
                f"another run, process {pid or 'unknown'}, keeps its state in `{self.path}`",
                "wait for its end, or choose another folder",
            ) from None
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        _LOCKS[self.path] = handle

    def unlock(self) -> None:
        """Let others write here; any number of times."""
        handle = _LOCKS.pop(self.path, None)
        if handle is not None:
            os.close(handle)

    def begin(self, note: dict[str, Any]) -> None:
        """Make the folder and sweep what killed runs have left.

        Raises:
            StateError: another process writes here, or has since `read`.
            OSError: it cannot be written.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock()
        if not self.exists and (self.path / MANIFEST).exists():
            raise StateError(
                f"another run has begun to keep its state in `{self.path}`",
                "choose another folder",
            )
        self.note = note
        self._write_manifest(self._listed)
        self.exists = True
        self._sweep()

    def commit(self, commit: Commit, *, epoch: int, only: bool = False) -> None:
        """Add a commit; the one before stays, unless it is to be the `only` one.

        Raises:
            OSError: it could not be written; those before are still there, and listed.
        """
        number = self._next_number()
        path = self.path / f"commit-{number:06}.npz"
        with replacing(path) as beside:
            _write(commit, beside)
            checksum = sha256_of(beside)
        listed = [*self._listed, _Entry(number, path.name, checksum, epoch)]
        listed = listed[-1 if only else -KEPT :]
        try:
            self._write_manifest(listed)
        except BaseException:
            # The new list may be there all the same: flushing the folder comes after it.
            if self._lists_on_disk(path.name):
                self._listed = listed
            else:
                path.unlink(missing_ok=True)
            raise
        self._listed = listed
        self._sweep()

    def _lists_on_disk(self, name: str) -> bool:
        there = StateFolder(self.path)
        try:
            there._read_manifest()
        except StateError:
            return True  # nobody knows, so it is left alone
        return any(entry.file == name for entry in there._listed)

    def _next_number(self) -> int:
        numbers = [int(n[7:-4]) for n in self._names() if _COMMIT.fullmatch(n)]
        return max(numbers, default=0) + 1

    def _names(self) -> list[str]:
        return [one.name for one in self.path.iterdir()]

    def _sweep(self) -> None:
        """Delete what is ours by its name and not listed."""
        listed = {entry.file for entry in self._listed}
        for name in self._names():
            if _LEFT_OVER.fullmatch(name) or (_COMMIT.fullmatch(name) and name not in listed):
                (self.path / name).unlink(missing_ok=True)

    def _write_manifest(self, listed: Sequence[_Entry]) -> None:
        record = {
            "format": FORMAT,
            **self.note,
            "commits": [
                {"file": one.file, "epochs_done": one.epoch, "sha256": one.sha256}
                for one in listed
            ],
        }
        write_text(self.path / MANIFEST, json.dumps(record, indent=2) + "\n")

    def _read_manifest(self) -> None:
        path = self.path / MANIFEST
        try:
            record = json.loads(path.read_bytes())
            number = record.pop("format")
            if number == FORMAT:
                self._listed = [_entry(one) for one in record.pop("commits")]
        except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
            raise StateError(
                f"`{path}` cannot be read",
                "start afresh, with another folder for the state",
            ) from None
        if number != FORMAT:
            raise StateError(
                f"`{path}` has format {number}, and this lrdsl reads format {FORMAT}",
                "go on with the version of lrdsl that the run began with",
            )
        self.note = record

    def _load(self, entry: _Entry) -> Commit | None:
        """Return a commit if it is what the manifest says it is."""
        path = self.path / entry.file
        try:
            if path.is_symlink() or sha256_of(path) != entry.sha256:
                return None
            return _read(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile):
            return None


def _entry(record: Mapping[str, Any]) -> _Entry:
    file, checksum, epoch = record["file"], record["sha256"], record["epochs_done"]
    if not (_COMMIT.fullmatch(file) and isinstance(checksum, str) and isinstance(epoch, int)):
        raise ValueError(file)
    return _Entry(int(file[7:-4]), file, checksum, epoch)


def _write(commit: Commit, path: Path) -> None:
    about = np.frombuffer(json.dumps(commit.about).encode(), np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in [(_ABOUT, about), *enumerate(commit.arrays)]:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def _read(path: Path) -> Commit:
    with np.load(path, allow_pickle=False) as archive:
        about = json.loads(archive[_ABOUT].tobytes())
        arrays = tuple(archive[str(number)] for number in range(len(archive.files) - 1))
    return Commit(about, arrays)


_LOCKS: dict[Path, int] = {}
"""The lock files that this process holds, open."""
