"""The look of the pictures: colours, type, and measuring text without a display."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lrdsl.records import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of a picture.

    After Okabe & Ito: told apart by colour-blind readers, and in grey by their lightness.

    Attributes:
        page: what the picture is drawn on.
        bands: what the segments are shaded with, in turn.
        ink, soft, faint: of text, of text that says less, of lines behind the curves.
        curve, second, third: of curves, and of the text that names them.
        others: of curves that are compared, in order.
        snapshot, event: of marks.
        on_event: of the number on the mark of an event.
        range: between the curves that may happen.
    """

    page: str
    bands: tuple[str, str]
    ink: str
    soft: str
    faint: str
    curve: str
    second: str
    third: str
    others: tuple[str, ...]
    snapshot: str
    event: str
    on_event: str
    range: str


LIGHT = Theme(
    page="white",
    bands=("#FFFFFF", "#EFF3F7"),
    ink="#1F2933",
    soft="#5C6873",
    faint="#B9C2CC",
    curve="#0072B2",
    second="#00795A",
    third="#A4507F",
    others=("#0072B2", "#B35900", "#00795A", "#A4507F", "#2B2B2B", "#3F8FC4"),
    snapshot="#D55E00",
    event="#B35900",
    on_event="white",
    range="#DDE7EE",
)
DARK = Theme(
    page="#11181F",
    bands=("#11181F", "#1A242E"),
    ink="#E8EEF3",
    soft="#A3B1BD",
    faint="#4A5763",
    curve="#56B4E9",
    second="#2FC79B",
    third="#E29AC4",
    others=("#56B4E9", "#F0A23C", "#2FC79B", "#E29AC4", "#E8EEF3", "#3F8FC4"),
    snapshot="#FF8A3D",
    event="#F0A23C",
    on_event="#11181F",
    range="#24384A",
)
THEMES = {"light": LIGHT, "dark": DARK}
"""Every theme by the name that a user gives."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a person chooses of a picture.

    Attributes:
        theme: its colours.
        is_log: whether the axes of values are logarithmic; None where the curves decide.
    """

    theme: Theme = LIGHT
    is_log: bool | None = None


def look(theme: str, log: bool | None) -> Look:
    """Return the look of a theme's name.

    Raises:
        ValueError: there is no such theme.
    """
    if theme not in THEMES:
        raise ValueError(f"there is no theme {theme!r}: it is one of {', '.join(THEMES)}")
    return Look(THEMES[theme], log)


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
