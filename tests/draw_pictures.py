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
    "resnet": {},
    "snapshot": {"epochs": 60, "steps_per_epoch": 38},
    "warm_restarts": {"epochs": 70, "steps_per_epoch": 100},
    "warmup_factor": {"epochs": 60, "steps_per_epoch": 100},
    "warmup_stable_decay": {},
}

# These react to metrics, so no one curve can be drawn of them.
REACTIVE = ("plateau", "until_stalled")


def plan_of(name: str) -> Plan:
    """Return the plan of an example, as its picture shows it."""
    return lrdsl.load(EXAMPLES / f"{name}.lrs").plan(**HORIZONS[name])


def main(folder: Path = PICTURES) -> None:
    """Draw every picture into a folder."""
    from lrdsl.plotting import save

    folder.mkdir(exist_ok=True)
    for name in HORIZONS:
        save(plan_of(name), folder / f"{name}.png")


if __name__ == "__main__":
    main()
