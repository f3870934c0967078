"""Writing a file whole or not at all: beside its place, flushed, then renamed over it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; once the block has ended well, it is `path`.

    The temporary file lies in the same folder, since a rename is atomic only within one
    file system, and keeps the suffix, by which some writers choose the format.  A block
    that raises leaves `path` as it was.
    """
    beside = path.with_name(f".{path.stem}-{os.urandom(4).hex()}{path.suffix}")
    try:
        yield beside
        flush(beside)
        beside.replace(path)
    except BaseException:
        remove(beside)
        raise
    flush_folder(path.parent)


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """Yield a path in a folder of its own beside `path`, to be renamed to it in the block.

    The folder is gone at the end, with all that the writer has left there: Keras makes
    files of other names next to a model that memory is too small for.
    """
    folder = path.with_name(f".{path.stem}-{os.urandom(4).hex()}")
    try:
        folder.mkdir()
        yield folder / path.name
    finally:
        remove(folder)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, with the line ends that it has."""
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def remove(path: Path) -> None:
    """Delete a file, or a folder with what is in it, if it is there and can be deleted.

    What cannot be deleted now is no reason to fail: it is swept when the folder is used again.
    """
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Have the system write a file's content to the disk."""
    with path.open("rb+") as written:
        os.fsync(written.fileno())


def flush_folder(folder: Path) -> None:
    """Have the system write a folder's names to the disk: a rename is in there."""
    # Windows cannot open folders, nor needs to.
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
