"""What the rates of a long training take, against NumPy by hand and other libraries.

    python tests/benchmarks/evaluation.py [ROUNDS]

Warmup, cosine, exponential over ten million steps.  Libraries that step a scheduler are
asked for fewer steps; those that are not installed are named.  With mpmath installed, a
sample of each is compared with the formula in 60 digits: how many are the float32 nearest
to it, and how many lie so near to the middle between two that float64 cannot tell.
"""

from __future__ import annotations

import importlib
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from measuring import interleaved, is_there, machine, show, spread
from numpy.typing import NDArray

import lrdsl

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
STEPS = 10**7
FEW = 20_000
WARM, COSINE_END = STEPS // 20, STEPS * 6 // 10
PEAK, LOW, RATE = 0.1, 0.01, 5.0
TEXT = f"warmup(5%) then cosine(max={PEAK}, to={LOW}) until 60% then exp({RATE}, every=end)"
SAMPLE = 500

Floats = NDArray[np.float64]


def plan(text: str, steps: int) -> Any:
    """Return the plan of a training that counts steps."""
    return lrdsl.loads(f"train {steps} steps\nlr = {text}").plan()


def by_hand() -> Floats:
    """Return the rates by the formulas, sliced and in blocks, as a careful person would."""
    out = np.empty(STEPS)
    block = 2**15
    for low in range(0, STEPS, block):
        high = min(low + block, STEPS)
        a, b = min(high, max(low, WARM)), min(high, max(low, COSINE_END))
        t = np.arange(low, high, dtype=np.float64)
        out[low:a] = t[: a - low] * (PEAK / WARM)
        p = (t[a - low : b - low] - WARM) / (COSINE_END - WARM)
        out[a:b] = LOW + (PEAK - LOW) * 0.5 * (1 + np.cos(np.pi * p))
        out[b:high] = LOW * np.exp((t[b - low :] - COSINE_END) * (-RATE / STEPS))
    return out


# -- other libraries: a function to the rates of so many steps, and how many it is asked for


