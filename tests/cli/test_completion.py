"""What shells offer: commands, schedules, the names of their `let`s, codes and curves."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrdsl.cli.main import COMMANDS
from lrdsl.diagnostics import CODES

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.lrs").write_text("let peak = 0.1  let end_at = 5\n# let not_this = 1\nlr = pea(k")
    Path("b.lrs").write_text("0.1")
    Path("notes.txt").write_text("let me think = 1")
    Path("more").mkdir()
    Path("more/c.lrs").write_text("let peak = 1\nlet floor = 0\nlr = peak")


def run(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "lrdsl"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr
    return done.stdout


def offered(shell: str, line: str) -> list[str]:
    """Return what a shell offers for the last word of a line."""
    words = line.split(" ")
    position = words[-1] if shell == "fish" else str(len(words) - 1)
    out = run(_LRDSL_COMPLETE=f"{shell}_complete", COMP_WORDS=line, COMP_CWORD=position)
    if shell == "zsh":  # three lines a word: its type, itself, its help
        return out.splitlines()[1::3]
    return [row.split(",", 1)[1].split("\t")[0] for row in out.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("lrdsl ", list(COMMANDS)),
        ("lrdsl c", [name for name in COMMANDS if name.startswith("c")]),
        ("lrdsl check ", ["a.lrs", "b.lrs", f"more{os.sep}"]),
        ("lrdsl fmt b.lrs more/", ["more/c.lrs"]),
        ("lrdsl values a.lrs p", ["peak="]),
        ("lrdsl plot a.lrs more/c.lrs f", ["floor="]),
        ("lrdsl train a", ["a.lrs"]),
        ("lrdsl train a.lrs p", ["peak=", "p"]),  # the shell adds its files to the last
        ("lrdsl values --for", ["--format"]),
        ("lrdsl explain lrs10", [code for code in CODES if code.startswith("LRS10")]),
        ("lrdsl curves cosine_", ["cosine_k_decay", "cosine_power", "cosine_wave"]),
    ],
)
def test_each_shell_is_offered_what_fits(shell: str, line: str, words: list[str]) -> None:
    assert offered(shell, line) == words


def test_names_are_those_of_lets_that_are_no_comment() -> None:
    words = ["peak=", "end_at=", "a.lrs", "b.lrs", f"more{os.sep}"]
    assert offered("bash", "lrdsl values a.lrs ") == words


def test_other_files_are_the_shells_own_matter() -> None:
    out = run(_LRDSL_COMPLETE="bash_complete", COMP_WORDS="lrdsl check no", COMP_CWORD="2")
    assert out == "file,no\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str) -> None:
    if shell == "bash" and shutil.which("bash") is None:
        pytest.skip("click asks bash for its version")
    assert f"_LRDSL_COMPLETE={shell}_complete" in run(_LRDSL_COMPLETE=f"{shell}_source")


@pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="needs bash")
def test_bash_ends_a_word_only_where_it_is_over() -> None:
    Path("my plan.lrs").write_text("0.1")
    Path("lrdsl").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lrdsl "$@"\n')
    Path("lrdsl").chmod(0o755)
    typed = ("values a", "values a.lrs pe", "check mo", "check my", "fo")
    assert typed_into_bash(typed) == [
        "lrdsl values a.lrs |",
        "lrdsl values a.lrs peak=|",
        "lrdsl check more/|",
        "lrdsl check my\\ plan.lrs |",
        "lrdsl fo|",
    ]


def typed_into_bash(beginnings: tuple[str, ...]) -> list[str]:
    """Return what a line of a real bash becomes at Tab, with a bar where the cursor is."""
    import pty

    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(PATH=f"{Path.cwd()}:{os.environ['PATH']}", TERM="dumb")
        os.execvp("bash", ["bash", "--norc", "-i"])

    def until(mark: str) -> str:
        seen, end = "", time.monotonic() + 30
        while mark not in seen and time.monotonic() < end:
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 65536).decode()
        return seen

    try:
        # The prompt comes once Bash reads keys; what is typed before, the terminal echoes.
        os.write(terminal, b'eval "$(_LRDSL_COMPLETE=bash_source lrdsl)"; ')
        os.write(terminal, b"bind 'set bell-style none'; PS1='rea''dy '\n")
        assert "ready " in until("ready ")
        found = []
        for beginning in beginnings:
            os.write(terminal, f"lrdsl {beginning}\t|".encode())
            found.append("lrdsl" + until("|").rpartition("lrdsl")[2])
            os.write(terminal, b"\x15")
        return found
    finally:
        os.write(terminal, b"\x15exit\n")
        os.close(terminal)
        os.waitpid(process, 0)


def test_completing_imports_nothing_heavy() -> None:
    code = "import lrdsl.cli.completion, sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False\n"
