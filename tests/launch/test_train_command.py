"""`lrdsl train` from its command line to its exit status, on a stand-in for Keras."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

COSINE = "cosine(max=0.1)\n"
KNOWN = "train 3 epochs of 4 steps\ncosine(max=0.1)\n"
SCRIPT = """\
import sys
print("script", *sys.argv[1:])
import keras
keras.Model().fit(epochs=3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cosine.lrs").write_text(COSINE)
    (tmp_path / "known.lrs").write_text(KNOWN)
    (tmp_path / "train.py").write_text(SCRIPT)
    return tmp_path


def lrdsl(
    folder: Path, *words: str, stdin: int = subprocess.DEVNULL, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE / "fake")]),
        "PYTHONUTF8": "1",
    }
    environment.pop("COLUMNS", None)
    command = [sys.executable, "-c", "from lrdsl.cli.main import main; main()", *words]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=None if text is not None else stdin,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def answer(folder: Path, reply: bytes, *words: str) -> subprocess.CompletedProcess[str]:
    """Run it with a terminal on which `reply` is typed."""
    keyboard, terminal = pty.openpty()
    try:
        os.write(keyboard, reply)
        return lrdsl(folder, *words, stdin=terminal)
    finally:
        os.close(keyboard)
        os.close(terminal)


