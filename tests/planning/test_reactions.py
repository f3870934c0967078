"""Reactions in time: what switches, cuts and stops when, and how it composes with the rest."""

# ruff: noqa: E501 - a case is a line

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from asking import plan
from hypothesis import given, settings
from hypothesis import strategies as st

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.planner import suppose

Rows = list[dict[str, float]]


def losses(*values: float) -> Rows:
    return [{"loss": one} for one in values]


def rates(text: str, rows: Rows, epochs: int | None = None, each: int = 1) -> list[float]:
    made = plan(text, epochs or len(rows) + 1, each).replay(rows)
    return made.values().tolist()  # type: ignore[no-any-return]


def happened(text: str, rows: Rows, epochs: int, each: int = 4) -> list[tuple[str, float]]:
    """Return what happens, and when in epochs."""
    events = plan(text, epochs, each).replay(rows).events
    assert all(event.epoch is not None for event in events)
    return [(event.kind, float(event.epoch or 0)) for event in events]


# -- Comparisons -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "metrics", "after"),
    [
        ("<", (0.6, 0.5, 0.4), 3),
        ("<=", (0.6, 0.5, 0.4), 2),
        (">", (0.4, 0.5, 0.6), 3),
        (">=", (0.4, 0.5, 0.6), 2),
    ],
)
def test_a_comparison_is_looked_at_after_each_epoch(
    sign: str, metrics: tuple[float, ...], after: int
) -> None:
    found = happened(f"1 until loss {sign} 0.5 then 2", losses(*metrics), 5)
    assert found == [("switch", after)]


@pytest.mark.parametrize(
    ("text", "rates_after_switch"),
    [
        ("1 until loss < 0.5 then 2", [1, 1, 2, 2]),
        ("1 until 0.5 > loss then 2", [1, 1, 2, 2]),
    ],
)
def test_the_next_epoch_begins_the_new_segment(
    text: str, rates_after_switch: list[float]
) -> None:
    assert rates(text, losses(0.9, 0.1, 0.9)) == rates_after_switch


def test_a_segment_begins_anew_where_the_metric_says() -> None:
    text = "1 until loss < 0.5 then linear(to=0)"
    # Six epochs; the line begins at epoch 2 with 1 and has four to the end.
    assert rates(text, losses(0.9, 0.1), 6) == [1, 1, 1, 0.75, 0.5, 0.25]
    assert rates(text, losses(0.9, 0.9), 6) == [1] * 6


def test_each_condition_looks_at_epochs_of_its_own_segment_only() -> None:
    text = "1 until loss < 0.5 then 2 until loss < 0.5 then 3"
    assert rates(text, losses(0.1, 0.9, 0.1, 0.1), 6) == [1, 2, 2, 3, 3, 3]
    text = "1 until 3 then 2 until stalled(loss, patience=2) then 3"
    assert happened(text, losses(1, 1, 1, 1, 1, 1), 8) == [("switch", 6)]


def test_an_epoch_in_whose_midst_a_segment_begins_is_looked_at() -> None:
    text = "1 until 1.5 then 2 until loss < 0.5 then 3"
    assert happened(text, losses(0.1, 0.1), 4) == [("switch", 2)]


# -- `and`, `or`, times ------------------------------------------------------------------------

TIMES = "1 until loss < 0.5 {} 2.5 then 2"


@pytest.mark.parametrize(
    ("word", "metrics", "begins"),
    [
        ("or", [0.9, 0.1], 2),  # the metric is first
        ("or", [0.9, 0.9, 0.1], 2.5),  # the time is, at its exact step
        ("or", [], 2.5),
        ("and", [0.9, 0.1, 0.9, 0.1], 4),  # looked at with the metric
        ("and", [0.1, 0.1, 0.1], 3),  # the end of the epoch that 2.5 is in
        ("and -0.5 +", [0.1, 0.1, 0.1], 2),  # the very end of an epoch
        ("and", [], None),
    ],
)
def test_times_join_conditions(word: str, metrics: list[float], begins: float | None) -> None:
    values = rates(TIMES.format(word), losses(*metrics), 6, 4)
    expected = 24 if begins is None else int(begins * 4)
    assert values == [1] * expected + [2] * (24 - expected)


