from __future__ import annotations

import numpy as np
import pytest

from lrdsl.plotting.placement import Box, dense, place

PAGE = Box(0.0, 0.0, 300.0, 200.0)
NOTHING = np.zeros((0, 2))


def test_a_note_stands_beside_its_point() -> None:
    box = place((150, 100), (40, 10), within=PAGE, curve=NOTHING, lines=[], taken=[])
    assert abs((box.bottom + box.top) / 2 - 100) < 20
    assert (box.left, box.right) > (140, 150)


@pytest.mark.parametrize("anchor", [(0, 0), (300, 0), (0, 200), (300, 200), (150, 100)])
def test_a_note_stays_on_the_page(anchor: tuple[float, float]) -> None:
    assert PAGE.holds(place(anchor, (80, 10), within=PAGE, curve=NOTHING, lines=[], taken=[]))


def test_a_note_avoids_the_curve_other_notes_and_lines() -> None:
    curve = dense(np.array([[0.0, 0.0], [150.0, 200.0], [300.0, 0.0]]), 1.0)
    first = place((0, 0), (60, 10), within=PAGE, curve=curve, lines=[100], taken=[])
    second = place((0, 0), (60, 10), within=PAGE, curve=curve, lines=[100], taken=[first])
    assert first.overlap(second) == 0
    for box in (first, second):
        x, y = curve[:, 0], curve[:, 1]
        inside = (x > box.left) & (x < box.right) & (y > box.bottom) & (y < box.top)
        assert not inside.any()
        assert not box.left < 100 < box.right


def test_where_there_is_no_room_a_note_is_still_written() -> None:
    box = place((5, 5), (40, 10), within=Box(0, 0, 10, 10), curve=NOTHING, lines=[], taken=[])
    assert box.right - box.left == 40


def test_dense_points_lie_on_the_line_and_close_together() -> None:
    points = dense(np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 0.0], [10.0, 5.0]]), 1.0)
    assert np.hypot(*np.diff(points, axis=0).T).max() <= 1.0
    assert points[0].tolist() == [0, 0]
    assert points[-1].tolist() == [10, 5]
