"""The folder of one run: the schedule, its picture, the rates applied, the snapshots.

    schedule.lrs   the schedule as it was used, overrides put in
    run.json       what was run, how, and whether plan and run agreed
    plan.png       the picture of the plan
    rates.csv      each step with the rate planned and the rate applied
    run.png        the two in one picture, with the metrics below
    snapshots/     the saved models, where the schedule saves some
    state/         what `lrdsl train --resume` goes on with

A second `fit` of the same run has its own of all but the first two
in `fit-2/`, and so on.  Where a resumed run adopts another schedule, the one before stays as
`schedule-1.lrs`, with its picture `plan-1.png`.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from lrdsl.training.files import write_text

SCHEDULE = "schedule.lrs"
RECORD = "run.json"
PICTURE = "plan.png"
RATES = "rates.csv"
RUN_PICTURE = "run.png"
SNAPSHOTS = "snapshots"
STATE = "state"


class FolderError(Exception):
    """The folder cannot be used; the text says why."""


class RunFolder:
    """A folder that is ours alone: nothing that was there before is touched.

    Attributes:
        path: where it is, absolute, as the program may change the working directory.
    """

    def __init__(self, path: Path, *, chosen_by_user: bool, goes_on: bool = False) -> None:
        self.path = path.absolute()
        self.claimed = False
        self._chosen_by_user = chosen_by_user
        self._goes_on = goes_on
        self._made: list[Path] = []
        self._start = Path.cwd()

    def __str__(self) -> str:
        """Return the path as the user would type it."""
        if self.path.is_relative_to(self._start):
            return str(self.path.relative_to(self._start))
        return str(self.path)

    def check(self) -> None:
        """Raise FolderError if a folder chosen by name holds anything, or is no folder."""
        if not self._chosen_by_user or self._goes_on:
            return  # `reserve` finds a free one, or it is to hold a run
        try:
            if any(self.path.iterdir()):
                raise FolderError(
                    f"the folder `{self}` is not empty, and a run never overwrites; "
                    "choose another with `--out`"
                )
        except FileNotFoundError:
            pass
        except OSError as error:
            raise FolderError(f"cannot use the folder `{self}`: {error.strerror}") from error

    def reserve(self) -> None:
        """Make the folder; one that was not chosen by name gives way to a neighbour's.

        Raises:
            FolderError: it cannot be made, or is no longer empty.
        """
        first, number = self.path, 1
        while not self._goes_on:
            try:
                self._make(self.path)
                return
            except FileExistsError:
                if self._chosen_by_user:
                    self.check()
                    return
                # Two runs began in the same second.
                number += 1
                self.path = first.with_name(f"{first.name}-{number}")
            except OSError as error:
                raise FolderError(
                    f"cannot make the folder `{self}`: {error.strerror}"
                ) from error

    def claim(self, record: dict[str, Any], schedule: str) -> None:
        """Write the first two files; of two runs that try at once, one fails here.

        Raises:
            FolderError: another run was first, or the folder cannot be written.
        """
        try:
            if self._goes_on:
                self._set_aside(schedule)
            else:
                path = self.path / RECORD
                handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
                os.close(handle)
            self.claimed = True
            self.write_record(record)
            write_text(self.path / SCHEDULE, schedule)
        except OSError as error:
            taken = error.errno == errno.EEXIST
            reason = "another run is using it" if taken else error.strerror
            raise FolderError(f"cannot write to the folder `{self}`: {reason}") from error

    def holds(self, schedule: str) -> bool:
        """Return whether the schedule of the run that is here has this text."""
        try:
            return (self.path / SCHEDULE).read_bytes() == schedule.encode()
        except OSError:
            return False

    def was_left_open(self) -> bool:
        """Return whether the run that is here was killed before its end was written down."""
        try:
            return json.loads((self.path / RECORD).read_bytes())["ended"] is None
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _set_aside(self, schedule: str) -> None:
        """Keep the former schedule and its picture, if `schedule` is another one."""
        former = self.path / SCHEDULE
        if not former.exists() or self.holds(schedule):
            return
        number = 1
        while (self.path / f"{former.stem}-{number}{former.suffix}").exists():
            number += 1
        for path in (self.path / PICTURE, former):
            if path.exists():
                path.rename(path.with_stem(f"{path.stem}-{number}"))

    def write_record(self, record: dict[str, Any]) -> None:
        """Replace `run.json`.

        Raises:
            OSError: it could not be written; the one before is still there.
        """
        write_text(self.path / RECORD, json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def part(self, fit: int, first: int) -> Path:
        """Return the folder of one `fit`; the first that we attach to has the top one."""
        return self.path if fit == first else self.path / f"fit-{fit}"

    def release(self) -> None:
        """Take away what `reserve` made, if nothing has been written to it."""
        if not self.claimed:
            for folder in reversed(self._made):
                with suppress(OSError):
                    folder.rmdir()

    def _make(self, folder: Path) -> None:
        if not folder.parent.exists():
            with suppress(FileExistsError):
                self._make(folder.parent)
        folder.mkdir()
        self._made.append(folder)


def default_folder(schedule: str, now: datetime) -> Path:
    """Return where a run goes by itself: `runs/resnet-20240131-120000`."""
    stem = Path(schedule).stem if schedule != "-" else "schedule"
    return Path("runs") / f"{stem}-{now:%Y%m%d-%H%M%S}"
