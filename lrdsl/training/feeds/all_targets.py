"""The scheduled floats of all parts of an optimizer, each in its own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from lrdsl.diagnostics import LrsError
from lrdsl.training.feeds.targets import Columns, Targets

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.training.feeds.parts import Part

C = TypeVar("C", bound=Columns)


class AllTargets(Generic[C]):
    """The scheduled floats of all parts of an optimizer; false where a plan sets none.

    Args:
        parts: the parts.
        plan: what each float is at every step.
        width: steps that a table holds.
        make_columns: makes the tables of one part; None where updates run in Python.

    Attributes:
        columns: the tables of each part that has scheduled floats.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        plan: Plan,
        width: int,
        make_columns: Callable[[], C] | None,
    ) -> None:
        self._parts = [part for part in parts if part.floats_among(plan.targets)]
        self._others = [part for part in parts if not part.floats_among(plan.targets)]
        self.columns: list[C] = [make_columns() for _ in self._parts] if make_columns else []
        tables: Sequence[C | None] = self.columns or [None] * len(self._parts)
        self._targets = [
            Targets(part, plan, columns, width)
            for part, columns in zip(self._parts, tables, strict=True)
        ]

    def __bool__(self) -> bool:
        return bool(self._targets)

    @property
    def refused(self) -> LrsError | None:
        """Why an update cannot have them, once one was tried."""
        return next((one.refused for one in self._targets if one.refused is not None), None)

    def follow(self, plan: Plan) -> bool:
        """Take another plan; return whether what was traced is right for it too."""
        if any(part.floats_among(plan.targets) for part in self._others):
            return False
        return all(one.follow(plan) for one in self._targets)

    def go_to(self, start: int) -> None:
        """Let the tables begin with step `start`."""
        for one in self._targets:
            one.go_to(start)

    def values(self, step: int) -> dict[str, float]:
        """Return what a step uses, by target; steps beyond the plan use its last."""
        return {
            one.names[name]: value
            for one in self._targets
            for name, value in one.values(step).items()
        }

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Let the attributes be the schedule's while the update is traced."""
        with ExitStack() as stack:
            for one in self._targets:
                stack.enter_context(one.standing_in())
            yield

    @contextmanager
    def plain(self, step: int) -> Iterator[None]:
        """Let the attributes be one step's floats while the update runs."""
        with ExitStack() as stack:
            for one in self._targets:
                stack.enter_context(one.plain(step))
            yield
