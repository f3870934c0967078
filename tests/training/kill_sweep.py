"""Kill a training at many moments, resume it, and print what came of it beside Keras's own.

    KERAS_BACKEND=jax python tests/training/kill_sweep.py [MOMENTS] [KEEPER …]

Each trial trains, kills itself by SIGKILL once or twice, and is started again until it ends:
with `state=…` of lrdsl, and with Keras's `BackupAndRestore` beside the same schedule.  It came
back right if weights, optimizer, counts, losses and applied rates are those of the training
that nobody killed, bit for bit.  Processes are forked from one that has imported Keras.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import keeping  # noqa: E402

EPOCHS = 8
WIDTH = 256
KEEPERS = {"lrdsl": "`state=…`", "keras": "`BackupAndRestore`"}


def train(out: Path, **options: Any) -> int:
    """Train in a forked process; return its exit status, below 0 for a signal."""
    sys.stdout.flush()
    out.mkdir(exist_ok=True)
    child = os.fork()
    if child == 0:
        handle = os.open(out / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        try:
            keeping.main(out, {"epochs": EPOCHS, **options})
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def import_keras() -> None:
    """Import what all trials need, before any is forked; none of it starts a thread."""
    import lrdsl.training.callback  # noqa: F401


def judge(out: Path, whole: Path) -> str:
    """Return how a training that came to its end differs from the one nobody killed."""
    if not (out / "end.npz").exists():
        return "could not resume"
    a, b = np.load(whole / "end.npz"), np.load(out / "end.npz")
    if int(b["iterations"]) != int(a["iterations"]):
        return "trained other steps"
    variables = [name for name in a.files if name.startswith("variable_")]
    if not all(np.array_equal(a[name], b[name]) for name in variables):
        return "other weights"
    if int(b["initial"]) != -1:
        return "same weights, leaks"
    return "right"


def judge_ours(out: Path, whole: Path) -> str:
    """Return the same, and whether rates, logs and snapshots are those of the other."""
    verdict = judge(out, whole)
    if verdict != "right":
        return verdict
    a, b = np.load(whole / "end.npz"), np.load(out / "end.npz")
    if a.files != b.files or not all(np.array_equal(a[n], b[n]) for n in a.files):
        return "other rates"
    lists = [one / "snapshots/snapshots.json" for one in (whole, out)]
    if not lists[0].exists():
        return "right"
    files = [json.loads(one.read_text())["snapshots"] for one in lists]
    steps = [[one["step"] for one in found] for found in files]
    return "right" if steps[0] == steps[1] else "other snapshots"


def trial(
    whole: Path, top: Path, keeper: str, kills: Sequence[dict[str, Any]], **options: Any
) -> str:
    """Train, kill, resume; return what came of it."""
    shutil.rmtree(top, ignore_errors=True)
    for number, kill in enumerate(kills):
        status = train(top, keeper=keeper, kill=kill, **options)
        if status == 0 and number == 0:
            return "over before the kill"
        if status == 0:
            break
        if status != -signal.SIGKILL:
            return "could not resume"
    if not (top / "end.npz").exists():
        train(top, keeper=keeper, **options)
    return (judge_ours if keeper == "lrdsl" else judge)(top, whole)


def moments(count: int) -> list[list[dict[str, Any]]]:
    """Return where to kill: by batch, by time, and half amid writes; every fifth twice."""
    random = np.random.default_rng(1)
    found: list[list[dict[str, Any]]] = []
    for number in range(count):
        one: dict[str, Any]
        if number % 2:
            one = {"write": int(random.integers(1, 60))}
        elif number % 4:
            one = {"after": float(random.uniform(0.0, 0.15))}
        else:
            epoch, batch = random.integers(EPOCHS), random.integers(keeping.STEPS)
            one = {"batch": [int(epoch), int(batch)]}
        again = {"after": float(random.uniform(0.0, 0.05))}
        found.append([one, again] if number % 5 == 4 else [one])
    return found


def sweep(count: int, keepers: Sequence[str]) -> dict[str, Counter[str]]:
    import_keras()
    results: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for keeper in keepers:
            whole = Path(folder, f"whole-{keeper}")
            began = time.monotonic()
            status = train(whole, keeper=keeper, width=WIDTH)
            assert status == 0, (whole / "log").read_text()
            print(f"{keeper}: {time.monotonic() - began:.1f} s unkilled", file=sys.stderr)
            results[keeper] = Counter(
                trial(whole, Path(folder, "trial"), keeper, kills, width=WIDTH)
                for kills in moments(count)
            )
    return results


def table(results: dict[str, Counter[str]], count: int) -> str:
    columns = ["right", "could not resume", "trained other steps", "other weights"]
    columns += sorted({c for found in results.values() for c in found} - set(columns))
    lines = [
        f"| of {count} kills | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
    ]
    for keeper, found in results.items():
        lines.append(f"| {KEEPERS[keeper]} | {' | '.join(str(found[c]) for c in columns)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(table(sweep(number, sys.argv[2:] or list(KEEPERS)), number))
