"""The weights in a saved model's archive: whether they are stored as Keras stores them.

HDF5 can do more than Keras asks of it.  A file of some kilobytes may declare an array of
gigabytes, of zeros or compressed, or one whose values lie in another file; to read it is to
have it in memory before anybody has compared its shape with the layer's.
"""

from __future__ import annotations

import io
import math
import os
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

WEIGHTS = "model.weights.h5"
"""The name of the weights in a model's archive."""

_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip archive; the lengths of name and extra


def why_refused(path: Path) -> str | None:
    """Return what is wrong with the weights in an archive; None if nothing is.

    The arrays have to be stored one after another, as they are, and to hold no more bytes
    than the archive.  No array is read.
    """
    import h5py

    size = path.stat().st_size
    plain = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
    declared = 0
    found: str | None = None

    def look(name: str, one: Any) -> bool | None:
        nonlocal declared, found
        if isinstance(one, h5py.Dataset) and one.shape is not None:
            how = one.id.get_create_plist()
            # A compressed array is one in chunks; text of any length lies outside of its array.
            declared += math.prod(one.shape) * one.dtype.itemsize
            if how.get_layout() not in plain or how.get_external_count() or one.dtype.hasobject:
                found = f"stores its weights `{name:.80}` in a form in which Keras never does"
            elif declared > size:
                found = f"has {size:,} bytes and declares weights of {declared:,} or more"
        return None if found is None else True  # which ends the visit

    try:
        with path.open("rb") as file, h5py.File(_weights_in(file), "r") as store:
            store.visititems(look)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, struct.error) as error:
        return f"has weights that cannot be read: {error!s:.200}"
    return found


def _weights_in(file: BinaryIO) -> io.RawIOBase:
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo(WEIGHTS)
    file.seek(member.header_offset)
    name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    start = member.header_offset + _LOCAL_HEADER.size + name + extra
    return _Part(file, start, member.file_size)


class _Part(io.RawIOBase):
    """A part of an open file as a file of its own.

    A member that `zipfile` opens goes back by reading all from its begin again.
    """

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        super().__init__()
        self._file, self._start, self._size = file, start, size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._at = offset + {os.SEEK_CUR: self._at, os.SEEK_END: self._size}.get(whence, 0)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        self._file.seek(self._start + self._at)
        content = self._file.read(min(len(buffer), max(0, self._size - self._at)))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)
