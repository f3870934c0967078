"""A schedule that reacts, while `fit` runs: each epoch's metrics in, the next plan out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lrdsl.diagnostics import Diagnostic, Label, LrsError
from lrdsl.planning.courses import MetricError, told_of
from lrdsl.training.run_state import LoggedEpoch, rows_of

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan
    from lrdsl.training.situation import FitCall
    from lrdsl.training.workers import Workers


class Reacting:
    """Follows what the metrics of one `fit` decide.

    Attributes:
        plan: the plan by all metrics known so far.
    """

    def __init__(
        self, plan: Plan, log: Sequence[LoggedEpoch], fit: FitCall, workers: Workers
    ) -> None:
        self._rows = rows_of(log)
        self._fit = fit
        self._workers = workers
        self.plan = plan.replay(self._rows) if self._rows else plan

    def end_epoch(self, epoch: int, logs: dict[str, Any] | None) -> list[Event]:
        """Take an epoch's metrics into the plan; return what happens at its end.

        Raises:
            LrsError: a metric that the program reacts to is missing, or not a number
                (LRS606).
        """
        row = LoggedEpoch.of(epoch, logs).metrics
        self._see_all_there(epoch, row)
        program = self.plan.program
        shared = self._workers.of_chief({name: row.get(name) for name in program.metrics})
        self._put(epoch, {**row, **shared})
        self.plan = self.plan.replay(self._rows)
        # A `stop` that only waits for its time is known before, and happens then.
        return [
            event
            for event in self.plan.events
            if event.epoch is not None and epoch < event.epoch <= epoch + 1
        ]

    def _put(self, epoch: int, row: Mapping[str, float]) -> None:
        # Of the epochs before `initial_epoch` nothing is known.
        self._rows += [{}] * (epoch + 1 - len(self._rows))
        self._rows[epoch] = row

    def _see_all_there(self, epoch: int, row: Mapping[str, float]) -> None:
        for name, span in self.plan.program.metrics.items():
            later = name.startswith("val_") and self._fit.validates_later(epoch)
            if name in row or later:
                continue
            message, label, repair = told_of(MetricError(name, epoch, tuple(row)))
            raise LrsError(
                [
                    Diagnostic(
                        code="LRS606",
                        message=message,
                        primary=Label(span, label),
                        help=repair,
                    )
                ],
                self.plan.program.source,
            )


def sentence(event: Event) -> str:
    """Return what a person is told of an event."""
    when = "" if event.epoch is None else f"epoch {float(event.epoch):.6g}: "
    why = f": {event.cause.replace('`', '')}" if event.cause else ""
    if event.kind == "stop":
        return f"{when}training stops"
    if event.kind == "switch":
        return f"{when}next segment, {event.target} {event.after:.6g}{why}"
    back = "" if event.restores is None else f"; back to the weights of epoch {event.restores}"
    return f"{when}{event.target} {event.before:.6g} → {event.after:.6g}{why}{back}"
