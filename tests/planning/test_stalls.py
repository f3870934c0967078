"""What a plateau and `stalled` count: each parameter on metrics short enough to count by hand."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import math

import pytest
from asking import plan

from lrdsl.planning.stalls import Judge, Rules

NAN = math.nan


def changes(parameters: str, metrics: list[float]) -> list[tuple[str, int]]:
    """Return what a plateau of `patience=2` does, and after how many epochs."""
    patience = "" if "patience" in parameters else ", patience=2"
    text = f"plateau(from=1, monitor=loss, factor=0.5{patience}, {parameters})"
    made = plan(text, len(metrics) + 1, 1).replay([{"loss": one} for one in metrics])
    return [(event.kind, int(event.time)) for event in made.events]


def cuts(parameters: str, metrics: list[float]) -> list[int]:
    found = changes(parameters, metrics)
    assert {kind for kind, _ in found} <= {"cut"}
    return [epochs for _, epochs in found]


@pytest.mark.parametrize(
    ("parameters", "metrics", "expected"),
    [
        # min_delta: by exactly as much is not better; 0.25 and the like are exact
        ("min_delta=0.25", [1, 0.75, 0.75], [3]),
        ("min_delta=0.25", [1, 0.74, 0.74, 0.74], [4]),
        ("min_delta=0.25, mode=max", [1, 1.25, 1.25], [3]),
        ("min_delta=0.25, mode=max", [1, 1.26, 1.26, 1.26], [4]),
        ("min_delta=0, mode=max", [1, 2, 3, 4], []),
        ("min_delta=0, mode=min", [1, 2, 3, 4], [3]),
        ("mode=auto", [1, 0.9999, 0.9998], []),  # 1e-4, and float32
        ("mode=auto", [1, 0.99995, 0.9999], [3]),
        # compared in float32, which cannot tell 1 from 1 ± 2^-26
        ("min_delta=0", [1, 1 - 2**-26, 1 - 2**-26], [3]),
        ("min_delta=0", [1, 1 - 2**-24, 1 - 2**-23], []),
        ("min_delta=0, mode=max", [1, 1 + 2**-26, 1 + 2**-25], [3]),
        ("min_delta=0, mode=max", [1, 1 + 2**-23, 1 + 2**-22], []),
        # threshold: a share of the best, and then no min_delta unless said
        ("threshold=0.5", [4, 2, 2], [3]),
        ("threshold=0.5", [4, 1.9, 1.9, 1.9], [4]),
        ("threshold=0.5, mode=max", [4, 6, 6], [3]),
        ("threshold=0.5, mode=max", [4, 6.1, 6.1, 6.1], [4]),
        ("threshold=0", [1, 0.99999, 0.99998, 0.99997], []),
        ("threshold=0.5, min_delta=0.5", [4, 1.6, 1.6], [3]),
        ("threshold=0.5, min_delta=0.5", [4, 1.4, 1.4, 1.4], [4]),
        # versus: what an observation is compared with
        ("versus=best", [1, 3, 2, 1.5], [3]),
        ("versus=previous", [1, 3, 2, 1.5], []),
        ("versus=previous", [1, 3, 2, 2, 2], [5]),
        ("versus=previous", [1, 1, 0.5, 0.5, 0.5], [5]),
        # window: the mean of the last three; of fewer at the beginning
        ("window=3", [3, 0, 0, 3, 0, 0], [5]),
        ("window=1", [3, 0, 0, 3, 0, 0], [4, 6]),
        ("window=2", [4, 2, 2, 2, 2], [5]),
        # accumulation: each mean of two is one observation
        ("accumulation=2", [1, 1, 1, 1, 1, 1], [6]),
        ("accumulation=2", [1, 1, 0, 1, 1, 0, 0, 1], [8]),
        ("accumulation=3, patience=1", [1, 1, 1, 1, 1, 1, 0, 0, 0, 0], [6]),
        # reset: what ends the count
        ("reset=improvement", [5, 5, 4, 4, 3, 3, 2], []),
        ("reset=cut", [5, 5, 4, 4, 3, 3, 2, 2], [4, 8]),
        # cooldown: all but the last observation are passed over
        ("cooldown=1", [1] * 7, [3, 5, 7]),
        ("cooldown=3", [1] * 11, [3, 7, 11]),
        ("cooldown=3, patience=1", [1] * 9, [2, 5, 8]),
        # freeze: whether the best follows the metric in the cooldown
        ("cooldown=3", [1, 1, 1, 0, 0, 1, 1], [3, 7]),
        ("cooldown=3, freeze=cooldown", [1, 1, 1, 0, 0, 0.5, 0.5, 0.5], [3, 8]),
        ("cooldown=3", [1, 1, 1, 0, 0, 0.5, 0.5, 0.5], [3, 7]),
        # nan: passed over, as if the epoch had not measured
        ("nan=ignore", [1, NAN, 1, NAN, 1], [5]),
        ("nan=ignore", [NAN, 1, 1, 1], [4]),
        ("nan=ignore, window=2", [1, NAN, 1, 1], [4]),
        ("nan=ignore, accumulation=2", [1, NAN, 1, 1, 1, 1, NAN, 1], [8]),
        # what is no finite number, and is one all the same
        ("mode=auto", [math.inf, math.inf, 5, 5, 5], [5]),
        ("mode=auto", [-math.inf, 1, 1], [3]),
        # patience
        ("patience=0", [1, 1, 1], [2, 3]),
        ("patience=1", [1, 1, 1], [2, 3]),
        ("patience=4", [1] * 9, [5, 9]),
    ],
)  # fmt: skip
def test_a_plateau_cuts_after_these_epochs(
    parameters: str, metrics: list[float], expected: list[int]
) -> None:
    assert cuts(parameters, metrics) == expected


@pytest.mark.parametrize(
    ("parameters", "metrics", "expected"),
    [
        # As many observations in a row that are better as the patience says; the first is.
        ("rise=2", [4, 3, 2, 1], [("rise", 2), ("rise", 4)]),
        ("rise=2", [4, 5, 3, 2], [("rise", 4)]),
        ("rise=2, patience=0", [4, 3], [("rise", 1), ("rise", 2)]),
        ("rise=2", [4, 4, 4, 3, 2], [("cut", 3), ("rise", 5)]),
        # After a rise, all but the last observation of its cooldown are passed over.
        ("rise=2, rise_cooldown=1", [6, 5, 4, 3], [("rise", 2), ("rise", 4)]),
        ("rise=2, rise_cooldown=2", [6, 5, 4, 3, 2, 1], [("rise", 2), ("rise", 5)]),
        ("rise=2, rise_cooldown=3", [6, 5, 9, 9, 9, 9], [("rise", 2), ("cut", 6)]),
        # At its limits nothing changes, and nothing is told.
        ("rise=2, max=2", [6, 5, 4, 3, 2, 1], [("rise", 2)]),
        ("rise=4, max=2, min=1", [6, 5, 9, 9, 9, 9, 9], [("rise", 2), ("cut", 4)]),
    ],
)  # fmt: skip
def test_a_plateau_rises_where_the_metric_gets_better(
    parameters: str, metrics: list[float], expected: list[tuple[str, int]]
) -> None:
    assert changes(parameters, metrics) == expected


def test_a_value_falls_and_rises_by_its_factors_and_keeps_its_limits() -> None:
    def values(parameters: str, metrics: list[float]) -> list[float]:
        text = f"plateau(from=1, monitor=loss, patience=1, {parameters})"
        made = plan(text, len(metrics) + 1, 1).replay([{"loss": one} for one in metrics])
        return made.values().tolist()  # type: ignore[no-any-return]

    assert values("factor=0.5", [1, 1, 1]) == [1, 1, 0.5, 0.25]
    assert values("factor=0.5, min=0.4", [1, 1, 1, 1]) == [1, 1, 0.5, 0.4, 0.4]
    assert values("factor=0, min=0.4", [1, 1, 1]) == [1, 1, 0.4, 0.4]
    assert values("factor=0.5, min=3", [1, 1, 1]) == [1, 1, 1, 1]  # below already: stays
    assert values("factor=0.5, rise=3", [5, 4, 4]) == [1, 3, 9, 4.5]
    assert values("factor=0.5, rise=3, max=5", [5, 4, 3]) == [1, 3, 5, 5]


@pytest.mark.parametrize(
    ("parameters", "metrics", "expected"),
    [
        ("patience=2", [1, 1, 1, 1], 3),
        ("patience=2", [1, 1, 0.5, 1, 1], 5),
        ("patience=2", [3, 2, 1], None),
        ("patience=0", [1, 1], 2),  # the first is better than nothing
        ("patience=1", [1, 1], 2),
        ("patience=1, mode=max", [1, 2, 1], 3),
        ("patience=2, versus=previous", [1, 3, 2, 2, 2], 5),
        ("patience=2, min_delta=1", [9, 8, 8.2], 3),
        ("patience=2, threshold=0.5", [8, 3, 2, 2], 4),
        ("patience=2, window=2", [4, 2, 2, 2, 2], 5),
        ("patience=2, accumulation=2", [1] * 6, 6),
        ("patience=2, nan=ignore", [1, NAN, 1, NAN, NAN, 1], 6),
    ],
)  # fmt: skip
def test_a_metric_has_stalled_after_these_epochs(
    parameters: str, metrics: list[float], expected: int | None
) -> None:
    made = plan(f"1 until stalled(loss, {parameters}) then 0", len(metrics) + 1, 1)
    events = made.replay([{"loss": one} for one in metrics]).events
    assert [int(event.time) for event in events] == ([] if expected is None else [expected])


def test_a_judge_looks_only_where_it_is_asked_to() -> None:
    judge = Judge(Rules(larger=False))
    first, second = judge.take(1.0), judge.take(0.5)
    assert judge.take(None) is None
    assert first is not None
    assert second is not None
    assert first() is True
    third = judge.take(0.75)
    assert third is not None
    assert third() is True  # the second has not been looked at
    assert second() is True
