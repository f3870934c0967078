"""The text of a log: how it is read from its bytes, and how its problems are told."""

from __future__ import annotations

import codecs
from typing import Final, NoReturn

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.source import SourceText, Span

MOST_BYTES: Final = 2**25
"""Size of a log."""

EXAMPLE: Final = "`epoch,loss,val_loss`"
"""How a log may begin."""


def decode(data: bytes, name: str) -> SourceText:
    """Return the text of a log of this name.

    Raises:
        LrsError: it is too long, or no text in UTF-8 (LRS112).
    """
    nowhere = SourceText("", name)
    if len(data) > MOST_BYTES:
        fail(
            nowhere,
            f"the log is larger than {MOST_BYTES // 2**20} MiB",
            "is this the log? leave out the columns that the schedule does not react to",
        )
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        fail(nowhere, "the log is not UTF-8: it begins as UTF-16 does", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fail(
            nowhere,
            f"the log is not text: line {line} holds the byte 0x{data[error.start]:02x}",
            f"is this the log? it begins with a line such as {EXAMPLE}",
        )
    if "\0" in text:
        fail(nowhere, "the log is not text: it holds a NUL character", "is this the log?")
    return SourceText(text, name)


def fail(
    source: SourceText, message: str, repair: str, span: Span | None = None, label: str = ""
) -> NoReturn:
    """Raise LrsError with one problem of a log (LRS112).

    Args:
        source: the log.
        message: what was found.
        repair: what to do.
        span: where, None if nowhere.
        label: what was needed there.
    """
    problem = Diagnostic(
        code="LRS112",
        message=message,
        primary=None if span is None else Label(span, label),
        help=repair,
    )
    raise LrsError([problem], source)
