"""`lrdsl diff`: where two schedules differ."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli

TEXT = "let peak = 0.1\ntrain 90 epochs of 390 steps\nlr = warmup(5) then cosine(max=peak)"


def run(*args: str, stdin: str | None = None) -> tuple[int, str, str]:
    runner = CliRunner(env={"COLUMNS": "100"})
    result = runner.invoke(cli, ["diff", *args], input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text(TEXT)
    Path("b.lrs").write_text(TEXT.replace("cosine(max=peak)", "cosine(max=peak) until 60"))


def test_schedules_that_are_the_same_have_status_0_and_no_chart() -> None:
    Path("same.lrs").write_text("# another text\n" + TEXT.replace("0.1", "1e-1"))
    status, out, err = run("a.lrs", "same.lrs")
    assert (status, out, err) == (0, "lr is the same at all 35,100 steps\n", "")
    assert run("a.lrs", "a.lrs")[0] == 0


def test_schedules_that_differ_have_status_1_and_both_curves() -> None:
    status, out, err = run("a.lrs", "b.lrs")
    assert (status, err) == (1, "")
    lines = out.split("\n")
    assert lines[0] == "lr differs at 33,146 of 35,100 steps"
    assert "(epochs 5.013 to 89.997): furthest apart at step" in out
    assert "A a.lrs   B b.lrs" in lines


def test_one_schedule_is_compared_at_two_values() -> None:
    status, out, _ = run("a.lrs", "peak=0.1,0.05")
    assert status == 1
    assert "0.1 → 0.05 (-50%)" in out
    assert "A peak=0.1   B peak=0.05" in out
    assert run("a.lrs", "peak=0.1,1e-1")[0] == 0


def test_standard_input_may_be_one_of_them() -> None:
    assert run("a.lrs", "-", stdin=TEXT)[0] == 0
    assert run("-", "a.lrs", stdin=TEXT.replace("5", "6"))[0] == 1


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_a_picture_is_drawn_and_the_words_are_said(suffix: str) -> None:
    status, out, err = run("a.lrs", "b.lrs", "-o", f"d{suffix}")
    assert (status, err) == (1, f"wrote d{suffix}\n")
    assert out.startswith("lr differs at ")
    assert "┤" not in out
    assert Path(f"d{suffix}").stat().st_size > 1000


def test_a_file_without_a_length_takes_that_of_the_other() -> None:
    Path("bare.lrs").write_text("warmup(5) then cosine(max=0.1)")
    assert run("a.lrs", "bare.lrs")[0] == 0
    assert run("bare.lrs", "a.lrs")[0] == 0
    Path("steps.lrs").write_text("train 1000 steps  cosine(max=0.1)")
    Path("bare.lrs").write_text("cosine(max=0.1) for 1000 steps")
    assert run("bare.lrs", "steps.lrs")[0] == 0


def test_where_no_steps_are_known_an_epoch_counts_as_a_hundred() -> None:
    Path("one.lrs").write_text("0.1 until 6 then 0.05")
    Path("two.lrs").write_text("0.1 until 4 then 0.05")
    status, out, err = run("one.lrs", "two.lrs", "--epochs", "10")
    assert status == 1
    assert "steps 400 to 599 (epochs 4 to 5.99)" in out
    assert "compared as if an epoch had 100 steps" in err
    assert run("one.lrs", "two.lrs", "--epochs", "10", "--steps-per-epoch", "7")[2] == ""


def test_reactions_that_differ_are_found_though_nothing_happens_without_metrics() -> None:
    Path("one.lrs").write_text("plateau(from=0.1, patience=3)")
    Path("two.lrs").write_text("plateau(from=0.1, patience=4)")
    status, out, _ = run("one.lrs", "two.lrs", "--epochs", "20", "--steps-per-epoch", "3")
    assert status == 1
    first, second, *_ = out.split("\n")
    assert first == "lr is the same at all 60 steps"
    assert second.startswith("if val_loss stalls from the start, lr differs between one.lrs")
    Path("log.csv").write_text("epoch,val_loss\n" + "".join(f"{e},1\n" for e in range(20)))
    status, out, _ = run("one.lrs", "two.lrs", "--steps-per-epoch", "3", "--metrics", "log.csv")
    assert status == 1
    assert "furthest apart at step 12, 0.01 → 0.1" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("a.lrs",), "two schedules are compared, and here is 1"),
        (("a.lrs", "peak=0.1,0.2,0.3"), "and here are 3"),
        (("peak=0.1",), "no FILE: expected a schedule before `peak=0.1`"),
        (("a.lrs", "peak"), "there is no file `peak`; a value is written `peak=0.05`"),
        (("a.lrs", "none.lrs"), "cannot read `none.lrs`"),
        (("a.lrs", "b.lrs", "-o", "d.gif"), "does not say what kind of picture"),
        ((), "Missing argument"),
    ],
)
def test_bad_usage_says_what_was_meant(args: tuple[str, ...], said: str) -> None:
    status, out, err = run(*args)
    assert (status, out) == (2, "")
    assert said in err


def test_a_schedule_with_problems_has_the_problems_shown() -> None:
    Path("bad.lrs").write_text("cosin(max=0.1)")
    status, out, err = run("a.lrs", "bad.lrs")
    assert (status, out) == (1, "")
    assert "did you mean `cosine`?" in err
