"""Plans that are drawn together, and compared."""

from __future__ import annotations

import lrdsl
from lrdsl.plan import Plan
from lrdsl.together import Together, together

RESNET = (
    "let peak = 0.1\ntrain 90 epochs of 390 steps\n"
    "lr = warmup(5) then cosine(max=peak)\n"
    "momentum = 0.85 until 30% then linear(from=0.85, to=0.95)"
)
LONG = {"epochs": 70, "steps_per_epoch": 100}


def plan(text: str, **horizon: float) -> Plan:
    return lrdsl.loads(text).plan(**horizon)


def values() -> Together:
    """Return one schedule with three values."""
    plans = [lrdsl.loads(RESNET, peak=peak).plan() for peak in (0.05, 0.1, 0.2)]
    return together(["peak=0.05", "peak=0.1", "peak=0.2"], plans)


def files() -> Together:
    """Return schedules of five kinds."""
    texts = {
        "cosine.lrs": "cosine(max=0.1)",
        "wsd.lrs": "warmup(5) then 0.1 until 75% then linear(to=0)",
        "one_cycle.lrs": "one_cycle(0.1)",
        "sgdr.lrs": "cosine(max=0.1) for 10 repeat stretch 2 scale 0.9",
        "steps.lrs": "step(0.1, every=20, from=0.1)",
    }
    return together(list(texts), [plan(text, **LONG) for text in texts.values()])


def lengths() -> Together:
    """Return one schedule in trainings of two lengths."""
    text = "warmup(5) then exp(to=1e-6)"
    long, short = (plan(text, epochs=e, steps_per_epoch=50, base=0.1) for e in (60, 20))
    return together(["long", "short"], [long, short])


def alike() -> Together:
    """Return one schedule written in two ways, and three more of the same curve."""
    texts = ["0.1 until 5 then 0.05", *["const(0.1) until 5 then const(0.05)"] * 4]
    plans = [plan(text, epochs=10, steps_per_epoch=7) for text in texts]
    return together([f"{number}.lrs" for number in range(5)], plans)


def steps() -> Together:
    """Return plans of few steps that know no epochs."""
    texts = ["train 30 steps  linear(from=0.1, to=0)", "train 30 steps  0.05"]
    return together(["line", "flat"], [plan(text) for text in texts])


ALL = {"values": values, "files": files, "lengths": lengths, "alike": alike, "steps": steps}
