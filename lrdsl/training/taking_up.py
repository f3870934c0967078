"""What a `fit` becomes that goes on with a run begun before, or why it cannot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.feeds.parts import rates_of
from lrdsl.training.former_plans import Choice, FormerPlan, compare_plans, led_by
from lrdsl.training.own_rates import own_floats
from lrdsl.training.refusals import refuse_plan
from lrdsl.training.resumed import Resumed
from lrdsl.training.run_state import Followed, Runs, RunState, rows_of
from lrdsl.training.situation import Situation

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.source import SourceText

_STATELESS = (
    keras.callbacks.History,
    keras.callbacks.ProgbarLogger,
    keras.callbacks.TerminateOnNaN,
)


@dataclass(frozen=True, slots=True)
class TakenUp:
    """A run that goes on.

    Attributes:
        plans: the plans that it has followed, the one from here on last.
        rates: what each of them applied.
        earlier: the plans before the present one, made again.
        is_another_plan: whether the last one begins here.
        is_finished: whether the run has come to its end, with all that ends a training.
        resumed: where it goes on.
    """

    plans: list[FormerPlan]
    rates: list[Runs]
    earlier: list[Followed]
    is_another_plan: bool
    is_finished: bool
    resumed: Resumed


def take_up(
    found: RunState,
    situation: Situation,
    *,
    choice: Choice | None,
    base: float | None,
    where: Path,
) -> TakenUp:
    """Return how a `fit` goes on.

    Args:
        found: what was committed last.
        situation: the `fit` that is about to begin.
        choice: which plan to follow if it has changed since.
        base: the optimizer's own rate, where the callback was given one.
        where: the folder of the state.

    Raises:
        LrsError: the run cannot go on here (LRS605), or its plan has changed and nobody says
            which one is to be followed (LRS604).
    """
    here, source = keras.backend.backend(), situation.program.source
    if found.backend != here:
        raise refusal(
            f"the run in `{where}` is trained on Keras's backend `{found.backend}`, and this "
            f"is `{here}`",
            f"set `KERAS_BACKEND={found.backend}`, or start afresh in another folder",
            source,
        )
    epochs = situation.parameters["epochs"]
    former = found.plans[-1]
    other: Plan | None = None
    if not found.stopped and found.epoch < epochs:  # else nothing is left for another plan
        other = _other_plan(found, situation, choice, base, where)
    plan, plans, rates = former.plan, list(found.plans), list(found.rates)
    if other is not None:
        targets = rates_of(situation.optimizer, other.targets).targets
        plan = other
        plans.append(FormerPlan.of(plan, epochs=epochs, targets=targets, since=found.epoch))
        rates.append([])
    is_over = found.stopped or found.epoch >= min(plans[-1].epochs, epochs)
    return TakenUp(
        plans=plans,
        rates=rates,
        earlier=replace(found, plans=plans, rates=rates).earlier,
        is_another_plan=other is not None,
        is_finished=found.finished and is_over,
        resumed=Resumed(
            found.epoch, led_by(plan, rows_of(found.log)), is_over, found.stopped, where
        ),
    )


def _other_plan(
    found: RunState,
    situation: Situation,
    choice: Choice | None,
    base: float | None,
    where: Path,
) -> Plan | None:
    """Return the plan that is adopted from here on, None where the old one is followed."""
    program, parameters = situation.program, situation.parameters
    former, epochs = found.plans[-1], parameters["epochs"]
    steps = parameters.get("steps") or None
    if choice is Choice.KEEP:
        if steps not in (None, former.steps_per_epoch):
            raise refusal(
                f"the plan in `{where}` is of {former.steps_per_epoch:,} steps an epoch, and "
                f"this `fit` has {steps:,}",
                'adopt the new plan (`--adopt`, in Python `state_conflict="adopt"`), or train '
                "with the data that the run began with",
                program.source,
                code="LRS604",
            )
        return None
    plan = program.plan(
        epochs=epochs,
        steps_per_epoch=steps,
        base=former.base if base is None else base,
        bases=former.bases if base is None else None,
        own={**own_floats(situation.optimizer, program.targets), **former.own},
    )
    refuse_plan(plan, situation)
    change = compare_plans(former, program, epochs=epochs, plan=plan, base=base)
    if not change.reasons:
        return None
    if choice is None:
        raise change.refusal(where, found.epoch, rows_of(found.log))
    return plan


def names_not_restored(situation: Situation) -> list[str]:
    """Return the callbacks that may have counted something which no commit holds.

    Raises:
        LrsError: one of them restores the model too (LRS605).
    """
    names = []
    for callback in situation.callbacks:
        if isinstance(callback, keras.callbacks.BackupAndRestore):
            raise refusal(
                "`BackupAndRestore` would restore the model too",
                "take `BackupAndRestore` out of `callbacks`: the state folder holds all that "
                "it would",
                situation.program.source,
            )
        ours = callback is situation.ours or callback in situation.rivals_to_leave_out
        if not ours and not isinstance(callback, _STATELESS):
            names.append(type(callback).__name__)
    return names


def refusal(message: str, repair: str, source: SourceText, *, code: str = "LRS605") -> LrsError:
    """Return the error that says why a state cannot be kept or taken up."""
    return LrsError([Diagnostic(code=code, message=message, help=repair)], source)
