"""`lrdsl show`: the schedule of a picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli

TEXT = "let peak = 0.1\ntrain 9 epochs of 39 steps\nlr = cosine(max=peak)\n"


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, [*args], prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text(TEXT)


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_what_show_prints_draws_the_same_picture(suffix: str) -> None:
    run("plot", "a.lrs", "peak=0.3", "-o", f"one{suffix}")
    status, out, err = run("show", f"one{suffix}")
    assert status == 0
    assert out.startswith("let peak = 0.3\n")
    assert err.startswith("a.lrs: 9 epochs of 39 steps = 351 steps, sha256 ")
    Path("a.lrs").write_text(out)
    run("plot", "a.lrs", "-o", f"other{suffix}")
    assert Path(f"one{suffix}").read_bytes() == Path(f"other{suffix}").read_bytes()


def test_of_several_schedules_each_has_its_name() -> None:
    run("plot", "a.lrs", "peak=0.1,0.2", "-o", "a.svg")
    status, out, err = run("show", "a.svg")
    assert status == 0
    assert [line for line in out.split("\n") if line.startswith("#")] == [
        "# peak=0.1",
        "# peak=0.2",
    ]
    assert len(err.splitlines()) == 2


def test_a_text_that_was_not_drawn_has_a_status_of_its_own() -> None:
    run("plot", "a.lrs", "-o", "a.svg")
    text = Path("a.svg").read_text().replace("cosine(max=peak)", "cosine(max=1)")
    Path("a.svg").write_text(text)
    status, out, err = run("show", "a.svg")
    assert status == 1
    assert "cosine(max=1)" in out
    assert "this is not the text that was drawn: its SHA-256 differs" in err


def test_a_file_without_a_schedule_says_why() -> None:
    status, out, err = run("show", "a.lrs")
    assert (status, out) == (2, "")
    assert err == "Error: cannot read the schedule of `a.lrs`: it is no png, svg or pdf\n"
    assert "No such file" in run("show", "none.png")[2]


def test_a_name_in_a_picture_cannot_write_escape_codes() -> None:
    run("plot", "a.lrs", "-o", "a.svg")
    text = Path("a.svg").read_text().replace("9 epochs of", "\\u001b[2J")
    Path("a.svg").write_text(text)
    assert "\x1b" not in run("show", "a.svg")[2]
