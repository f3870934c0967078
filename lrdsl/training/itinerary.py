"""Where a running training stands in its plan, in words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

from lrdsl.highlights import main_target, saved_after, steps_per_unit
from lrdsl.records import dataclass
from lrdsl.scales import format_rate, format_time
from lrdsl.targets import RATE

if TYPE_CHECKING:
    from lrdsl.plan import Plan


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a step stands.

    Attributes:
        rate: the name of the main target, and its value at the step.
        segment: the text of the step's segment.
        number: which of the segments it is, from 0.
        until: when the next one begins, such as "epoch 30"; None in the last.
        snapshot: when the next model is saved, likewise; None if no more is.
    """

    rate: tuple[str, float]
    segment: str
    number: int
    until: str | None
    snapshot: str | None


class Itinerary:
    """The boundaries and snapshots of a plan, in the order of its steps."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._target = main_target(plan)
        self._segments = plan.segments_of(self._target)
        self._starts = [one.first_step or 0 for one in self._segments]
        per_unit = steps_per_unit(plan)
        # A snapshot is saved after the last step before its time.
        self._due = [-int(-one.time * per_unit // 1) for one in plan.snapshots]

    def is_of(self, plan: Plan) -> bool:
        """Whether it is that of this very plan: one that reacts to metrics changes."""
        return self._plan is plan

    def at(self, step: int, rate_of: int) -> Stand:
        """Return where a step stands, with the rate of that step or of another one.

        The step may be past the last one; a rate is one that runs.
        """
        number = max(bisect_right(self._starts, step) - 1, 0)
        following = self._segments[number + 1 : number + 2]
        left = self._plan.snapshots[bisect_right(self._due, step) :]
        rate_of = min(rate_of, (self._plan.total_steps or 1) - 1)
        return Stand(
            (self._target, float(self._plan.values(rate_of, self._target))),
            self._segments[number].text,
            number,
            self._when(following[0].start) if following else None,
            self._when(saved_after(self._plan, left[0])) if left else None,
        )

    def _when(self, time: Fraction) -> str:
        return f"{self._plan.unit.removesuffix('s')} {format_time(time)}"


@dataclass(frozen=True, slots=True)
class Moment:
    """What is known of a running `fit` at one moment.

    Attributes:
        epoch, epochs: which epoch it is in, from 0, and how many there are.
        batch, batches: the same of the epoch's steps.
        stand: where that is in the plan.
        metrics: the latest ones, the rates among them.
        left: seconds to the end of training, None while nobody can say.
        is_validating: whether it is.
    """

    epoch: int
    epochs: int
    batch: int
    batches: int
    stand: Stand
    metrics: Mapping[str, float]
    left: float | None
    is_validating: bool = False

    def of_epoch(self, *, has_ahead: bool) -> str:
        """Return what is said when an epoch is over, in one line; with what is next or not."""
        words = [f"epoch {self.epoch + 1:,}/{self.epochs:,}", *self._numbers()]
        if self.epoch + 1 < self.epochs:
            words += [*(self._ahead() if has_ahead else ()), self._left()]
        return "  ".join(filter(None, words))

    def ahead(self) -> str:
        """Return what the schedule does now, and what is next."""
        return "  ".join([*self._numbers(), *self._ahead()])

    def bar(self, width: int, *, full: str, empty: str) -> str:
        """Return how far the training is, as a line of so many columns at most."""
        lead = f"epoch {self.epoch + 1:,}/{self.epochs:,} "
        tail = f" step {self.batch + 1:,}/{self.batches:,}"
        tail += ", validating" if self.is_validating else ""
        left = self._left()
        tail += f"  {left}" if left else ""
        room = min(width - len(lead) - len(tail), 40)
        if room < 8:
            return (lead + tail.lstrip())[:width]
        done = (self.epoch + (self.batch + 1) / self.batches) / self.epochs
        filled = min(round(done * room), room)
        return lead + full * filled + empty * (room - filled) + tail

    def _numbers(self) -> list[str]:
        name, rate = self.stand.rate
        shown = [f"{name} {format_rate(rate)}"]
        for metric, value in self.metrics.items():
            # Ours, and those of the optimizer's parts, are in the logs too.
            if metric not in ("learning_rate", RATE, name) and not metric.endswith(f".{RATE}"):
                shown.append(f"{metric} {value:.4g}")
        return shown

    def _ahead(self) -> list[str]:
        until = f"until {self.stand.until}" if self.stand.until else "to the end"
        text = " ".join(self.stand.segment.split())
        found = [f"in {text} {until}"]
        if self.stand.snapshot is not None:
            found.append(f"snapshot at {self.stand.snapshot}")
        return found

    def _left(self) -> str:
        return "" if self.left is None else f"{in_hours(self.left)} left"


def in_hours(seconds: float) -> str:
    """Return a length of time as a clock shows it: `0:42`, `3:12:05`, `2 d 3 h`."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        return f"{days:,} d {hours_of_day} h"
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}"


def metrics_in(logs: Mapping[str, object] | None) -> dict[str, float]:
    """Return the numbers among the logs of a `fit`."""
    found = {}
    for name, value in (logs or {}).items():
        try:
            found[name] = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):  # a matrix of confusions, say
            continue
    return found
