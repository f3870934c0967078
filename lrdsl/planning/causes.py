"""Whether a condition holds after an epoch, and why, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TypeAlias

from lrdsl import core
from lrdsl.numeric.constants import as_float
from lrdsl.planning.conditions import rules_of
from lrdsl.planning.courses import Course
from lrdsl.planning.layout import Layout
from lrdsl.planning.stalls import Rules, stalled
from lrdsl.planning.times import Length

Test: TypeAlias = Callable[[int], str | None]
"""Returns why a condition holds after an epoch, None if it does not.

It is asked of each epoch in turn, and may raise MetricError.
"""


class Causes:
    """Tests conditions on one course of the metrics.

    Args:
        layout: the layout of one horizon, in which an epoch has a length.
        course: what the metrics did.
    """

    def __init__(self, layout: Layout, course: Course) -> None:
        self._layout = layout
        self._course = course

    def first_epoch(self, begun: Fraction) -> int:
        """Return the first epoch that ends after a tick."""
        assert self._layout.horizon.epoch is not None
        return int(begun // self._layout.horizon.epoch)

    def end_of(self, epoch: int) -> Fraction:
        """Return the tick at which an epoch ends."""
        assert self._layout.horizon.epoch is not None
        return (epoch + 1) * self._layout.horizon.epoch

    def test(
        self, condition: core.Core, begun: Fraction, block_start: Fraction, block: Length
    ) -> Test | None:
        """Return a test of a condition, None after reporting what is wrong with it.

        Args:
            condition: the condition.
            begun: the tick of the training from which on it is looked at.
            block_start: the tick at which the block begins that its times count from.
            block: the length of that block.
        """
        match condition:
            case core.Compare(metric=metric, operator=sign, limit=limit):
                return self._comparing(metric, sign, limit)
            case core.Stalled():
                return self._stalling(condition, self.first_epoch(begun))
            case core.Joined(operator=word, items=items):
                tests = [self.test(item, begun, block_start, block) for item in items]
                return _joined(word, [test for test in tests if test is not None])
        time = self._layout.time(condition, block, "until")
        if not isinstance(time, Fraction):
            return None
        at = block_start + time
        told = f"{self._layout.horizon.describe(at)} are over"
        return lambda epoch: told if self.end_of(epoch) >= at else None

    def _comparing(self, metric: str, sign: str, limit: core.Core) -> Test | None:
        value = self._layout.constant(limit, sign)
        if value is None:
            return None
        number = as_float(value)

        def compared(epoch: int) -> str | None:
            if not self._course.compare(metric, sign, number, epoch):
                return None
            return f"`{metric}` {self._course.tell(metric, epoch)} {sign} {number:.6g}"

        return compared

    def _stalling(self, condition: core.Stalled, first: int) -> Test | None:
        metric = condition.metric
        rules = rules_of(self._layout, metric, condition.parameters, condition.span)
        if rules is None:
            return None
        counted = stalled(rules, self._course.looks(metric, rules, first))
        judged: list[bool | None] = []

        def stalling(_epoch: int) -> str | None:
            better, has_stalled = next(counted)  # the epochs come one by one
            judged.append(better)
            return self.of_stall(metric, rules, judged, first) if has_stalled else None

        return stalling

    def of_stall(
        self, metric: str, rules: Rules, judged: Sequence[bool | None], first: int
    ) -> str:
        """Return in words that a metric has stalled.

        Args:
            metric: its name.
            rules: how it is judged.
            judged: whether each observation was better, from the epoch `first` on.
            first: that epoch.
        """
        best = last_better(judged, first)
        since = 0 if best is None else best - first
        count = sum(one is False for one in judged[since:])
        what = "the observation before" if rules.previous else "its best"
        if best is not None and not rules.previous and rules.window == rules.accumulation == 1:
            told = self._course.tell(metric, best)
            what = f"{told} (epoch {best})" if told else what
        return f"`{metric}` no better than {what} in {count} observation{'s' * (count != 1)}"


def last_better(judged: Sequence[bool | None], first: int) -> int | None:
    """Return the last epoch that was better than those before; `first` is the first judged."""
    better = [index for index, one in enumerate(judged) if one]
    return first + better[-1] if better else None


def _joined(word: str, tests: Sequence[Test]) -> Test:
    def joined(epoch: int) -> str | None:
        causes = [test(epoch) for test in tests]
        held = [cause for cause in causes if cause is not None]
        enough = held if word == "or" else len(held) == len(causes)
        return " and ".join(held) if enough else None

    return joined
