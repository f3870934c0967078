"""Where a `fit` goes on that was begun before, and what a person is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lrdsl.targets import main

if TYPE_CHECKING:
    from lrdsl.plan import Plan


@dataclass(frozen=True, slots=True)
class Resumed:
    """Where a `fit` goes on.

    Attributes:
        epoch: how many epochs are done.
        plan: the plan from here on.
        is_over: whether nothing is left to do.
        stopped: whether that is since a callback had stopped the training.
        where: the folder of the state.
    """

    epoch: int
    plan: Plan
    is_over: bool
    stopped: bool
    where: Path

    @property
    def sentence(self) -> str:
        """What a person is told, in one line."""
        epochs = self.plan.epochs or 0
        if self.stopped and self.is_over and self.epoch < epochs:
            return f"nothing left to do: a callback stopped the run after epoch {self.epoch}"
        if self.is_over:
            return f"nothing left to do: the run is over after {_epochs(self.epoch)}"
        assert self.plan.steps_per_epoch is not None
        step = self.epoch * self.plan.steps_per_epoch
        rate = float(self.plan.values(step, main(self.plan.targets)))
        return (
            f"goes on after epoch {self.epoch} of {epochs:,} (step {step:,}), with the rate "
            f"{rate:.6g}"
        )


def _epochs(count: int) -> str:
    return f"{count:,} epoch{'' if count == 1 else 's'}"
