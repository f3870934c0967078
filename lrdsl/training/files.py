"""Writing a file whole or not at all: beside its place, then renamed over it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; once the block has ended well, it is `path`.

    The temporary file lies in the same folder, since a rename is atomic only within one
    file system, and keeps the suffix, by which some writers choose the format.  A block
    that raises leaves `path` as it was.
    """
    beside = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, with the line ends that it has."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def _sync_folder(folder: Path) -> None:
    # The rename itself is in the folder.  Windows cannot open folders, nor needs to.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
