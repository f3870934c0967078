"""The code is typed, formatted and linted; the layout at the top is the agreed one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "command",
    ["mypy", "ruff check", "ruff format --check"],
    ids=["typed", "linted", "formatted"],
)
def test_code_is(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), *([] if command == "mypy" else ["."])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
