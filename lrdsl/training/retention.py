"""Which of the saved models stay: all, the last few, or the best few by a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrdsl.training.manifest import SavedSnapshot

if TYPE_CHECKING:
    from lrdsl.plan import SnapshotOptions


@dataclass(frozen=True, slots=True)
class Retention:
    """A rule that says which models stay; a pure function of all that were saved.

    Attributes:
        keep: how many of the last stay.
        best: how many stay of those whose metric is best.
        monitor: that metric.
        mode: "max" if more of it is better, "min" if less is.
    """

    keep: int | None = None
    best: int | None = None
    monitor: str | None = None
    mode: str | None = None

    @classmethod
    def of(cls, options: SnapshotOptions | None) -> Retention:
        """Return the rule that a plan asks for."""
        if options is None:
            return cls()
        return cls(options.keep, options.best, options.monitor, options.mode)

    def choose(self, snapshots: Sequence[SavedSnapshot]) -> list[SavedSnapshot]:
        """Return those that stay, in the order of their steps.

        Of equals the earlier one stays.  A model that waits for its epoch's end, which has
        no metric yet, stays beside the best; one whose metric is not finite never stays.
        """
        ordered = sorted(snapshots, key=lambda one: one.step)
        if self.keep is not None:
            return ordered[-self.keep :]
        if self.best is None:
            return ordered
        rated = [one for one in ordered if self.is_rated(one)]
        # Sorting is stable, upside down too.
        best = sorted(rated, key=self._value, reverse=self.mode == "max")[: self.best]
        return [one for one in ordered if one in best or one.metrics is None]

    def is_rated(self, snapshot: SavedSnapshot) -> bool:
        """Return whether a model has the metric, and a finite one."""
        assert self.monitor is not None
        value = snapshot.metric(self.monitor)
        return value is not None and math.isfinite(value)

    def _value(self, snapshot: SavedSnapshot) -> float:
        assert self.monitor is not None
        value = snapshot.metric(self.monitor)
        assert value is not None
        return value