@pytest.mark.parametrize(
    ("condition", "after"),
    [
        ("loss < 0.5 or val_loss < 0.5", 2),
        ("loss < 0.5 and val_loss < 0.5", 3),
        ("loss < 0.5 or 1 and val_loss < 0.5", 2),
        ("(loss < 0.5 or 1) and val_loss < 0.5", 3),
        ("stalled(val_loss, patience=1) and loss < 0.5", 2),
        ("stalled(val_loss, patience=2) or val_loss < 0.5 and loss > 0.2", 3),
        ("stalled(val_loss, patience=2) and 1", None),
    ],
)
def test_conditions_are_joined_by_words_and_parentheses(
    condition: str, after: int | None
) -> None:
    pairs = [(0.6, 0.6), (0.1, 0.6), (0.3, 0.4), (0.3, 0.3)]
    rows = [{"loss": loss, "val_loss": val_loss} for loss, val_loss in pairs]
    found = happened(f"1 until {condition} then 2", rows, 6)
    assert found == ([] if after is None else [("switch", after)])


def test_a_metric_at_the_very_bound_or_end_did_nothing() -> None:
    assert happened("1 until loss < 0.5 or 3 then 2", losses(1, 1, 0.1), 6) == []
    assert happened("1 until loss < 0.5 then 2", losses(1, 1, 0.1), 3) == []


def test_a_bound_in_time_is_the_duration_until_a_metric_cuts() -> None:
    text = "linear(from=1, to=0) until loss < 0.5 or 4 then 9"
    assert rates(text, losses(1, 1, 1, 1), 6) == [1, 0.75, 0.5, 0.25, 9, 9]
    assert rates(text, losses(1, 0.1), 6) == [1, 0.75, 9, 9, 9, 9]  # cut, and not rescaled
    text = "linear(from=1, to=0) until loss < 0.5 then 9"
    assert rates(text, losses(1, 1, 0.1), 4) == [1, 0.75, 0.5, 9]  # else the block's end


@pytest.mark.parametrize(
    ("rest", "late"),
    [
        ("2 until 3 then linear(from=3, to=0)", [3, 1.5]),
        ("2 until loss < 0.1 or 3 then linear(from=3, to=0)", [3, 1.5]),
        ("2 until 3 then 2 until 4 then 3", [3, 3]),
        ("2 until 3", [1, 1]),  # holds what was in force
        ("2 until 3 then entry / 2", [0.5, 0.5]),
    ],
)
def test_a_boundary_that_a_metric_has_come_after_is_passed_over(
    rest: str, late: list[float]
) -> None:
    text = f"1 until loss < 0.5 then {rest}"
    assert rates(text, losses(0.9, 0.9, 0.9, 0.1), 6) == [1, 1, 1, 1, *late]
    assert rates(text, losses(0.9, 0.1), 6)[:3] == [1, 1, 2]
    # Without metrics it is a mistake.
    with pytest.raises(LrsError, match="is not after the one before it"):
        plan("1 until loss < 0.5 or 5 then 2 until 3 then 3", 6, 1)


def test_stop_comes_at_once_where_the_time_before_it_has_passed() -> None:
    text = "1 until loss < 0.5 then 2 until loss < 0.1 or 3 then stop"
    assert happened(text, losses(1, 1, 1, 0.3), 9) == [("switch", 4), ("stop", 4)]
    assert happened(text, losses(1, 0.3), 9) == [("switch", 2), ("stop", 3)]


# -- `stop` ------------------------------------------------------------------------------------


def test_stop_ends_the_training_at_the_end_of_the_epoch() -> None:
    made = plan("0.1 until loss < 0.5 then stop", 10, 4)
    assert (made.is_stopped, made.total_steps) == (False, 40)
    stopped = made.replay(losses(1, 1, 0.1))
    assert (stopped.is_stopped, stopped.total_steps, stopped.length) == (True, 12, 3)
    assert [(e.kind, e.epoch, e.cause) for e in stopped.events] == [
        ("switch", 3, "`loss` 0.1 < 0.5"),
        ("stop", 3, ""),
    ]


