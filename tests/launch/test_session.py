"""A run from its first fit to its report, with stand-ins for Keras, person and schedule."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lrdsl
from lrdsl.diagnostics import LrsError
from lrdsl.training.attach import Place
from lrdsl.training.closing import close
from lrdsl.training.course import Course, Terms
from lrdsl.training.dialogue import Answer
from lrdsl.training.early import Early, Horizon
from lrdsl.training.launch import Ending
from lrdsl.training.report import compare
from lrdsl.training.resumed import Resumed
from lrdsl.training.rivals import TakenOver
from lrdsl.training.run_folder import RunFolder
from lrdsl.training.session import FOLDER_VARIABLE, Session, Stop
from lrdsl.training.telling import nothing_runs

from .stand_ins import PROGRAM, Listener, StandInCallback, StandInPlan, names, refusal

PLACE = Place("train.py", 12)


class Run:
    """One run of `lrdsl train`, without the command."""

    def __init__(
        self, *answers: Answer, draw: Any = None, resumes: Any = None, **terms: Any
    ) -> None:
        self.listener = Listener(*answers)
        self.course = Course(resumes or PROGRAM, Terms(**terms))
        self.folder = RunFolder(Path("out"), chosen_by_user=True, goes_on=resumes is not None)
        self.session = Session(
            self.course,
            self.listener,
            self.folder,
            make_callback=StandInCallback,
            draw=draw or (lambda plan, path: path.write_text("picture")),
        )

    def fit(self, plan: StandInPlan | None = None, **how: Any) -> StandInCallback | None:
        with self.session.around(PLACE) as callback:
            assert callback is None or isinstance(callback, StandInCallback)
            if callback is not None:
                callback.train(plan or StandInPlan(), **how)
            return callback

    def close(self, status: int = 0, error: BaseException | None = None) -> int:
        return close(self.course, Ending(status, error), self.listener, self.folder)


@pytest.fixture(autouse=True)
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    yield
    os.environ.pop(FOLDER_VARIABLE, None)


def test_plan_is_shown_and_asked_about_before_the_first_batch() -> None:
    run = Run()
    run.fit()
    assert run.listener.lines[0] == (
        "fit 1 at train.py:12: 3 epochs of 4 steps, 12 steps in all"
    )
    assert run.listener.shown == [StandInPlan()]
    assert run.listener.asked == 1


def test_what_gives_way_is_told_before_the_question_and_written_down() -> None:
    schedule = TakenOver("CosineDecay", "optimizer", 0.1, 0, "cosine(max=0.1) for 9 steps")
    plateau = TakenOver("ReduceLROnPlateau", "callbacks")
    run = Run()
    for _ in range(2):
        with run.session.around(PLACE) as callback:
            callback.taken_over = [schedule, plateau]
            callback.train(StandInPlan())
    run.close()
    assert run.listener.lines[:7] == [
        "fit 1 at train.py:12: 3 epochs of 4 steps, 12 steps in all",
        f"fit 1 {schedule.sentence()}",
        "  `CosineDecay` reads: cosine(max=0.1) for 9 steps",
        "fit 1 takes over from `ReduceLROnPlateau`, which is left out of its callbacks",
        "fit 2 at train.py:12: 3 epochs of 4 steps, 12 steps in all, as shown",
        f"fit 2 {schedule.sentence()}",  # and not again what it reads
        "fit 2 takes over from `ReduceLROnPlateau`, which is left out of its callbacks",
    ]
    record = json.loads(Path("out/run.json").read_text())
    assert [fit["taken_over"] for fit in record["fits"]] == [
        [schedule.as_json(), plateau.as_json()]
    ] * 2


def test_agreeing_run_is_reported_green_with_where_its_results_are() -> None:
    run = Run()
    run.fit()
    assert run.close() == 0
    assert run.listener.good == ["plan = run at all 12 steps"]
    assert run.listener.bad == []
    assert run.listener.lines[-4:] == [
        "the results are in out/",
        "  rates.csv  the log: each step's rate, planned and applied",
        "  plan.png   the picture of the plan",
        "to see plan and run: lrdsl plot out/schedule.lrs --run out",
    ]
    assert names("out") == ["plan.png", "rates.csv", "run.json", "schedule.lrs"]


def test_folder_tells_the_whole_story() -> None:
    run = Run(about={"file": "decay.lrs"})
    run.fit()
    run.close()
    record = json.loads(Path("out/run.json").read_text())
    assert record["file"] == "decay.lrs"
    assert record["status"] == 0
    assert len(record["schedule_sha256"]) == 64
    assert record["fits"] == [
        {
            "fit": 1,
            "file": "train.py",
            "line": 12,
            "folder": ".",
            "epochs": 3,
            "steps_per_epoch": 4,
            "base": None,
            "own": {},
            "taken_over": [],
            "resumed_after_epoch": None,
            "steps_planned": 12,
            "steps_run": 12,
            "ended": "finished",
            "plan_is_run": True,
            "snapshots": 0,
            "events": [],
            "metrics": [],
            "scores": None,
        }
    ]
    assert Path("out/schedule.lrs").read_text() == PROGRAM.text


def test_program_finds_its_folder_in_the_environment() -> None:
    run = Run()
    run.fit()
    assert os.environ[FOLDER_VARIABLE] == str(Path("out").absolute())


def test_sabotaged_rate_turns_the_report_red_and_the_status_to_1() -> None:
    run = Run()
    run.fit(factor=0.5)
    assert run.close() == 1
    assert run.listener.bad == [
        "plan ≠ run: first at step 0 (epoch 0): planned 0.1, applied 0.05; "
        "12 of 12 steps differ"
    ]


def test_status_of_the_program_comes_first() -> None:
    run = Run()
    run.fit(factor=0.5)
    assert run.close(status=7) == 7


def run_that_goes_on(program: Any, fits: int = 1) -> Run:
    """Return a run in the folder `out` of one that is over after so many fits."""
    first = Run()
    for _ in range(fits):
        first.fit()
    assert first.close() == 0
    return Run(resumes=program)


def fit_over(run: Run) -> None:
    plan: Any = StandInPlan()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        where = Path("out/state")
        callback.resumed = Resumed(3, plan, is_over=True, stopped=False, where=where)
        callback.train(plan)


def contents(folder: str = "out") -> dict[str, bytes]:
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return {str(path): path.read_bytes() for path in files}


ANOTHER: Any = SimpleNamespace(**{**vars(PROGRAM), "text": "0.2\n"})


@pytest.mark.parametrize("program", [PROGRAM, ANOTHER])
def test_nothing_is_written_where_all_fits_are_over(program: Any) -> None:
    run = run_that_goes_on(program, fits=2)
    before = contents()
    fit_over(run)
    fit_over(run)
    assert run.close() == 0
    assert contents() == before
    assert run.listener.asked == 0
    assert run.listener.lines[0].endswith("nothing left to do: the run is over after 3 epochs")
    last = "nothing was trained, and out/ stays as it was"
    if program is ANOTHER:
        last += (
            "; to train by another schedule, start a run of its own: "
            "`lrdsl train FILE SCRIPT` without `--resume`"
        )
    assert run.listener.lines[-1] == last
    assert run.listener.good == ["plan = run at all 24 steps of 2 fits"]


def test_adopted_schedule_is_written_down_by_the_first_fit_that_it_trains() -> None:
    run = run_that_goes_on(ANOTHER)
    first = Path("out/rates.csv").read_bytes()
    fit_over(run)
    assert Path("out/schedule.lrs").read_text() == PROGRAM.text
    run.fit()
    assert run.close() == 0
    assert Path("out/schedule.lrs").read_text() == "0.2\n"
    assert Path("out/schedule-1.lrs").read_text() == PROGRAM.text
    assert Path("out/rates.csv").read_bytes() == first
    assert len(json.loads(Path("out/run.json").read_text())["fits"]) == 2


def test_run_that_was_killed_while_it_ended_is_finished() -> None:
    run = run_that_goes_on(PROGRAM)
    whole = contents()
    record = json.loads(whole["out/run.json"])
    Path("out/run.json").write_text(json.dumps({**record, "ended": None}))
    Path("out/rates.csv").unlink()
    fit_over(run)
    assert run.close() == 0
    assert json.loads(Path("out/run.json").read_text())["ended"] is not None
    assert Path("out/rates.csv").read_bytes() == whole["out/rates.csv"]


def test_rates_that_a_killed_fit_had_no_time_for_are_written_whatever_is_adopted() -> None:
    run = run_that_goes_on(ANOTHER)
    whole = contents()
    Path("out/rates.csv").unlink()
    fit_over(run)
    run.close()
    assert contents() == whole


def test_schedule_with_line_ends_of_windows_is_the_same_when_it_goes_on() -> None:
    folder = RunFolder(Path("out"), chosen_by_user=True)
    folder.reserve()
    folder.claim({}, "0.1\r\n")
    RunFolder(Path("out"), chosen_by_user=True, goes_on=True).claim({}, "0.1\r\n")
    assert names("out") == ["run.json", "schedule.lrs"]


def test_early_stop_is_no_disagreement() -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(StandInPlan(), until=8)
        callback.model.stop_training = True
    assert run.close() == 0
    assert "stopped 4 steps before the plan's end" in run.listener.good[0]


def test_snapshots_that_an_early_stop_left_out_are_told_of() -> None:
    class Plan(StandInPlan):
        unit = "epochs"
        snapshots = lrdsl.loads("0.1 snapshot").plan(epochs=3).snapshots

    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(Plan(), until=8)
        callback.never_due = Plan.snapshots
        callback.model.stop_training = True
    assert run.close() == 0
    told = run.listener.lines.index(run.listener.good[0])
    assert run.listener.lines[told + 1] == (
        "1 of 1 snapshots was never due: the training stopped before epoch 3"
    )


def test_what_the_metrics_brought_about_is_told_drawn_and_written_down() -> None:
    drawn: list[tuple[int, str]] = []
    run = Run(draw=lambda plan, path: drawn.append((len(plan.log), path.name)))
    program = lrdsl.loads("plateau(from=0.1, monitor=loss, factor=0.5, patience=2)")
    made = program.plan(epochs=6, steps_per_epoch=2)
    rows = [{"loss": 1.0}, {"loss": math.inf}, {}, *[{"loss": 2.0}] * 3]
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(made)
        callback.plan = made.replay(rows)
        callback.applied_rates = {"lr": callback.plan.values().astype(np.float32)}
    assert run.close() == 0
    assert run.listener.shown == [made]
    told = run.listener.lines
    assert told[told.index("plan = run at all 12 steps") + 1] == "events: cut at epoch 4"
    assert "  plan.png   the picture of the plan, with what the metrics brought about" in told
    assert drawn == [(0, "plan.png"), (6, "plan.png")]
    (fit,) = json.loads(Path("out/run.json").read_text())["fits"]
    (event,) = fit["events"]
    assert (event["kind"], event["epoch"], event["step"]) == ("cut", 4, 8)
    assert (event["before"], event["after"], event["line"]) == (0.1, 0.05, 1)
    assert event["cause"].startswith("loss no better than 1 (epoch 0)")
    assert lrdsl.read_metrics("out/run.json") == tuple(rows)


def test_what_the_metrics_brought_about_is_told_of_each_fit() -> None:
    run = Run()
    program = lrdsl.loads("plateau(from=0.1, monitor=loss, factor=0.5, patience=2)")
    for count in (4, 5, 2):
        with run.session.around(PLACE) as callback:
            assert isinstance(callback, StandInCallback)
            callback.train(program.plan(epochs=6, steps_per_epoch=2))
            callback.plan = program.plan(epochs=6, steps_per_epoch=2).replay(
                [{"loss": 1.0}] * count
            )
            callback.applied_rates = {"lr": callback.plan.values().astype(np.float32)}
    assert run.close() == 0
    told = run.listener.lines
    place = told.index("plan = run at all 36 steps of 3 fits")
    assert told[place + 1 : place + 3] == [
        "fit 1: events: cut at epoch 3",
        "fit 2: events: 2 cuts, at epochs 3 and 5",
    ]
    assert not any("fit 3: events" in line for line in told)


def test_what_an_adopted_plan_did_before_it_was_adopted_is_not_told() -> None:
    run = Run()
    program = lrdsl.loads("plateau(from=0.1, monitor=loss, factor=0.5, patience=2)")
    made = program.plan(epochs=9, steps_per_epoch=2).replay([{"loss": 1.0}] * 8)
    before = lrdsl.loads("0.2").plan(epochs=9, steps_per_epoch=2)
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(made)
        callback.earlier = [
            SimpleNamespace(
                plan=before,
                applied_rates={"lr": np.full(8, 0.2, np.float32)},
                steps=np.arange(8),
            )
        ]
        callback.applied_steps = np.arange(8, 18)
        callback.applied_rates = {"lr": made.values()[8:].astype(np.float32)}
    assert run.close() == 0
    assert "events: 2 cuts, at epochs 5 and 7" in run.listener.lines


def test_plans_that_react_are_asked_about_once_and_drawn_each() -> None:
    drawn = []
    run = Run(draw=lambda plan, path: drawn.append(path.parent.name))
    program = lrdsl.loads("plateau(from=0.1, monitor=loss)")
    for _ in range(2):
        with run.session.around(PLACE) as callback:
            assert isinstance(callback, StandInCallback)
            callback.train(program.plan(epochs=6, steps_per_epoch=2))
    assert run.listener.asked == 1
    assert drawn == ["out", "fit-2"]


def test_a_plan_that_stops_by_itself_is_announced_with_its_end() -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        program = lrdsl.loads("0.1 until 2 then stop")
        callback.train(program.plan(epochs=6, steps_per_epoch=5))
    assert run.listener.lines[0] == (
        "fit 1 at train.py:12: 6 epochs of 5 steps, of which the schedule stops after 10 steps"
    )
    assert run.close() == 0
    assert "events: stop at epoch 2" in run.listener.lines


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (Answer.NO, 1, "nothing was trained"),
        (Answer.NOBODY, 2, "`lrdsl train --yes`"),
        (Answer.INTERRUPTED, 130, "interrupted: nothing was trained"),
    ],
)
def test_without_a_yes_nothing_is_trained_nor_left_behind(
    answer: Answer, status: int, words: str
) -> None:
    run = Run(answer)
    with pytest.raises(Stop) as stop:
        run.fit()
    assert run.close(status=0) == status == stop.value.code
    assert words in run.listener.bad[0]
    assert names() == []


def test_program_that_swallows_the_stop_is_stopped_at_its_next_fit_too() -> None:
    run = Run(Answer.NO)
    for _ in range(2):
        with pytest.raises(Stop):
            run.fit()
    assert run.listener.asked == 1
    assert run.close(status=0) == 1


def test_dry_run_shows_and_stops_and_writes_nothing() -> None:
    run = Run(dry_run=True)
    with pytest.raises(Stop) as stop:
        run.fit()
    assert stop.value.code == 0
    assert run.listener.shown
    assert run.listener.asked == 0
    assert run.close(status=0) == 0
    assert names() == []


def test_plan_that_was_agreed_to_early_is_not_asked_about_again() -> None:
    early: Any = Early(StandInPlan(epochs=3, steps_per_epoch=None))
    run = Run(early=early)
    run.fit()
    assert run.listener.asked == 0
    assert run.listener.lines[0].endswith("12 steps in all, as shown")


def test_same_plan_is_asked_about_once_and_another_again() -> None:
    run = Run()
    run.fit()
    run.fit()
    run.fit(StandInPlan(epochs=5))
    assert run.listener.asked == 2
    assert Path("out/fit-2/plan.png").read_text() == Path("out/plan.png").read_text()


def test_fit_of_another_length_than_the_command_line_says_is_refused() -> None:
    run = Run(horizon=Horizon(epochs=90))
    with pytest.raises(LrsError) as caught:
        run.fit()
    problem = caught.value.diagnostics[0]
    assert problem.code == "LRS309"
    assert problem.message == "`--epochs 90` and this `fit`, which has 3, disagree"
    assert run.close(status=1, error=caught.value) == 1
    assert run.listener.problems == [caught.value]
    assert names() == []


def test_later_fits_have_folders_of_their_own() -> None:
    run = Run()
    first, second = run.fit(), run.fit(StandInPlan(epochs=2))
    assert first is not None
    assert second is not None
    assert first.folder == Path("out/snapshots").absolute()
    assert second.folder == Path("out/fit-2/snapshots").absolute()
    assert run.close() == 0
    assert run.listener.good == ["plan = run at all 20 steps of 2 fits"]
    assert run.listener.lines[-2] == "  fit-2/     the other fit"
    with Path("out/fit-2/rates.csv").open() as file:
        assert [row["fit"] for row in csv.DictReader(file)] == ["2"] * 8


def test_fit_without_an_epoch_is_told_of() -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.nothing_runs = nothing_runs(5, 5)
    told = (
        "fit 1 at train.py:12: `fit` begins with epoch 5 and trains up to epoch 5: nothing "
        "runs; `epochs` counts from 0, not from `initial_epoch`: to train 5 epochs more, call "
        "`fit(initial_epoch=5, epochs=10)`"
    )
    assert run.listener.lines == [told]
    run.fit()
    assert run.close() == 0
    assert run.listener.good == ["fit 2: plan = run at all 12 steps"]


def test_run_in_which_no_fit_had_an_epoch_fails() -> None:
    run = Run()
    for _ in range(2):
        with run.session.around(PLACE) as callback:
            assert isinstance(callback, StandInCallback)
            callback.nothing_runs = nothing_runs(0, 0)
    assert run.close() == 1
    assert "`fit` is given `epochs=0`: nothing runs; give the number" in run.listener.lines[0]
    assert run.listener.bad == ["nothing was trained: no `fit` had an epoch to run"]
    assert names() == []


def test_only_the_asked_fit_gets_the_schedule_and_the_top_folder() -> None:
    run = Run(only_fit=2)
    assert run.fit() is None
    assert run.fit() is not None
    assert run.fit() is None
    assert run.close() == 0
    assert run.listener.lines[0] == "fit 1 at train.py:12: left alone (--fit 2)"
    assert run.listener.good == ["fit 2: plan = run at all 12 steps"]
    assert Path("out/rates.csv").exists()


def test_asked_fit_that_never_came_is_an_error() -> None:
    run = Run(only_fit=3)
    run.fit()
    assert run.close() == 1
    assert run.listener.bad == ["no fit 3 was seen: the program called `fit` once"]


def test_program_without_a_fit_is_an_error_that_says_what_to_do() -> None:
    run = Run()
    assert run.close() == 1
    assert "no fit was seen" in run.listener.bad[0]
    assert "train_on_batch" in run.listener.bad[1]
    assert names() == []


def test_program_that_failed_before_its_fit_is_not_told_about_fits() -> None:
    run = Run()
    assert run.close(status=3) == 3
    assert run.listener.lines == []


def test_refusal_is_shown_as_a_diagnostic_and_not_as_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Run()
    error = refusal()
    with pytest.raises(LrsError), run.session.around(PLACE):
        raise error
    assert run.close(status=1, error=error) == 1
    assert run.listener.problems == [error]
    assert run.listener.bad == ["fit 1 at train.py:12: refused"]
    assert capsys.readouterr().err == ""


def test_refusal_that_the_program_swallows_still_fails_the_run() -> None:
    run = Run()
    with pytest.raises(LrsError), run.session.around(PLACE):
        raise refusal()
    run.fit()
    assert run.close(status=0) == 1
    assert "refused, and the program went on without it" in run.listener.bad[-1]
    assert len(run.listener.problems) == 1


def test_error_of_the_program_inside_fit_keeps_the_rates_so_far() -> None:
    run = Run()

    def broken() -> None:
        with run.session.around(PLACE) as callback:
            assert isinstance(callback, StandInCallback)
            callback.train(StandInPlan(), until=5)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()
    assert run.close(status=130) == 130
    assert len(Path("out/rates.csv").read_text().splitlines()) == 6
    assert "at all 5 steps that ran" in run.listener.good[0]


def test_missed_snapshot_fails_the_run() -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(StandInPlan())
        callback.missed.append(refusal("no space left").diagnostics[0])
    assert run.close() == 1
    assert run.listener.bad == [
        "fit 1 at train.py:12: 1 snapshot could not be saved",
        "  no space left",
    ]


def test_foreign_file_that_appears_in_the_folder_stops_the_run() -> None:
    run = Run()
    Path("out").mkdir()
    Path("out/run.json").touch()
    with pytest.raises(Stop):
        run.fit()
    assert run.close(status=2) == 2
    assert "`out` is not empty" in run.listener.bad[0]


def test_log_that_cannot_be_written_does_not_end_the_program_but_fails_the_run() -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(StandInPlan())
        Path("out/rates.csv").mkdir()
        Path("out/rates.csv/x").touch()
    assert run.close() == 1
    assert "cannot write to the folder" in run.listener.bad[0]


def test_error_of_ours_is_owned_up_to(capsys: pytest.CaptureFixture[str]) -> None:
    def draw(plan: Any, path: Path) -> None:
        raise ZeroDivisionError("ours")

    run = Run(draw=draw)
    with pytest.raises(ZeroDivisionError) as caught:
        run.fit()
    assert run.close(status=1, error=caught.value) == 3
    assert run.listener.bad[-1] == "this is a bug in lrdsl, not in your program"
    assert "ZeroDivisionError: ours" in capsys.readouterr().err


def test_error_of_our_callback_is_owned_up_to_as_well() -> None:
    run = Run()

    def broken() -> None:
        with run.session.around(PLACE):
            compare(None, [1], [1], None)  # type: ignore[arg-type]

    with pytest.raises(AttributeError) as caught:
        broken()
    assert run.close(status=1, error=caught.value) == 3


def test_error_of_ours_after_training_does_not_reach_the_program(
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = Run()
    with run.session.around(PLACE) as callback:
        assert isinstance(callback, StandInCallback)
        callback.train(StandInPlan())
        callback.applied_steps = np.arange(3)
    assert run.close() == 3
    assert "Error" in capsys.readouterr().err
