"""What a terminal can show: its characters, its colours, its width."""

from __future__ import annotations

from typing import Final

from lrdsl.records import dataclass
from lrdsl.render import display_width, visible

CHARACTERS: Final = "⣿┊◆→…░∙▼"
"""What a terminal must be able to show, or it gets ASCII."""

BOLD: Final = "\x1b[1m"
DIM: Final = "\x1b[2m"
CURVE: Final = "\x1b[36m"
SECOND: Final = "\x1b[32m"
MARK: Final = "\x1b[35m"
EVENT: Final = "\x1b[33m"
RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Ink:
    """The characters and colours that the terminal can show."""

    unicode: bool
    colour: bool

    def paint(self, text: str, code: str) -> str:
        """Return `text` in a colour."""
        return f"{code}{text}{RESET}" if self.colour and text.strip() else text

    def text(self, text: str) -> str:
        """Return text from outside, safe for this terminal."""
        safe = visible(text)
        return safe if self.unicode else safe.encode("ascii", "backslashreplace").decode()

    def fit(self, text: str, width: int) -> str:
        """Return `text`, cut to `width` columns."""
        # First roughly: a segment's text may be as long as the file.
        text = self.text(text[: 4 * max(width, 1) + 1])
        if display_width(text) <= width:
            return text
        cut = self.pick("…", "~")
        while text and display_width(text) + 1 > width:
            text = text[:-1]
        return (text.rstrip() + cut) if width > 0 else ""

    def pick(self, pretty: str, plain: str) -> str:
        """Return the one that the terminal can show."""
        return pretty if self.unicode else plain


def wrap(text: str, width: int) -> list[str]:
    """Return `text` in lines of at most `width` columns."""
    lines = [""]
    for word in text.split():
        if not lines[-1]:
            lines[-1] = word[:width]
        elif display_width(lines[-1]) + 1 + display_width(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word[:width])
    return lines