def test_stop_in_time_is_exact_to_the_step() -> None:
    made = plan("0.1 until loss < 0.5 or 2.25 then stop", 10, 4)
    assert (made.is_stopped, made.total_steps) == (True, 9)
    assert made.replay(losses(1, 0.1)).total_steps == 8
    assert plan("0.1 until 3 then stop", 10, 4).total_steps == 12


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("(1 until 3 then stop) until 5 then stop", 3),
        ("(1 until 5 then stop) until 3 then stop", 3),
        ("(1 until 3 then stop) until 2 then 1", 9),
        ("(1 until 2 then stop) until 2 then 1", 9),
        ("1 until 2 then (1 until 3 then stop)", 5),
        ("1 until 9 then stop", 9),
        ("1 until 12 then stop", 9),
    ],
)
def test_a_stop_that_is_not_reached_is_none(text: str, end: int) -> None:
    made = plan(text, 9, 4)
    assert (made.total_steps, made.is_stopped) == (end * 4, end < 9)
    assert [e.kind for e in made.events] == ["stop"] * (end < 9)


def test_a_stop_that_training_ends_before_is_no_mistake() -> None:
    assert plan("1 until 9 then stop", 9, 4).warnings == ()
    assert plan("1 until 12 then stop", 9, 4).warnings == ()


def test_what_comes_after_stop_did_not_happen() -> None:
    text = "lr = 0.1 until loss < 0.5 then stop  momentum = 0.5 until loss < 0.1 then 0.9"
    assert happened(text, losses(1, 0.3, 0.05), 10) == [("switch", 2), ("stop", 2)]


# -- Plateaus among the rest -------------------------------------------------------------------


def test_a_plateau_is_a_factor_of_what_varies() -> None:
    text = "cosine(max=0.1) * plateau(from=1, monitor=loss, factor=0.5, patience=2)"
    rows = losses(1, 1, 1, 1, 1)
    plain = plan("cosine(max=0.1)", 8, 4).values()
    factor = np.repeat([1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25], 4)
    np.testing.assert_array_equal(plan(text, 8, 4).replay(rows).values(), plain * factor)


def test_warmup_then_plateau_then_decay() -> None:
    text = (
        "warmup(2) then cosine(max=0.1) * plateau(from=1, monitor=loss, factor=0.5, patience=2)"
    )
    before = plan("warmup(2) then cosine(max=0.1)", 8, 4).values()
    # Counted from its own start: the first that it sees is epoch 2.
    factor = np.repeat([1, 1, 1, 1, 1, 0.5, 0.5, 0.25], 4)
    made = plan(text, 8, 4).replay(losses(*[1] * 7))
    np.testing.assert_array_equal(made.values(), before * factor)
    assert [(e.kind, e.epoch) for e in made.events] == [("cut", 5), ("cut", 7)]


def test_a_plateau_between_two_segments() -> None:
    text = (
        "warmup(2) then plateau(from=1, monitor=loss, factor=0.5, patience=1) "
        "until stalled(loss, patience=3) or 7 then linear(to=0)"
    )
    # Cuts after epochs 5 and 6; after 7 it has stalled.
    found = rates(text, losses(9, 9, 5, 4, 4, 4, 4, 4), 9)
    assert found == [0, 0.5, 1, 1, 1, 0.5, 0.25, 0.25, 0.125]
    # Not stalled by then: the time is first.
    assert rates(text, losses(9, 8, 7, 6, 5, 4, 3, 2), 9) == [0, 0.5, *[1] * 6, 0.5]


@pytest.mark.parametrize(
    "text",
    [
        "plateau(from=1, monitor=loss, factor=0.5, patience=1) until 3 then 7",
        "(plateau(from=1, monitor=loss, factor=0.5, patience=1) for 3) until 3 then 7",
    ],
)
def test_a_plateau_that_is_over_counts_no_more(text: str) -> None:
    made = plan(text, 6, 1).replay(losses(1, 1, 1, 1, 1))
    assert made.values().tolist() == [1, 1, 0.5, 7, 7, 7]
    assert [e.epoch for e in made.events] == [2]


HALVES = "plateau(from=1, monitor=loss, factor=0.5, patience=1)"


@pytest.mark.parametrize(
    ("text", "expected", "cuts"),
    [
        (f"{HALVES} for 3", [1, 1, 0.5, 0.5, 0.5, 0.5], [2]),
        # Within a block that is shorter than what is in it.
        (f"(1 until 1 then {HALVES}) until 4 then 7", [1, 1, 1, 0.5, 7, 7], [3]),
        (f"(1 until 1 then {HALVES} until 5 then 8) until 4 then 7", [1, 1, 1, 0.5, 7, 7], [3]),
        # As if it had begun before: it has counted nothing then.
        (f"({HALVES} until 5 then 9) skip 2", [1, 1, 0.5, 9, 9, 9], [2]),
        # A share of the segment, as any other length in a product.
        (f"2 * ({HALVES} for 50%) until 4 then 9", [2, 2, 2, 2, 9, 9], []),
        (f"{HALVES} until stalled(loss, patience=3) then 8", [1, 1, 0.5, 0.25, 8, 8], [2, 3]),
        (f"{HALVES} until loss < 0 or 4 then 8", [1, 1, 0.5, 0.25, 8, 8], [2, 3]),
    ],
)
def test_a_plateau_counts_only_where_it_is_in_force(
    text: str, expected: list[float], cuts: list[int]
) -> None:
    made = plan(text, 6, 1).replay(losses(1, 1, 1, 1, 1))
    assert made.values().tolist() == expected
    assert [e.epoch for e in made.events if e.kind == "cut"] == cuts


