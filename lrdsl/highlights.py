"""What is worth writing beside a curve: its first, highest and last value, and when."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrdsl.records import dataclass
from lrdsl.scales import Floats, format_rate, format_time
from lrdsl.targets import main

if TYPE_CHECKING:
    from lrdsl.plan import Plan, Snapshot

_EVALUATED = 2**16
_GRID = 2048
_MOST_TIMES = 6
_MOST_DIGITS = 9  # float32, in which training uses them, has no more


@dataclass(frozen=True, slots=True)
class Highlights:
    """The first, highest and last value of a target, and where its curve is lowest.

    Of the steps that run, where their number is known; else of the curve.  Times are in
    the plan's unit, steps count from 0.
    """

    first: float
    peak: float
    last: float
    lowest: float
    peak_time: float
    last_time: float
    peak_step: int | None
    is_executed: bool


def highlights(plan: Plan, target: str) -> Highlights:
    """Return what `target` starts with, reaches and ends with under `plan`.

    However long the training, a bounded number of steps is evaluated.  Past some hundred
    thousand steps the peak is sought where the sampled curve is highest; it is exact if
    the curve has one top there.
    """
    x, y = curve(plan, target, _GRID)
    top = int(np.argmax(y))
    total = plan.total_steps
    if total is None:
        return Highlights(
            first=float(y[0]),
            peak=float(y[top]),
            last=float(y[-1]),
            lowest=float(y.min()),
            peak_time=float(x[top]),
            last_time=float(x[-1]),
            peak_step=None,
            is_executed=False,
        )
    per_unit = steps_per_unit(plan)
    if total <= _EVALUATED:
        steps = np.arange(total)
    else:
        steps = _near_top(plan, target, x[max(top - 1, 0)], x[min(top + 1, len(x) - 1)])
    values = plan.values(steps, target)
    best = int(np.argmax(values))
    peak, peak_step = float(values[best]), int(steps[best])
    first, last = (float(v) for v in plan.values(np.array([0, total - 1]), target))
    if last > peak:
        peak, peak_step = last, total - 1
    if first >= peak:
        peak, peak_step = first, 0
    return Highlights(
        first=first,
        peak=peak,
        last=last,
        lowest=min(float(y.min()), first, last),
        peak_time=float(Fraction(peak_step) / per_unit),
        last_time=float(Fraction(total - 1) / per_unit),
        peak_step=peak_step,
        is_executed=True,
    )


def in_figures(marks: Highlights) -> tuple[str, str, str]:
    """Return the first, highest and last value as text.

    Four digits are enough for nearly every curve; one from 0.1 to 0.10001 needs more.
    """
    lowest, highest, digits = marks.lowest, marks.peak, 4
    while digits < _MOST_DIGITS and lowest < highest:
        if format_rate(lowest, digits) != format_rate(highest, digits):
            break
        digits += 1
    first, peak, last = (
        format_rate(value, digits) for value in (marks.first, marks.peak, marks.last)
    )
    return first, peak, last


def main_target(plan: Plan) -> str:
    """Return the target that a plan is mostly about: the rate, where it is set."""
    return main(plan.targets)


def curve(plan: Plan, target: str, points: int) -> tuple[Floats, Floats]:
    """Return about `points` points of a target's curve, up to the very end of training.

    Of steps that are known, many more are looked at than are returned, and of each stretch
    the extremes kept: sampled thinly, short cycles would show a pattern that is not there.

    Where steps are known a plan's own polyline ends with the last step that runs; what the
    formula tends to is added, so that the last step is as long as any other.
    """
    x, y = plan.polyline(target, points if plan.total_steps is None else _EVALUATED)
    end = float(plan.length)
    if x[-1] < end:
        x, y = np.append(x, end), np.append(y, plan.segments_of(target)[-1].end_value)
    return thinned(x, y, points, end)


def thinned(x: Floats, y: Floats, points: int, end: float) -> tuple[Floats, Floats]:
    """Return about `points` of the points up to `end`, of each stretch the extremes kept."""
    if len(x) <= 2 * points:
        return x, y
    kept = _extremes(x * (points / 4 / end), y)
    return x[kept], y[kept]


def _extremes(x: Floats, y: Floats) -> NDArray[np.intp]:
    """Return the numbers of the first, last, lowest and highest point of each unit of x."""
    stretch = x.astype(np.int64)
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    ends = np.append(starts[1:], len(x)) - 1
    by_height = np.lexsort((y, stretch))  # within a stretch, from lowest to highest
    return np.unique(np.concatenate([starts, ends, by_height[starts], by_height[ends]]))


def steps_per_unit(plan: Plan) -> Fraction:
    """Return the number of steps in one unit of the plan's times (1 if it is a step)."""
    if plan.unit == "steps" or plan.steps_per_epoch is None:
        return Fraction(1)
    return Fraction(plan.steps_per_epoch)


