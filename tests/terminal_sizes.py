"""Every kind of terminal that text is drawn for, for goldens."""

from __future__ import annotations

from collections.abc import Callable

TERMINALS = ((40, True), (80, True), (200, True), (80, False))


def everywhere(draw: Callable[[int, bool], str]) -> str:
    """Return what is drawn at each width, in braille and in ASCII."""
    parts = [
        f"=== {width} columns{'' if unicode else ', ASCII'}\n{draw(width, unicode)}"
        for width, unicode in TERMINALS
    ]
    return "\n\n".join(parts) + "\n"