def test_a_staircase_shows_a_cut_later() -> None:
    assert rates(f"{HALVES} by 2 epochs", losses(1, 1, 1, 1, 1)) == [
        *(1, 1, 0.5, 0.5, 0.125, 0.125)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(1 until loss < 0.1 or 50% then 2) for 4 then 5", [1, 1, 2, 2, 5, 5]),
        ("9 for 2 then (1 until loss < 0.1 or 50% then 2)", [9, 9, 1, 1, 2, 2]),
        ("(1 until loss < 0.1 or 4 then 2) skip 2", [1, 1, 2, 2, 2, 2]),
        (
            "(linear(from=1, to=0) until loss < 0.1 then 9) skip 2",
            [0.75, 0.625, 0.5, 0.375, 0.25, 0.125],
        ),
        ("(1 until loss < 0.9 then 2 for 2) then 3", [1, 1, 1, 2, 2, 3]),
        ("(1 until loss < 0.1 then 2 for 2) then 3", [1, 1, 1, 1, 1, 1]),
        ("((1 until loss < 0.9 then 2 for 2) then 3 for 1) then 4", [1, 1, 1, 2, 2, 3]),
        ("2 * (1 until loss < 0.9 then 2 for 2) then 3", [2, 2, 2, 4, 4, 3]),
        ("(1 until loss < 0.9 then 2) until 5 then 3", [1, 1, 1, 2, 2, 3]),
        ("1 until loss < 0.9 then (2 until 1 then 3) until 5 then 4", [1, 1, 1, 2, 3, 4]),
        ("linear(from=0, to=next) until loss < 0.9 then 6", [0, 1, 2, 6, 6, 6]),
        ("1 until loss < 0.9 then 2 until loss < 0.1 then 3", [1, 1, 1, 2, 2, 2]),
    ],
)
def test_blocks_around_and_inside_a_reaction(text: str, expected: list[float]) -> None:
    assert rates(text, losses(1, 1, 0.8, 0.8, 0.8), 6) == expected
    assert plan(text, 6, 1).warnings == ()  # what waits for a metric is not too late


def test_a_block_that_a_metric_ends_has_no_percentages() -> None:
    for text in (
        "(1 until loss < 0.1 or 50% then 2 for 1) then 3",
        "(9 for 1 then (1 until loss < 0.1 or 50% then 2 for 1)) then 3",
    ):
        with pytest.raises(LrsError) as raised:
            plan(text, 6, 1)
        assert [found.code for found in raised.value.diagnostics] == ["LRS305"]


def test_two_plateaus_count_each_for_itself() -> None:
    text = (
        "plateau(from=1, monitor=loss, factor=0.5, patience=1) "
        "* plateau(from=1, monitor=loss, factor=0.1, patience=3)"
    )
    assert rates(text, losses(1, 1, 1, 1)) == pytest.approx([1, 1, 0.5, 0.25, 0.0125])


def test_reactions_of_other_targets() -> None:
    text = "lr = 0.1 until loss < 0.5 then 0.01\nmomentum = 0.9 until loss < 0.2 then 0.5"
    made = plan(text, 5, 2).replay(losses(1, 0.4, 0.1))
    assert made.values()[::2].tolist() == [0.1, 0.1, 0.01, 0.01, 0.01]
    assert made.values(target="momentum")[::2].tolist() == [0.9, 0.9, 0.9, 0.5, 0.5]
    assert [(e.target, e.epoch) for e in made.events] == [("lr", 2), ("momentum", 3)]


# -- What an event says ------------------------------------------------------------------------


