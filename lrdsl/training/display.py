"""Lines that stay at the bottom of a terminal while a program writes above them."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

from lrdsl.terminal.ink import DIM, Ink


class LiveLines:
    """Some lines, drawn over and over in one place of a terminal.

    What the program prints meanwhile, on any stream that goes to a terminal, takes their
    place, and they come back below it.  So nothing of the program's is ever spoiled.

    Args:
        stream: the terminal.
        ink: what it can show.
    """

    def __init__(self, stream: TextIO, ink: Ink) -> None:
        self._stream = stream
        self._ink = ink
        self._write = stream.write
        self._shown = 0
        self._is_in_line = False  # whether the program's last line is still open
        self._noted: list[TextIO] = []

    def open(self) -> None:
        """Notice from now on what the program writes."""
        for stream in {id(one): one for one in (self._stream, sys.stdout, sys.stderr)}.values():
            # Streams of another kind, such as those of a test, belong to somebody else.
            if type(stream) is io.TextIOWrapper and not stream.closed and stream.isatty():
                self._note(stream)

    def close(self) -> None:
        """Take the lines away, and let the streams be."""
        self.clear()
        for stream in self._noted:
            vars(stream).pop("write", None)
        self._noted.clear()

    def show(self, lines: Sequence[str], width: int) -> None:
        """Draw the lines, each cut to the width of the terminal."""
        if self._is_in_line:
            return
        cut = [self._ink.paint(self._ink.fit(line, width - 1), DIM) for line in lines]
        self._send(self._back() + "\n".join(cut))
        self._shown = len(cut)

    def clear(self) -> None:
        """Take the lines away until they are shown again."""
        if self._shown:
            self._send(self._back())
            self._shown = 0

    def _back(self) -> str:
        up = f"\x1b[{self._shown - 1}A" if self._shown > 1 else ""
        return f"\r{up}\x1b[J" if self._shown else ""

    def _send(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that is gone is no harm to a training
            self._write(text)
            self._stream.flush()

    def _note(self, stream: TextIO) -> None:
        write = stream.write

        def noted(text: str, /) -> int:
            self.clear()
            if text:
                self._is_in_line = not text.endswith("\n")
            return write(text)

        # On the instance: `print` and the program itself find it before the real one.
        stream.write = noted  # type: ignore[method-assign]
        self._noted.append(stream)
