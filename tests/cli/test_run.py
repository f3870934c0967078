"""`lrdsl plot --run`: what a training applied, over the plan of its schedule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lrdsl
from lrdsl.applied import hold_against, read_run
from lrdsl.cli.main import cli
from lrdsl.plan import Plan
from lrdsl.run_view import RunView
from lrdsl.training.report import write_rates
from lrdsl.training.run_folder import RATES, RECORD

TEXT = "warmup(2) then 0.1 until 6 then linear(to=0)"
REACTS = "plateau(from=0.1, monitor=loss, factor=0.5, patience=2)"
LOSSES = (1.0, 0.5, 0.6, 0.7, 0.4, 0.3, 0.2, 0.2, 0.2, 0.1)
HORIZON = {"epochs": 10, "steps_per_epoch": 7}


def run(*args: str) -> tuple[int, str, str]:
    runner = CliRunner(env={"COLUMNS": "200"})
    result = runner.invoke(cli, ["plot", *args], prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


def write_run(folder: Path, plan: Plan, steps: int = 70, **changes: float) -> None:
    """Write what `lrdsl train` leaves of a training, other rates from a step on."""
    folder.mkdir(exist_ok=True)
    keys = np.arange(steps)
    applied = plan.values(keys).astype(np.float32)
    for step, rate in changes.items():
        applied[int(step.removeprefix("step_"))] = rate
    write_rates(folder / RATES, 1, plan, {"lr": applied}, keys)
    fit = {
        "fit": 1,
        "folder": ".",
        "epochs": plan.epochs,
        "steps_per_epoch": plan.steps_per_epoch,
        "base": 0.01,
        "events": [
            {"kind": e.kind, "target": e.target, "step": e.step, "cause": e.cause}
            for e in plan.events
        ],
        "metrics": [{"epoch": e, **row} for e, row in enumerate(plan.log)],
    }
    (folder / RECORD).write_text(json.dumps({"fits": [fit]}))


def reacted() -> Plan:
    return lrdsl.loads(REACTS).plan(**HORIZON).replay([{"loss": loss} for loss in LOSSES])


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text(TEXT)
    Path("r.lrs").write_text(REACTS)
    write_run(Path("run"), lrdsl.loads(TEXT).plan(**HORIZON))


def test_a_run_that_did_what_was_planned_agrees() -> None:
    status, out, err = run("a.lrs", "--run", "run")
    assert (status, err) == (0, "")
    assert "10 epochs of 7 steps = 70 steps" in out  # which the run says
    assert "A plan   B run" in out or "plan = run" in out
    assert "plan = run at all 70 steps of the run\n" in out


def test_a_step_that_differs_is_named_with_both_rates_and_what_happens_there() -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    write_run(Path("other"), plan, step_42=0.05, step_43=0.05)
    status, out, _ = run("a.lrs", "--run", "other")
    assert status == 1
    assert (
        "plan ≠ run: they first part at step 42 (epoch 6): lr planned 0.1, applied 0.05; "
        "2 of 70 steps differ"
    ) in out
    assert "why: there the plan goes on to `linear(to=0)` (line 1)" in out
    write_run(Path("other"), plan, step_30=0.05)
    assert (
        "why: within `0.1` (line 1); the run goes from 0.1 to 0.05 there"
        in run("a.lrs", "--run", "other")[1]
    )


def test_one_bit_is_a_difference() -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    write_run(Path("other"), plan, step_30=float(np.nextafter(np.float32(0.1), np.float32(1))))
    status, out, _ = run("a.lrs", "--run", "other")
    assert status == 1
    assert "planned 0.1, applied 0.10000001; 1 of 70" in out


def test_rates_that_are_no_numbers_are_a_difference_and_can_be_drawn() -> None:
    write_run(Path("nan"), lrdsl.loads(TEXT).plan(**HORIZON), step_30=float("nan"))
    status, out, _ = run("a.lrs", "--run", "nan")
    assert status == 1
    assert "planned 0.1, applied nan; 1 of 70 steps differ" in out
    Path("steps.csv").write_text("step,lr\n" + "".join(f"{step},nan\n" for step in range(70)))
    args = ("--epochs", "10", "--steps-per-epoch", "7", "-o", "nan.png")
    assert run("a.lrs", "--run", "steps.csv", *args)[0] == 1


def test_the_optimizers_own_values_are_those_of_the_run() -> None:
    text = "lr = 0.1\nmomentum = base until 5 then 0.5"
    Path("m.lrs").write_text(text)
    plan = lrdsl.loads(text).plan(**HORIZON, own={"momentum": 0.75})
    write_run(Path("run-m"), plan)
    record = json.loads(Path("run-m", RECORD).read_text())
    record["fits"][0]["own"] = dict(plan.own)
    Path("run-m", RECORD).write_text(json.dumps(record))
    status, out, err = run("m.lrs", "--run", "run-m")
    assert (status, err) == (0, "")
    assert "momentum" in out


def test_a_later_fit_of_a_run_has_a_folder_of_its_own() -> None:
    plan = lrdsl.loads(TEXT).plan(epochs=20, steps_per_epoch=3)
    write_run(Path("run/fit-2"), plan, steps=60)
    record = json.loads(Path("run", RECORD).read_text())
    later = json.loads(Path("run/fit-2", RECORD).read_text())["fits"][0]
    record["fits"].append({**later, "fit": 2, "folder": "fit-2"})
    Path("run", RECORD).write_text(json.dumps(record))
    Path("run/fit-2", RECORD).unlink()
    status, out, _ = run("a.lrs", "--run", "run/fit-2")
    assert status == 0
    assert "20 epochs of 3 steps" in out


def test_a_run_that_ended_early_agrees_as_far_as_it_went() -> None:
    write_run(Path("short"), lrdsl.loads(TEXT).plan(**HORIZON), steps=50)
    status, out, _ = run("a.lrs", "--run", "short")
    assert status == 0
    assert "plan = run at all 50 steps of the run\nthe run ends 20 steps before the plan" in out


def test_of_a_run_that_reacted_the_metrics_are_replayed_and_shown() -> None:
    write_run(Path("run"), reacted())
    status, out, _ = run("r.lrs", "--run", "run")
    assert status == 0
    assert "2 events (epoch)" in out
    assert "\nloss" in out


def test_the_event_that_did_it_is_named_of_the_plan_and_of_the_run() -> None:
    write_run(Path("run"), reacted())
    Path("later.lrs").write_text(REACTS.replace("patience=2", "patience=3"))
    _, out, _ = run("later.lrs", "--run", "run")
    assert "they first part at step 28 (epoch 4): lr planned 0.1, applied 0.05" in out
    assert "why: the run has a cut there (" in out
    Path("sooner.lrs").write_text(REACTS.replace("patience=2", "patience=1"))
    _, out, _ = run("sooner.lrs", "--run", "run")
    assert "they first part at step 21 (epoch 3): lr planned 0.05, applied 0.1" in out
    assert "why: the plan has the cut of epoch 3 (loss no better than 0.5" in out


def csv_of(plan: Plan, at: int, digits: int = 17, column: str = "learning_rate") -> None:
    """Write the rates of one step of each epoch, as a callback of Keras would."""
    rates = plan.values(np.arange(at, 70, 7)).astype(np.float32)
    rows = [f"{e},{0.5 + e},{float(rate):.{digits}g}\n" for e, rate in enumerate(rates)]
    Path("log.csv").write_text(f"epoch,loss,{column}\n" + "".join(rows))


@pytest.mark.parametrize("column", ["learning_rate", "lr"])
def test_a_log_by_epochs_is_held_against_the_last_step_of_each(column: str) -> None:
    csv_of(lrdsl.loads(TEXT).plan(**HORIZON), 6, column=column)
    status, out, _ = run("a.lrs", "--run", "log.csv", "--steps-per-epoch", "7")
    assert status == 0
    assert (
        "plan = run at all 10 epochs of the run, at the last step of each, to six digits" in out
    )
    assert "\nloss" in out
    assert "\nlearning_rate" not in out


def test_a_log_is_rounded_to_six_digits_and_no_further() -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    for digits, status in ((7, 0), (3, 1)):
        csv_of(plan, 6, digits=digits)
        assert run("a.lrs", "--run", "log.csv", "--steps-per-epoch", "7")[0] == status


def test_of_a_log_by_epochs_the_whole_epoch_is_where_they_differ() -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    csv_of(plan, 6)
    text = Path("log.csv").read_text().replace("0.10000000149011612", "0.2", 1)
    Path("log.csv").write_text(text)
    logged = read_run(Path("log.csv"))
    view = RunView(plan, logged, hold_against(plan, logged), ())
    (span,) = view.spans()
    assert span == pytest.approx((2, 3))


def test_a_log_with_the_rates_at_the_start_of_epochs_is_understood() -> None:
    csv_of(lrdsl.loads(TEXT).plan(**HORIZON), 0, digits=7)
    status, out, _ = run("a.lrs", "--run", "log.csv", "--steps-per-epoch", "7")
    assert status == 0
    assert "at the first step of each, to six digits" in out


def test_a_log_by_steps_may_come_from_any_program() -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    rows = [f"{step},{rate:.8g}\n" for step, rate in enumerate(plan.values())]
    Path("steps.csv").write_text("step,lr\n" + "".join(rows))
    args = ("a.lrs", "--run", "steps.csv", "--epochs", "10", "--steps-per-epoch", "7")
    status, out, _ = run(*args)
    assert status == 0
    assert "plan = run at all 70 steps of the run, to six digits" in out


@pytest.mark.parametrize("separator", [";", "\t"])
def test_a_log_by_steps_may_be_a_table_of_another_kind(separator: str) -> None:
    plan = lrdsl.loads(TEXT).plan(**HORIZON)
    rows = [f"{step}{separator}{rate!r}\n" for step, rate in enumerate(plan.values().tolist())]
    Path("steps.csv").write_text(f"step{separator}lr\n" + "".join(rows))
    args = ("a.lrs", "--run", "steps.csv", "--epochs", "10", "--steps-per-epoch", "7")
    status, out, _ = run(*args)
    assert status == 0
    assert "plan = run at all 70 steps of the run" in out


def test_a_metric_that_the_run_did_not_log_is_named_with_its_log() -> None:
    Path("r.lrs").write_text(REACTS)
    Path("log.csv").write_text("epoch,lr,accuracy\n0,0.1,0.5\n")
    status, _, err = run("r.lrs", "--run", "log.csv", "--steps-per-epoch", "7")
    assert status == 1
    assert "no epoch of `log.csv` has the metric `loss`" in err
    assert "it has `accuracy`" in err


def test_what_the_plan_supposes_of_metrics_that_are_not_known_is_said() -> None:
    Path("r.lrs").write_text(REACTS)
    Path("log.csv").write_text("epoch,lr\n0,0.1\n1,0.1\n")
    args = ("r.lrs", "--run", "log.csv", "--epochs", "10", "--steps-per-epoch", "7")
    out = run(*args)[1]
    assert "the run tells of no metrics, so the plan is what happens without any; " in out
    Path("log.csv").write_text("epoch,lr,loss\n0,0.1,1\n1,0.1,0.9\n")
    out = run(*args)[1]
    assert "from epoch 3 on the plan is as if nothing happened: the metrics end there" in out
    assert "nothing happened" not in run("a.lrs", "--run", "run")[1]


def test_a_run_is_laid_over_one_schedule() -> None:
    status, _, err = run("a.lrs", "a.lrs", "--run", "run")
    assert status == 2
    assert "--run is laid over one schedule: give one FILE" in err


def test_a_run_longer_than_the_plan_is_a_difference() -> None:
    status, out, _ = run("a.lrs", "--run", "run", "--epochs", "8")
    assert status == 1
    assert "the run has 14 more steps than the plan" in out


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_drawn_and_the_verdict_is_said(suffix: str) -> None:
    status, out, err = run("a.lrs", "--run", "run", "-o", f"run{suffix}")
    assert (status, out) == (0, "")
    assert err == f"wrote run{suffix}\nplan = run at all 70 steps of the run\n"
    assert Path(f"run{suffix}").stat().st_size > 1000


def test_metrics_of_another_log_stand_below() -> None:
    Path("log.csv").write_text("epoch,accuracy\n" + "".join(f"{e},0.{e}\n" for e in range(10)))
    assert "\naccuracy\n" in run("a.lrs", "--run", "run", "--metrics", "log.csv")[1]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("x.csv", "epoch,loss\n0,1\n", "no column `learning_rate` or `lr`; it has `loss`"),
        ("x.csv", "step,lr\n0,abc\n", "line 2 of `x.csv` is no row of numbers"),
        ("x.csv", "step,lr\n-1,1\n", "line 2 of `x.csv` has no number of a step"),
        ("x.csv", f"step,lr\n{'9' * 30},1\n", "line 2 of `x.csv` has no number of a step"),
        ("x.csv", "step,lr\n0\n", "line 2 of `x.csv` is no row of numbers"),
        ("x.csv", "step,lr\n", "`x.csv` has no step"),
        ("x.csv", "", "the log is empty"),
        ("none.csv", None, "No such file"),
    ],
)
def test_a_run_that_tells_nothing_says_why(name: str, text: str | None, said: str) -> None:
    if text is not None:
        Path(name).write_text(text)
    status, out, err = run("a.lrs", "--run", name, "--epochs", "10", "--steps-per-epoch", "7")
    assert (status, out) == (2, "")
    assert said in err


def test_a_folder_without_rates_says_what_writes_them() -> None:
    Path("empty").mkdir()
    _, _, err = run("a.lrs", "--run", "empty")
    assert "cannot use `empty`: it has no `rates.csv`; `lrdsl train` writes that" in err


def test_a_log_by_epochs_needs_to_know_how_many_steps_an_epoch_has() -> None:
    csv_of(lrdsl.loads(TEXT).plan(**HORIZON), 6)
    status, _, err = run("a.lrs", "--run", "log.csv")
    assert status == 2
    assert "--steps-per-epoch 390" in err


def test_rates_that_the_schedule_does_not_set_are_named() -> None:
    Path("m.lrs").write_text("momentum = 0.9")
    assert "it tells of lr, which the schedule does not set" in run("m.lrs", "--run", "run")[2]
