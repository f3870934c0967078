"""What set the rate beside the schedule, and gave way to it: as data, without Keras."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class TakenOver:
    """One thing that set the rate, and gives way to the schedule.

    Attributes:
        name: its type's name, "function" for a function of the user's own.
        place: where it was: "optimizer" or "callbacks".
        rate: for one in the optimizer, the number that takes its place.
        step: the optimizer's step, at which it gives that rate.
        text: the same as a schedule of ours, None where that cannot be written.
        part: for one in a part of a `MultiOptimizer`, the name of the part.
    """

    name: str
    place: str
    rate: float | None = None
    step: int | None = None
    text: str | None = None
    part: str | None = None

    def sentence(self) -> str:
        """Return what a person is told, to follow the name of a `fit`."""
        if self.place == "callbacks":
            return f"takes over from `{self.name}`, which is left out of its callbacks"
        what = "the function" if self.name == "function" else f"`{self.name}`"
        where = "the optimizer" if self.part is None else f"the optimizer's part `{self.part}`"
        return (
            f"takes over from {what} in {where}: replaced by a plain number, {self.rate} "
            f"as it gives at step {self.step}; the optimizer keeps a number after `fit`"
        )

    def as_json(self) -> dict[str, Any]:
        """Return what `run.json` says of it."""
        return {
            "name": self.name,
            "place": self.place,
            "part": self.part,
            "rate": self.rate,
            "step": self.step,
            "schedule": self.text,
        }
