"""The tests in tests/backends, run once more on each other backend of Keras installed here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HERE = os.environ.get("KERAS_BACKEND", "tensorflow")
OTHERS = [name for name in ("tensorflow", "jax", "torch") if name != HERE]


def run_on(backend: str, marker: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Run the tests of a marker in a child process, and print how many ran."""
    for name in ("keras", backend):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/backends", "-m", marker),
            *("-p", "no:cacheprovider", "--tb=short", "-rf"),
        ],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None, done.stdout
    with capsys.disabled():
        print(f"\n{backend}: {passed[1]} tests passed")


@pytest.mark.parametrize("backend", OTHERS)
def test_rates_are_exact_on(backend: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_on(backend, "not heavy", capsys)


@pytest.mark.heavy
@pytest.mark.parametrize("backend", OTHERS)
def test_every_combination_is_exact_on(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run_on(backend, "heavy", capsys)