def test_an_event_says_when_what_and_why() -> None:
    text = "train 6 epochs of 4 steps\nlr = plateau(from=1, monitor=loss, factor=0.5,\n patience=2)"
    made = lrdsl.loads(text).plan().replay(losses(3, 2, 2.5, 2.25))
    (event,) = made.events
    assert (event.kind, event.target, event.time, event.epoch) == ("cut", "lr", 4, 4)
    assert (event.step, event.before, event.after) == (16, 1, 0.5)
    assert event.cause == "`loss` no better than 2 (epoch 1) in 2 observations"
    assert event.text.startswith("plateau(from=1")
    assert (event.line, event.restores) == (2, None)
    assert made.values([15, 16]).tolist() == [1, 0.5]


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        ("loss <= 0.5", "`loss` 0.5 <= 0.5"),
        ("stalled(loss, patience=1)", "`loss` no better than 0.5 (epoch 0) in 1 observation"),
        (
            "stalled(loss, patience=1, versus=previous)",
            "`loss` no better than the observation before in 1 observation",
        ),
        (
            "stalled(loss, patience=1, window=2)",
            "`loss` no better than its best in 1 observation",
        ),
        (
            "stalled(loss, patience=1, accumulation=2)",
            "`loss` no better than its best in 1 observation",
        ),
        ("loss < 1 and 2", "`loss` 0.5 < 1 and 2 epochs are over"),
        ("loss < 1 and loss > 0.1", "`loss` 0.5 < 1 and `loss` 0.5 > 0.1"),
    ],
)
def test_the_cause_is_told_in_words(condition: str, cause: str) -> None:
    made = plan(f"1 until {condition} then 2", 9, 2).replay(losses(*[0.5] * 6))
    assert made.events[0].cause == cause


def test_a_plateau_that_restores_says_from_which_epoch() -> None:
    text = "plateau(from=1, monitor=loss, factor=0.5, patience=2, restore=best)"
    made = plan(text, 9, 1)
    rows = losses(3, 2, 2.5, 2.25, 1, 4, 4)
    assert [e.restores for e in made.replay(rows).events] == [1, 4]
    assert made.replay(rows[:4]).best_epochs == {1}
    assert made.replay(rows[:5]).best_epochs == {4}
    assert made.replay([]).best_epochs == frozenset()
    without = plan(text.replace(", restore=best", ""), 9, 1).replay(rows)
    assert [e.restores for e in without.events] == [None, None]
    assert without.best_epochs == frozenset()


def test_a_rise_goes_back_to_nothing() -> None:
    text = "plateau(from=1, monitor=loss, factor=0.5, rise=2, patience=1, restore=best)"
    found = plan(text, 9, 1).replay(losses(3, 2, 2.5)).events
    assert [(e.kind, e.restores) for e in found] == [("rise", None), ("rise", None), ("cut", 1)]


def test_observations_are_counted_since_the_best_without_epochs_that_have_none() -> None:
    text = "plateau(from=1, factor=0.5, patience=2)"
    rows = [{"val_loss": one} for one in (3, 4, 2, 2.5)]
    made = plan(text, 9, 1).replay([*rows, {"loss": 1}, {"val_loss": 2.25}])
    assert [(e.epoch, e.cause) for e in made.events] == [
        (6, "`val_loss` no better than 2 (epoch 2) in 2 observations")
    ]


# -- Metrics that are not there ----------------------------------------------------------------


def trouble(text: str, rows: Rows) -> tuple[str, str, str | None]:
    with pytest.raises(LrsError) as raised:
        plan(text, 9, 2).replay(rows)
    (found,) = raised.value.diagnostics
    assert found.primary is not None
    return found.code, found.message, found.help


def test_a_missing_metric_is_an_error_that_names_those_there_are() -> None:
    code, message, repair = trouble("1 until los < 0.5 then 2", [{"loss": 1, "mae": 1}])
    assert (code, message) == ("LRS606", "there is no metric `los` after epoch 0")
    assert repair == "did you mean `loss`?"
    _, message, repair = trouble("plateau(from=1)", [{"val_mae": 1.0, "mae": 1.0}])
    assert message == "there is no metric `val_loss` after epoch 0"
    assert repair is not None
    assert "`val_mae`" in repair
    assert "`mae`" in repair
    _, message, _ = trouble("1 until loss < 0.5 then 2", [*losses(1), {"mae": 1.0}])
    assert message == "there is no metric `loss` after epoch 1"


