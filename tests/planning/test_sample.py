"""A picture's points: spread evenly, and on both sides of every edge."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from asking import plan

from lrdsl.planning.sample import sample_ticks


def test_few_steps_are_all_shown() -> None:
    ticks, left = sample_ticks([], Fraction(7), 100, whole=True)
    assert list(ticks.to_float()) == list(range(7))
    assert not left.any()


def test_of_many_steps_those_around_an_edge_are_shown() -> None:
    ticks, _ = sample_ticks([Fraction(1001, 2)], Fraction(10_000), 11, whole=True)
    shown = list(ticks.to_float())
    assert {500.0, 501.0} <= set(shown)
    assert shown[0] == 0
    assert shown[-1] == 9999
    assert shown == sorted(set(shown))
    assert len(shown) == 13


def test_without_steps_an_edge_is_shown_from_both_sides() -> None:
    ticks, left = sample_ticks([Fraction(1, 3)], Fraction(1), 3, whole=False)
    times = ticks.to_float()
    assert [(round(t, 3), bool(b)) for t, b in zip(times, left, strict=True)] == [
        (0.0, False),
        (0.333, True),
        (0.333, False),
        (0.667, False),
        (1.0, True),
    ]


def test_a_jump_is_drawn_in_the_direction_of_time() -> None:
    when, values = plan("0.1 until 10 then 0.2", 20).polyline(points=5)
    at_edge = values[when == 10]
    assert list(at_edge) == [0.1, 0.2]


def test_edges_of_cycles_are_shown_too() -> None:
    made = plan("cosine(max=1) for 10 repeat", 10**6, 10**6)
    when, values = made.polyline(points=50)
    assert len(when) > 1000
    assert np.count_nonzero(values == 1.0) >= 1000
