"""A terminal of one's own for a while: another screen, no cursor, and all as it was after."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TextIO

from lrdsl.watching.frame import Size

try:
    import termios
except ImportError:  # Windows: its keys are not read
    termios = None  # type: ignore[assignment]

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"  # the other screen, no cursor, lines do not wrap
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
# Terminals that know it show what is between at once; others ignore it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"


class Screen:
    """Draws frames on a terminal, each over the one before."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._keyboard = _keyboard()
        self._drawn: tuple[Sequence[str], Size] | None = None
        self._is_open = True

    @property
    def size(self) -> Size:
        """The size of the terminal now."""
        try:
            columns, lines = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            columns, lines = 0, 0
        return Size(columns or 80, lines or 24)  # some terminals say that they have none

    def draw(self, lines: Sequence[str]) -> None:
        """Show the lines; they fit the screen."""
        # Each line is cleared before it is written: behind a full one the terminal would
        # take its last character away.
        rows = "\r\n".join(f"\x1b[2K{line}" for line in lines)
        encoding = self._stream.encoding or "ascii"
        rows = rows.encode(encoding, "backslashreplace").decode(encoding)
        self._stream.write(f"{_BEGIN}\x1b[H{rows}\x1b[J{_END}")
        self._stream.flush()

    def wait(self, seconds: float) -> str:
        """Wait for a key, and no longer than this; return what was typed."""
        if self._keyboard is None:
            time.sleep(seconds)
            return ""
        if not select.select([self._keyboard], [], [], seconds)[0]:
            return ""
        try:
            typed = os.read(self._keyboard, 64)
        except OSError:
            typed = b""
        if not typed:  # the keyboard is gone, and would be ready for ever
            self._keyboard = None
        return typed.decode("ascii", "ignore")

    # -- Entering and leaving ----------------------------------------------------------

    def enter(self) -> None:
        """Go to the other screen, where keys are read as they are typed and not shown."""
        if self._keyboard is not None:
            mode = termios.tcgetattr(self._keyboard)
            mode[3] &= ~(termios.ECHO | termios.ICANON)  # Ctrl-C and Ctrl-Z stay what they are
            termios.tcsetattr(self._keyboard, termios.TCSADRAIN, mode)
        self._stream.write(_ENTER)
        self._stream.flush()

    def leave(self, mode: list[Any] | None) -> None:
        """Go back to the screen and the mode of the keyboard that were before."""
        with suppress(OSError, ValueError):  # a terminal that is gone
            self._stream.write(_LEAVE)
            self._stream.flush()
        if self._keyboard is not None and mode is not None:
            with suppress(OSError, termios.error):
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, mode)

    def mode(self) -> list[Any] | None:
        """Return the mode of the keyboard."""
        return None if self._keyboard is None else termios.tcgetattr(self._keyboard)


@contextmanager
def screen(stream: TextIO) -> Iterator[Screen]:
    """Give the terminal over, and take it back however the block ends, by a signal too."""
    found = Screen(stream)
    mode = found.mode()

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def stop(number: int, frame: FrameType | None) -> None:
        found.leave(mode)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here, some time later, somebody has typed `fg`.
        signal.signal(signal.SIGTSTP, stop)
        found.enter()

    handlers = {signal.SIGTERM: end}
    if hasattr(signal, "SIGTSTP"):
        handlers |= {signal.SIGHUP: end, signal.SIGTSTP: stop}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        found.enter()
        yield found
    finally:
        # A second Ctrl-C must not leave half of it.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        found.leave(mode)
        for number, handler in {**before, signal.SIGINT: interrupt}.items():
            signal.signal(number, handler)


def _keyboard() -> int | None:
    """Return the file descriptor that keys come from, None where nobody types."""
    try:
        number = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None
    return number if termios is not None and os.isatty(number) else None
