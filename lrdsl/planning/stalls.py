"""When a metric has stalled: counting what got better and what did not, as a pure fold."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import partial
from typing import TypeAlias

from lrdsl.records import dataclass


class Change(Enum):
    """What a plateau does to its value."""

    CUT = "cut"
    RISE = "rise"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a metric is judged, and when it has stalled.

    Attributes:
        larger: whether more is better.
        min_delta: by how much it must be better, in the metric's own unit.
        threshold: and by what share of what it is compared with.
        patience: observations that are no better before it has stalled.
        cooldown: after a cut, observations of which all but the last do not count.
        freezes: whether in the cooldown the best does not follow the metric either.
        previous: compare with the observation before, rather than with the best so far.
        reset: whether something better sets the count back to 0.
        window: the mean of so many last observations is judged.
        accumulation: of so many observations one is made, their mean.
        rises: whether as many improvements in a row raise the value.
        rise_cooldown: after a rise, observations of which all but the last are passed over.
        skips_nan: whether what is no number is passed over, rather than an error.
    """

    larger: bool
    min_delta: float = 0.0
    threshold: float = 0.0
    patience: int = 10
    cooldown: int = 0
    freezes: bool = False
    previous: bool = False
    reset: bool = True
    window: int = 1
    accumulation: int = 1
    rises: bool = False
    rise_cooldown: int = 0
    skips_nan: bool = False


Look: TypeAlias = Callable[[], bool] | None
"""Tells whether an observation is better, once it is looked at; None where there is none."""


class Judge:
    """Judges a metric by some rules, observation after observation.

    The first is better than nothing.  With d the `min_delta` and t the `threshold`, less is
    better where v + d < r·(1 − t), and more where v − d > r·(1 + t); compared in float32, as
    Keras compares.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._reference: float | None = None
        self._recent: deque[float] = deque(maxlen=max(rules.window, rules.accumulation))
        self._count = 0

    def take(self, value: float | None) -> Look:
        """Take what an epoch measured, None for nothing; return a way to look at it.

        What is no number is passed over: where that is an error, it does not come here.
        """
        if value is None or value != value:
            return None
        self._recent.append(value)
        self._count += 1
        if self._count % self._rules.accumulation:
            return None
        count = len(self._recent)
        return partial(self._look, sum(self._recent) / count if count > 1 else value)

    def _look(self, value: float) -> bool:
        reference = self._reference
        better = reference is None or self._is_better(value, reference)
        if better or self._rules.previous:
            self._reference = value
        return better

    def _is_better(self, value: float, reference: float) -> bool:
        import numpy as np  # here, since few schedules that are checked compare anything

        delta, share = self._rules.min_delta, self._rules.threshold
        if self._rules.larger:
            return bool(np.float32(value - delta) > np.float32(reference * (1 + share)))
        return bool(np.float32(value + delta) < np.float32(reference * (1 - share)))


@dataclass(slots=True)
class Counter:
    """Counts what is better and what is not, one after another.

    Matches `keras.callbacks.ReduceLROnPlateau`, where a cooldown is counted down before the
    metric is looked at: a cooldown of c passes over c − 1 observations.
    """

    rules: Rules
    wait: int = 0
    good: int = 0
    cooling: int = 0
    rise_cooling: int = 0

    def add(self, look: Look) -> tuple[bool | None, Change | None]:
        """Count an observation; return whether it is better, and what follows from it."""
        if look is None:
            return None, None
        rules = self.rules
        self.cooling = max(self.cooling - 1, 0)
        self.rise_cooling = max(self.rise_cooling - 1, 0)
        if self.rise_cooling or (self.cooling and rules.freezes):
            return None, None
        if look():
            self.good += 1
            if rules.reset:
                self.wait = 0
            if rules.rises and self.good >= max(rules.patience, 1):
                self.good = 0
                self.rise_cooling = rules.rise_cooldown
                return True, Change.RISE
            return True, None
        self.good = 0
        if self.cooling:
            return False, None
        self.wait += 1
        if self.wait < rules.patience:
            return False, None
        self.wait = 0
        self.cooling = rules.cooldown
        return False, Change.CUT


def stalled(rules: Rules, looks: Iterable[Look]) -> Iterator[tuple[bool | None, bool]]:
    """Yield whether each observation is better, and whether the metric has stalled by then.

    It has where the last `patience` observations were no better.
    """
    wait = 0
    for look in looks:
        better = None if look is None else look()
        if better is not None:
            wait = 0 if better else wait + 1
        yield better, wait >= max(rules.patience, 1)
