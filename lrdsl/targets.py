"""What the name of a target says: `momentum`, or `slow.momentum` of the part `slow`."""

from __future__ import annotations

from collections.abc import Sequence

RATE = "lr"
"""The target that is the learning rate."""

_MOST = 4
"""Names that are listed in one line."""


def split(target: str) -> tuple[str | None, str]:
    """Return the part of the optimizer that a target is for, None for all, and what of it."""
    part, point, name = target.rpartition(".")
    return (part, name) if point else (None, target)


def is_rate(target: str) -> bool:
    """Return whether a target is a learning rate, of all parts or of one."""
    return split(target)[1] == RATE


def main(targets: Sequence[str]) -> str:
    """Return the target that a schedule is mostly about: its rate, where it sets one."""
    if RATE in targets:
        return RATE
    return next((target for target in targets if is_rate(target)), targets[0])


def listed(targets: Sequence[str]) -> str:
    """Return the names of a few targets: `lr, momentum`."""
    shown = targets if len(targets) <= _MOST else (*targets[: _MOST - 1], "…")
    return ", ".join(shown)
