"""The grammar and the prelude are found however lrdsl is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# Needs the grammar (to parse) and the prelude (for `step`).
TRY = """
import lrdsl, sys
from lrdsl import resources
values = lrdsl.loads("step(0.5, every=2, from=1)").plan(epochs=4, steps_per_epoch=1).values()
assert values.tolist() == [1, 1, 0.5, 0.5], values
print(lrdsl.__file__)
"""


def run(*command: object, **options: object) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        timeout=300,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def site_packages() -> str:
    return sysconfig.get_path("purelib")


def home_of_lrdsl(cwd: Path, python: Path | str, path: str) -> Path:
    environment = {**os.environ, "PYTHONPATH": path}
    return Path(run(python, "-c", TRY, cwd=cwd, env=environment).strip()).resolve()


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT)
    return folder


@pytest.mark.parametrize("pattern", ["*.whl", "*.tar.gz"])
def test_installed_from_a_distribution(
    pattern: str, distributions: Path, tmp_path: Path
) -> None:
    (archive,) = distributions.glob(pattern)
    target = tmp_path / "installed"
    pip = (sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation")
    run(*pip, "--target", target, archive)
    assert home_of_lrdsl(tmp_path, sys.executable, str(target)).is_relative_to(target)


def test_installed_for_editing(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    environment = {**os.environ, "PYTHONPATH": site_packages()}
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "-q"),
        *("--no-deps", "--no-build-isolation", "-e", ROOT),
        env=environment,
    )
    assert home_of_lrdsl(tmp_path, python, site_packages()).is_relative_to(ROOT)


def test_wheel_holds_the_package_and_nothing_else(distributions: Path) -> None:
    (archive,) = distributions.glob("*.whl")
    names = zipfile.ZipFile(archive).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"lrdsl"}
    assert "lrdsl/py.typed" in names
