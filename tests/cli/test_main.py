from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lrdsl.cli import main as module
from lrdsl.cli.main import BUG, COMMANDS, INTERRUPTED, READER_GONE, TRACEBACK, cli
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import SourceText

HEAVY = ("lark", "numpy", "matplotlib", "tensorflow", "keras")
RUNS_PROGRAMS = (
    "lrdsl.training.launch",
    "lrdsl.training.session",
    "csv",
    "tempfile",
    "hashlib",
)


def run(*args: str, stdin: str | bytes | None = None) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(args), input=stdin, prog_name="lrdsl")
    return result.exit_code, result.stdout, result.stderr


def imported_by(*args: str, among: tuple[str, ...] = HEAVY) -> set[str]:
    """Return which modules a command line imports."""
    program = (
        "import sys\n"
        "from lrdsl.cli.main import main\n"
        f"sys.argv = ['lrdsl', *{list(args)!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {among!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return set(eval(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    "args",
    [("--help",), ("--version",), (), ("chekc",), ("curves",), ("curves", "cosin")],
)
def test_help_lists_and_mistyped_names_import_nothing_heavy(args: tuple[str, ...]) -> None:
    assert imported_by(*args) == set()


def test_check_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "a.lrs").write_text(
        "train 90 epochs of 390 steps\n"
        "lr = warmup(5) then cosine(max=0.1) until 60 then exp(0.1)"
    )
    assert imported_by("check", str(tmp_path / "a.lrs")) == set()


def test_format_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "a.lrs").write_text("warmup(5) then cosine(max=0.1)")
    assert imported_by("fmt", str(tmp_path / "a.lrs")) == set()


def test_terminal_plot_does_not_import_matplotlib(tmp_path: Path) -> None:
    (tmp_path / "a.lrs").write_text("0.1")
    found = imported_by("plot", str(tmp_path / "a.lrs"), "--epochs", "2")
    assert found == {"numpy"}
    assert imported_by("curves", "cosine") <= {"numpy"}


def test_dry_run_shows_a_plan_without_what_runs_programs(tmp_path: Path) -> None:
    schedule, script = tmp_path / "a.lrs", tmp_path / "script.py"
    schedule.write_text("train 3 epochs of 5 steps\nlr = cosine(max=0.1)")
    script.touch()
    args = ("train", "--dry-run", str(schedule), str(script))
    assert imported_by(*args, among=(*HEAVY, *RUNS_PROGRAMS)) == {"numpy"}
    args = ("train", "--yes", str(schedule), str(script))
    assert imported_by(*args, among=RUNS_PROGRAMS) >= {"lrdsl.training.session"}


def test_help_lists_every_command_with_what_it_does() -> None:
    status, out, _ = run("--help")
    assert status == 0
    for name, what in COMMANDS.items():
        assert f"  {name}" in out
        assert what in out


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_is(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_one_example(name: str) -> None:
    status, out, _ = run(name, "--help")
    assert status == 0
    assert out.count(f"Example: lrdsl {name} ") == 1
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("chekc", "Did you mean `check`?"),
        ("val", "Did you mean `values`?"),
        ("resnet.lrs", "To see the curve of a schedule: lrdsl plot resnet.lrs"),
    ],
)
def test_an_unknown_command_gets_a_hint(word: str, hint: str) -> None:
    status, out, err = run(word)
    assert (status, out) == (2, "")
    assert f"there is no command `{word}`. {hint}" in err


def test_a_command_that_is_like_no_other_gets_none() -> None:
    assert "there is no command `zzz`.\n" in run("zzz")[2]


def failing_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    """Run a command that raises `error`."""

    @click.command()
    def broken() -> None:
        print("half of it")
        raise error

    monkeypatch.setattr(module._LazyGroup, "get_command", lambda *_: broken)
    monkeypatch.setitem(COMMANDS, "broken", "Fail.")
    return run("broken")


def test_a_diagnostic_is_shown_and_makes_the_status_1(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = [Diagnostic(code=code, message=f"in {code}") for code in ("LRS301", "LRS302")]
    error = LrsError(problems, SourceText("", "a.lrs"))
    assert failing_with(error, monkeypatch) == (
        1,
        "half of it\n",
        "error[LRS301]: in LRS301\n --> a.lrs\n\nerror[LRS302]: in LRS302\n --> a.lrs\n",
    )


def test_a_bug_is_one_line_and_makes_the_status_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    status, _, err = failing_with(KeyError("lost"), monkeypatch)
    assert status == BUG == 3
    assert err.startswith("lrdsl: a bug in lrdsl, sorry: KeyError: 'lost' at test_main.py:")
    assert "Traceback" not in err


def test_a_bug_shows_its_traceback_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    assert "Traceback" in failing_with(RecursionError("deep"), monkeypatch)[2]


def test_an_interrupt_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    status, _, err = failing_with(KeyboardInterrupt(), monkeypatch)
    assert (status, err) == (INTERRUPTED, "")


@pytest.mark.skipif(sys.platform == "win32", reason="pipes do not break there")
def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "a.lrs").write_text("0.1")
    command = "from lrdsl.cli.main import main; main()"
    args = ["values", str(tmp_path / "a.lrs"), "--epochs", "1000", "--steps-per-epoch", "1000"]
    process = subprocess.Popen(
        [sys.executable, "-c", command, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"step,epoch,lr\n"
    process.stdout.close()
    assert process.wait() == READER_GONE
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_an_output_that_is_full_is_no_bug() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "lrdsl", "plot", "-", "--epochs", "2"],
            input=b"0.1",
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == b"Error: cannot write the output: No space left on device\n"


@pytest.mark.parametrize(("command", "collects"), [("plot", False), ("watch", True)])
def test_garbage_is_collected_where_a_command_may_run_for_long(
    command: str, collects: bool
) -> None:
    program = (
        "import gc, sys\n"
        "from lrdsl.cli.main import main\n"
        f"sys.argv = ['lrdsl', {command!r}, '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(gc.isenabled(), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == str(collects)
