"""What there is to see of a file: its curve, or the last one that it had and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from lrdsl import reading
from lrdsl.diagnostics import LrsError
from lrdsl.program import make_program
from lrdsl.watching.follow import Content

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import LetValue


@dataclass(frozen=True, slots=True)
class Training:
    """What the command line says of the training that is drawn."""

    lets: Mapping[str, LetValue]
    epochs: int | None = None
    steps_per_epoch: int | None = None
    base: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What there is to see.

    Attributes:
        file: the file's name, as the user typed it.
        number: how many texts there have been; the first is 1.
        plan: of the newest text that could be planned, None before the first.
        planned: when that text was read.
        drawn: the number of that text.
        error: what is wrong with the text that is there now.
        trouble: why there is no text now.
    """

    file: str
    number: int = 0
    plan: Plan | None = None
    planned: datetime | None = None
    drawn: int = 0
    error: LrsError | None = None
    trouble: str | None = None

    @property
    def is_current(self) -> bool:
        """Whether the plan is that of the text as it is now."""
        return self.plan is not None and self.error is None and self.trouble is None

    @property
    def has_range(self) -> bool:
        """Whether metrics decide about the curve, so that it takes time to say what may be."""
        return self.plan is not None and self.plan.program.reactive is not None

    def after(self, content: Content, training: Training, now: datetime) -> Sight:
        """Return what there is to see once the file holds `content`."""
        next_one = replace(self, number=self.number + 1, error=None, trouble=content.trouble)
        if content.trouble is not None:
            return next_one
        try:
            source = reading.decode(content.data, self.file)
            plan = make_program(source, dict(training.lets)).plan(
                epochs=training.epochs,
                steps_per_epoch=training.steps_per_epoch,
                base=training.base,
            )
        except LrsError as error:
            return replace(next_one, error=error)
        return replace(next_one, plan=plan, planned=now, drawn=next_one.number)
