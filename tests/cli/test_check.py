from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli

WRONG = "const(1e-2) until 20\nthen const(1e-3) until 10"


def run(*args: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["check", *args], input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("good.lrs").write_text("0.1")
    Path("wrong.lrs").write_text(WRONG)
    Path("warned.lrs").write_text("let a = 1\nlr = 0.1")
    return tmp_path


def test_nothing_wrong_is_said_on_standard_error_alone() -> None:
    assert run("good.lrs") == (0, "", "no problems in 1 file\n")


def test_a_problem_goes_to_standard_output_and_the_tally_does_not() -> None:
    status, out, err = run("wrong.lrs", "good.lrs")
    assert status == 1
    assert out.startswith("error[LRS301]: ")
    assert " --> wrong.lrs:2:24\n" in out
    assert "2 | then const(1e-3) until 10\n  |                        ^^" in out
    assert "\x1b" not in out
    assert err == "1 error in 2 files\n"


def test_warnings_alone_are_no_failure() -> None:
    status, out, err = run("warned.lrs")
    assert status == 0
    assert out.startswith("warning[LRS501]: ")
    assert err == "1 warning in 1 file\n"


def test_errors_and_warnings_are_counted_apart() -> None:
    assert run("warned.lrs", "wrong.lrs")[2] == "1 error and 1 warning in 2 files\n"


def test_concise_is_a_line_for_each_problem() -> None:
    status, out, _ = run("--output-format", "concise", "wrong.lrs", "warned.lrs")
    assert status == 1
    first, second = out.splitlines()
    assert first.startswith("wrong.lrs:2:24: LRS301 error: ")
    assert second.startswith("warned.lrs:1:5: LRS501 warning: ")


def test_json_is_one_document_for_all_files() -> None:
    status, out, err = run("--output-format", "json", "wrong.lrs", "good.lrs", "warned.lrs")
    assert status == 1
    found = json.loads(out)
    assert [(p["file"], p["code"]) for p in found] == [
        ("wrong.lrs", "LRS301"),
        ("warned.lrs", "LRS501"),
    ]
    assert err == "1 error and 1 warning in 3 files\n"
    assert json.loads(run("--output-format", "json", "good.lrs")[1]) == []


def test_a_hyphen_is_standard_input() -> None:
    status, out, _ = run("--output-format", "concise", "-", stdin=WRONG)
    assert status == 1
    assert out.startswith("<stdin>:2:24: LRS301 error: ")


def test_a_file_that_cannot_be_read_fails_differently_and_the_others_are_checked() -> None:
    status, out, err = run("none.lrs", "wrong.lrs")
    assert status == 2
    assert "error[LRS301]" in out
    assert err == (
        "Error: cannot read `none.lrs`: No such file or directory\n1 error in 1 file\n"
    )


def test_no_file_at_all_is_bad_usage() -> None:
    assert run()[0] == 2


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0", id="NUL"),
        pytest.param(bytes(range(256)) * 9, id="binary"),
        pytest.param("0.1".encode("utf-16"), id="UTF-16"),
        pytest.param(b"caf\xe9", id="Latin-1"),
        pytest.param(b"(" * 10_000, id="parentheses"),
        pytest.param(b"a " * 500_000, id="a megabyte on one line"),
        pytest.param(b"a\n" * 500_000, id="a megabyte of lines"),
        pytest.param(b"0.1 then " * 200_000, id="a chain over the limit"),
        pytest.param("日".encode() * 400_000, id="a megabyte of wide characters"),
    ],
)
@pytest.mark.parametrize("output_format", ["full", "concise", "json"])
def test_no_input_is_a_bug(data: bytes, output_format: str) -> None:
    status, out, err = run("--output-format", output_format, "-", stdin=data)
    assert status == 1
    assert "LRS1" in out
    assert "in 1 file" in err
    assert len(out) < 200_000


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf0.1", b"0.1\r\n", b"0.1 # \xc2\xbd\r\n"])
def test_marks_and_line_ends_of_other_systems_are_no_problem(data: bytes) -> None:
    assert run("-", stdin=data)[:2] == (0, "")
