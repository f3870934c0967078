"""Where two plans differ: from which step to which, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from lrdsl.records import dataclass
from lrdsl.scales import Floats

if TYPE_CHECKING:
    from fractions import Fraction

    from lrdsl.plan import Plan

MOST_COMPARED: Final = 2**22
"""Steps of which each is compared."""

SAMPLED: Final = 2**17
"""How many are compared of more."""

_Places = NDArray[np.int64]
_Pair = tuple[Floats, Floats]


class NoSteps(ValueError):
    """A plan knows no steps, or the two have none at the same time."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive steps at all of which two plans differ.

    Attributes:
        first, last: its steps, counted as the first plan counts them.
        widest: the step at which they are furthest apart.
        before, after: the values of the first and the second plan there.
    """

    first: int
    last: int
    widest: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Difference:
    """What comparing a target of two plans has shown.

    Attributes:
        target: which one.
        stretches: where they differ, in order.
        differing: at how many of the steps that were compared.
        compared: how many those are.
        steps: how many steps both plans have.
    """

    target: str
    stretches: tuple[Stretch, ...]
    differing: int
    compared: int
    steps: int

    @property
    def widest(self) -> Stretch:
        """The stretch in which they are furthest apart."""
        return max(self.stretches, key=lambda one: abs(one.after - one.before))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What comparing two plans has shown.

    Attributes:
        targets: what both set, each with where they differ.
        only_before, only_after: what one of them sets.
        lengths: whether they are equally long.
        snapshots: whether they save models at the same times, and keep the same of them.
    """

    targets: tuple[Difference, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    lengths: bool
    snapshots: bool

    @property
    def is_equal(self) -> bool:
        """Whether a training by the one is a training by the other."""
        same = not any(one.differing for one in self.targets)
        sets = not self.only_before and not self.only_after
        return same and sets and self.lengths and self.snapshots


def compare_plans(before: Plan, after: Plan) -> Comparison:
    """Compare two plans, at the steps that begin at the same time in both.

    Values are equal where their float32 is: that is what training uses.  Of more than
    `MOST_COMPARED` steps, `SAMPLED` are compared, evenly spread, and those around each
    boundary; from where they differ the first and the last step are sought.

    Args:
        before: the first plan.
        after: the second.

    Raises:
        NoSteps: one of them knows no steps, or they begin none at the same time.
    """
    strides = _strides(before, after)
    both = [target for target in before.targets if target in after.targets]
    lengths = _length(before) == _length(after)
    return Comparison(
        tuple(_compare(before, after, target, strides) for target in both),
        tuple(target for target in before.targets if target not in both),
        tuple(target for target in after.targets if target not in both),
        lengths,
        _snapshots(before) == _snapshots(after),
    )


def values_apart(before: Plan, after: Plan, target: str, points: int) -> tuple[Floats, Floats]:
    """Return the second plan's value less the first one's, for a picture.

    Returns:
        Steps, as the first plan counts them, and the differences there.
    """
    first, second = _strides(before, after)
    places = _places(before, after, (first, second), points, points)
    steps: Floats = places.astype(np.float64) * first
    return steps, _values(after, target, places * second) - _values(
        before, target, places * first
    )


def _strides(before: Plan, after: Plan) -> tuple[int, int]:
    """Return each how many steps of either plan both begin one."""
    if before.total_steps is None or after.total_steps is None:
        raise NoSteps("one of the schedules knows no steps")
    first, second = before.steps_per_epoch, after.steps_per_epoch
    if first == second or (before.unit == after.unit == "steps"):
        return 1, 1
    if first is None or second is None:
        raise NoSteps("only one of the schedules knows how many steps an epoch has")
    common = math.gcd(first, second)
    return first // common, second // common


def _length(plan: Plan) -> Fraction:
    per_epoch = plan.steps_per_epoch
    if plan.unit == "steps" and per_epoch is not None:
        return plan.length / per_epoch
    return plan.length


def _snapshots(plan: Plan) -> tuple[object, ...]:
    return tuple((one.step, one.epoch) for one in plan.snapshots), plan.snapshot_options


def _values(plan: Plan, target: str, steps: _Places) -> Floats:
    return plan.values(steps, target)


def _places(
    before: Plan, after: Plan, strides: tuple[int, int], most: int, sampled: int
) -> _Places:
    """Return which common steps are looked at: all, or those that show both curves."""
    assert before.total_steps is not None
    assert after.total_steps is not None
    count = min(-(-before.total_steps // strides[0]), -(-after.total_steps // strides[1]))
    if count <= most:
        return np.arange(count, dtype=np.int64)
    spread = np.linspace(0, count - 1, sampled).astype(np.int64)
    edges = []
    for plan, stride in zip((before, after), strides, strict=True):
        for target in plan.targets:
            for segment in plan.segments_of(target):
                for time in (segment.start, *segment.cycles):
                    place = math.ceil(time * plan.horizon.unit_ticks / stride)
                    edges += [p for p in (place - 1, place) if 0 <= p < count]
    return np.union1d(spread, np.array(edges, dtype=np.int64))


def _compare(before: Plan, after: Plan, target: str, strides: tuple[int, int]) -> Difference:
    assert before.total_steps is not None
    assert after.total_steps is not None
    count = min(-(-before.total_steps // strides[0]), -(-after.total_steps // strides[1]))

    def at(places: _Places) -> _Pair:
        one = _values(before, target, places * strides[0])
        return one, _values(after, target, places * strides[1])

    places = _places(before, after, strides, MOST_COMPARED, SAMPLED)
    one, other = at(places)
    wrong = one.astype(np.float32) != other.astype(np.float32)
    change = np.diff(np.concatenate([[False], wrong, [False]]).astype(np.int8))
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    gap = np.abs(other - one)
    stretches = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        widest = start + int(np.argmax(gap[start:end]))
        first, last = int(places[start]), int(places[end - 1])
        if len(places) < count:
            first = _edge(at, int(places[start - 1]) if start else first, first)
            last = _edge(at, int(places[end]) if end < len(places) else last, last)
        stretches.append(
            Stretch(
                first * strides[0],
                last * strides[0],
                int(places[widest]) * strides[0],
                float(one[widest]),
                float(other[widest]),
            )
        )
    return Difference(target, tuple(stretches), int(wrong.sum()), len(places), count)


def _edge(at: Callable[[_Places], _Pair], equal: int, differing: int) -> int:
    """Return the place next to those that are equal at which values differ."""
    while abs(differing - equal) > 1:
        middle = (equal + differing) // 2
        one, other = at(np.array([middle]))
        if np.float32(one[0]) == np.float32(other[0]):
            equal = middle
        else:
            differing = middle
    return differing