@pytest.mark.parametrize(
    "text",
    [
        "plateau(from=1, monitor=loss)",
        "1 until loss < 0.5 then 2",
        "1 until stalled(loss) then 2",
        "1 until stalled(loss) or loss < 0.1 and 3 then 2",
    ],
)
def test_what_is_not_a_number_is_an_error(text: str) -> None:
    code, message, repair = trouble(text, losses(1, math.nan))
    assert (code, message) == ("LRS606", "the metric `loss` is not a number after epoch 1")
    assert repair is not None
    assert "`nan=ignore`" in repair


@pytest.mark.parametrize(
    "text",
    [
        "1 until stalled(loss, patience=1) then 2",
        "1 until loss < 5 or 1.5 then 2",
        "plateau(from=1, monitor=loss) until 2 then 2",
        "plateau(from=1, monitor=loss) for 2",
        "2 * (plateau(from=1, monitor=loss) for 50%) until 4 then 9",
        "(1 until 3 then 2) until 2 then plateau(from=1, monitor=loss, nan=ignore)",
    ],
)
def test_what_nobody_looks_at_any_more_need_not_be_a_number(text: str) -> None:
    made = plan(text, 9, 2).replay(losses(1, 1, math.nan, math.nan))
    assert len(made.log) == 4


def test_infinity_is_a_number() -> None:
    assert happened("1 until loss > 1e300 then 2", losses(1, math.inf), 5) == [("switch", 2)]


def test_epochs_that_do_not_validate_are_no_observations() -> None:
    rows: Rows = []
    for epoch in range(8):
        rows.append({"loss": 1.0, **({"val_loss": 1.0} if epoch % 2 else {})})
    text = "plateau(from=1, factor=0.5, patience=2)"
    # Observed after epochs 2, 4, 6 and 8: the first is better than nothing.
    assert happened(text, rows, 9) == [("cut", 6)]
    assert happened("1 until val_loss <= 1 then 2", rows, 9) == [("switch", 2)]


def test_epochs_of_which_nothing_is_known_are_no_observations() -> None:
    text = "plateau(from=1, monitor=loss, factor=0.5, patience=2)"
    assert happened(text, [{}, {}, *losses(1, 1, 1)], 9) == [("cut", 5)]


def test_a_program_without_reactions_takes_no_notice_of_a_log() -> None:
    made = plan("cosine(max=0.1)", 5, 2)
    np.testing.assert_array_equal(made.replay(losses(1, 2)).values(), made.values())


# -- Metrics that are supposed -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "first", "switch"),
    [
        ("loss < 0.5", 0, 1),
        ("loss < 0.5", 3, 4),
        ("loss < 0.5", 9, None),
        ("stalled(loss, patience=2)", 0, 3),  # the first is better than nothing
        ("stalled(loss, patience=2)", 1, 3),
        ("stalled(loss, patience=2)", 3, 5),
        ("stalled(loss, patience=2, accumulation=2)", 0, 6),
        ("stalled(loss, patience=2, accumulation=2)", 3, 6),
        ("stalled(loss, patience=2, accumulation=2)", 4, 8),
    ],
)
def test_supposed_metrics_stall_and_fulfil_conditions_from_an_epoch_on(
    condition: str, first: int, switch: int | None
) -> None:
    supposed = suppose(plan(f"1 until {condition} then 2", 9, 2), first)
    assert [(e.epoch, e.kind) for e in supposed.events] == [(switch, "switch")] * bool(switch)


# -- Laws --------------------------------------------------------------------------------------

