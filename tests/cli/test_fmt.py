from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl import formatting
from lrdsl.cli.main import BUG, cli

LOOSE = "lr=cosine( max=0.1 ) # a\n"
TIGHT = "lr = cosine(max=0.1)  # a\n"


def run(*args: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["fmt", *args], input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("loose.lrs").write_text(LOOSE)
    Path("tight.lrs").write_text(TIGHT)
    Path("wrong.lrs").write_text("lr=( 0.1\n")
    return tmp_path


def test_files_are_rewritten_where_they_are() -> None:
    assert run("loose.lrs", "tight.lrs") == (
        0,
        "",
        "1 file reformatted, 1 file left unchanged\n",
    )
    assert Path("loose.lrs").read_text() == TIGHT
    assert run("loose.lrs") == (0, "", "1 file left unchanged\n")


def test_a_formatted_file_is_not_touched() -> None:
    before = Path("tight.lrs").stat()
    run("tight.lrs")
    after = Path("tight.lrs").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_check_writes_nothing_and_fails_where_something_would_change() -> None:
    assert run("--check", "loose.lrs", "tight.lrs") == (
        1,
        "would reformat loose.lrs\n",
        "1 file would be reformatted, 1 file already formatted\n",
    )
    assert Path("loose.lrs").read_text() == LOOSE
    assert run("--check", "tight.lrs") == (0, "", "1 file already formatted\n")


@pytest.mark.parametrize("also", [(), ("--check",)])
def test_diff_shows_what_would_change(also: tuple[str, ...]) -> None:
    status, out, _ = run("--diff", *also, "loose.lrs", "tight.lrs")
    assert status == 1
    assert out == f"--- loose.lrs\n+++ loose.lrs\n@@ -1 +1 @@\n-{LOOSE}+{TIGHT}"
    assert Path("loose.lrs").read_text() == LOOSE
    assert run("--diff", "tight.lrs")[:2] == (0, "")


def test_a_diff_says_where_the_last_line_had_no_end() -> None:
    assert run("--diff", "-", stdin="0.1")[1] == (
        "--- <stdin>\n+++ <stdin>\n@@ -1 +1 @@\n-0.1\n\\ No newline at end of file\n+0.1\n"
    )


def test_a_dash_is_standard_input_and_output() -> None:
    assert run("-", stdin=LOOSE) == (0, TIGHT, "")
    assert run("--check", "-", stdin=TIGHT) == (0, "", "1 file already formatted\n")
    assert run("--check", "-", stdin=LOOSE)[:2] == (1, "would reformat <stdin>\n")


def test_a_file_with_errors_is_left_alone_and_the_others_are_formatted() -> None:
    status, out, err = run("wrong.lrs", "loose.lrs")
    assert (status, out) == (1, "")
    assert err.startswith("error[LRS106]: ")
    assert " --> wrong.lrs:1:4\n" in err
    assert err.endswith("\n1 file reformatted, 1 file with errors\n")
    assert Path("wrong.lrs").read_text() == "lr=( 0.1\n"
    assert Path("loose.lrs").read_text() == TIGHT


def test_a_file_that_is_not_there() -> None:
    status, _, err = run("none.lrs", "loose.lrs")
    assert status == 2
    assert "cannot read `none.lrs`: No such file or directory" in err
    assert err.endswith("1 file reformatted, 1 file skipped\n")


def test_line_ends_stay_as_in_the_first_line_and_a_mark_goes() -> None:
    Path("dos.lrs").write_bytes(b"\xef\xbb\xbflet a=1\r\nlr=a\r\n")
    assert run("dos.lrs")[0] == 0
    assert Path("dos.lrs").read_bytes() == b"let a = 1\r\nlr = a\r\n"
    assert run("--check", "dos.lrs")[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="modes and links are those of POSIX")
def test_mode_and_links_stay() -> None:
    Path("loose.lrs").chmod(0o640)
    Path("folder").mkdir()
    Path("folder/link.lrs").symlink_to("../loose.lrs")
    assert run("folder/link.lrs")[0] == 0
    assert Path("folder/link.lrs").is_symlink()
    assert Path("loose.lrs").read_text() == TIGHT
    assert stat.S_IMODE(Path("loose.lrs").stat().st_mode) == 0o640
    assert [path.name for path in Path("folder").iterdir()] == ["link.lrs"]


def test_a_file_that_cannot_be_written_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, err = run("loose.lrs")
    assert status == 2
    assert "cannot write `loose.lrs`: No space left on device" in err
    assert err.endswith("\n1 file skipped\n")
    assert Path("loose.lrs").read_text() == LOOSE
    assert len(list(Path().iterdir())) == 3


def test_a_formatter_that_errs_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formatting, "print_file", lambda tree, source: "lr = 0.2\n")
    status, _, err = run("loose.lrs")
    assert status == BUG
    assert "a bug in lrdsl" in err
    assert Path("loose.lrs").read_text() == LOOSE
