"""The plan before the program runs: what can be shown of a schedule without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.targets import is_rate

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program

_WAITS_FOR_FIT = {
    "LRS303": "the number of steps in an epoch",
    "LRS304": "the length of the training",
}
"""Problems of a plan that the real `fit` solves, with what it brings."""

_BASES = (10.0, 1e-2, 1e-5)
"""Rates of optimizers that are tried, where the real one is not known yet."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the command line says of the training to come."""

    epochs: int | None = None
    steps_per_epoch: int | None = None
    base: float | None = None


@dataclass(frozen=True, slots=True)
class Early:
    """A plan made before `fit`, or the reason why it has to wait.

    Attributes:
        plan: the plan, if there is one.
        in_units_of_base: its rates are multiples of the optimizer's own, which is not
            known yet.
        why_not: what is missing, where there is no plan.
    """

    plan: Plan | None = None
    in_units_of_base: bool = False
    why_not: str = ""

    def is_kept_by(self, plan: Plan) -> bool:
        """Whether `plan`, of a real `fit`, is the one that was shown."""
        shown = self.plan
        if shown is None:
            return False
        if self.in_units_of_base:
            same_rates = _is_in_units_of_base(plan)
        else:
            same_rates = shown.base in (None, plan.base)
        return (
            same_rates
            and not any(one.code == "LRS602" for one in plan.warnings)  # of this `fit` alone
            and shown.epochs in (None, plan.epochs)
            and shown.steps_per_epoch in (None, plan.steps_per_epoch)
            and shown.total_steps in (None, plan.total_steps)
        )


def plan_early(program: Program, horizon: Horizon) -> Early:
    """Plan `program` for the horizon that its text or the command line gives.

    Raises:
        LrsError: the schedule cannot be planned, whatever `fit` may bring; its text and
            the command line contradict each other included.
    """
    check_options(program, epochs=horizon.epochs, steps_per_epoch=horizon.steps_per_epoch)
    if program.needs_own:
        return Early(why_not=f"the optimizer's own `{program.needs_own[0]}`")
    try:
        if program.needs_base and horizon.base is None:
            return _plan_in_units_of_base(program, horizon)
        return Early(_plan(program, horizon, horizon.base))
    except LrsError as error:
        codes = {problem.code for problem in error.diagnostics}
        if not codes <= _WAITS_FOR_FIT.keys():
            raise
        return Early(why_not=_WAITS_FOR_FIT[max(codes)])


def check_options(program: Program, *, epochs: int | None, steps_per_epoch: int | None) -> None:
    """Raise LrsError (LRS309) if the command line and the `train` line disagree."""
    train = program.train
    if train is None:
        return
    problems = [
        Diagnostic(
            code="LRS309",
            message=f"`{option} {said}` and the `train` line disagree",
            primary=Label(train.span, f"says {planned} {unit}"),
            help=f"leave `{option}` out, or write `{words.format(said)}`",
        )
        for option, said, planned, unit, words in (
            ("--epochs", epochs, train.epochs, "epochs", "train {} epochs"),
            (
                "--steps-per-epoch",
                steps_per_epoch,
                train.steps_per_epoch,
                "steps",
                "of {} steps",
            ),
        )
        if said is not None and planned not in (None, said)
    ]
    if problems:
        raise LrsError(problems, program.source)


def check_horizon(horizon: Horizon, plan: Plan) -> None:
    """Raise LrsError (LRS309) if `fit` is not as long as the command line said.

    What the schedule's own `train` line says is held against `fit` by its plan.
    """
    for option, said, real in (
        ("--epochs", horizon.epochs, plan.epochs),
        ("--steps-per-epoch", horizon.steps_per_epoch, plan.steps_per_epoch),
    ):
        if said is not None and real is not None and said != real:
            problem = Diagnostic(
                code="LRS309",
                message=f"`{option} {said}` and this `fit`, which has {real}, disagree",
                help=f"write `{option} {real}`, or leave it out: the plan is then shown "
                "when `fit` starts",
            )
            raise LrsError([problem], plan.program.source)


def _plan(program: Program, horizon: Horizon, base: float | None) -> Plan:
    return program.plan(
        epochs=horizon.epochs, steps_per_epoch=horizon.steps_per_epoch, base=base
    )


def _plan_in_units_of_base(program: Program, horizon: Horizon) -> Early:
    try:
        if all(_is_in_units_of_base(_plan(program, horizon, base)) for base in _BASES):
            return Early(_plan(program, horizon, 1.0), in_units_of_base=True)
    except LrsError as error:
        if {problem.code for problem in error.diagnostics} <= {*_WAITS_FOR_FIT, "LRS309"}:
            raise
        # Otherwise it may be that this base is out of range, and that of the `fit` is not.
    return Early(why_not="the optimizer's own rate (or `--base`)")


def _is_in_units_of_base(plan: Plan) -> bool:
    """Whether the rate is base times that of base 1, and all else has nothing to do with it."""
    unit = plan.program.plan(epochs=plan.epochs, steps_per_epoch=plan.steps_per_epoch, base=1.0)
    from lrdsl.planner import suppose

    pairs = [(plan, unit)]
    if plan.program.reactive is not None:  # whatever happens
        pairs.append((suppose(plan, 0), suppose(unit, 0)))
    for target in plan.targets:
        factor = plan.base if is_rate(target) else 1.0
        for one, other in pairs:
            here, there = one.polyline(target)[1], other.polyline(target)[1]
            if factor is None or not np.allclose(here, factor * there, rtol=1e-9, atol=0):
                return False
    return True
