"""A plan as a picture in memory, for pages and notebooks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrdsl.plan import Plan


def as_svg(plan: Plan, theme: str = "light") -> str:
    """Return the picture of a plan as an SVG document; matplotlib draws it.

    Raises:
        ValueError: there is no such theme.
    """
    from lrdsl.plotting import draw
    from lrdsl.plotting.style import style

    figure: Any = draw(plan, theme=theme)
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