def stepped(optimizer: Any, schedulers: Sequence[Any], steps: int) -> Floats:
    """Return the rate of a torch optimizer at each step that schedulers take it through."""
    found = np.empty(steps)
    for step in range(steps):
        found[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def torch_rates(steps: int) -> Floats:
    """Step torch's SequentialLR."""
    import torch
    from torch.optim import lr_scheduler as there

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    warm, end = steps // 20, steps * 6 // 10
    gamma = float(np.exp(-RATE / steps)) if steps else 1.0
    scheduler = there.SequentialLR(
        optimizer,
        [
            there.LinearLR(optimizer, 1e-9, 1.0, total_iters=warm),
            there.CosineAnnealingLR(optimizer, end - warm, eta_min=LOW),
            there.ExponentialLR(optimizer, gamma),
        ],
        milestones=[warm, end],
    )
    return stepped(optimizer, [scheduler], steps)


def transformers_rates(steps: int) -> Floats:
    """Step transformers' cosine schedule with warmup."""
    import torch
    from transformers import get_cosine_schedule_with_warmup

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = get_cosine_schedule_with_warmup(optimizer, steps // 20, steps)
    return stepped(optimizer, [scheduler], steps)


def timm_rates(steps: int) -> Floats:
    """Ask timm's cosine schedule."""
    import torch
    from timm.scheduler import CosineLRScheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = CosineLRScheduler(
        optimizer, t_initial=steps, warmup_t=steps // 20, lr_min=LOW, t_in_epochs=False
    )
    found = np.empty(steps)
    for step in range(steps):
        scheduler.step_update(step)
        found[step] = optimizer.param_groups[0]["lr"]
    return found


def mmengine_rates(steps: int) -> Floats:
    """Step mmengine's linear and cosine schedules."""
    import torch
    from mmengine.optim import CosineAnnealingLR, LinearLR

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    warm = steps // 20
    schedulers = [
        LinearLR(optimizer, start_factor=1e-9, by_epoch=False, end=warm),
        CosineAnnealingLR(
            optimizer, T_max=steps - warm, eta_min=LOW, by_epoch=False, begin=warm, end=steps
        ),
    ]
    return stepped(optimizer, schedulers, steps)


def ignite_rates(steps: int) -> Floats:
    """Simulate ignite's piecewise-linear schedule."""
    from ignite.handlers.param_scheduler import PiecewiseLinear

    marks = [(0, 0.0), (steps // 20, PEAK), (steps, LOW)]
    pairs = PiecewiseLinear.simulate_values(
        num_events=steps, param_name="lr", milestones_values=marks
    )
    return np.array([value for _, value in pairs])


def optax_rates() -> Callable[[], Any]:
    """Return optax's joined schedule, compiled by jax, over all steps at once."""
    import jax
    import optax

    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, PEAK, WARM),
            optax.cosine_decay_schedule(PEAK, COSINE_END - WARM, LOW / PEAK),
            optax.exponential_decay(LOW, STEPS, float(np.exp(-RATE))),
        ],
        [WARM, COSINE_END],
    )
    steps = jax.numpy.arange(STEPS)
    compiled = jax.jit(schedule)
    return lambda: compiled(steps).block_until_ready()


def keras_rates(steps: int) -> Floats:
    """Call Keras's CosineDecay step by step, as its optimizers do without a compiled step."""
    from keras.optimizers.schedules import CosineDecay

    schedule = CosineDecay(
        0.0, steps - steps // 20, LOW / PEAK, warmup_target=PEAK, warmup_steps=steps // 20
    )
    return np.array([float(schedule(step)) for step in range(steps)])


STEPPED = {
    "torch": (torch_rates, FEW),
    "transformers": (transformers_rates, FEW),
    "timm": (timm_rates, FEW),
    "mmengine": (mmengine_rates, FEW),
    "ignite": (ignite_rates, FEW),
    "keras": (keras_rates, 500),
}
PACKAGES = {"ignite": "pytorch-ignite"}


def nearest_float32(rates: Callable[[NDArray[np.int64]], Any]) -> str:
    """Return which share of a sample is the float32 nearest to the formula."""
    if not is_there("mpmath"):
        return "mpmath is not installed"
    mp = importlib.import_module("mpmath").mp
    mp.dps = 60
    rng = np.random.default_rng(1)
    steps = np.unique(np.concatenate([rng.integers(1, STEPS, SAMPLE), [1, COSINE_END - 1]]))
    right = undecided = 0
    for step, rate in zip(steps.tolist(), np.asarray(rates(steps)).tolist(), strict=True):
        exact = exactly(mp, step)
        near = np.float32(float(exact))
        right += np.float32(rate) == near
        other = np.nextafter(near, np.float32(np.inf if exact > float(near) else -np.inf))
        middle = (mp.mpf(float(near)) + mp.mpf(float(other))) / 2
        undecided += abs(exact - middle) < exact * mp.mpf(2) ** -50
    tail = f", {undecided} undecided" if undecided else ""
    return f"{100 * right / len(steps):.1f}%{tail}"


def exactly(mp: Any, step: int) -> Any:
    """Return the formula's rate in the digits that mpmath is set to."""
    low, peak = mp.mpf("0.01"), mp.mpf("0.1")
    if step < WARM:
        return peak * step / WARM
    if step < COSINE_END:
        p = mp.mpf(step - WARM) / (COSINE_END - WARM)
        return low + (peak - low) * (1 + mp.cos(mp.pi * p)) / 2
    return low * mp.exp(-mp.mpf(5) * (step - COSINE_END) / STEPS)


def compare_speed() -> None:
    """Print what ten million steps take."""
    made = plan(TEXT, STEPS)
    hand = by_hand()
    cases: dict[str, Callable[[], Any]] = {
        "lrdsl": made.values,
        "NumPy by hand, in blocks": by_hand,
    }
    right = {
        "lrdsl": nearest_float32(made.values),
        "NumPy by hand, in blocks": nearest_float32(lambda steps: hand[steps]),
    }
    per_call = dict.fromkeys(cases, STEPS)
    missing = []
    if is_there("optax") and is_there("jax"):
        case = optax_rates()
        found = np.asarray(case())
        cases["optax, compiled, float32"], per_call["optax, compiled, float32"] = case, STEPS
        right["optax, compiled, float32"] = nearest_float32(lambda steps: found[steps])
    else:
        missing.append("optax")
    for name, (rates, steps) in STEPPED.items():
        if is_there(PACKAGES.get(name, name)):
            cases[name], per_call[name] = partial(rates, steps), steps
        else:
            missing.append(name)
    taken = interleaved(cases, ROUNDS)
    speed = {name: per_call[name] / statistics.median(taken[name]) / 1e6 for name in cases}
    rows = [
        [
            name,
            f"{speed[name]:,.3g} million steps/s",
            f"{speed['lrdsl'] / speed[name]:,.{0 if speed[name] < 10 else 1}f}",
            f"± {100 * spread(taken[name]):.0f}%",
            right.get(name, "—"),
        ]
        for name in cases
    ]
    left_out = f"Not installed here: {', '.join(missing)}. " if missing else ""
    show(
        "Ten million rates",
        ["library", "speed", "times the time of lrdsl", "spread", "nearest float32"],
        rows,
        left_out + machine(),
    )


def compare_segments() -> None:
    """Print what many segments and many steps cost."""
    rows = []
    rng = np.random.default_rng(2)
    for count in (1, 100, 10_000):
        length = STEPS // count
        row = [f"{count:,}"]
        for part in ("{low:.6g} for {n} steps", "cosine(from=0.1, to={low:.6g}) for {n} steps"):
            text = " then ".join(
                part.format(low=0.09 / (i + 1), n=length) for i in range(count)
            )
            made = plan(text, STEPS)
            some = rng.integers(0, STEPS, 300).tolist()
            cases: dict[str, Callable[[], Any]] = {
                "all": made.values,
                "one": lambda made=made, some=some: [made.values(step) for step in some],
            }
            taken = interleaved(cases, min(ROUNDS, 3))
            each = statistics.median(taken["all"]) / STEPS * 1e9
            one = statistics.median(taken["one"]) / 300 * 1e6
            row += [f"{each:.1f} ns", f"{one:.0f} µs"]
        rows.append(row)
    show(
        "Ten million steps in segments of one length",
        ["segments", "numbers, a step of all", "a step alone", "cosines, of all", "alone"],
        rows,
    )


def compare_lengths() -> None:
    """Print what planning and drawing a training of any length take."""
    rows = []
    for steps in (10**2, 10**6, 10**12):
        made = plan(TEXT, steps)
        cases: dict[str, Callable[[], Any]] = {
            "plan": partial(plan, TEXT, steps),
            "points": made.polyline,
        }
        taken = interleaved(cases, ROUNDS)
        times = [f"{statistics.median(taken[name]) * 1e3:.2f} ms" for name in cases]
        rows.append([f"{steps:,}", *times, f"{made.polyline()[0].size:,}"])
    show(
        "Plans of any length",
        ["steps", "checked and planned", "points for a picture", "points"],
        rows,
    )


if __name__ == "__main__":
    compare_speed()
    compare_segments()
    compare_lengths()
