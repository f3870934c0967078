from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lrdsl.cli.main import cli
from lrdsl.cli.pictures import SUFFIXES, THEMES
from lrdsl.plotting import SUFFIXES as DRAWN
from lrdsl.plotting.style import THEMES as KNOWN
from lrdsl.stamp import read_stamp

TEXT = "let peak = 0.1\ntrain 90 epochs of 390 steps\nlr = warmup(5) then cosine(max=peak)"


def run(*args: str, stdin: str | None = None, **env: str) -> tuple[int, str, str]:
    runner = CliRunner(env={"COLUMNS": "80", **env})
    result = runner.invoke(cli, ["plot", *args], input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text(TEXT)
    Path("bare.lrs").write_text("linear(from=0.1, to=0)")
    return tmp_path


def test_the_curve_is_shown_in_the_terminal() -> None:
    status, out, err = run("a.lrs")
    assert (status, err) == (0, "")
    assert out.startswith("a.lrs  90 epochs of 390 steps = 35,100 steps\n")
    assert "┤" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_the_terminal_decides_the_width(columns: str) -> None:
    lines = run("a.lrs", COLUMNS=columns)[1].splitlines()
    assert int(columns) - 12 <= max(map(len, lines)) <= int(columns)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_without_braille_gets_ascii(encoding: str, here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from lrdsl.cli.main import main; main()", "plot", "a.lrs"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "80"},
        check=True,
    )
    assert done.stdout.isascii()
    assert b"0.1 +" in done.stdout


def test_values_from_outside_replace_those_of_the_file() -> None:
    out = run("a.lrs", "peak=0.3")[1]
    assert "peak   0.3" in out


def test_the_horizon_comes_from_options() -> None:
    status, out, _ = run("bare.lrs", "--epochs", "10", "--steps-per-epoch", "7")
    assert status == 0
    assert "10 epochs of 7 steps" in out


def test_what_the_plan_warns_of_is_shown_beside_the_curve() -> None:
    Path("long.lrs").write_text("cosine(max=0.1) for 60")
    for output in ((), ("-o", "long.svg")):
        status, out, err = run("long.lrs", "--epochs", "30", *output)
        assert status == 0
        assert "warning[LRS503]: the training ends 30 epochs before this segment does" in err
        assert "stops after 50% of it, at 0.05, and would end at 0" in err
        assert "warning" not in out
    assert run("long.lrs", "--epochs", "60")[2] == ""


def test_a_horizon_that_is_missing_is_a_problem_of_the_input() -> None:
    status, out, err = run("bare.lrs")
    assert (status, out) == (1, "")
    assert err.startswith("error[LRS304]: ")
    assert "--epochs" in err


def test_a_horizon_that_contradicts_the_file_is_a_problem_of_the_input() -> None:
    status, _, err = run("a.lrs", "--epochs", "91")
    assert status == 1
    assert err.startswith("error[LRS309]: `--epochs 91` and the `train` line disagree")


def test_standard_input_is_a_hyphen() -> None:
    assert run("-", stdin=TEXT)[1].startswith("<stdin>  90 epochs")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".PNG"])
def test_the_suffix_decides_the_kind_of_picture(suffix: str) -> None:
    status, out, err = run("a.lrs", "-o", f"a{suffix}")
    assert (status, out, err) == (0, "", f"wrote a{suffix}\n")
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix.lower()]
    assert Path(f"a{suffix}").read_bytes().startswith(begins)


def test_an_unknown_suffix_is_bad_usage_that_lists_the_known_ones() -> None:
    for name in ("a.gif", "a", "a.png.txt"):
        status, out, err = run("a.lrs", "-o", name)
        assert (status, out) == (2, "")
        assert f"`{name}` does not say what kind of picture it is" in err
        assert ".png, .svg or .pdf" in err
        assert not Path(name).exists()


def test_the_suffixes_are_those_that_can_be_drawn() -> None:
    assert SUFFIXES == DRAWN
    assert tuple(KNOWN) == THEMES


def test_a_picture_that_cannot_be_written_is_named() -> None:
    status, _, err = run("a.lrs", "-o", "none/a.png")
    assert status == 2
    assert err == "Error: cannot write `none/a.png`: there is no folder `none`\n"


@pytest.mark.parametrize(
    "args",
    [
        ("a.lrs", "peak"),
        ("a.lrs", "--epochs", "0"),
        ("a.lrs", "--epochs", "1.5"),
        ("a.lrs", "--steps-per-epoch", "-3"),
        ("a.lrs", "--base", "nan"),
        ("a.lrs", "--base", "inf"),
        ("none.lrs",),
        (),
    ],
)
def test_bad_usage_and_unreadable_files_have_a_status_of_their_own(
    args: tuple[str, ...],
) -> None:
    status, out, err = run(*args)
    assert (status, out) == (2, "")
    assert "Error: " in err


def test_several_values_are_drawn_together_with_a_letter_each() -> None:
    status, out, err = run("a.lrs", "peak=0.05,0.1,0.2")
    assert (status, err) == (0, "")
    assert "A peak=0.05   B peak=0.1   C peak=0.2" in out
    assert "peak=0.2       0   0.2  epoch 5" in out


