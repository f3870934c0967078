"""Kill a training amid its saves, look at what lies there, and print a table.

    python tests/training/snapshot_sweep.py [KILLS]

Each trial trains a model that is saved after every epoch, and is killed by SIGKILL while it
saves: at a random moment of a save, or, for lrdsl, right before one of its calls that flush,
rename or delete.  Then every model that lies there, or that the list names, is loaded.  At
last the training of lrdsl goes on in the same folder, and must leave the files that it leaves
unkilled, and no other.  Beside it stands Keras's `ModelCheckpoint`, with one file that is
replaced and with a file for each epoch.  Processes are forked from one that has imported Keras.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

import keeping  # noqa: E402

EPOCHS = 6
WIDTH = 700  # of a layer: a file of 6 MB with its optimizer
BATCH = 4
SCHEDULES = {
    "keep": "linear(from=1e-3, to=1e-4) for 1 repeat snapshot(keep=2)",
    # Every other one inside an epoch, at whose end it is given its metrics.
    "best": "linear(from=1e-3, to=1e-4) for 0.5 repeat snapshot(best=2, monitor=loss)",
}
COLUMNS = ("all models load", "a broken model", "no model left", "wrong after going on")


def in_a_fork(function: Callable[[], None], log: Path) -> int:
    """Call a function in a process of its own; return its status, below 0 for a signal."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        try:
            function()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(out: Path, keeper: str, kill: dict[str, Any]) -> None:
    import keras

    import lrdsl

    keras.utils.set_random_seed(1)
    steps = 2 if keeper == "best" else 1
    x = np.ones((steps * BATCH, WIDTH), np.float32)
    model = keras.Sequential([keras.Input((WIDTH,)), keras.layers.Dense(WIDTH)])
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile=False)
    models = out / "models"
    if keeper == "one file":
        models.mkdir(exist_ok=True)
        saver: Any = keras.callbacks.ModelCheckpoint(models / "model.keras")
    elif keeper == "a file each":
        models.mkdir(exist_ok=True)
        saver = keras.callbacks.ModelCheckpoint(models / "model-{epoch}.keras")
    else:
        saver = lrdsl.compile(SCHEDULES[keeper], state=out / "state")
        saver.snapshots = models
        saver.say = print
    if "amid" in kill:
        kill_amid_save(keras, *kill["amid"])
    if "call" in kill:
        keeping.kill_before_write(kill["call"])
    model.fit(
        x, x, epochs=EPOCHS, batch_size=BATCH, shuffle=False, verbose=0, callbacks=[saver]
    )


def kill_amid_save(keras: Any, number: int, after: float) -> None:
    """Have the process killed so long after its `number`-th save began."""
    save, calls = keras.Model.save, [number]

    def counted(*args: Any, **kwargs: Any) -> None:
        calls[0] -= 1
        if calls[0] == 0:
            threading.Timer(after, keeping.die).start()
        save(*args, **kwargs)

    keras.Model.save = counted


def load_all(paths: list[Path]) -> None:
    import keras

    for path in paths:
        keras.saving.load_model(path)


def judge(out: Path, keeper: str) -> str:
    """Return what a kill has left."""
    from lrdsl.training.manifest import read_manifest, sha256_of

    models = out / "models"
    if keeper in SCHEDULES:
        listed = read_manifest(models)
        if any(sha256_of(one.path) != one.sha256 for one in listed):
            return "a broken model"
        paths = [one.path for one in listed]
    else:
        paths = sorted(models.glob("*.keras"))
    whole = [path for path in paths if is_whole(path)]
    if whole and in_a_fork(lambda: load_all(whole), out / "log") != 0:
        return "a broken model"
    if not whole:
        return "no model left"
    return "all models load" if whole == paths else "a broken model"


def is_whole(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except zipfile.BadZipFile:
        return False


def names_in(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "models").iterdir())


def trial(out: Path, keeper: str, kill: dict[str, Any], unkilled: list[str]) -> str:
    out.mkdir()
    status = in_a_fork(lambda: train(out, keeper, kill), out / "log")
    if status != -signal.SIGKILL:
        return "over before the kill" if status == 0 else "could not train"
    verdict = judge(out, keeper)
    if keeper in SCHEDULES:
        in_a_fork(lambda: train(out, keeper, {}), out / "log")
        if names_in(out) != unkilled or judge(out, keeper) != "all models load":
            return "wrong after going on"
    return verdict


def seconds_of_a_save(top: Path) -> float:
    """Return how long one save takes, the list included."""
    found = top / "seconds"

    def measure() -> None:
        import keras

        save = keras.Model.save

        def timed(*args: Any, **kwargs: Any) -> None:
            began = time.monotonic()
            save(*args, **kwargs)
            found.write_text(str(time.monotonic() - began))

        keras.Model.save = timed
        train(top, "one file", {})

    assert in_a_fork(measure, top / "log") == 0, (top / "log").read_text()
    return float(found.read_text())


def sweep(count: int) -> dict[str, Counter[str]]:
    import lrdsl.training.callback  # noqa: F401 - once, before the forks

    results: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        seconds = seconds_of_a_save(top)
        print(f"a save takes {seconds * 1000:.0f} ms", file=sys.stderr)
        random = np.random.default_rng(1)
        # From the second save on, so that there is something to lose.
        moments = [
            {"amid": (int(random.integers(2, EPOCHS + 1)), float(random.uniform(0, seconds)))}
            for _ in range(count)
        ]
        # The first 20 calls are of the first model, its list and its commit.
        calls = [{"call": 20 + number} for number in range(count)]
        unkilled: dict[str, list[str]] = {}
        for keeper in SCHEDULES:
            out = top / f"{keeper}-unkilled"
            out.mkdir()
            assert in_a_fork(partial(train, out, keeper, {}), out / "log") == 0
            unkilled[keeper] = names_in(out)
            assert len(unkilled[keeper]) == 3, unkilled  # two models and the list
        for name, keeper, kills in (
            ("`snapshot(keep=2)`, amid a save", "keep", moments),
            ("`snapshot(keep=2)`, before each call", "keep", calls),
            ("`snapshot(best=2, …)`, before each call", "best", calls),
            ("`ModelCheckpoint`, one file", "one file", moments),
            ("`ModelCheckpoint`, a file for each epoch", "a file each", moments),
        ):
            found = [
                trial(
                    top / f"{keeper}-{len(results)}-{number}",
                    keeper,
                    kill,
                    unkilled.get(keeper, []),
                )
                for number, kill in enumerate(kills)
            ]
            results[name] = Counter(found)
            print(f"{name}: {dict(results[name])}", file=sys.stderr, flush=True)
    return results


def table(results: dict[str, Counter[str]], count: int) -> str:
    others = {found for counts in results.values() for found in counts} - set(COLUMNS)
    columns = [*COLUMNS, *sorted(others)]
    lines = [
        f"| of {count} kills each | {' | '.join(columns)} |",
        "| --- |" + " --- |" * len(columns),
    ]
    for name, found in results.items():
        lines.append(f"| {name} | {' | '.join(str(found[column]) for column in columns)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(table(sweep(number), number))
