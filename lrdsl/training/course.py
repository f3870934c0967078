"""The course of a run so far: what was asked for, and each `fit` with what came of it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.training.attach import Place
from lrdsl.training.early import Early, Horizon
from lrdsl.training.report import Agreement

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan
    from lrdsl.program import Program
    from lrdsl.training.resumed import Resumed
    from lrdsl.training.rivals import TakenOver
    from lrdsl.training.scoring import Scores


@dataclass(frozen=True)
class Terms:
    """What the user asked for.

    Attributes:
        only_fit: the number of the one `fit` to add the schedule to; None for all.
        dry_run: whether to stop once the plan is shown.
        horizon: what the command line says of the training.
        early: what was shown and agreed to before the program ran.
        about: what `run.json` says of the run besides its fits.
    """

    only_fit: int | None = None
    dry_run: bool = False
    horizon: Horizon = field(default_factory=Horizon)
    early: Early = field(default_factory=Early)
    about: dict[str, Any] = field(default_factory=dict)


@dataclass
class Fit:
    """One `fit` that the schedule was added to.

    Attributes:
        number: which `fit` of the program it is, from 1.
        place: where the program calls it.
        folder: where its results go.
        plan: what was to be, once its first batch is near; at its end, what the metrics
            have made of it.
        taken_over: what else would have set the rate, and gave way.
        agreed_to: whether it was allowed to train.
        nothing_runs: why it had no epoch to train.
        refusal: why it was not trained, or not to its end, by our own judgement.
        agreement: what comparing it with its plan has shown.
        snapshots: how many models were saved.
        missed: the snapshots that could not be saved.
        never_due: which snapshots the training has not come to, in words.
        trouble: why its results could not be written.
        resumed: where it went on, if it had been begun before.
        earlier: what comparing it with the plans before has shown, where it adopted another.
        adopted_at: the first step by its plan, where that has taken the place of another.
        metrics: those of each epoch that ran, with its number.
        scores: of the models saved and of their average, where they were worked out.
    """

    number: int
    place: Place
    folder: Path
    plan: Plan | None = None
    taken_over: Sequence[TakenOver] = ()
    agreed_to: bool = False
    nothing_runs: Diagnostic | None = None
    refusal: LrsError | None = None
    agreement: Agreement | None = None
    snapshots: int = 0
    missed: list[Diagnostic] = field(default_factory=list)
    never_due: str | None = None
    trouble: str | None = None
    resumed: Resumed | None = None
    earlier: Sequence[Agreement] = ()
    adopted_at: int | None = None
    metrics: Sequence[tuple[int, Mapping[str, float]]] = ()
    scores: Scores | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was over before this run, so that nothing of it is trained."""
        return self.resumed is not None and self.resumed.is_over

    @property
    def name(self) -> str:
        """Which `fit` it is, in words."""
        return f"fit {self.number} at {self.place}"

    def _rows(self) -> Iterable[tuple[int, Mapping[str, float]]]:
        # What the plan reacts to is there of the epochs before, too, where a run goes on.
        return enumerate(self.plan.log) if self.plan and self.plan.log else self.metrics

    def as_json(self, top: Path) -> dict[str, Any]:
        """Return what `run.json` in the folder `top` says of it."""
        plan, agreement = self.plan, self.agreement
        return {
            "fit": self.number,
            "file": self.place.file,
            "line": self.place.line,
            "folder": self.folder.relative_to(top).as_posix(),
            "epochs": plan and plan.epochs,
            "steps_per_epoch": plan and plan.steps_per_epoch,
            "base": plan and (plan.base if plan.base is not None else plan.bases or None),
            "own": plan and dict(plan.own),
            "taken_over": [one.as_json() for one in self.taken_over],
            "steps_planned": agreement and agreement.planned,
            "steps_run": agreement and agreement.ran,
            "ended": agreement and agreement.ended.value,
            "plan_is_run": agreement and agreement.holds,
            "snapshots": self.snapshots,
            "events": [_event_as_json(event) for event in plan.events] if plan else [],
            "metrics": [_row_as_json(epoch, row) for epoch, row in self._rows() if row],
            "scores": self.scores
            and {"members": self.scores.members, "average": self.scores.average},
            "resumed_after_epoch": self.resumed and self.resumed.epoch,
        }


@dataclass
class Course:
    """Everything that the report at the end is made from.

    Attributes:
        program: the schedule.
        terms: what the user asked for.
        seen: how often the program called `fit`.
        fits: those that the schedule was added to.
        stopped: the exit status, if we ended the program ourselves.
        bug: an error that should never be.
    """

    program: Program
    terms: Terms
    seen: int = 0
    fits: list[Fit] = field(default_factory=list)
    stopped: int | None = None
    bug: Exception | None = None

    def as_json(self, top: Path, status: int | None, ended: str | None) -> dict[str, Any]:
        """Return what `run.json` in the folder `top` says."""
        text = self.program.text
        return {
            **self.terms.about,
            "schedule_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "ended": ended,
            "status": status,
            "fits": [fit.as_json(top) for fit in self.fits],
        }


def _event_as_json(event: Event) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "target": event.target,
        "epoch": None if event.epoch is None else float(event.epoch),
        "step": event.step,
        "before": event.before,
        "after": event.after,
        "cause": event.cause.replace("`", ""),
        "text": event.text,
        "line": event.line,
    }


def _row_as_json(epoch: int, row: Mapping[str, float]) -> dict[str, Any]:
    """Return the metrics of an epoch; JSON has no words for what is not finite, but strings."""
    numbers = {
        name: value if math.isfinite(value) else str(value) for name, value in row.items()
    }
    return {"epoch": epoch, **numbers}