TEXTS = (
    "plateau(from=1, monitor=loss, factor=0.5, patience=2)",
    "plateau(from=1, monitor=loss, factor=0.5, patience=1, cooldown=2, min=0.1, restore=best)",
    "plateau(from=1, monitor=loss, factor=0.5, rise=1.5, max=4, patience=2, rise_cooldown=2)",
    "plateau(from=1, monitor=loss, patience=2, window=3, factor=0.9)",
    "plateau(from=1, monitor=loss, patience=1, accumulation=2, factor=0.9)",
    "warmup(2) then cosine(max=0.1) * plateau(from=1, monitor=loss, factor=0.5, patience=2)",
    "1 until stalled(loss, patience=2) then linear(to=0) until loss < 0.3 or 9 then stop",
    "1 until stalled(loss, patience=2) and 3.5 then exp(0.1) until loss < 0.2 then 0.001",
    "warmup(1, from=0.1) then 1 until (loss < 0.5 or 8) then (1 until loss < 0.4 then 2) for 3",
    "lr = 0.1 until loss < 0.5 then cosine(to=0) momentum = 0.9 until stalled(loss) then lr",
    "cosine(max=1, cycles=3) snapshot(keep=2) until loss < 0.3 then stop",
)
EPOCHS, EACH = 12, 3
metrics = st.lists(
    st.sampled_from((1.0, 0.9, 0.9, 0.6, 0.45, 0.35, 0.25, 0.1)), min_size=1, max_size=EPOCHS
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEXTS), metrics, st.data())
def test_a_shorter_log_decides_the_first_part_alike(
    text: str, values: list[float], data: Any
) -> None:
    made = plan(text, EPOCHS, EACH)
    known = data.draw(st.integers(0, len(values)))
    shorter, longer = made.replay(losses(*values[:known])), made.replay(losses(*values))
    # Also where one goes on from the other, as `fit` does.
    assert shorter.replay(losses(*values)).events == longer.events
    settled = min(longer.total_steps or 0, (known + 1) * EACH)
    assert shorter.settled_steps == min(shorter.total_steps or 0, (known + 1) * EACH)
    for target in made.targets:
        np.testing.assert_array_equal(
            shorter.values(range(settled), target), longer.values(range(settled), target)
        )
    before = [event for event in longer.events if event.time <= known]
    assert [event for event in shorter.events if event.time <= known] == before
    done = [one for one in longer.snapshots if (one.step or 0) < known * EACH]
    assert [one for one in shorter.snapshots if (one.step or 0) < known * EACH] == done


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(TEXTS), metrics)
def test_a_replay_is_a_pure_function(text: str, values: list[float]) -> None:
    made = plan(text, EPOCHS, EACH)
    before = [made.values(target=target).tobytes() for target in made.targets]
    rows = losses(*values)
    one, two = made.replay(rows), made.replay(iter(rows))
    assert rows == losses(*values)
    assert one.events == two.events
    assert one.snapshots == two.snapshots
    assert (one.total_steps, one.best_epochs, one.log) == (
        two.total_steps,
        two.best_epochs,
        two.log,
    )
    for target in made.targets:
        np.testing.assert_array_equal(one.values(target=target), two.values(target=target))
    assert [made.values(target=target).tobytes() for target in made.targets] == before
    assert (made.log, made.events) == ((), made.replay([]).events)


def test_a_log_may_change_after_it_was_replayed() -> None:
    rows = losses(1, 1)
    made = plan("1 until loss < 0.5 then 2", 5, 1).replay(rows)
    rows[1]["loss"] = 0.1
    assert made.log == ({"loss": 1}, {"loss": 1})
    assert made.replay(made.log).events == ()


def test_a_history_of_keras_is_replayed_as_it_is() -> None:
    made = plan("1 until loss < 0.5 then 2", 5, 1)
    history = {"loss": [1.0, 0.1], "learning_rate": [1.0, 1.0]}
    rows = [{"loss": 1.0, "learning_rate": 1.0}, {"loss": 0.1, "learning_rate": 1.0}]
    assert made.replay(history).log == tuple(rows)
    assert made.replay(history).events == made.replay(rows).events != ()
    assert made.replay({}).events == ()


def test_a_history_without_the_metric_is_no_training_in_which_nothing_happened() -> None:
    made = plan("plateau(from=0.1, monitor=val_loss)", 5, 1)
    with pytest.raises(LrsError) as caught:
        made.replay({"loss": [1.0, 0.1]})
    (found,) = caught.value.diagnostics
    assert found.code == "LRS606"
    assert found.help == "there are `loss`; `val_…` needs `fit(validation_data=…)`"
    assert made.replay(losses(1, 0.1)).events == ()  # as of epochs that did not validate


@pytest.mark.parametrize(
    ("metrics", "error", "words"),
    [
        ({"loss": [1, 2], "val_loss": [1]}, ValueError, "(`loss` 2, `val_loss` 1)"),
        ({"loss": [1, 2], "val_loss": [1]}, ValueError, "`lrdsl.read_metrics`"),
        ({"loss": 1.0}, TypeError, "as `history.history` has"),
        ([0.9, 0.8], TypeError, 'such as {"val_loss": 0.9}, not 0.9'),
    ],
)
def test_what_is_no_log_of_metrics_is_said(
    metrics: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=re.escape(words)):
        plan("1 until loss < 0.5 then 2", 5, 1).replay(metrics)
