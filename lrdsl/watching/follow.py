"""Notice that a file has another content, however an editor saves it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lrdsl import reading

POLL = 0.02
"""Seconds between two looks at the file: a `stat`, which costs some microseconds."""

_ABSENT_LOOKS = 15
"""So many looks without a file make it gone; the gap that an editor leaves is shorter."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds, or why nobody can say."""

    data: bytes = b""
    trouble: str | None = None


class Follower:
    """Looks at a file again and again.

    By its name and not by what the name stood for at first: a save that renames another
    file to it, a deletion and a return are changes as any other.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._stamp: object = object()  # equal to none
        self._is_settled = False
        self._absent = 0
        self._content: Content | None = None

    def look(self) -> Content | None:
        """Return what the file holds now, None if that is no news."""
        stamp = self._look_at_stamp()
        if stamp != self._stamp:
            # Perhaps half of it is written: it is read when two looks see the same.
            self._stamp, self._is_settled, self._absent = stamp, False, 0
            return None
        if self._is_settled:
            return None
        if stamp is None:
            self._absent += 1
            if self._absent < _ABSENT_LOOKS:
                return None
        self._is_settled = True
        content = self._read()
        if content == self._content:  # touched, or saved as it was
            return None
        self._content = content
        return content

    def _look_at_stamp(self) -> tuple[int, ...] | None:
        try:
            found = self._path.stat()
        except (OSError, ValueError):
            return None
        return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev)

    def _read(self) -> Content:
        try:
            with self._path.open("rb") as file:
                return Content(file.read(reading.MOST_BYTES))
        except (OSError, ValueError) as error:
            return Content(trouble=getattr(error, "strerror", None) or str(error))
