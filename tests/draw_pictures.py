"""Draw the picture of each example: `python tests/draw_pictures.py`.

The pictures in `examples/pictures/` are made by this script alone; a test draws them again
and compares what they show.
"""

from __future__ import annotations

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


def main(folder: Path = PICTURES) -> None:
    """Draw every picture into a folder."""
    from lrdsl.plotting import save

    folder.mkdir(exist_ok=True)
    for name in (*HORIZONS, *REPLAYS):
        save(plan_of(name), folder / f"{name}.png")


if __name__ == "__main__":
    main()
