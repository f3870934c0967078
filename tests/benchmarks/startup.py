"""What it takes to start: whole processes, as multiples of `python -c pass`.

    python tests/benchmarks/startup.py [ROUNDS]

Processor time and the largest memory of each command and of what it stands on, with byte
code cached.  Beside them a hand-written script that draws one line, and one that draws the
schedule of a Keras optimizer.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from measuring import is_there, machine, show, spread

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 9

SCHEDULE = "train 90 epochs of 390 steps\nlr = warmup(5) then cosine(max=0.1)\n"

BY_HAND = """\
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot([0, 5, 90], [0, 0.1, 0])
figure.savefig("by_hand.png")
"""

BY_KERAS = """\
import keras, matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
schedule = keras.optimizers.schedules.CosineDecay(
    0.0, 33150, warmup_target=0.1, warmup_steps=1950
)
figure, axes = plt.subplots()
axes.plot([float(schedule(step)) for step in range(0, 35100, 100)])
figure.savefig("by_keras.png")
"""

OURS = {
    "lrdsl --help": ["--help"],
    "lrdsl check": ["check", "a.lrs"],
    "lrdsl fmt": ["fmt", "--check", "a.lrs"],
    "lrdsl plot": ["plot", "a.lrs"],
    "lrdsl values": ["values", "a.lrs", "--at", "5"],
    "lrdsl train --dry-run": ["train", "--dry-run", "a.lrs", "script.py"],
    "lrdsl plot -o x.png": ["plot", "a.lrs", "-o", "x.png"],
}
OTHERS = {
    "import click": ["-c", "import click"],
    "import lark": ["-c", "import lark"],
    "import numpy": ["-c", "import numpy"],
    "matplotlib, one line, by hand": ["-c", BY_HAND],
    "keras, its schedule drawn": ["-c", BY_KERAS],
}


def main() -> None:
    """Measure and print."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    home = Path(__file__).resolve().parents[2]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        os.environ["PYTHONPATH"] = f"{home}:{os.environ.get('PYTHONPATH', '')}"
        os.chdir(folder)
        Path("a.lrs").write_text(SCHEDULE, encoding="utf-8")
        Path("script.py").write_text("", encoding="utf-8")
        commands = {"python -c pass": ["-c", "pass"]}
        commands |= {name: ["-m", "lrdsl", *args] for name, args in OURS.items()}
        commands |= {
            name: args
            for name, args in OTHERS.items()
            if not name.startswith("keras") or is_there("keras")
        }
        taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(ROUNDS + 1):
            for name, args in commands.items():
                if turn > 2 and name.startswith("keras"):
                    continue  # seconds each
                found = run(args)
                if turn:
                    taken[name].append(found)
        report(taken)


def run(args: list[str]) -> tuple[float, float]:
    """Run Python and return the processor time and the memory that it took."""
    quiet = [(os.POSIX_SPAWN_OPEN, n, os.devnull, os.O_WRONLY, 0) for n in (1, 2)]
    # A shell between, since memory counts what the process was forked from.
    shell = ["/bin/sh", "-c", '"$0" "$@"; exit $?', sys.executable, *args]
    pid = os.posix_spawn("/bin/sh", shell, os.environ, file_actions=quiet)
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{args} failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def report(taken: dict[str, list[tuple[float, float]]]) -> None:
    """Print the table."""
    least = statistics.median(seconds for seconds, _ in taken["python -c pass"])
    rows = []
    for name, found in taken.items():
        seconds = [s for s, _ in found]
        median = statistics.median(seconds)
        memory = statistics.median(m for _, m in found)
        rows.append(
            [
                f"`{name}`" if name.startswith(("lrdsl", "python", "import")) else name,
                f"{median * 1e3:.0f} ms",
                f"{median / least:.1f}",
                f"± {100 * spread(seconds):.0f}%",
                f"{memory:.0f} MiB",
            ]
        )
    show(
        "Start-up", ["process", "processor time", "x pass", "spread", "memory"], rows, machine()
    )


if __name__ == "__main__":
    main()
