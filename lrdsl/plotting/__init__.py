"""A plan as a picture: its curve, what it is made of, and the numbers worth knowing.

Only matplotlib's `Figure` is used, never pyplot: drawing changes nothing outside the
picture, needs no display, and the same plan gives the same bytes.  matplotlib is imported
when something is drawn.
"""

from lrdsl.plotting.figure import draw, save
from lrdsl.plotting.page import SUFFIXES

__all__ = ["SUFFIXES", "draw", "save"]
