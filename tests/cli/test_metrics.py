"""`--metrics`: a training that was logged, replayed by `lrdsl plot` and `lrdsl values`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import lrdsl
from lrdsl.cli.main import cli

TEXT = "plateau(from=0.1, monitor=val_loss, factor=0.5, patience=2)"
LOSSES = (1.0, 0.5, 0.6, 0.7, 0.4, 0.4)


def run(*args: str) -> tuple[int, str, str]:
    runner = CliRunner(env={"COLUMNS": "80"})
    result = runner.invoke(cli, [*args], prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text(TEXT)
    Path("still.lrs").write_text("train 6 epochs  cosine(max=0.1)")
    rows = "".join(f"{epoch},0.9,{loss}\n" for epoch, loss in enumerate(LOSSES))
    Path("log.csv").write_text(f"epoch,loss,val_loss\n{rows}")
    Path("log.json").write_text(json.dumps({"loss": [0.9] * 6, "val_loss": LOSSES}))


@pytest.mark.parametrize("log", ["log.csv", "log.json"])
def test_a_log_is_replayed_and_gives_the_length_of_training(log: str) -> None:
    status, out, err = run("plot", "a.lrs", "--metrics", log)
    assert (status, err) == (0, "")
    assert out.startswith("a.lrs  6 epochs\n")
    assert "1 event (epoch)\n1  4  cut  0.1 → 0.05" in out
    assert "val_loss no better than 0.5 (epoch 1) in 2 observations" in out
    assert "not settled" not in out


def test_a_longer_training_is_open_after_the_log() -> None:
    status, out, err = run("plot", "a.lrs", "--metrics", "log.csv", "--epochs", "20")
    assert (status, err) == (0, "")
    assert "not settled from epoch 7 on" in out


def test_epochs_after_the_training_are_left_out_and_told() -> None:
    status, out, err = run("plot", "a.lrs", "--metrics", "log.csv", "--epochs", "4")
    assert (status, err) == (
        0,
        "note: `log.csv` has 6 epochs, and the first 4 are replayed\n",
    )
    assert "event" not in out


def test_a_log_that_begins_late_is_told() -> None:
    Path("late.csv").write_text("epoch,val_loss\n1,0.5\n2,0.6\n")
    status, _, err = run("plot", "a.lrs", "--metrics", "late.csv")
    assert (status, err) == (0, "note: `late.csv` begins with epoch 1; epochs count from 0\n")


def test_the_picture_shows_the_events_too() -> None:
    assert run("plot", "a.lrs", "--metrics", "log.csv", "-o", "a.svg") == (
        0,
        "",
        "wrote a.svg\n",
    )
    assert Path("a.svg").stat().st_size > 10_000


def test_without_metrics_the_range_is_shown() -> None:
    status, out, err = run("plot", "a.lrs", "--epochs", "20")
    assert (status, err) == (0, "")
    assert "if val_loss stalls from the start" in out
    assert "if val_loss never stalls" in out


def test_a_schedule_that_reacts_to_nothing_says_that_metrics_change_nothing() -> None:
    status, out, err = run("plot", "still.lrs", "--metrics", "log.csv")
    assert status == 0
    assert err == "note: the schedule reacts to no metric, so `log.csv` changes nothing\n"
    assert out == run("plot", "still.lrs")[1]


def test_a_metric_that_no_epoch_has_is_an_error_that_names_those_there_are() -> None:
    Path("other.csv").write_text("epoch,loss,accuracy\n0,1,2\n")
    status, out, err = run("plot", "a.lrs", "--metrics", "other.csv")
    assert (status, out) == (1, "")
    assert "error[LRS606]: no epoch of `other.csv` has the metric `val_loss`" in err
    assert " --> a.lrs:1:1" in err
    assert "it has `loss`, `accuracy`; `val_…` needs `fit(validation_data=…)`" in err
    Path("typo.csv").write_text("epoch,vall_loss\n0,1\n")
    assert "did you mean `vall_loss`?" in run("values", "a.lrs", "--metrics", "typo.csv")[2]


def test_a_metric_that_is_no_number_at_some_epoch_is_an_error() -> None:
    Path("nan.csv").write_text("epoch,val_loss\n0,1\n1,nan\n2,1\n")
    status, _, err = run("plot", "a.lrs", "--metrics", "nan.csv")
    assert status == 1
    assert "error[LRS606]: the metric `val_loss` is not a number after epoch 1" in err


@pytest.mark.parametrize("command", ["plot", "values"])
def test_a_log_that_cannot_be_read_has_a_status_of_its_own(command: str) -> None:
    Path("bad.csv").write_text("epoch,val_loss\n0,1\n1,x\n")
    status, out, err = run(command, "a.lrs", "--metrics", "bad.csv")
    assert (status, out) == (2, "")
    assert "`val_loss` of epoch 1 is `x`, and no number\n --> bad.csv:3:3" in err
    status, out, err = run(command, "a.lrs", "--metrics", "none.csv")
    assert (status, out) == (2, "")
    assert "cannot read `none.csv`: No such file or directory" in err
    assert run(command, "a.lrs", "--metrics", ".")[0] == 2


def test_values_are_those_of_the_training_that_was_logged() -> None:
    steps = ("--steps-per-epoch", "2", "--at", "3,4,5")
    status, out, err = run("values", "a.lrs", "--metrics", "log.csv", *steps)
    assert (status, err) == (0, "")
    assert out.splitlines()[1:] == ["6,3.0,0.1", "8,4.0,0.05", "10,5.0,0.05"]
    longer = run("values", "a.lrs", "--metrics", "log.csv", "--epochs", "9", *steps)
    assert longer[1] == out
    assert longer[2] == (
        "note: from epoch 7 on the values are those if nothing happens after the log ends\n"
    )


def test_values_without_metrics_say_what_they_suppose() -> None:
    steps = ("--epochs", "6", "--steps-per-epoch", "2", "--at", "5")
    status, out, err = run("values", "a.lrs", *steps)
    assert (status, out.splitlines()[1]) == (0, "10,5.0,0.1")
    assert "note: the schedule reacts to `val_loss`; these are the values if nothing" in err


def test_a_replay_is_that_of_python() -> None:
    plan = lrdsl.load("a.lrs").plan(epochs=6, steps_per_epoch=2)
    replayed = plan.replay(lrdsl.read_metrics("log.csv"))
    _, out, _ = run("values", "a.lrs", "--metrics", "log.csv", "--steps-per-epoch", "2")
    assert [float(line.split(",")[2]) for line in out.splitlines()[1:]] == (
        replayed.values().tolist()
    )
