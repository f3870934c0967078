"""What optimizers had before a schedule was theirs: what a program calls `base`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np

from lrdsl.training.feeds import rate_left_in
from lrdsl.training.feeds.parts import Part, all_parts, parts_of

_BEFORE: WeakKeyDictionary[Any, float] = WeakKeyDictionary()
"""The rate of each optimizer, or part of one, before it had a schedule."""


class OwnRates:
    """The rates that a model's user gave its optimizer, or the parts of one."""

    def __init__(self) -> None:
        self._of: dict[Any, float] = {}

    def note(self, model: Any) -> None:
        """Note the rates of parts that are known now and were not before."""
        for part in all_parts(getattr(model, "optimizer", None)):
            if isinstance(part.rate, keras.Variable) and part.optimizer not in self._of:
                self._of[part.optimizer] = _own_rate(model, part)

    def replace(self, part: Part, rate: float) -> None:
        """Note a number that takes the place of a schedule."""
        self._of[part.optimizer] = rate

    def remember(self) -> None:
        """Keep them for later fits, as a schedule is about to set others."""
        _BEFORE.update(self._of)

    def bases(self, optimizer: Any) -> tuple[float | None, dict[str, float]]:
        """Return a program's `base`, None where the parts differ, and that of each part."""
        own: dict[str, float] = {}
        for number, part in enumerate(parts_of(optimizer)):
            rate = self._of[part.optimizer]
            if part.name is None:
                return rate, {}
            name = f"{part.name} ({number + 1})" if part.name in own else part.name
            own[name] = rate
        return (next(iter(own.values())) if len({*own.values()}) == 1 else None), own


def own_floats(optimizer: Any, targets: Sequence[str]) -> dict[str, float]:
    """Return what an optimizer, or each part of one, has of the targets that are no rates.

    These are Python floats, which a `fit` leaves as they are: no memory of them is needed.
    """
    found: dict[str, float] = {}
    for part in parts_of(optimizer):
        for name in part.floats_among(targets):
            value = vars(part.optimizer).get(name)
            if isinstance(value, int | float):  # else None, "not at all", or refused
                found[name if part.name is None else f"{part.name}.{name}"] = float(value)
    return found


def _own_rate(model: Any, part: Part) -> float:
    now = np.float32(keras.ops.convert_to_numpy(part.rate))
    before = _BEFORE.get(part.optimizer)
    if before is not None and now == rate_left_in(model, part.optimizer):
        return before
    return float(str(now))
