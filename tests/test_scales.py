from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from lrdsl.scales import (
    format_rate,
    format_ticks,
    format_time,
    linear_ticks,
    rate_scale,
    time_ticks,
)

PROGRESS = np.linspace(0.0, 1.0, 1001)


@pytest.mark.parametrize(
    ("curve", "is_log"),
    [
        pytest.param(0.1 * (1 + np.cos(np.pi * PROGRESS)) / 2, False, id="cosine to 0"),
        pytest.param(0.1 * (1 - PROGRESS), False, id="linear to 0"),
        pytest.param(0.1 * (1 - PROGRESS) ** 3, False, id="cubic to 0"),
        pytest.param(0.1 * np.exp(-6 * PROGRESS), True, id="exponential over 2.6 decades"),
        pytest.param(0.1 * np.exp(-2 * PROGRESS), False, id="exponential within a decade"),
        pytest.param(0.1 * 0.1 ** np.floor(3.99 * PROGRESS), True, id="stairs of a decade"),
        pytest.param(np.minimum(50 * PROGRESS, np.exp(-12 * PROGRESS)), True, id="from 0"),
        pytest.param(np.full(1001, 1e-3), False, id="constant"),
        pytest.param(np.zeros(1001), False, id="zero"),
        pytest.param(np.sin(9 * PROGRESS), False, id="negative"),
    ],
)
def test_the_scale_is_logarithmic_where_a_linear_one_shows_nothing(
    curve: np.ndarray, is_log: bool
) -> None:
    scale = rate_scale(PROGRESS, curve)
    assert scale.is_log == is_log
    assert scale.high >= curve.max()
    fractions = scale.fraction(curve)
    assert fractions.min() >= 0
    assert fractions.max() <= 1


def test_a_curve_far_from_zero_is_shown_where_it_moves() -> None:
    scale = rate_scale(PROGRESS, 0.85 + 0.1 * PROGRESS)
    assert 0.8 < scale.low < 0.85
    assert 0.95 < scale.high < 1


def test_a_constant_is_in_the_middle() -> None:
    scale = rate_scale(PROGRESS, np.full(1001, 0.3))
    assert (scale.low, scale.high) == (0.0, pytest.approx(0.45))


@pytest.mark.parametrize("high", [5e-324, 1e-300, 1e-9, 1.0, 1e300, 1.7e308])
@pytest.mark.parametrize("shape", [PROGRESS, np.exp(-700 * PROGRESS), PROGRESS - 0.5])
def test_any_finite_curve_has_a_scale_with_ticks(high: float, shape: np.ndarray) -> None:
    scale = rate_scale(PROGRESS, high * shape)
    assert np.isfinite(scale.fraction(high * shape)).all()
    for most in (1, 2, 5, 9):
        ticks = scale.ticks(most)
        assert len(ticks) <= most
        assert len(set(format_ticks(ticks, is_log=scale.is_log))) == len(ticks)


def test_ticks_are_the_decimal_numbers_that_they_look_like() -> None:
    assert linear_ticks(0, 3e-4, 4) == [0, 1e-4, 2e-4, 3e-4]
    assert linear_ticks(0, 0.1, 3) == [0, 0.05, 0.1]
    assert linear_ticks(-1, 1, 5) == [-1, -0.5, 0, 0.5, 1]


@pytest.mark.parametrize(
    ("length", "most", "smallest", "expected"),
    [
        (60, 7, None, "0 10 20 30 40 50 60"),
        (90, 7, None, "0 15 30 45 60 75 90"),
        (90, 3, None, "0 30 60 90"),
        (35_100, 4, 1, "0 10,000 20,000 30,000"),
        (1, 7, 1, "0 1"),
        (3, 7, Fraction(1, 4), "0 0.5 1 1.5 2 2.5 3"),
        (Fraction(20, 3), 7, None, "0 1 2 3 4 5 6"),
        (10**15, 2, 1, "0 500,000,000,000,000 1,000,000,000,000,000"),
    ],
)
def test_times_are_round_and_divide_the_length_where_they_can(
    length: Fraction, most: int, smallest: Fraction | None, expected: str
) -> None:
    ticks = time_ticks(Fraction(length), most, smallest)
    if length == 3:
        assert {format_time(tick) for tick in ticks} <= set(expected.split())
    else:
        assert " ".join(map(format_time, ticks)) == expected


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.1, "0.1"),
        (0.0904837418, "0.09048"),
        (1e-3, "0.001"),
        (9.99996e-4, "0.001"),
        (3.06e-5, "3.06e-5"),
        (-0.5, "-0.5"),
        (300.0, "300"),
        (1e300, "1e300"),
        (5e-324, "4.941e-324"),
    ],
)
def test_rates_are_short(value: float, text: str) -> None:
    assert format_rate(value) == text


def test_labels_of_one_axis_compare_at_a_glance() -> None:
    assert format_ticks([0.0, 5e-4, 1e-3]) == ["0", "0.0005", "0.001"]
    assert format_ticks([0.0, 1e-4, 2e-4]) == ["0", "1e-4", "2e-4"]
    assert format_ticks([1.00001, 1.00002]) == ["1.00001", "1.00002"]
