"""What the name of a target says: `momentum`, or `slow.momentum` of the part `slow`."""

from __future__ import annotations

from collections.abc import Sequence

RATE = "lr"
"""The target that is the learning rate."""

_KNOWN = frozenset(
    (
        *(RATE, "learning_rate", "momentum", "weight_decay", "beta_1", "beta_2", "epsilon"),
        *("rho", "ema_momentum", "clipnorm", "clipvalue", "global_clipnorm"),
    )
)
"""What optimizers have, and schedules set."""

_MOST = 4
"""Names that are listed in one line."""


def split(target: str) -> tuple[str | None, str]:
    """Return the part of the optimizer that a target is for, None for all, and what of it."""
    part, point, name = target.rpartition(".")
    return (part, name) if point else (None, target)


def is_rate(target: str) -> bool:
    """Return whether a target is a learning rate, of all parts or of one."""
    return split(target)[1] == RATE


def is_known(target: str) -> bool:
    """Return whether a name is that of something that optimizers have, or a part of one."""
    return split(target)[1] in _KNOWN


def main(targets: Sequence[str]) -> str:
    """Return the target that a schedule is mostly about: its rate, where it sets one."""
    if RATE in targets:
        return RATE
    return next((target for target in targets if is_rate(target)), targets[0])


def listed(targets: Sequence[str]) -> str:
    """Return the names of a few targets: `lr, momentum`."""
    shown = targets if len(targets) <= _MOST else (*targets[: _MOST - 1], "…")
    return ", ".join(shown)
