"""Where to write a note beside a point of a curve, so that it covers nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GAPS = (5.0, 9.0, 14.0, 20.0, 28.0, 38.0, 50.0, 64.0, 80.0)
_FORBIDDEN = 1e6
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on paper, in points (1/72 inch)."""

    left: float
    bottom: float
    right: float
    top: float

    def overlap(self, other: Box) -> float:
        """Return the area that both cover."""
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(wide, 0.0) * max(tall, 0.0)

    def grown(self, by: float) -> Box:
        """Return the box with a margin of `by` on every side."""
        return Box(self.left - by, self.bottom - by, self.right + by, self.top + by)

    def holds(self, other: Box) -> bool:
        """Return whether `other` lies within this box."""
        return (
            self.left <= other.left
            and self.bottom <= other.bottom
            and self.right >= other.right
            and self.top >= other.top
        )


def place(
    anchor: tuple[float, float],
    size: tuple[float, float],
    *,
    within: Box,
    curve: Floats,
    lines: Sequence[float],
    taken: Sequence[Box],
) -> Box:
    """Return the best box of `size` near `anchor`: close, and over as little as possible.

    Args:
        anchor: the point that the note is about.
        size: the note's width and height.
        within: where notes may be.
        curve: points of what must not be covered, close together, shape (n, 2).
        lines: x of vertical lines, which should not run through a note.
        taken: boxes that must not be covered.
    """
    wide, tall = size
    x, y = anchor
    # Beside the point, over or under it, or pushed to the border: at every distance.
    lefts = [x - wide / 2, within.left, within.right - wide]
    lefts += [left for gap in (0.0, *_GAPS) for left in (x + gap, x - gap - wide)]
    bottoms = [y - tall / 2]
    bottoms += [bottom for gap in _GAPS for bottom in (y + gap, y - gap - tall)]
    best: tuple[float, Box] | None = None
    for bottom in bottoms:
        for left in lefts:
            box = Box(left, bottom, left + wide, bottom + tall)
            cost = _distance(anchor, box)
            if cost < _GAPS[0] - 1:
                continue
            cost += 2.0 * (left + wide / 2 < x) + 3.0 * (bottom + tall / 2 < y)
            if not within.holds(box):
                cost += _FORBIDDEN
            if best is not None and cost >= best[0]:
                continue
            cost += 25.0 * sum(box.left - 2 < line < box.right + 2 for line in lines)
            cost += 200.0 * _points_in(box.grown(3.0), curve)
            cost += _FORBIDDEN * sum(box.grown(3.0).overlap(other) > 0 for other in taken)
            if best is None or cost < best[0]:
                best = (cost, box)
    assert best is not None
    return best[1]


def _distance(point: tuple[float, float], box: Box) -> float:
    across = max(box.left - point[0], 0.0, point[0] - box.right)
    along = max(box.bottom - point[1], 0.0, point[1] - box.top)
    return float(np.hypot(across, along))


def gap_to(box: Box, points: Floats) -> float:
    """Return how far a box is from the nearest of some points."""
    x, y = points[:, 0], points[:, 1]
    across = np.maximum(np.maximum(box.left - x, x - box.right), 0.0)
    along = np.maximum(np.maximum(box.bottom - y, y - box.top), 0.0)
    return float(np.hypot(across, along).min())


def _points_in(box: Box, points: Floats) -> int:
    x, y = points[:, 0], points[:, 1]
    inside = (x >= box.left) & (x <= box.right) & (y >= box.bottom) & (y <= box.top)
    return int(np.count_nonzero(inside))


def dense(points: Floats, gap: float) -> Floats:
    """Return the points of a broken line with others in between, at most `gap` apart.

    On a line of more than `_MOST_POINTS` gaps they are further apart: it fills the page.
    """
    steps = np.diff(points, axis=0)
    lengths = np.hypot(steps[:, 0], steps[:, 1])
    gap = max(gap, float(lengths.sum()) / _MOST_POINTS)
    counts = np.maximum(np.ceil(lengths / gap).astype(int), 1)
    piece = np.repeat(np.arange(len(counts)), counts)
    part = (np.arange(len(piece)) - np.repeat(np.cumsum(counts) - counts, counts)) / counts[
        piece
    ]
    inner = points[piece] + steps[piece] * part[:, None]
    return np.concatenate([inner, points[-1:]])


def apart(own: Floats, others: Floats, middling: float = 1.0) -> tuple[float, float]:
    """Return the point of a curve that is furthest from all others, its middle at best.

    Args:
        own: points of the curve, close together.
        others: those of the others.
        middling: how much its middle counts.
    """
    candidates = own[np.linspace(0, len(own) - 1, 41).astype(int)[4:-4]]
    near = others[:: max(len(others) // 2000, 1)]
    gaps = np.hypot(*(candidates[:, None, :] - near[None, :, :]).transpose(2, 0, 1)).min(axis=1)
    # Far enough is far enough: then rather in the middle.
    middle = np.abs(np.arange(len(candidates)) - len(candidates) / 2)
    best = candidates[int(np.argmax(np.minimum(gaps, 40.0) - middling * middle))]
    return float(best[0]), float(best[1])
