"""What stands below the panels: the key to the numbers of segments, and what happened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lrdsl.plotting.events import draw_badge, width_of_what
from lrdsl.plotting.page import KEY_GAP, KEY_LINE, LEFT, WIDE, WIDTH
from lrdsl.plotting.style import Theme, elided, text_width
from lrdsl.records import dataclass
from lrdsl.render import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lrdsl.plan import Segment

_MOST_IN_KEY = 24


@dataclass(frozen=True, slots=True)
class Told:
    """The events of the plan, told below the picture."""

    rows: Sequence[tuple[int | None, str, str]]

    def height(self) -> float:
        """Return the room it takes, in inches."""
        return KEY_GAP + KEY_LINE * len(self.rows) if self.rows else 0.0

    def draw(self, figure: Figure, height: float, theme: Theme) -> None:
        """Draw it at the lower edge of a figure so high, in inches."""
        if not self.rows:
            return
        wide = WIDE * 72
        what_width = min(width_of_what(self.rows), wide / 2)
        ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        ax.set_axis_off()
        for row, (number, what, why) in enumerate(self.rows):
            y = (KEY_LINE * (len(self.rows) - row - 0.5) + 0.08) / height
            if number is not None:
                draw_badge(ax, number, ((LEFT + 0.05) * 72, y * height * 72 + 0.5), theme)
            style: dict[str, Any] = {"size": 8, "va": "center_baseline"}
            x = LEFT + 18 / 72
            room = what_width if why else wide - 18
            lead = elided(visible(what), 8, room)
            figure.text(x / WIDTH, y, lead, color=theme.ink, **style)
            x += (what_width + 12) / 72
            text = elided(visible(why), 8, wide - 30 - what_width)
            figure.text(x / WIDTH, y, text, color=theme.soft, **style)


@dataclass(frozen=True, slots=True)
class Key:
    """What the numbers in the picture stand for, below it."""

    entries: Sequence[tuple[int, Segment]]

    def _rows(self) -> list[tuple[str, str, str]]:
        shown = self.entries[:_MOST_IN_KEY]
        rows = [(str(number), s.text, f"line {s.line}") for number, s in shown]
        if len(self.entries) > len(shown):
            rows[-1] = ("…", f"and {len(self.entries) - len(shown) + 1:,} more", "")
        return rows

    def _columns(self) -> int:
        widest = max(text_width(f"{text} {line}", 8) for _, text, line in self._rows()) + 42
        return min(max(int(WIDE * 72 // widest), 1), 3, len(self.entries))

    def _lines(self) -> int:
        return math.ceil(len(self._rows()) / self._columns())

    def height(self) -> float:
        """Return the room it takes, in inches."""
        return KEY_GAP + KEY_LINE * self._lines() if self.entries else 0.0

    def draw(self, figure: Figure, height: float, theme: Theme, *, above: float) -> None:
        """Draw it into a figure so high, so far above its lower edge, in inches."""
        if not self.entries:
            return
        lines, column_width = self._lines(), WIDE / self._columns()
        for i, (number, text, line) in enumerate(self._rows()):
            column, row = divmod(i, lines)
            x = LEFT + column * column_width
            y = (above + KEY_LINE * (lines - row - 0.5) + 0.08) / height
            text = elided(visible(text), 8, column_width * 72 - 34 - text_width(line, 8))
            style: dict[str, Any] = {"size": 8, "va": "center_baseline"}
            figure.text(x / WIDTH, y, number, weight="bold", color=theme.curve, **style)
            x += 18 / 72
            figure.text(x / WIDTH, y, text, color=theme.ink, **style)
            x += (text_width(text, 8) + 7) / 72
            figure.text(x / WIDTH, y, line, color=theme.soft, **style)
