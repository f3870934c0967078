"""A program runs as under `python`: each test runs both and compares what can be seen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DRIVER = Path(__file__).with_name("driver.py")

SELF_PORTRAIT = """
import sys
print(__name__, __file__, __package__, __spec__ and __spec__.name, __builtins__)
print(type(__loader__).__name__, sorted(globals()))
print(sys.argv, sys.path[0], sys.modules["__main__"].__dict__ is globals())
"""


def start(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_same(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run `python command` and ours; return ours if a bystander sees no difference."""
    real = start(folder, *command)
    ours = start(folder, str(DRIVER), *command)
    assert ours.stdout == real.stdout
    assert ours.stderr == real.stderr
    assert ours.returncode == real.returncode
    return ours


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))


def test_script_sees_itself_as_under_python(tmp_path: Path) -> None:
    write(tmp_path / "sub/train.py", SELF_PORTRAIT)
    done = assert_same(tmp_path, "sub/train.py", "--help", "--r=16", "a=b")
    assert "['sub/train.py', '--help', '--r=16', 'a=b']" in done.stdout


def test_script_behind_a_link_imports_from_where_it_really_lies(tmp_path: Path) -> None:
    write(tmp_path / "real/train.py", SELF_PORTRAIT + "import beside")
    write(tmp_path / "real/beside.py", "print('found')")
    (tmp_path / "train.py").symlink_to(tmp_path / "real/train.py")
    assert "found" in assert_same(tmp_path, "train.py").stdout


def test_module_sees_itself_as_under_python(tmp_path: Path) -> None:
    write(tmp_path / "pkg/__init__.py", "")
    write(tmp_path / "pkg/train.py", SELF_PORTRAIT + "from . import helper")
    write(tmp_path / "pkg/helper.py", "print('helped')")
    assert "helped" in assert_same(tmp_path, "-m", "pkg.train", "--seed", "9").stdout


def test_package_runs_its_main_module(tmp_path: Path) -> None:
    write(tmp_path / "pkg/__init__.py", "")
    write(tmp_path / "pkg/__main__.py", SELF_PORTRAIT)
    assert_same(tmp_path, "-m", "pkg")


def test_folder_runs_its_main_module(tmp_path: Path) -> None:
    write(tmp_path / "app/__main__.py", SELF_PORTRAIT + "import beside")
    write(tmp_path / "app/beside.py", "")
    assert_same(tmp_path, "app")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("def f():\n    return 1 / 0\nf()", id="error in a function"),
        pytest.param("1 +", id="syntax error"),
        pytest.param("import nowhere", id="missing import"),
        pytest.param(
            "try:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise KeyError(1) from e",
            id="chained errors",
        ),
        pytest.param("raise SystemExit", id="exit"),
        pytest.param("raise SystemExit(7)", id="exit with a number"),
        pytest.param("raise SystemExit('words')", id="exit with words"),
        pytest.param("raise SystemExit([1, 2])", id="exit with a list"),
        pytest.param("raise SystemExit(True)", id="exit with a truth"),
        pytest.param("class Odd(BaseException): pass\nraise Odd('x')", id="base exception"),
        pytest.param(
            "import sys\nsys.excepthook = lambda *e: print(e[2].tb_lineno)\n1/0",
            id="own excepthook",
        ),
        pytest.param("import atexit\natexit.register(print, 'bye')\n1/0", id="atexit"),
        pytest.param("import os\nos.chdir('/')\n1/0", id="changed folder"),
        pytest.param("x: int = 1\nprint(__annotations__)", id="annotations"),
        pytest.param("def f(x: int): ...\nprint(f.__annotations__)", id="no future of ours"),
        pytest.param(
            "import pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))))",
            id="pickle of its own class",
        ),
    ],
)
def test_script_ends_as_under_python(tmp_path: Path, text: str) -> None:
    write(tmp_path / "train.py", text)
    assert_same(tmp_path, "train.py")


def test_module_error_shows_no_frame_of_ours(tmp_path: Path) -> None:
    write(tmp_path / "train.py", "def f():\n    raise ValueError('x')\nf()")
    done = start(tmp_path, str(DRIVER), "-m", "train")
    assert done.returncode == 1
    assert done.stderr.count("File ") == 2
    assert "lrdsl" not in done.stderr


def test_worker_processes_find_the_script_again(tmp_path: Path) -> None:
    script = """
    import multiprocessing

    def double(x):
        return 2 * x

    if __name__ == "__main__":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(double, [1, 2]))
    """
    write(tmp_path / "train.py", script)
    assert assert_same(tmp_path, "train.py").stdout == "[2, 4]\n"


def test_threads_of_the_program_are_waited_for(tmp_path: Path) -> None:
    script = """
    import threading, time

    def late():
        time.sleep(0.3)
        print("late")

    threading.Thread(target=late).start()
    print("main over")
    """
    write(tmp_path / "train.py", script)
    code = (
        "from lrdsl.training.launch import run\n"
        "from lrdsl.training.target import Kind, Target\n"
        "print(run(Target(Kind.SCRIPT, 'train.py'), []).status)\n"
    )
    assert start(tmp_path, "-c", code).stdout == "main over\nlate\n0\n"


def test_interrupt_ends_with_130_and_the_scripts_traceback(tmp_path: Path) -> None:
    write(tmp_path / "train.py", "import time\nprint('on', flush=True)\ntime.sleep(30)")
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), "train.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "on\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.endswith("KeyboardInterrupt\n")
    assert "lrdsl" not in errors


def test_function_is_called_as_an_entry_point_is(tmp_path: Path) -> None:
    write(tmp_path / "pkg/__init__.py", "")
    write(
        tmp_path / "pkg/train.py",
        """
        import sys

        def main():
            print(__name__, sys.argv[1:], sys.path[0] == sys.argv[0].rsplit("/pkg/")[0])
            return 5

        class Job:
            @staticmethod
            def run():
                print("job")
        """,
    )
    done = start(tmp_path, str(DRIVER), "pkg.train:main", "--x", "1")
    assert (done.returncode, done.stdout) == (5, "pkg.train ['--x', '1'] True\n")
    done = start(tmp_path, str(DRIVER), "pkg.train:Job.run")
    assert (done.returncode, done.stdout) == (0, "job\n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("pkg.nope:main",), "there is no module `pkg.nope` here or on the path"),
        (("nope:main",), "there is no module `nope` here or on the path"),
        (("pkg.train:nope",), "the module `pkg.train` has no `nope`"),
        (("pkg.train:SIZE",), "`pkg.train:SIZE` is a int, which cannot be called"),
        (("-m", "nope"), "there is no module `nope` here or on the path"),
        (("-m", "nope.train"), "there is no module `nope.train` here or on the path"),
        (("-m", "pkg"), "`pkg` is a package and has no `pkg.__main__` to run"),
        (("pkg",), "the folder `pkg` holds no `__main__.py`"),
    ],
)
def test_what_cannot_be_found_is_said(
    tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    write(tmp_path / "pkg/__init__.py", "")
    write(tmp_path / "pkg/train.py", "SIZE = 3")
    done = start(tmp_path, str(DRIVER), *command)
    assert f"target: {words}" in done.stderr


def test_missing_import_inside_a_module_is_the_programs_own_error(tmp_path: Path) -> None:
    write(tmp_path / "train.py", "import nowhere")
    for command in (("train:main",), ("-m", "train")):
        done = start(tmp_path, str(DRIVER), *command)
        assert "ModuleNotFoundError: No module named 'nowhere'" in done.stderr
        assert done.returncode == 1
