"""Files to source text: the one place where bytes become characters."""

from __future__ import annotations

import codecs
from pathlib import Path

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.source import SourceText, Span

MOST_BYTES = 4 * (limits.CHARACTERS + 2)
"""Bytes read of a file: enough to hold more characters than a text may have."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_source(path: Path | str) -> SourceText:
    """Return the text of a file, named as the path is written.

    Raises:
        OSError: the file cannot be read.
        LrsError: it is not text in UTF-8 (LRS101).
    """
    with Path(path).open("rb") as file:
        return decode(file.read(MOST_BYTES), str(path))


def decode(data: bytes, name: str) -> SourceText:
    """Return UTF-8 `data` as text, without a byte-order mark if there is one.

    What is past `MOST_BYTES` is not looked at; what is left is still too long a text.

    Raises:
        LrsError: it is not text in UTF-8 (LRS101).
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    is_cut = len(data) >= MOST_BYTES
    try:
        # A cut may go through a character, which is no fault of the file.
        text = decoder.decode(data[:MOST_BYTES], final=not is_cut)
    except UnicodeDecodeError as error:
        raise _not_utf8(data, name, error.start) from None
    if (nul := text.find("\0")) >= 0:
        problem = Diagnostic(
            code="LRS101",
            message="the file is not text: it holds a NUL character",
            primary=Label(Span(nul, nul + 1), "no schedule holds this"),
            help="is this the schedule? an `.lrs` file is text, saved as UTF-8",
        )
        raise LrsError([problem], SourceText(text, name))
    return SourceText(text, name)


def _not_utf8(data: bytes, name: str, start: int) -> LrsError:
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.startswith(_UTF16):
        problem = Diagnostic(
            code="LRS101",
            message="the file is not UTF-8: it begins as UTF-16 does",
            help="save it as UTF-8",
        )
        return LrsError([problem], SourceText("", name))
    # Undecodable bytes become one character each, so that the place can be shown.
    text = data.decode("utf-8", "surrogateescape")
    at = len(data[:start].decode("utf-8", "surrogateescape"))
    problem = Diagnostic(
        code="LRS101",
        message=f"the file is not UTF-8: it holds the byte 0x{data[start]:02x}",
        primary=Label(Span(at, at + 1), "not a character"),
        help="save it as UTF-8",
    )
    return LrsError([problem], SourceText(text, name))
