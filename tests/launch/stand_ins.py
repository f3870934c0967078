"""Stand-ins for the parts that a run is made of, for tests of the run alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import SourceText
from lrdsl.training.dialogue import Answer, Tone

SOURCE = SourceText("0.1 * 0.99 ^ step\n", "decay.lrs")


@dataclass(frozen=True)
class StandInPlan:
    """The rate 0.1 · 0.99^step, and half of it for the part `slow`."""

    epochs: int | None = 3
    steps_per_epoch: int | None = 4
    base: float | None = None
    bases: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    events: tuple[Any, ...] = ()
    warnings: tuple[Any, ...] = ()
    log: tuple[dict[str, float], ...] = ()
    is_stopped: bool = False

    @property
    def total_steps(self) -> int | None:
        if self.epochs is None or self.steps_per_epoch is None:
            return None
        return self.epochs * self.steps_per_epoch

    @property
    def program(self) -> Any:
        return PROGRAM

    def values(self, steps: Any = None, target: str = "lr") -> Any:
        steps = np.arange(self.total_steps) if steps is None else steps
        share = {"lr": 1, "slow.lr": 0.5}[target]
        return share * 0.1 * 0.99 ** np.asarray(steps, dtype=np.float64)


PROGRAM: Any = SimpleNamespace(
    source=SOURCE, text=SOURCE.text, needs_base=False, needs_own=(), reactive=None
)


def rates(plan: StandInPlan, start: int = 0, end: int | None = None) -> tuple[Any, Any]:
    """Return the rates that a faithful run of `plan` applies, and their steps."""
    assert plan.total_steps is not None
    steps = np.arange(start, plan.total_steps if end is None else end)
    return plan.values(steps).astype(np.float32), steps


@dataclass
class StandInCallback:
    """Applies what its plan says, unless told otherwise."""

    folder: Path
    on_plan: Callable[[Any], None]
    plan: Any = None
    saved: list[Any] = field(default_factory=list)
    taken_over: list[Any] = field(default_factory=list)
    nothing_runs: Diagnostic | None = None
    resumed: Any = None
    earlier: list[Any] = field(default_factory=list)
    missed: list[Diagnostic] = field(default_factory=list)
    never_due: tuple[Any, ...] = ()
    model: Any = field(default_factory=lambda: SimpleNamespace(stop_training=False))
    applied_rates: dict[str, Any] = field(default_factory=dict)
    applied_steps: Any = field(default_factory=lambda: np.empty(0, np.int64))

    def train(self, plan: StandInPlan, *, until: int | None = None, factor: float = 1) -> None:
        self.plan = plan
        self.on_plan(plan)
        applied, self.applied_steps = rates(plan, end=until)
        self.applied_rates = {"lr": applied * np.float32(factor)}


class Listener:
    """A dialogue that remembers what was said, and answers as it was told to."""

    def __init__(self, *answers: Answer) -> None:
        self.lines: list[str] = []
        self.bad: list[str] = []
        self.good: list[str] = []
        self.shown: list[Any] = []
        self.problems: list[LrsError] = []
        self.asked = 0
        self._answers = list(answers)

    def say(self, line: str, tone: Tone = Tone.PLAIN) -> None:
        self.lines.append(line)
        if tone is Tone.BAD:
            self.bad.append(line)
        if tone is Tone.GOOD:
            self.good.append(line)

    def show_plan(self, plan: Any, *, in_units_of_base: bool = False) -> None:
        self.shown.append(plan)

    def show_problem(self, problem: LrsError) -> None:
        self.problems.append(problem)

    def ask(self) -> Answer:
        self.asked += 1
        return self._answers.pop(0) if self._answers else Answer.YES


def refusal(message: str = "this optimizer has no learning rate") -> LrsError:
    return LrsError([Diagnostic(code="LRS601", message=message)], SOURCE)


def names(folder: str = ".") -> list[str]:
    """Return what lies in a folder."""
    return sorted(one.name for one in Path(folder).iterdir())
