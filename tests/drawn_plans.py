"""Plans of every shape that a picture has to cope with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lrdsl

if TYPE_CHECKING:
    from lrdsl.plan import Plan

TWELVE = "const(0.1) until 7.5\n" + "\n".join(
    f"then linear(from={first}, to={last}) until {7.5 * (i + 2)}"
    for i, (first, last) in enumerate(
        [
            ("0.09", "0.072"),
            ("0.05", "0.04"),
            ("0.04", "0.04"),
            ("0.06", "0.048"),
            ("0.03", "0.024"),
            ("0.02", "0.02"),
            ("0.05", "0.04"),
            ("0.01", "0.008"),
            ("0.012", "0.012"),
            ("0.004", "0.0032"),
            ("0.001", "8e-4"),
        ]
    )
)

CASES: dict[str, tuple[str, dict[str, int]]] = {
    "one-segment": ("cosine(max=0.1)", {"epochs": 60, "steps_per_epoch": 28}),
    "three-segments": (
        "train 90 epochs of 390 steps\n"
        "warmup(5)\nthen cosine(max=0.1, min=0.01) until 60\nthen linear(to=0)",
        {},
    ),
    "twelve-segments": (TWELVE, {"epochs": 90, "steps_per_epoch": 390}),
    "snapshots": (
        "cosine(max=0.1, cycles=3) snapshot",
        {"epochs": 60, "steps_per_epoch": 23},
    ),
    "many-snapshots": (
        "cosine(max=0.1, cycles=20) snapshot(best=3, monitor=val_accuracy)",
        {"epochs": 60, "steps_per_epoch": 100},
    ),
    "five-decades": (
        "const(0.1) until 10 then exp(to=1e-6)",
        {"epochs": 100, "steps_per_epoch": 100},
    ),
    "nearly-constant": (
        "linear(from=0.1, to=0.10001)",
        {"epochs": 10, "steps_per_epoch": 50},
    ),
    "fifty-segments": (
        "0.1 until 2" + "".join(f" then 0.1 * 0.9 ^ {i} until {2 * i}" for i in range(2, 51)),
        {"epochs": 100, "steps_per_epoch": 10},
    ),
    "one-falling-step": ("cosine(max=0.1)", {"epochs": 1, "steps_per_epoch": 1}),
    "cycles-between-steps": (
        "cosine(max=0.1, cycles=3) snapshot",
        {"epochs": 10, "steps_per_epoch": 10},
    ),
    "constant": ("1e-3", {"epochs": 10, "steps_per_epoch": 100}),
    "one-step": ("1e-3", {"epochs": 1, "steps_per_epoch": 1}),
    "few-steps": ("linear(from=0.1, to=0)", {"epochs": 3, "steps_per_epoch": 4}),
    "staircase": ("decay(0.5, every=10) by 10", {"epochs": 90, "steps_per_epoch": 390}),
    "two-targets": (
        "let peak = 0.1\n"
        "train 90 epochs of 390 steps\n"
        "lr = cosine(from=0.004, to=peak) until 30% then cosine(to=4e-7)\n"
        "momentum = linear(from=0.95, to=0.85) until 30% then linear(to=0.95)",
        {},
    ),
    "steps-only": ("train 10000 steps\nwarmup(500) then 3e-4 until 80% then linear(to=0)", {}),
    "epochs-only": ("const(1e-3) until 10 then exp(0.1)", {"epochs": 60}),
    "long": (
        "warmup(5) then cosine(max=0.1)",
        {"epochs": 1_000_000, "steps_per_epoch": 1_000_000},
    ),
    "restarts": (
        "cosine(max=0.1) for 10 repeat stretch 2 scale 0.9",
        {"epochs": 70, "steps_per_epoch": 100},
    ),
    "noise": (
        "0.1 + 0.05 * noise(seed=7, every=1 epoch)",
        {"epochs": 200, "steps_per_epoch": 10},
    ),
}

_STALLING = (
    *(1.0, 0.8, 0.6, 0.5, 0.45, 0.44, 0.46, 0.45, 0.47, 0.44, 0.45, 0.3),
    *(0.29, 0.28, 0.27, 0.28, 0.29, 0.28, 0.28, 0.29, 0.29, 0.2, 0.21, 0.04),
)
METRICS = [{"loss": 0.9 * value, "val_loss": value} for value in _STALLING]
"""What was measured in a training of 24 epochs."""

# These react to metrics: what may happen is drawn.
RANGES: dict[str, tuple[str, dict[str, int]]] = {
    "plateau": (
        "plateau(from=0.1, monitor=val_loss, factor=0.5, patience=5)",
        {"epochs": 100, "steps_per_epoch": 10},
    ),
    "plateau-of-a-cosine": (
        "warmup(5) then cosine(max=0.1) * plateau(from=1, factor=0.5, patience=10)",
        {"epochs": 90, "steps_per_epoch": 390},
    ),
    "rising-plateau": (
        "plateau(from=0.01, factor=0.5, rise=1.3, max=0.1, patience=3)",
        {"epochs": 60, "steps_per_epoch": 28},
    ),
    "until-stalled": (
        "const(1e-3) until stalled(val_loss, patience=5)\n"
        "then exp(0.1) until val_loss < 0.05\nthen stop",
        {"epochs": 60},
    ),
    "two-reactions": (
        "lr = 0.1 until val_loss < 0.3 then linear(to=0)\n"
        "momentum = 0.9 until loss < 0.5 then 0.95",
        {"epochs": 5, "steps_per_epoch": 7},
    ),
    "nothing-can-happen": ("plateau(from=0.1, patience=20)", {"epochs": 10}),
    "too-long": ("plateau(from=0.1)", {"epochs": 1_000_000, "steps_per_epoch": 100}),
}

# And these have reacted: what happened is drawn.
REPLAYED: dict[str, tuple[str, dict[str, int]]] = {
    "replayed-plateau": (
        "plateau(from=0.1, monitor=val_loss, factor=0.5, patience=2)",
        {"epochs": 24, "steps_per_epoch": 390},
    ),
    "replayed-in-part": (
        "warmup(5) then cosine(max=0.1) * plateau(from=1, factor=0.5, patience=5)",
        {"epochs": 40, "steps_per_epoch": 10},
    ),
    "replayed-to-a-stop": (
        "const(1e-3) until stalled(val_loss, patience=5)\n"
        "then exp(0.1) until val_loss < 0.05\nthen stop",
        {"epochs": 60, "steps_per_epoch": 23},
    ),
    "replayed-targets": (
        "lr = 0.1 until val_loss < 0.3 then linear(to=0)\n"
        "momentum = 0.9 until loss < 0.5 then 0.95",
        {"epochs": 30},
    ),
    "replayed-many": (
        "plateau(from=0.1, mode=max, monitor=val_loss, factor=0.9, patience=1)",
        {"epochs": 90, "steps_per_epoch": 10},
    ),
}

ALL = {**CASES, **RANGES, **REPLAYED}


def plan(name: str) -> Plan:
    """Return the plan of a case."""
    text, horizon = ALL[name]
    base = {"base": 0.1} if name == "staircase" else {}
    made = lrdsl.loads(text).plan(**horizon, **base)
    if name not in REPLAYED:
        return made
    return made.replay(METRICS * (3 if name == "replayed-many" else 1))
