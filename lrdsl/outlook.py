"""What a schedule that reacts may come to: the range of its curves before there are metrics."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from lrdsl import core
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.planner import make_plan, suppose
from lrdsl.planning.conditions import reactions, watched
from lrdsl.planning.courses import Unmeasured
from lrdsl.records import dataclass, replace
from lrdsl.scales import Floats

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan

MOST_EPOCHS: Final = 2000
"""Epochs of a training whose range is worked out; it takes seconds at that length."""

_NOTHING = "if nothing happens"
_MOST_PLANS = 100
_MOST_EPOCHS_IN_ALL = 20_000  # of all plans together


@dataclass(frozen=True, slots=True)
class Way:
    """One way that a training may go.

    Attributes:
        name: "earliest", "stalls", "latest", "better" or "never".
        words: what the metrics would do, in words that begin with "if".
        plan: what the schedule would do then.
    """

    name: str
    words: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Trouble:
    """A way that cannot be trained: what the metrics would do, and what is wrong then."""

    words: str
    error: LrsError

    @property
    def problems(self) -> list[Diagnostic]:
        """What is wrong then; each message says when."""
        return [
            replace(problem, message=f"{problem.message}, {self.words}")
            for problem in self.error.diagnostics
        ]


@dataclass(frozen=True, slots=True)
class Outlook:
    """The range of what a plan may come to.

    Attributes:
        ways: those that are worth a curve; the last is the one in which nothing ever
            happens, and the only one where nothing can, or where the training is too long.
        is_too_long: whether the training is longer than `MOST_EPOCHS`.
        trouble: the first way found that cannot be planned.
    """

    ways: tuple[Way, ...]
    is_too_long: bool
    trouble: Trouble | None
    _plans: tuple[Plan, ...]

    @property
    def never(self) -> Way:
        """The way in which nothing ever happens."""
        return self.ways[-1]

    def band(self, target: str, times: Floats) -> tuple[Floats, Floats]:
        """Return the lowest and highest value of a target over all ways.

        Args:
            target: which target.
            times: when, in the plan's unit, from 0 to below its length.
        """
        low, high = np.full(times.shape, np.inf), np.full(times.shape, -np.inf)
        for plan in self._plans:
            runs = times < float(plan.length)
            values = values_at(plan, target, times[runs])
            low[runs] = np.minimum(low[runs], values)
            high[runs] = np.maximum(high[runs], values)
        return low, high


@lru_cache(maxsize=8)  # who draws a plan asks several times, and it may take seconds
def outlook(plan: Plan) -> Outlook | None:
    """Return the range of what a plan may come to, None where it waits for no metric.

    Each supposition is that all metrics get better until some epoch, and from there on
    stall, and fulfil every condition as soon as they can: from the first epoch, from every
    later one (in a long training, from some of them), from none.  Where some conditions are
    stalls and others comparisons, each also without the latter: what stalls may as well never
    come to a limit.  That is what may happen, not
    all of it: metrics that stall and recover lie, mostly, between.
    """
    if plan.program.reactive is None or plan.log:
        return None
    never = Way("never", _words(plan).never, plan)
    assert plan.horizon.total is not None
    epochs = int(plan.horizon.in_epochs(plan.horizon.total) or 0)
    if epochs > MOST_EPOCHS:
        never = replace(never, words=_NOTHING)
        return Outlook((never,), True, None, (plan,))
    return _Range(plan, epochs).outlook(never)


def looks_before(plan: Plan, epoch: int) -> bool:
    """Return whether metrics of the epochs before `epoch` have a say in a plan."""
    asking = Unmeasured(epoch)
    make_plan(plan.program, *plan.asked, plan.base, plan.bases, plan.own, asking)
    return bool(asking.asked)


def values_at(plan: Plan, target: str, times: Floats) -> Floats:
    """Return a target's values at times in the plan's unit, of the step that runs there."""
    if plan.total_steps is None:
        points = min(max(4 * len(times), 200), 2000)
        return np.interp(times, *plan.polyline(target, points))
    per_unit = float(plan.horizon.unit_ticks)
    steps = np.clip((times * per_unit).astype(np.int64), 0, plan.total_steps - 1)
    return plan.values(steps, target)


class _Range:
    """The suppositions of one plan, each planned once."""

    def __init__(self, plan: Plan, epochs: int) -> None:
        self._plan = plan
        self._epochs = epochs
        self._known: dict[tuple[int, bool], Plan | None] = {}
        self._trouble: Trouble | None = None

    def outlook(self, never: Way) -> Outlook:
        words = _words(self._plan)
        count = min(_MOST_PLANS, max(_MOST_EPOCHS_IN_ALL // self._epochs, 2))
        firsts = np.unique(np.linspace(0, self._epochs - 1, count).astype(int)).tolist()
        plans = [found for first in firsts if (found := self._suppose(first)) is not None]
        ways = []
        earliest, latest, better = self._suppose(0), self._latest(), self._suppose(self._epochs)
        if earliest is not None and self._does_something(earliest):
            ways.append(Way("earliest", words.earliest, earliest))
        stalls = None
        if words.stalls:
            plans += [found for first in firsts if (found := self._suppose(first, False))]
            stalls = self._suppose(0, False)
        others = [one.events for one in (self._plan, earliest) if one is not None]
        if stalls is not None and stalls.events not in others:
            ways.append(Way("stalls", words.stalls, stalls))
        if latest is not None and ways and latest is not earliest:
            ways.append(Way("latest", words.latest, latest))
        if better is not None and better.events != self._plan.events:  # a plateau that rises
            ways.insert(0, Way("better", words.better, better))
            plans.append(better)
            never = replace(never, words=_NOTHING)
        return Outlook((*ways, never), False, self._trouble, (*plans, self._plan))

    def _suppose(self, first: int, compares: bool = True) -> Plan | None:
        key = first, compares
        if key not in self._known:
            try:
                self._known[key] = suppose(self._plan, first, compares=compares)
            except LrsError as error:
                self._known[key] = None
                if self._trouble is None:
                    when = "from the start" if first == 0 else f"from epoch {first} on"
                    told = _words(self._plan).earliest.replace("from the start", when)
                    self._trouble = Trouble(told, error)
        return self._known[key]

    def _does_something(self, plan: Plan | None) -> bool:
        # Rises come of what is better, before the supposition begins.
        return plan is None or _without_rises(plan) != _without_rises(self._plan)

    def _latest(self) -> Plan | None:
        """Return the plan of the last epoch from which on a stall still changes anything."""
        low, high = 0, self._epochs  # does something at `low`, unless nothing ever does
        while high - low > 1:
            middle = (low + high) // 2
            if self._does_something(self._suppose(middle)):
                low = middle
            else:
                high = middle
        return self._suppose(low)


def _without_rises(plan: Plan) -> list[Event]:
    return [replace(event, cause="") for event in plan.events if event.kind != "rise"]


@dataclass(frozen=True, slots=True)
class _Words:
    """What the ways of a program are called."""

    earliest: str
    stalls: str  # empty where that is no way of its own
    latest: str
    better: str
    never: str


def _words(plan: Plan) -> _Words:
    program = plan.program
    found = [one for _, node in program.checked.targets for one in reactions(node)]
    names = sorted({watched(one) for one in found})
    comparisons = {
        program.source.slice(one.span) for one in found if isinstance(one, core.Compare)
    }
    better = f"if {names[0] if len(names) == 1 else 'every metric'} always gets better"
    if not comparisons:
        what, never = f"{names[0]} stalls", f"if {names[0]} never stalls"
        if len(names) > 1:
            what, never = "all metrics stall", "if no metric ever stalls"
    elif len(comparisons) == len(found) == 1:
        what = comparisons.pop()
        never = f"if never {what}"
    else:
        what, never = "every condition holds", "if no condition ever holds"
    latest = f"if {what} at the last moment"
    stalling = sorted({watched(one) for one in found if not isinstance(one, core.Compare)})
    stalls = ""
    if stalling and comparisons:
        who = f"{stalling[0]} stalls" if len(stalling) == 1 else "all metrics stall"
        limit = comparisons.pop() if len(comparisons) == 1 else "a limit"
        stalls = f"if {who} from the start, but never {limit}"
    return _Words(f"if {what} from the start", stalls, latest, better, never)
