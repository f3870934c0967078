from __future__ import annotations

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli
from lrdsl.diagnostics import CODES


def run(*args: str, columns: int = 80) -> tuple[int, str, str]:
    result = CliRunner(env={"COLUMNS": str(columns)}).invoke(
        cli, ["explain", *args], prog_name="lrdsl"
    )
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize("written", ["LRS405", "lrs405", "405"])
def test_a_code_is_explained_with_a_wrong_and_a_right_example(written: str) -> None:
    assert run(written) == (
        0,
        "LRS405: a factor does not say where it starts\n\n"
        "Inside of `*`, `/` and `^` there is no rate to begin at, so that a curve says\n"
        "its `from`.\n\n"
        "Wrong, with --epochs 10:\n    cosine(max=0.1) * linear(to=0)\n\n"
        "Right, with --epochs 10:\n    cosine(max=0.1) * linear(from=1, to=0)\n",
        "",
    )


def test_what_is_not_seen_is_written_out() -> None:
    assert "    cosine(max=\\x070.1)\n" in run("LRS101")[1]


def test_without_a_code_all_are_listed() -> None:
    status, out, _ = run()
    assert status == 0
    assert out.splitlines() == [f"{code}  {rule}" for code, rule in CODES.items()]


def test_an_unknown_code() -> None:
    status, out, err = run("LRS999")
    assert (status, out) == (2, "")
    assert "there is no code `LRS999`. `lrdsl explain` lists those there are." in err


@pytest.mark.parametrize("code", CODES)
def test_every_page_fits_into_80_columns(code: str) -> None:
    status, out, _ = run(code)
    assert status == 0
    widest = max(map(len, out.splitlines()))
    assert widest <= (92 if "in Python" in out else 80)