def say(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return what lrdsl itself said, line by line."""
    return [
        line.removeprefix("lrdsl: ")
        for line in done.stderr.splitlines()
        if line.startswith("lrdsl: ")
    ]


def test_plan_is_shown_and_the_report_is_at_the_end(folder: Path) -> None:
    done = lrdsl(folder, "train", "--yes", "--out", "out", "cosine.lrs", "train.py", "--x")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "script --x",
        "keras is executed",
        "fit Ours History ProgbarLogger Witness",
    ]
    assert say(done) == [
        "the plan is shown when `fit` starts, as it needs the length of the training",
        "fit 1 at train.py:4: 3 epochs of 4 steps, 12 steps in all",
        "plan = run at all 12 steps",
        "the results are in out/",
        "  rates.csv  the log: each step's rate, planned and applied",
        "  plan.png   the picture of the plan",
        "  run.png    what was applied, over the plan",
        "to see plan and run: lrdsl plot out/schedule.lrs --run out",
    ]
    assert "cosine.lrs  3 epochs of 4 steps" in done.stderr
    assert (folder / "out/plan.png").read_bytes().startswith(b"\x89PNG")
    assert (folder / "out/schedule.lrs").read_text() == COSINE
    assert len((folder / "out/rates.csv").read_text().splitlines()) == 13


def test_folder_is_named_by_itself_if_nobody_does(folder: Path) -> None:
    assert lrdsl(folder, "train", "-y", "cosine.lrs", "train.py").returncode == 0
    (run,) = (folder / "runs").iterdir()
    assert re.fullmatch(r"cosine-\d{8}-\d{6}", run.name)


def test_folder_that_holds_something_is_refused_before_anything_runs(folder: Path) -> None:
    done = lrdsl(folder, "train", "-y", "--out", ".", "cosine.lrs", "train.py")
    assert done.returncode == 2
    assert "is not empty, and a run never overwrites" in done.stderr
    assert done.stdout == ""


def test_yes_typed_at_the_terminal_trains(folder: Path) -> None:
    done = answer(folder, b"y\n", "train", "cosine.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert "Train with this schedule? [y/N]: " in done.stderr


@pytest.mark.parametrize(
    ("reply", "status"), [(b"n\n", 1), (b"\n", 1), (b"\x04", 130)], ids=["no", "enter", "end"]
)
def test_without_a_yes_no_batch_is_trained(folder: Path, reply: bytes, status: int) -> None:
    for schedule in ("cosine.lrs", "known.lrs"):
        done = answer(folder, reply, "train", schedule, "train.py")
        assert done.returncode == status
        assert "fit Ours" not in done.stdout
        assert "nothing was trained" in done.stderr
    assert not (folder / "runs").exists()


def test_nobody_to_ask_stops_and_says_how_to_answer(folder: Path) -> None:
    for schedule in ("cosine.lrs", "known.lrs"):
        done = lrdsl(folder, "train", schedule, "train.py")
        assert done.returncode == 2
        assert "fit Ours" not in done.stdout
        assert "to answer in advance, write `lrdsl train --yes`" in say(done)[-1]


def test_known_length_is_asked_about_before_the_program_runs(folder: Path) -> None:
    done = lrdsl(folder, "train", "known.lrs", "train.py")
    assert done.stdout == ""
    done = answer(folder, b"y\n", "train", "known.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[y/N]") == 1
    assert "fit 1 at train.py:4: 3 epochs of 4 steps, 12 steps in all, as shown" in done.stderr


def test_length_on_the_command_line_is_as_good_as_one_in_the_file(folder: Path) -> None:
    done = answer(folder, b"y\n", "train", "--epochs", "3", "cosine.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("[y/N]") == 1


def test_fit_of_another_length_than_was_shown_is_refused(folder: Path) -> None:
    (folder / "known.lrs").write_text("train 90 epochs\ncosine(max=0.1)\n")
    for words in (["known.lrs"], ["--epochs", "90", "cosine.lrs"]):
        done = lrdsl(folder, "train", "-y", *words, "train.py")
        assert done.returncode == 1
        assert "error[LRS309]" in done.stderr
        assert "fit 1 at train.py:4: refused" in say(done)
        assert "Traceback" not in done.stderr
        assert not (folder / "runs").exists()


def test_dry_run_of_a_known_length_does_not_run_the_program(folder: Path) -> None:
    for words in (["known.lrs"], ["--epochs", "3", "cosine.lrs"]):
        done = lrdsl(folder, "train", "--dry-run", *words, "train.py")
        assert (done.returncode, done.stdout) == (0, "")
        assert "3 epochs" in done.stderr


def test_dry_run_of_an_unknown_length_stops_at_the_first_fit(folder: Path) -> None:
    done = lrdsl(folder, "train", "--dry-run", "cosine.lrs", "train.py")
    assert done.returncode == 0
    assert done.stdout == "script\nkeras is executed\n"
    assert say(done)[-1] == "dry run: stopped before the first batch"
    assert "Traceback" not in done.stderr
    assert not (folder / "runs").exists()


def test_nothing_heavy_is_imported_for_an_early_plan(folder: Path) -> None:
    code = (
        "import sys\n"
        "from lrdsl.cli.main import cli\n"
        "try:\n"
        "    cli(['train', '--dry-run', 'known.lrs', 'train.py'])\n"
        "finally:\n"
        "    print({'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"


def test_unknown_base_is_shown_as_the_unit(folder: Path) -> None:
    (folder / "base.lrs").write_text("train 3 epochs\nlinear(to=0)\n")
    done = lrdsl(folder, "train", "--dry-run", "base.lrs", "train.py")
    assert done.returncode == 0
    assert "The rates are in units of base" in done.stderr
    done = lrdsl(folder, "train", "--dry-run", "--base", "0.2", "base.lrs", "train.py")
    assert "units of base" not in done.stderr
    assert "0.2" in done.stderr


def test_curve_that_is_no_multiple_of_base_waits_for_the_fit(folder: Path) -> None:
    (folder / "base.lrs").write_text("train 3 epochs of 4 steps\nlinear(to=1e-5)\n")
    done = lrdsl(folder, "train", "-y", "base.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert "it needs the optimizer's own rate (or `--base`)" in say(done)[0]


def test_boundary_in_steps_waits_for_the_fit(folder: Path) -> None:
    (folder / "steps.lrs").write_text("train 3 epochs\n0.1 until 5 steps then 0.01\n")
    done = lrdsl(folder, "train", "-y", "steps.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert say(done)[0] == (
        "the plan is shown when `fit` starts, as it needs the number of steps in an epoch"
    )


def test_overrides_reach_the_schedule_and_the_folder(folder: Path) -> None:
    (folder / "peak.lrs").write_text("let peak = 0.1\nlr = cosine(max=peak)\n")
    done = lrdsl(folder, "train", "-y", "-o", "out", "peak.lrs", "peak=0.5", "train.py", "a=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("script a=1\n")
    assert "peak = 0.5" in (folder / "out/schedule.lrs").read_text()
    assert ",0.5,0.5" in (folder / "out/rates.csv").read_text()


def test_unknown_override_is_an_error_of_the_schedule(folder: Path) -> None:
    done = lrdsl(folder, "train", "-y", "cosine.lrs", "pek=1", "train.py")
    assert done.returncode == 1
    assert "error[LRS207]" in done.stderr
    assert done.stdout == ""


def test_schedule_comes_from_standard_input_if_asked(folder: Path) -> None:
    done = lrdsl(folder, "train", "-y", "-", "train.py", text=COSINE)
    assert done.returncode == 0, done.stderr
    done = lrdsl(folder, "train", "-", "train.py", text=COSINE)
    assert done.returncode == 2


def test_sabotaged_rate_fails_a_run_that_ended_well(folder: Path) -> None:
    (folder / "train.py").write_text(
        "import keras\nmodel = keras.Model()\nmodel.sabotage = 0.5\nmodel.fit(epochs=3)\n"
    )
    done = lrdsl(folder, "train", "-y", "cosine.lrs", "train.py")
    assert done.returncode == 1
    assert say(done)[2] == (
        "plan ≠ run: first at step 0 (epoch 0): planned 0.1, applied 0.05; "
        "12 of 12 steps differ"
    )


@pytest.mark.parametrize(
    ("end", "status", "words"),
    [
        ("sys.exit(7)", 7, ""),
        ("sys.exit('bad luck')", 1, "bad luck\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("raise KeyboardInterrupt", 130, "KeyboardInterrupt\n"),
    ],
)
def test_exit_status_is_the_scripts_own(
    folder: Path, end: str, status: int, words: str
) -> None:
    (folder / "train.py").write_text(f"{SCRIPT}{end}\n")
    done = lrdsl(folder, "train", "-y", "cosine.lrs", "train.py")
    assert done.returncode == status
    assert words in done.stderr
    assert "plan = run at all 12 steps" in say(done)


def test_script_that_never_fits_fails_with_what_to_do(folder: Path) -> None:
    (folder / "train.py").write_text("import keras\nkeras.Model().train_on_batch()\n")
    done = lrdsl(folder, "train", "-y", "cosine.lrs", "train.py")
    assert done.returncode == 1
    assert "no fit was seen" in say(done)[1]
    assert "train_on_batch" in say(done)[2]


def test_one_fit_of_several_can_be_chosen(folder: Path) -> None:
    (folder / "train.py").write_text(
        "import keras\nfor epochs in (1, 2, 3):\n    keras.Model().fit(epochs=epochs)\n"
    )
    done = lrdsl(folder, "train", "-y", "--fit", "2", "cosine.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "fit History ProgbarLogger",
        "fit Ours History ProgbarLogger Witness",
        "fit History ProgbarLogger",
    ]
    assert "fit 2: plan = run at all 8 steps" in say(done)


def test_module_and_function_are_run_too(folder: Path) -> None:
    (folder / "pkg").mkdir()
    (folder / "pkg/__init__.py").touch()
    (folder / "pkg/train.py").write_text(
        "def main():\n    import keras\n    keras.Model().fit()\n"
        "if __name__ == '__main__':\n    main()\n"
    )
    for words in (
        ["cosine.lrs", "-m", "pkg.train"],
        ["-m", "cosine.lrs", "pkg.train"],
        ["cosine.lrs", "pkg.train:main"],
    ):
        done = lrdsl(folder, "train", "-y", *words)
        assert done.returncode == 0, done.stderr
        assert "fit 1 at pkg/train.py:3: 1 epoch of 4 steps, 4 steps in all" in say(done)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cosine.lrs"], "nothing to run: after FILE comes SCRIPT"),
        (["cosine.lrs", "--yes", "train.py"], "options of `lrdsl train` go in front of FILE"),
        (["cosine.lrs", "nope.py"], "there is no file `nope.py`"),
        (["cosine.lrs", "nope:main"], "there is no module `nope` here or on the path"),
        (["nope.lrs", "train.py"], "cannot read `nope.lrs`: No such file or directory"),
        (
            ["train.py", "cosine.lrs"],
            "`train.py` stands where the schedule is expected: `lrdsl train FILE train.py`",
        ),
        (
            ["--resume", "run", "peak=3"],
            "`peak=3` stands where the schedule is expected: `lrdsl train --resume run FILE "
            "peak=3`",
        ),
        (["--fit", "0", "cosine.lrs", "train.py"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_use_is_told_with_status_2(folder: Path, words: list[str], message: str) -> None:
    done = lrdsl(folder, "train", *words)
    assert done.returncode == 2
    assert message in done.stderr


def test_program_may_change_folder_and_streams(folder: Path) -> None:
    script = "import os, sys\nos.chdir('/')\nsys.stdout.close()\nsys.stderr = None\n" + (
        "import builtins\nbuiltins.print = lambda *a, **k: None\n"
        "import keras\nkeras.Model().fit()\n"
    )
    (folder / "train.py").write_text(script)
    done = lrdsl(folder, "train", "-y", "-o", "out", "cosine.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert "plan = run at all 4 steps" in say(done)
    assert (folder / "out/rates.csv").exists()


def test_only_ascii_is_written_where_the_terminal_has_no_more(folder: Path) -> None:
    code = "import sys; sys.stderr.reconfigure(encoding='ascii'); "
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            code + "from lrdsl.cli.main import main; main()",
            *("train", "--dry-run", "known.lrs", "train.py"),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    assert done.stderr.isascii()
    assert b"\\u" not in done.stderr


def test_of_a_schedule_that_reacts_to_metrics_the_range_is_shown_first(folder: Path) -> None:
    (folder / "reactive.lrs").write_text("0.1 until val_loss < 0.1 then 0.01\n")
    words = ("train", "--dry-run", "reactive.lrs", "train.py")
    early = lrdsl(folder, *words[:2], "--epochs", "3", *words[2:])
    assert early.returncode == 0, early.stderr
    assert "if val_loss < 0.1 from the start" in early.stderr
    assert early.stdout == ""  # the program has not run
    late = lrdsl(folder, *words)
    assert late.returncode == 0, late.stderr
    assert "the plan is shown when `fit` starts" in late.stderr
    assert "if val_loss < 0.1 from the start" in late.stderr
    assert late.stdout.startswith("script\n")


def test_a_schedule_that_stops_by_itself_is_shown_with_its_end(folder: Path) -> None:
    (folder / "stop.lrs").write_text("0.1 until 2 then stop\n")
    done = lrdsl(folder, "train", "--dry-run", "--epochs", "3", "stop.lrs", "train.py")
    assert done.returncode == 0, done.stderr
    assert "stop.lrs  2 of 3 epochs, then stop" in done.stderr


def test_the_script_has_its_garbage_collected(folder: Path) -> None:
    script = f"import gc\nprint(gc.isenabled())\n{SCRIPT}"
    (folder / "train.py").write_text(script)
    done = lrdsl(folder, "train", "--yes", "--out", "out", "cosine.lrs", "train.py")
    assert done.stdout.splitlines()[0] == "True"
