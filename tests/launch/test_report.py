from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lrdsl.training import report
from lrdsl.training.report import Agreement, Ended, compare, write_rates

from .stand_ins import StandInPlan, rates

PLAN = StandInPlan(epochs=90, steps_per_epoch=30)


def compared(applied: Any, steps: Any, ended: Ended) -> Agreement:
    return compare(PLAN, {"lr": applied}, steps, ended)  # type: ignore[arg-type]


def rates_of_two(start: int = 0) -> tuple[dict[str, Any], Any]:
    """Return what a faithful run applies to two parts."""
    lr, steps = rates(PLAN, start)
    return {"lr": lr, "slow.lr": PLAN.values(steps, "slow.lr").astype(np.float32)}, steps


def test_run_that_followed_the_plan_agrees_at_every_step() -> None:
    agreement = compared(*rates(PLAN), Ended.FINISHED)
    assert agreement.holds
    assert agreement.sentence() == "plan = run at all 2,700 steps"


def test_one_wrong_rate_is_named_with_its_step_and_epoch() -> None:
    applied, steps = rates(PLAN)
    applied[[42, 50, 51]] = 0.05
    agreement = compared(applied, steps, Ended.FINISHED)
    assert not agreement.holds
    planned = np.float32(0.1 * 0.99**42)
    assert agreement.sentence() == (
        f"plan ≠ run: first at step 42 (epoch 1): planned {planned!s}, applied 0.05; "
        "3 of 2,700 steps differ"
    )


def test_smallest_difference_of_float32_counts() -> None:
    applied, steps = rates(PLAN)
    applied[7] = np.nextafter(applied[7], np.float32(1))
    assert compared(applied, steps, Ended.FINISHED).differing == 1


def test_rate_that_is_not_a_number_differs() -> None:
    applied, steps = rates(PLAN)
    applied[7] = np.nan
    assert "planned 0.0932065" in compared(applied, steps, Ended.FINISHED).sentence()


def test_all_is_compared_however_many_steps_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_AT_ONCE", 7)
    applied, steps = rates(PLAN)
    applied[[13, 14, 2699]] = 0
    agreement = compared(applied, steps, Ended.FINISHED)
    assert agreement.differing == 3
    assert agreement.first is not None
    assert agreement.first.step == 13


@pytest.mark.parametrize("ended", [Ended.STOPPED, Ended.RAISED])
def test_run_that_was_stopped_early_agrees_as_far_as_it_went(ended: Ended) -> None:
    agreement = compared(*rates(PLAN, end=1200), ended)
    assert agreement.holds
    assert agreement.sentence() == (
        "plan = run at all 1,200 steps that ran; stopped 1,500 steps before the plan's end"
    )


def test_run_stopped_before_its_first_step_says_so() -> None:
    agreement = compared(*rates(PLAN, end=0), Ended.RAISED)
    assert agreement.holds
    assert agreement.sentence() == "stopped before the first of 2,700 steps"


def test_run_that_ends_by_itself_with_steps_missing_does_not_agree() -> None:
    agreement = compared(*rates(PLAN, end=2690), Ended.FINISHED)
    assert not agreement.holds
    assert agreement.sentence() == "plan ≠ run: 2,700 steps planned, rates of 2,690 recorded"


def test_step_without_a_recorded_rate_does_not_agree() -> None:
    applied, steps = rates(PLAN)
    agreement = compared(np.delete(applied, 5), np.delete(steps, 5), Ended.FINISHED)
    assert agreement.sentence() == "plan ≠ run: no rate was recorded at 1 step"


def test_run_that_entered_the_plan_later_is_held_against_the_rest() -> None:
    agreement = compared(*rates(PLAN, start=600), Ended.FINISHED)
    assert agreement.holds
    assert agreement.sentence() == "plan = run at all 2,100 steps"


def test_rates_file_gives_back_each_number(tmp_path: Path) -> None:
    applied, steps = rates(PLAN, start=30)
    write_rates(tmp_path / "rates.csv", 2, PLAN, {"lr": applied}, steps)
    with (tmp_path / "rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["fit", "step", "epoch", "planned", "applied"]
    assert rows[0]["fit"] == "2"
    assert [int(row["step"]) for row in rows] == list(range(30, 2700))
    assert [int(row["epoch"]) for row in rows] == [step // 30 for step in range(30, 2700)]
    assert [float(row["planned"]) for row in rows] == PLAN.values(steps).tolist()
    assert np.array_equal(np.array([row["applied"] for row in rows], np.float32), applied)
    assert all(len(row["applied"]) < 16 for row in rows), "float32, not its float64"


def test_every_rate_of_several_is_compared_and_the_first_that_differs_named() -> None:
    applied, steps = rates_of_two()
    assert compare(PLAN, applied, steps, Ended.FINISHED).is_whole
    applied["lr"][50] = 1
    applied["slow.lr"][[42, 50]] = 0.05
    assert compare(PLAN, applied, steps, Ended.FINISHED).sentence() == (
        "plan ≠ run: first at step 42 (epoch 1): `slow.lr` planned "
        f"{np.float32(0.05 * 0.99**42)!s}, applied 0.05; 2 of 2,700 steps differ"
    )


def test_rates_file_has_two_columns_for_each_rate_of_several(tmp_path: Path) -> None:
    applied, steps = rates_of_two(start=2690)
    before, at_first = rates(PLAN, end=2690)
    earlier = [(PLAN, {"lr": before}, at_first)]
    write_rates(tmp_path / "rates.csv", 1, PLAN, applied, steps, earlier=earlier)
    with (tmp_path / "rates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ["planned lr", "applied lr", "planned slow.lr", "applied slow.lr"]
    assert list(rows[0]) == ["fit", "step", "epoch", *names]
    assert [int(row["step"]) for row in rows] == list(range(2700))
    assert rows[0]["applied slow.lr"] == rows[0]["planned slow.lr"] == ""
    assert rows[-1]["applied slow.lr"] == str(applied["slow.lr"][-1])
    assert float(rows[-1]["planned slow.lr"]) == PLAN.values(2699, "slow.lr")
