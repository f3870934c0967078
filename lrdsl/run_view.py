"""A plan and what a run made of it: the lines to draw, and the words to say."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lrdsl.applied import LOGGED, Agreement, Run, why
from lrdsl.highlights import thinned, unsettled_from
from lrdsl.metric_log import Row
from lrdsl.scales import Floats, format_time
from lrdsl.together import Line, Together, together

if TYPE_CHECKING:
    from lrdsl.plan import Plan

PLAN, APPLIED = "plan", "run"

_VALIDATION = "val_"
_MOST_PANELS = 4  # of metrics


class MetricLines(NamedTuple):
    """A metric, with and without validation."""

    name: str
    lines: list[Line]


class RunView:
    """A plan with a run beside it.

    Attributes:
        plan, run, agreement: what is shown.
        clock: the plan under its clock.
        metrics: a row for each epoch.
    """

    def __init__(
        self, plan: Plan, run: Run, agreement: Agreement, metrics: tuple[Row, ...]
    ) -> None:
        self.plan, self.run, self.agreement, self.metrics = plan, run, agreement, metrics
        self.clock: Together = together([PLAN], [plan])

    def lines(self, target: str, points: int) -> list[Line]:
        """Return the plan's curve, and over it what was applied."""
        (plan,) = self.clock.lines(target, points)
        ground = Line((PLAN,), 0, plan.x, plan.y, is_ground=True)
        steps, rates = self.agreement.steps, self.agreement.rates.get(target)
        if rates is None or not len(steps):
            return [ground]
        finite = np.isfinite(rates)
        if not finite.any():
            return [ground]
        x: Floats = steps[finite].astype(np.float64) * self.per_step
        y: Floats = rates[finite]
        if not self.run.by_epoch:
            # The last step is as long as any other.
            x, y = np.append(x, x[-1] + self.per_step), np.append(y, y[-1])
        x, y = thinned(x, y, points, self.length)
        return [ground, Line((APPLIED,), 1, x, y, is_dotted=self.run.by_epoch)]

    def metric_lines(self) -> list[MetricLines]:
        """Return the curves of the metrics, the loss first."""
        names = list(dict.fromkeys(name for row in self.metrics for name in row))
        names = [name for name in names if name not in LOGGED and name not in self.plan.targets]
        stems = list(dict.fromkeys(name.removeprefix(_VALIDATION) for name in names))
        stems.sort(key=lambda stem: stem != "loss")
        found = []
        for stem in stems[:_MOST_PANELS]:
            pairs = [(name, self._metric(name)) for name in (stem, _VALIDATION + stem)]
            lines = [
                Line((name,), number, x, y)
                for number, (name, (x, y)) in enumerate(pairs)
                if len(x)
            ]
            if lines:
                found.append(MetricLines(stem, lines))
        return found

    def _metric(self, name: str) -> tuple[Floats, Floats]:
        rows = [(e, row[name]) for e, row in enumerate(self.metrics) if name in row]
        rows = [(e, value) for e, value in rows if np.isfinite(value)]
        # An epoch's metrics are there when it is over.
        x = np.array([e + 1 for e, _ in rows], dtype=np.float64) * self.per_epoch
        y = np.array([value for _, value in rows], dtype=np.float64)
        inside = x <= self.length * (1 + 1e-9)
        return x[inside], y[inside]

    @property
    def length(self) -> float:
        """The length of the plan, on the clock."""
        return float(self.clock.length)

    @property
    def per_epoch(self) -> float:
        """The time of an epoch, on the clock."""
        is_epochs = self.clock.unit == "epoch"
        return 1.0 if is_epochs else float(self.plan.steps_per_epoch or 1)

    @property
    def per_step(self) -> float:
        """The time of a step, on the clock."""
        is_epochs = self.clock.unit == "epoch"
        return 1.0 / (self.plan.steps_per_epoch or 1) if is_epochs else 1.0

    def spans(self) -> list[tuple[float, float]]:
        """Return where plan and run differ, on the clock."""
        differing = self.agreement.differing
        if not len(differing):
            return []
        ends = np.flatnonzero(np.diff(differing) > 1)
        firsts = differing[np.concatenate([[0], ends + 1])]
        lasts = differing[np.concatenate([ends, [len(differing) - 1]])]
        steps = self.agreement.steps
        back = (self.plan.steps_per_epoch or 1) - 1 if self._is_last_of_epoch else 0
        return [
            ((int(steps[a]) - back) * self.per_step, (int(steps[b]) + 1) * self.per_step)
            for a, b in zip(firsts.tolist(), lasts.tolist(), strict=True)
        ]

    @property
    def _is_last_of_epoch(self) -> bool:
        return self.run.by_epoch and not self.agreement.at_start

    def sentences(self) -> list[str]:
        """Return whether plan and run agree, and if not, where they first part and why."""
        found, by_epoch = self.agreement, self.run.by_epoch
        noun, count = ("epoch" if by_epoch else "step"), len(found.steps)
        counted = f"{count:,} {noun}{'' if count == 1 else 's'}"
        of = ""
        if by_epoch:
            of = (
                ", at the first step of each"
                if found.at_start
                else ", at the last step of each"
            )
        digits = "" if found.is_exact else ", to six digits"
        out = []
        if found.first is None:
            out.append(f"plan = run at all {counted} of the run{of}{digits}")
        else:
            first = found.first
            planned, applied = f"{first.planned:.7g}", f"{first.applied:.7g}"
            if planned == applied:
                planned, applied = f"{first.planned:.9g}", f"{first.applied:.9g}"
            out.append(
                f"plan ≠ run: they first part at step {first.step:,}{self._epoch(first.step)}: "
                f"{first.target} planned {planned}, applied {applied}; "
                f"{len(found.differing):,} of {counted} differ{of}"
            )
            out.append(f"why: {why(self.plan, self.run, found)}")
        if found.beyond:
            out.append(f"the run has {found.beyond:,} more {noun}s than the plan")
        elif found.left:
            steps = f"{found.left:,} step{'' if found.left == 1 else 's'}"
            out.append(f"the run ends {steps} before the plan does")
        return out + self._suppositions()

    def _suppositions(self) -> list[str]:
        """Return what the plan supposes of metrics that nobody has told."""
        if self.plan.program.reactive is None:
            return []
        if not self.plan.log:
            return [
                "the run tells of no metrics, so the plan is what happens without any; "
                "`--metrics LOG` replays them"
            ]
        end = unsettled_from(self.plan)
        if end is None:
            return []
        when = f"{self.plan.unit.removesuffix('s')} {format_time(end)}"
        return [f"from {when} on the plan is as if nothing happened: the metrics end there"]

    def _epoch(self, step: int) -> str:
        per_epoch = self.plan.steps_per_epoch
        return "" if per_epoch is None else f" (epoch {format_time(step / per_epoch)})"
