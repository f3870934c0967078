from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli

TEXT = "let p = 0.1\ntrain 4 epochs of 5 steps\nlr = linear(from=p, to=0)"


def run(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, ["compile", *args], input=TEXT, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_module_is_written_that_is_python() -> None:
    assert run("-", "-o", "a.py") == (0, "", "wrote a.py\n")
    compile(Path("a.py").read_text(encoding="utf-8"), "a.py", "exec")


def test_a_file_that_exists_is_replaced_only_by_force() -> None:
    Path("a.py").write_text("mine")
    status, _, err = run("-", "-o", "a.py")
    assert (status, err) == (2, "Error: `a.py` exists; --force replaces it\n")
    assert Path("a.py").read_text() == "mine"
    assert run("-", "-o", "a.py", "--force")[0] == 0
    assert Path("a.py").read_text() != "mine"


def test_a_name_that_no_module_has_is_bad_usage() -> None:
    status, _, err = run("-", "-o", "a.txt")
    assert status == 2
    assert "`a.txt` is not the name of a module: letters, digits and `_`, then .py" in err


def test_a_problem_of_the_schedule_leaves_no_file() -> None:
    assert run("-", "q=1", "-o", "a.py")[0] == 1
    assert not Path("a.py").exists()


def test_the_output_must_be_named() -> None:
    assert run("-")[0] == 2


def test_a_folder_that_is_not_there_is_named() -> None:
    status, _, err = run("-", "-o", "none/a.py")
    assert status == 2
    assert "cannot write `none/a.py`: No such file or directory" in err
