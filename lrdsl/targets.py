"""What the name of a target says: `momentum`, or `slow.momentum` of the part `slow`."""

from __future__ import annotations

from collections.abc import Sequence

RATE = "lr"
"""The target that is the learning rate."""


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
