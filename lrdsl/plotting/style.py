"""The look of the pictures: colours, type, and measuring text without a display."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Okabe & Ito's colours: told apart by colour-blind readers, and in grey by their lightness.
CURVE = "#0072B2"
SNAPSHOT = "#D55E00"
SECOND = "#00795A"
THIRD = "#A4507F"
EVENT = "#B35900"
RANGE = "#DDE7EE"
INK = "#1F2933"
SOFT = "#5C6873"
FAINT = "#B9C2CC"

LONGEST_MEASURED = 300

_STYLE: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "font.size": 9.0,
    "svg.hashsalt": "lrdsl",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a `$` in a schedule's text is a `$`
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the look of these pictures, and leave the user's settings as they were."""
    import matplotlib as mpl

    # From the defaults, not from the user's settings: those are made for other pictures.
    settings: dict[Any, Any] = dict(mpl.rcParamsDefault) | _STYLE
    settings = {name: settings[name] for name in settings if not name.startswith("backend")}
    with mpl.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of `text` on paper, in points."""
    # Measuring is slow, and what is longer than this has no room anywhere.
    text = text[:LONGEST_MEASURED]
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size, weight="bold" if bold else "normal")
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def elided(text: str, size: float, room: float) -> str:
    """Return `text`, cut to `room` points."""
    if len(text) < LONGEST_MEASURED and text_width(text, size) <= room:
        return text
    text = text[:LONGEST_MEASURED]
    while text and text_width(text + "…", size) > room:
        # By tenths, since a text may be long and measuring is not cheap.
        text = text[: -max(len(text) // 10, 1)]
    return text.rstrip() + "…"