def test_several_files_are_drawn_together() -> None:
    Path("b.lrs").write_text("let low = 0.01\ntrain 90 epochs of 390 steps\nlr = low")
    assert "A a.lrs   B b.lrs" in run("a.lrs", "b.lrs")[1]
    out = run("a.lrs", "b.lrs", "peak=0.2,0.3", "low=0.02")[1]
    assert "A a.lrs peak=0.2   B a.lrs peak=0.3   C b.lrs" in out
    assert "b.lrs            0.02  0.02  epoch 0" in out


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    for folder, text in (("old", "0.1"), ("new", "0.2")):
        Path(folder).mkdir()
        Path(folder, "a.lrs").write_text(text)
    out = run("old/a.lrs", "new/a.lrs", "--epochs", "5")[1]
    assert "A old/a.lrs   B new/a.lrs" in out
    _, _, err = run("old/a.lrs", "new/a.lrs", "--epochs", "5", "-o", "x.svg")
    assert err == "wrote x.svg\n"
    assert [one.name for one in read_stamp("x.svg")] == ["old/a.lrs", "new/a.lrs"]


def test_standard_input_is_there_once() -> None:
    status, _, err = run("-", "-", stdin="0.1")
    assert status == 2
    assert "`-` is given twice: standard input can be read once" in err


def test_a_value_that_no_file_has_is_an_error_that_lists_what_there_is() -> None:
    Path("b.lrs").write_text("let low = 0.01\ntrain 90 epochs of 390 steps\nlr = low")
    status, out, err = run("a.lrs", "b.lrs", "lov=0.2")
    assert (status, out) == (1, "")
    assert "did you mean `low`?" in err


def test_what_is_to_be_noted_of_all_values_is_said_once() -> None:
    Path("log.csv").write_text("epoch,loss\n0,1\n")
    _, _, err = run("a.lrs", "peak=0.1,0.2,0.3", "--metrics", "log.csv")
    assert err == "note: the schedule reacts to no metric, so `log.csv` changes nothing\n"


def test_commas_within_parentheses_are_of_one_value() -> None:
    assert "peak   0.2" in run("a.lrs", "peak=max(0.1, 0.2)")[1]
    assert "A peak=max(0.1, 0.2)   B peak=0.3" in run("a.lrs", "peak=max(0.1, 0.2),0.3")[1]


@pytest.mark.parametrize("word", ["peak=0.1,", "peak=,0.1", "peak=0.1,,0.2"])
def test_a_value_that_is_missing_between_commas_is_bad_usage(word: str) -> None:
    status, _, err = run("a.lrs", word)
    assert status == 2
    assert "expected values such as `0.05,0.1`" in err


def test_more_curves_than_can_be_told_apart_are_refused() -> None:
    assert run("a.lrs", "peak=" + ",".join(f"0.{i}" for i in range(1, 13)))[0] == 0
    status, _, err = run("a.lrs", "peak=" + ",".join(f"0.{i}" for i in range(1, 14)))
    assert (status, err.splitlines()[-1]) == (2, "Error: at most 12 curves can be told apart")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_are_drawn_into_one_picture(suffix: str) -> None:
    status, out, err = run("a.lrs", "peak=0.05,0.1", "-o", f"a{suffix}", "--theme", "dark")
    assert (status, out, err) == (0, "", f"wrote a{suffix}\n")


def test_the_scale_is_as_is_asked_for() -> None:
    Path("decay.lrs").write_text("train 90 epochs of 390 steps  exp(from=0.1, to=1e-6)")
    assert "lr, log scale" in run("decay.lrs")[1]
    assert "lr, log scale" not in run("decay.lrs", "--linear")[1]
    assert "lr, log scale" not in run("a.lrs")[1]
    assert "lr, log scale" in run("a.lrs", "--log")[1]
    assert "lr, log scale" in run("a.lrs", "peak=0.05,0.1", "--log")[1]


def test_themes_give_other_pictures() -> None:
    for theme in THEMES:
        run("a.lrs", "-o", f"{theme}.png", "--theme", theme)
    assert Path("light.png").read_bytes() != Path("dark.png").read_bytes()
    assert run("a.lrs", "-o", "a.png", "--theme", "neon")[0] == 2
    run("a.lrs", "-o", "default.png")
    assert Path("default.png").read_bytes() == Path("light.png").read_bytes()
    status, out, err = run("a.lrs", "--theme", "dark")
    assert (status, out) == (2, "")
    assert "--theme is for a picture: add `-o plan.png`" in err


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a terminal")
@pytest.mark.parametrize(
    ("environment", "has_braille", "has_colour"),
    [
        ({"LC_ALL": "C.UTF-8"}, True, True),
        ({"LC_ALL": "C.UTF-8", "NO_COLOR": "1"}, True, False),
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, False, True),
    ],
)
def test_a_terminal_gets_what_it_can_show(
    environment: dict[str, str], has_braille: bool, has_colour: bool
) -> None:
    main, other = os.openpty()
    env = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "PYTHONIOENCODING")}
    with subprocess.Popen(
        [sys.executable, "-m", "lrdsl", "plot", "a.lrs"],
        stdout=other,
        env={**env, "COLUMNS": "80", **environment},
    ) as process:
        os.close(other)
        out = b""
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            while part := os.read(main, 65536):
                out += part
    os.close(main)
    assert process.returncode == 0
    assert (not out.isascii()) == has_braille
    assert (b"\x1b[" in out) == has_colour
