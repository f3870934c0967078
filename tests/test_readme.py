"""What the README shows is run: its schedules, its Python, its console, its two commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from draw_pictures import HORIZONS, REPLAYS

import lrdsl
from lrdsl.catalogue import pages

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", blocks("lrs"))
def test_schedules_have_no_problems(text: str) -> None:
    assert lrdsl.diagnose(lrdsl.SourceText(text)) == []


@pytest.mark.parametrize("text", blocks("python"))
def test_python_runs(text: str, tmp_path: Path) -> None:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, "-c", text], cwd=tmp_path, env=environment, check=True, timeout=300
    )


@pytest.mark.parametrize("text", blocks("console"))
def test_console_prints_what_is_shown(text: str, tmp_path: Path) -> None:
    (tmp_path / "decay.lrs").write_text("const(1e-3) unti 10 then exp(0.1)\n")
    command, _, output = text.partition("\n")
    words = shlex.split(command.removeprefix("$ "))
    done = subprocess.run(
        [BIN / words[0], *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    # A blank line stands between one problem and the tally on standard error.
    assert done.stdout.rstrip("\n") == output.rstrip("\n")


def test_first_command_trains_saves_three_models_and_averages_them(tmp_path: Path) -> None:
    words = blocks("sh")[0].split("&&")[-1].split()
    assert words[0] == ".venv/bin/lrdsl"
    paths = [str(ROOT / word) if word.startswith("examples/") else word for word in words[1:]]
    done = subprocess.run(
        [BIN / "lrdsl", *paths],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    scores = [
        float(s) for s in re.findall(r"(?:snapshot \d|average).*? (\d+\.\d+)%", done.stdout)
    ]
    assert len(scores) == 4
    assert min(scores) > 90
    (run,) = (tmp_path / "runs").iterdir()
    assert len(list((run / "snapshots").glob("*.keras"))) == 3
    for name in ("schedule.lrs", "plan.png", "rates.csv"):
        assert (run / name).exists()
    assert "plan = run" in said


def test_second_command_is_what_ci_runs() -> None:
    assert blocks("sh")[1].strip() in (ROOT / ".ci" / "run").read_text()


def test_every_example_is_shown_with_its_text_and_its_picture() -> None:
    for name in (*HORIZONS, *REPLAYS):
        assert f"](examples/pictures/{name}.png)" in README
    for path in sorted((ROOT / "examples").glob("*.lrs")):
        assert path.stem in HORIZONS
        schedule = path.read_text(encoding="utf-8").partition("\n")[2].strip()
        assert schedule.splitlines()[-1] in README, path.name


@pytest.mark.parametrize("name", pages())
def test_every_curve_is_in_a_table(name: str) -> None:
    rows = (line for line in README.splitlines() if line.startswith("| `"))
    assert any(f"`{name}(" in row.split(" | ")[0] for row in rows)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
