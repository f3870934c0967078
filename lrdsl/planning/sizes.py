"""How large a formula is, and whether it differs from turn to turn."""

from __future__ import annotations

from lrdsl.planning.formula import (
    By,
    Clock,
    Cycle,
    Formula,
    LastTurn,
    Outer,
    Root,
    operands,
)


class Sizes:
    """The sizes of formulas, each looked at once however often it is asked for."""

    def __init__(self) -> None:
        self._measured: dict[int, tuple[Formula, int, int]] = {}

    def of(self, formula: Formula) -> tuple[int, int]:
        """Return how deep a formula is, and how many nodes are visited to evaluate it."""
        stack = [formula]
        while stack:
            item = stack[-1]
            inner = operands(item)
            missing = [part for part in inner if id(part) not in self._measured]
            if missing:
                stack += missing
                continue
            stack.pop()
            sizes = [self._measured[id(part)][1:] for part in inner]
            depth = 1 + max((depth for depth, _ in sizes), default=0)
            # The formula is kept beside, so that its id stays its own.
            self._measured[id(item)] = (item, depth, 1 + sum(size for _, size in sizes))
        return self._measured[id(formula)][1:]


def depends_on_turn(formula: Formula) -> bool:
    """Return whether a formula may differ between turns at the same local tick."""
    stack = [formula]
    seen: set[int] = set()
    while stack:
        item = stack.pop()
        match item:
            case Cycle() | Root() | Outer() | LastTurn():
                return True
            case Clock(absolute=True) | By(absolute=True):
                return True
        stack += [part for part in operands(item) if id(part) not in seen]
        seen.update(map(id, operands(item)))
    return False
