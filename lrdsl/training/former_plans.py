"""The plans that a kept run has followed, and what to do when the next one is another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import SourceText
from lrdsl.targets import main

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.planning.courses import Row
    from lrdsl.program import Program


class Choice(StrEnum):
    """What to do where the plan has changed since the run began."""

    KEEP = "keep"
    ADOPT = "adopt"


@dataclass(frozen=True)
class FormerPlan:
    """A plan that a run has followed, as its state holds it.

    Attributes:
        text: the schedule, with the values of `let`s put in.
        name: where the text came from.
        epochs: how many epochs `fit` was to have.
        steps_per_epoch: how many steps an epoch had.
        base: the optimizer's own rate when the run began; None where its parts differ.
        bases: the own rates of the parts of a `MultiOptimizer`.
        targets: the rates that the optimizer, or its parts, were given.
        since: the epoch from which on it was followed.
        own: the optimizer's own values of other targets.
    """

    text: str
    name: str
    epochs: int
    steps_per_epoch: int
    base: float | None
    bases: dict[str, float]
    targets: list[str]
    since: int
    own: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, *, epochs: int, targets: Sequence[str], since: int) -> FormerPlan:
        """Return what is to be kept of a plan that is followed from now on."""
        assert plan.steps_per_epoch is not None
        source = plan.program.source
        return cls(
            source.text,
            source.name,
            epochs,
            plan.steps_per_epoch,
            plan.base,
            dict(plan.bases),
            list(targets),
            since,
            dict(plan.own),
        )

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> FormerPlan:
        """Return what `as_json` has written."""
        known = cls.__dataclass_fields__
        return cls(**{name: record[name] for name in known if name in record})

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it, with the checksum of the text."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**fields, "sha256": hashlib.sha256(self.text.encode()).hexdigest()}

    @cached_property
    def plan(self) -> Plan:
        """The plan itself, made again: its rates are a function of what is kept."""
        from lrdsl.program import make_program

        program = make_program(SourceText(self.text, self.name))
        return program.plan(
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
            base=self.base,
            bases=self.bases,
            own=self.own,
        )

    def led_by(self, rows: Sequence[Row]) -> Plan:
        """Return the plan as these metrics have led it."""
        return led_by(self.plan, rows)


def led_by(plan: Plan, rows: Sequence[Row]) -> Plan:
    """Return a plan as the metrics of the epochs that are done have led it.

    Raises:
        LrsError: it reacts to a metric that was not measured (LRS606).
    """
    return plan if plan.program.reactive is None else plan.replay(rows)


@dataclass(frozen=True)
class Change:
    """How the plan to come differs from the one that a run has followed.

    Attributes:
        reasons: what has changed, in words; empty where nothing has.
    """

    reasons: tuple[str, ...]
    former: FormerPlan
    plan: Plan

    def refusal(self, where: object, epoch: int, rows: Sequence[Row]) -> LrsError:
        """Return the error that shows both rates at `epoch` and offers both ways.

        `rows` are the metrics of the epochs before.
        """
        old, new = _rate_at(self.former.plan, epoch, rows), _rate_at(self.plan, epoch, rows)
        problem = Diagnostic(
            code="LRS604",
            message=f"the run in `{where}` followed another plan: {', '.join(self.reasons)}",
            help=f"after epoch {epoch} the old plan has the rate {old} and the new one {new}; "
            'to go on by the old plan: `--keep`, in Python `state_conflict="keep"`; by the '
            'new one from here: `--adopt`, `state_conflict="adopt"`',
        )
        return LrsError([problem], self.plan.program.source)


def compare_plans(
    former: FormerPlan, program: Program, *, epochs: int | None, plan: Plan, base: float | None
) -> Change:
    """Compare the plan that a run has followed with the one that it is to follow now.

    Args:
        former: what the run has followed.
        program: what it is to follow now.
        epochs: how many epochs `fit` has now; None where that is not known yet.
        plan: the plan that was made of them.
        base: the optimizer's own rate where the caller gives it, else None.
    """
    reasons = []
    before = former.plan.program.checked.file.statements
    if program.checked.file.statements != before:  # comments and spaces do not count
        reasons.append("the schedule has changed")
    was = (former.epochs, former.steps_per_epoch)
    now = (epochs or former.epochs, plan.steps_per_epoch or former.steps_per_epoch)
    if was != now:
        reasons.append(f"its length was {_length(*was)} and is {_length(*now)}")
    if base is not None and base != former.base and program.needs_base:
        was_base = "of each part" if former.base is None else f"{former.base:g}"
        reasons.append(f"`base` was {was_base} and is {base:g}")
    return Change(tuple(reasons), former, plan)


def _rate_at(plan: Plan, epoch: int, rows: Sequence[Row]) -> str:
    """Return the rate that a plan has at the start of an epoch, or its last."""
    try:
        plan = led_by(plan, rows)
    except LrsError as error:
        return f"none: {error.diagnostics[0].message}"
    if plan.steps_per_epoch is None or plan.total_steps is None:
        return "that depends on `fit`"
    step = min(epoch * plan.steps_per_epoch, plan.total_steps - 1)
    return f"{float(plan.values(step, main(plan.targets))):.6g}"


def _length(epochs: int, steps: int) -> str:
    return f"{epochs:,} epoch{'' if epochs == 1 else 's'} of {steps:,} steps"