def smallest_tick(plan: Plan) -> Fraction | None:
    """Return the time between two steps, in the plan's unit, or None if it is not known."""
    if plan.total_steps is None:
        return None
    return 1 / steps_per_unit(plan)


def saved_after(plan: Plan, snapshot: Snapshot) -> Fraction:
    """Return when a model is saved, in the plan's unit: after the last step of its cycle.

    A cycle may end between two steps; where they are not known, its end is all there is.
    """
    if snapshot.step is None:
        return snapshot.time
    return (snapshot.step + 1) / steps_per_unit(plan)


def unsettled_from(plan: Plan) -> Fraction | None:
    """Return the time, in the plan's unit, from which on metrics not measured yet decide.

    None where none can: every epoch that counts was measured, or nothing reacts.  Of a plan
    without any metrics see `lrdsl.outlook`.
    """
    if plan.program.reactive is None or not plan.log or plan.horizon.epoch is None:
        return None
    # What the last epoch measured decides about the one after it.
    end = (len(plan.log) + 1) * plan.horizon.in_unit(plan.horizon.epoch)
    return end if end < plan.length else None


def length_in_words(plan: Plan) -> str:
    """Return how long the training is: `90 epochs of 390 steps = 35,100 steps`."""
    total = plan.total_steps
    if plan.is_stopped:
        whole = plan.horizon.in_unit(plan.horizon.total or Fraction(0))
        steps = "" if total is None or plan.unit == "steps" else f" = {_count(total, 'step')}"
        return (
            f"{format_time(plan.length)} of {format_time(whole)} {plan.unit}{steps}, then stop"
        )
    if plan.epochs is not None and plan.steps_per_epoch is not None and total is not None:
        return (
            f"{_count(plan.epochs, 'epoch')} of {_count(plan.steps_per_epoch, 'step')}"
            f" = {_count(total, 'step')}"
        )
    if plan.unit == "steps":
        text = f"{format_time(plan.length)} steps"
        if plan.steps_per_epoch is not None:
            epochs = Fraction(plan.length, plan.steps_per_epoch)
            text += f" = {format_time(epochs)} epochs of {_count(plan.steps_per_epoch, 'step')}"
        return text
    return f"{format_time(plan.length)} epochs"


def events_in_words(plan: Plan, *, since: int | None = None) -> str:
    """Return when a plan reacted to metrics: `2 cuts, at epochs 12 and 30; stop at epoch 46`.

    Empty where it did not.  `since` is the step from which on the plan was followed: what it
    had done up to there, by the metrics of a training that followed another, is left out.
    """
    at: dict[str, list[str]] = {}
    events = [e for e in plan.events if since is None or e.step is None or e.step > since]
    for event in events:
        time = format_time(event.time if event.epoch is None else event.epoch)
        what = event.kind if len(plan.targets) == 1 else f"{event.target} {event.kind}"
        at.setdefault(what, []).append(time)
    unit = "step" if any(event.epoch is None for event in events) else "epoch"
    parts = []
    for kind, times in at.items():
        if len(times) == 1:
            parts.append(f"{kind} at {unit} {times[0]}")
            continue
        count = f"{len(times):,} {kind}{'es' if kind.endswith('switch') else 's'}"
        if len(times) > _MOST_TIMES:
            listed = f"{', '.join(times[: _MOST_TIMES - 2])}, …, {times[-1]}"
        else:
            listed = f"{', '.join(times[:-1])} and {times[-1]}"
        parts.append(f"{count}, at {unit}s {listed}")
    return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _near_top(plan: Plan, target: str, left: float, right: float) -> NDArray[np.int64]:
    """Return the steps between two times, thinned towards the highest until they are few."""
    total = plan.total_steps or 1
    per_unit = float(steps_per_unit(plan))
    low = max(int(left * per_unit) - 1, 0)
    high = min(int(right * per_unit) + 1, total - 1)
    while high - low > _GRID:
        grid = np.unique(np.linspace(low, high, _GRID).astype(np.int64))
        best = int(np.argmax(plan.values(grid, target)))
        low, high = int(grid[max(best - 1, 0)]), int(grid[min(best + 1, len(grid) - 1)])
    return np.arange(low, high + 1)
