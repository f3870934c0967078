from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lrdsl
from lrdsl.cli import values
from lrdsl.cli.main import cli

DECAY = "const(1e-3) until 10 then exp(0.1)"
TWO = (
    "train 4 epochs of 5 steps\nlr = linear(from=0.1, to=0)\nmomentum = 0.9 until 30% then 0.8"
)


def run(*args: str, stdin: str = DECAY) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["values", *args], input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


def table(*args: str, stdin: str = DECAY) -> list[list[str]]:
    status, out, err = run("-", *args, stdin=stdin)
    assert (status, err) == (0, "")
    return list(csv.reader(io.StringIO(out)))


def test_every_step_has_a_row_with_all_its_digits() -> None:
    rows = table("--epochs", "20", "--steps-per-epoch", "7")
    assert rows[0] == ["step", "epoch", "lr"]
    expected = lrdsl.loads(DECAY).plan(epochs=20, steps_per_epoch=7).values()
    assert [float(row[2]) for row in rows[1:]] == expected.tolist()
    assert [int(row[0]) for row in rows[1:]] == list(range(140))
    assert [float(row[1]) for row in rows[1:]] == [step / 7 for step in range(140)]


def test_a_new_segment_owns_its_boundary() -> None:
    options = ("--epochs", "20", "--steps-per-epoch", "7")
    rows = table(*options, "--at", "9,10,11")[1:]
    assert [row[:2] for row in rows] == [["63", "9.0"], ["70", "10.0"], ["77", "11.0"]]
    assert [float(row[2]) for row in rows] == pytest.approx(
        [1e-3, 1e-3, 1e-3 * math.exp(-0.1)], rel=1e-12, abs=0
    )


@pytest.mark.parametrize(
    ("time", "step"),
    [
        ("0", 0),
        ("1", 5),
        ("1 epoch", 5),
        ("1.1 epochs", 6),
        ("7 steps", 7),
        ("7.5 steps", 8),
        ("7steps", 7),
        ("50%", 10),
        ("30 %", 6),
        ("1e0", 5),
    ],
)
def test_times_are_written_as_in_the_language(time: str, step: int) -> None:
    assert table("--at", time, stdin=TWO)[1][0] == str(step)


def test_a_bare_time_counts_what_the_file_counts() -> None:
    rows = table("--at", "3, 5", stdin="train 10 steps\nlinear(from=1, to=0)")
    assert [row[:2] for row in rows[1:]] == [["3", ""], ["5", ""]]


def test_times_may_be_given_one_by_one_and_in_any_order() -> None:
    rows = table("--at", "3", "--at", "0 steps,50%", stdin=TWO)
    assert [row[0] for row in rows[1:]] == ["15", "0", "10"]


@pytest.mark.parametrize("time", ["4", "20 steps", "100%", "19.5 steps", "1e40"])
def test_a_time_past_the_end_is_bad_usage(time: str) -> None:
    status, out, err = run("-", "--at", time, stdin=TWO)
    assert (status, out) == (2, "")
    assert f"--at {time}: the last step is 19" in err


@pytest.mark.parametrize("time", ["", "x", "-1", "1 minute", "1,,2", "1e999", "²"])
def test_what_is_no_time_is_bad_usage(time: str) -> None:
    status, out, err = run("-", f"--at={time}", stdin=TWO)
    assert (status, out) == (2, "")
    assert "--at: expected a time, such as" in err


def test_every_target_has_a_column() -> None:
    rows = table(stdin=TWO)
    assert rows[0] == ["step", "epoch", "lr", "momentum"]
    assert [row[3] for row in rows[1:]] == ["0.9"] * 6 + ["0.8"] * 14


def test_columns_can_be_chosen() -> None:
    assert table("--target", "momentum", stdin=TWO)[0] == ["step", "epoch", "momentum"]
    both = table("--target", "momentum", "--target", "lr", stdin=TWO)
    assert both[0] == ["step", "epoch", "momentum", "lr"]


def test_an_unknown_column_gets_a_hint() -> None:
    status, _, err = run("-", "--target", "momentun", stdin=TWO)
    assert status == 2
    assert "does not set `momentun`; did you mean `momentum`?" in err
    assert "there is `lr`, `momentum`" in run("-", "--target", "zz", stdin=TWO)[2]


def test_json_holds_the_same_rows() -> None:
    status, out, _ = run("-", "--format", "json", stdin=TWO)
    assert status == 0
    rows = json.loads(out)
    assert rows[6] == {"step": 6, "epoch": 1.2, "lr": rows[6]["lr"], "momentum": 0.8}
    values = lrdsl.loads(TWO).plan().values()
    assert [row["lr"] for row in rows] == values.tolist()
    assert len(out.splitlines()) == 22


@pytest.mark.parametrize("output_format", ["csv", "json"])
def test_chunks_leave_no_trace(output_format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run("-", "--format", output_format, stdin=TWO)
    monkeypatch.setattr(values, "_CHUNK", 3)
    assert run("-", "--format", output_format, stdin=TWO) == whole


def test_rows_are_made_as_they_are_written() -> None:
    plan = lrdsl.loads("0.1").plan(epochs=10**6, steps_per_epoch=10**6)
    rows = values._rows(plan, ["lr"], None)
    assert next(rows)[0] == (0, 0.0, 0.1)
    assert len(next(rows)) == values._CHUNK


def test_steps_far_out_are_exact() -> None:
    rows = table(
        "--epochs", "1000000", "--steps-per-epoch", "1000000", "--at", "999999999999 steps"
    )
    assert rows[1][0] == "999999999999"
    assert float(rows[1][1]) == np.float64(999999.999999)


def test_without_steps_in_an_epoch_there_is_a_diagnostic() -> None:
    status, out, err = run("-", "--epochs", "20")
    assert (status, out) == (1, "")
    assert err.startswith("error[LRS303]: ")


def test_a_file_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "a.lrs").write_text("let p = 1\ntrain 2 steps\nlr = p")
    status, out, _ = run(str(tmp_path / "a.lrs"), "p=0.25")
    assert (status, out) == (0, "step,epoch,lr\n0,,0.25\n1,,0.25\n")
