"""Draw the pictures of the README: `python tests/draw_pictures.py`.

The pictures in `examples/pictures/` are made by this script alone; a test draws them again
and compares what they show.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lrdsl
from lrdsl.plan import Plan

EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = EXAMPLES / "pictures"

# How long the examples train that do not say so themselves.
HORIZONS = {
    "constant_then_exponential": {"epochs": 60, "steps_per_epoch": 100},
    "flat_cosine": {"epochs": 60, "steps_per_epoch": 100},
    "formula": {"epochs": 100, "steps_per_epoch": 100},
    "overlapping_warmup": {"epochs": 60, "steps_per_epoch": 100},
    "plateau": {"epochs": 100, "steps_per_epoch": 100},
    "resnet": {},
    "snapshot": {"epochs": 60, "steps_per_epoch": 38},
    "until_stalled": {"epochs": 60, "steps_per_epoch": 100},
    "warm_restarts": {"epochs": 70, "steps_per_epoch": 100},
    "warmup_factor": {"epochs": 60, "steps_per_epoch": 100},
    "warmup_plateau": {"epochs": 60, "steps_per_epoch": 38},
    "warmup_stable_decay": {},
}

# Pictures of examples that react to metrics, and have: the example, and the log.
REPLAYS = {"warmup_plateau_replayed": ("warmup_plateau", "digits_log.csv")}


def plan_of(name: str) -> Plan:
    """Return the plan of an example, as its picture shows it."""
    example, log = REPLAYS.get(name, (name, None))
    plan = lrdsl.load(EXAMPLES / f"{example}.lrs").plan(**HORIZONS[example])
    return plan if log is None else plan.replay(lrdsl.read_metrics(EXAMPLES / log))


def _draw_peaks(path: Path) -> None:
    """`lrdsl plot examples/resnet.lrs peak=0.05,0.1,0.2 --theme dark`."""
    from lrdsl.plotting.several import save_several
    from lrdsl.together import together

    peaks = (0.05, 0.1, 0.2)
    plans = [lrdsl.load(EXAMPLES / "resnet.lrs", peak=peak).plan() for peak in peaks]
    names = [f"peak={peak}" for peak in peaks]
    save_several(together(names, plans), path, f"resnet.lrs: {', '.join(names)}", theme="dark")


def _draw_difference(path: Path) -> None:
    """`lrdsl diff before.lrs after.lrs`: a decay that begins later."""
    from lrdsl.comparison import compare_plans
    from lrdsl.plotting.differences import save_difference
    from lrdsl.program import make_program
    from lrdsl.source import SourceText
    from lrdsl.together import together

    text = "train 90 epochs of 390 steps\nlr = warmup(5) then 0.1 until {} then linear(to=0)\n"
    names = ("before.lrs", "after.lrs")
    texts = (text.format(60), text.format(75))
    plans = [
        make_program(SourceText(text, name)).plan()
        for text, name in zip(texts, names, strict=True)
    ]
    save_difference(together(names, plans), compare_plans(*plans), path)


def _draw_run(path: Path) -> None:
    """`lrdsl plot` of a plan with more patience than the run had that is laid over it."""
    from lrdsl.applied import hold_against, read_run
    from lrdsl.plotting.run import save_run
    from lrdsl.program import make_program
    from lrdsl.run_view import RunView
    from lrdsl.source import SourceText

    run = read_run(EXAMPLES / "digits_log.csv")
    text = (EXAMPLES / "warmup_plateau.lrs").read_text(encoding="utf-8")
    patient = SourceText(text.replace("patience=3", "patience=4"), "patient.lrs")
    plan = make_program(patient).plan(**HORIZONS["warmup_plateau"]).replay(run.metrics)
    save_run(RunView(plan, run, hold_against(plan, run), run.metrics), path)


OTHERS: dict[str, Callable[[Path], None]] = {
    "peaks": _draw_peaks,
    "difference": _draw_difference,
    "run": _draw_run,
}
"""Pictures of what else `plot` and `diff` draw, each with what draws it into a file."""

NAMES = (*HORIZONS, *REPLAYS, *OTHERS)


def draw(name: str, folder: Path) -> Path:
    """Draw one picture into a folder."""
    from lrdsl.plotting import save

    path = folder / f"{name}.png"
    if name in OTHERS:
        OTHERS[name](path)
    else:
        save(plan_of(name), path)
    return path


def main(folder: Path = PICTURES) -> None:
    """Draw every picture into a folder."""
    folder.mkdir(exist_ok=True)
    for name in NAMES:
        draw(name, folder)


if __name__ == "__main__":
    main()
