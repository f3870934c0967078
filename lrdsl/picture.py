"""A plan as a picture in memory, for pages and notebooks."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrdsl.plan import Plan

_PATH = re.compile(r'(?<= d=")[^"]*')
_DIGITS = re.compile(r"(\.\d\d)\d+")


def as_svg(plan: Plan, theme: str = "light") -> str:
    """Return the picture of a plan as an SVG document; matplotlib draws it.

    It holds the plan's schedule, as a picture in a file does: see `lrdsl.stamp`.

    Raises:
        ValueError: there is no such theme.
    """
    from lrdsl.plotting import draw
    from lrdsl.plotting.style import style
    from lrdsl.stamp import file_name, metadata, stamp

    figure: Any = draw(plan, theme=theme)
    buffer = io.StringIO()
    with style():
        line = stamp([(file_name(plan), plan)])
        figure.savefig(buffer, format="svg", metadata=metadata("svg", line))
    # A hundredth of a point is less than anybody sees, and most of the rest is digits.
    return _PATH.sub(lambda path: _DIGITS.sub(r"\1", path[0]), buffer.getvalue())
