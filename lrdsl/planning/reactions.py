"""Reactions → times: a checked tree in which every condition is what it came to.

A schedule that reacts is a function of time and of the metrics of the epochs that are over.
With these known, each condition is a boundary in time, or has not held yet; each plateau is
a list of the times at which it changed.  What is left is a tree of times only, which all
that follows plans as it plans any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import count, takewhile

from lrdsl import core
from lrdsl.analysis.problems import Problems
from lrdsl.planning.causes import Causes, last_better
from lrdsl.planning.conditions import (
    bound_of,
    is_reactive,
    metric_of,
    reactions,
    restores_best,
    rules_of,
    watched,
)
from lrdsl.planning.courses import Course, MetricError, Recorded, told_of
from lrdsl.planning.horizon import Horizon
from lrdsl.planning.layout import Layout
from lrdsl.planning.stalls import Counter, Look, Rules
from lrdsl.planning.times import ZERO, Length, Open
from lrdsl.records import dataclass, replace
from lrdsl.source import Span


@dataclass(frozen=True, slots=True)
class Reaction:
    """Something that happened because of a metric.

    Attributes:
        kind: "switch" to the next segment, "cut" or "rise" of a plateau, or "stop".
        target: of which target.
        tick: when, in ticks of the training: at the end of an epoch.
        cause: why, in words.
        span: the condition or the plateau.
        restore: whether the weights go back to those of the best epoch, `best`.
        best: the last epoch that was better than those before, None if there is none.
    """

    kind: str
    target: str
    tick: Fraction
    cause: str
    span: Span
    restore: bool = False
    best: int | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands, in ticks.

    Attributes:
        start: tick of the training at which its clock is 0.
        length: what its formula is made for.
        decided: whether `length` is its own; otherwise what is inside decides, at most that.
        block: length of the block around it, for `%`.
        begun, end: ticks of the training between which it is in force.
    """

    start: Fraction
    length: Fraction
    decided: bool
    block: Length
    begun: Fraction
    end: Fraction

    def within(self, cursor: Fraction, length: Fraction, block: Length) -> _Place:
        """Return the place of what begins after `cursor` and has a length of its own."""
        start = self.start + cursor
        end = min(self.end, start + length)
        return _Place(start, length, True, block, max(self.begun, start), end)


class Reactions:
    """Rewrites the targets of a program, for one horizon and one course of the metrics.

    Attributes:
        happened: what the metrics did, in the order of the text.
        stop: the tick at which training stops, None if it runs to its end.
        best: the best epoch so far of each plateau in force that goes back to it.
    """

    def __init__(self, horizon: Horizon, problems: Problems, course: Course) -> None:
        self._horizon = horizon
        self._problems = problems
        self._layout = Layout(horizon, problems)
        self._course = course
        self._causes = Causes(self._layout, course)
        self._target = "lr"
        self.happened: list[Reaction] = []
        self.stop: Fraction | None = None
        self.best: set[int] = set()

    def target(self, name: str, node: core.Core) -> core.Core:
        """Return a target as a tree of times only."""
        total = self._horizon.total
        assert total is not None
        if not is_reactive(node) and not _stops(node):
            return node
        if is_reactive(node) and self._horizon.epoch is None:
            self._problems.add(
                "LRS303",
                "a reaction waits for the end of an epoch",
                _first_reaction(node),
                "steps per epoch are not known",
                help="say how many steps an epoch has: `--steps-per-epoch 390`",
            )
            return node
        self._target = name
        whole = _Place(ZERO, total, True, total, ZERO, total)
        return self._rewrite(node, whole)[0]

    # -- nodes --------------------------------------------------------------------------

    def _rewrite(self, node: core.Core, place: _Place) -> tuple[core.Core, bool]:
        """Return a node without reactions, and whether its end waits for a metric."""
        if not is_reactive(node) and not _stops(node):
            return node, False
        match node:
            case core.Sequence():
                return self._sequence(node, place)
            case core.Curve(kind="plateau", parameters=parameters):
                return self._plateau(parameters, node.span, place), False
            case core.Apply(operands=operands):
                inside = replace(place, block=place.length)
                parts = [self._rewrite(operand, inside) for operand in operands]
                is_open = any(waits for _, waits in parts)
                return replace(node, operands=tuple(part for part, _ in parts)), is_open
            case core.For(operand=operand, length=length):
                ticks = self._layout.duration(length, place.block, "for")
                if isinstance(ticks, Fraction):
                    end = min(place.end, place.start + ticks)
                    inside = replace(place, length=ticks, decided=True, end=end)
                    return replace(node, operand=self._rewrite(operand, inside)[0]), False
            case core.Skip(operand=operand, amount=amount):
                ticks = self._layout.duration(amount, place.block, "skip")
                if isinstance(ticks, Fraction):
                    inside = replace(
                        place, start=place.start - ticks, length=place.length + ticks
                    )
                    inner, is_open = self._rewrite(operand, inside)
                    return replace(node, operand=inner), is_open
            case core.By(operand=operand) | core.Snapshot(operand=operand):
                inner, is_open = self._rewrite(operand, place)
                return replace(node, operand=inner), is_open
        return node, False  # something was reported

    def _plateau(
        self, parameters: dict[str, core.Core], span: Span, place: _Place
    ) -> core.Plateau:
        metric = metric_of(parameters)
        rules = rules_of(self._layout, metric, parameters, span)
        changed: list[tuple[Fraction, str]] = []
        if rules is not None:
            first = self._causes.first_epoch(place.begun)
            judged: list[bool | None] = []
            counter = Counter(rules)
            # What it does not see the end of, it does not look at.
            ticks = takewhile(
                lambda tick: tick < place.end, map(self._causes.end_of, count(first))
            )
            for tick, look in zip(ticks, self._looks(metric, rules, first, span), strict=False):
                better, change = counter.add(look)
                judged.append(better)
                if change is None:
                    continue
                cause = self._causes.of_stall(metric, rules, judged, first)
                if change.value == "rise":
                    cause = f"`{metric}` got better"
                self._note(
                    change.value,
                    tick,
                    cause,
                    span,
                    restore=restores_best(parameters) and change.value == "cut",
                    best=last_better(judged, first),
                )
                changed.append((tick, change.value))
            best = last_better(judged, first)
            if restores_best(parameters) and best is not None:
                self.best.add(best)
        return core.Plateau(parameters, tuple(changed), span)

    def _sequence(self, node: core.Sequence, place: _Place) -> tuple[core.Core, bool]:
        block: Length = place.length if place.decided else Open.CONTENTS
        done: list[core.Segment] = []
        cursor = ZERO
        before = len(self.happened)
        for index, segment in enumerate(node.segments):
            room = max(place.length - cursor, ZERO)
            inside = place.within(cursor, room, block)
            if isinstance(segment.body, core.Stop):
                if place.begun <= inside.start < place.end:
                    self._note_stop(inside.start, segment.span)
                held = core.Reference("entry", segment.span)
                done.append(replace(segment, body=held, waits=not room))
                break
            end: Fraction | None
            if segment.until is None:
                is_last = index + 1 == len(node.segments)
                inside = replace(inside, decided=is_last and place.decided)
                segment, end = self._natural(segment, inside, is_last)
                cursor = cursor if end is None else cursor + end
                waits = end is None and not is_last
                is_open = end is None and not place.decided
            elif core.is_condition(segment.until):
                bound = bound_of(self._layout, segment.until, block)
                if self._is_passed(bound, cursor, before):
                    continue
                segment, end = self._reacting(segment, bound, cursor, block, place)
                cursor = cursor if end is None else end
                waits = end is None
                is_open = waits and not place.decided
            else:
                assert segment.until is not None
                boundary = self._layout.time(segment.until, block, "until")
                if not isinstance(boundary, Fraction):
                    return node, False
                if self._is_passed(boundary, cursor, before):
                    continue
                inside = place.within(cursor, max(boundary - cursor, ZERO), block)
                segment = replace(segment, body=self._rewrite(segment.body, inside)[0])
                cursor, waits, is_open = boundary, False, False
            done.append(segment)
            if self._problems.errors:
                return node, False
            if waits:
                done += self._waiting(node.segments[index + 1 :], place.length)
                break
        return replace(node, segments=tuple(done)), is_open

    def _natural(
        self, segment: core.Segment, inside: _Place, is_last: bool
    ) -> tuple[core.Segment, Fraction | None]:
        """Rewrite a segment that says nothing of its end; return its length, None if open."""
        body, is_open = self._rewrite(segment.body, inside)
        if is_last:
            return replace(segment, body=body), None if is_open else ZERO
        if is_open:
            whole = self._ticks(inside.start + inside.length, segment.span)
            return replace(segment, body=body, until=whole), None
        natural = self._layout.natural(body, inside.block)
        # What has no length is reported when the tree is placed.
        length = natural if isinstance(natural, Fraction) else inside.length
        return replace(segment, body=body), length

    def _is_passed(self, boundary: Length, cursor: Fraction, before: int) -> bool:
        """Return whether a segment is passed over: metrics were later than its boundary.

        Without any metric a boundary that is not after the one before it is a mistake.
        """
        switched = any(one.kind == "switch" for one in self.happened[before:])
        return switched and isinstance(boundary, Fraction) and boundary <= cursor

    def _reacting(
        self,
        segment: core.Segment,
        bound: Length,
        cursor: Fraction,
        block: Length,
        place: _Place,
    ) -> tuple[core.Segment, Fraction | None]:
        """Rewrite a segment that ends with a condition; return its end, None if it waits."""
        until = segment.until
        assert until is not None
        if isinstance(bound, Fraction):
            bound = self._layout.ordered(bound, cursor, until, None)
        if bound is Open.UNKNOWN:  # reported
            return segment, None
        limit = bound if isinstance(bound, Fraction) else max(place.length, cursor + 1)
        # It is made for its bound: a metric cuts, and does not rescale.
        inside = place.within(cursor, limit - cursor, block)
        held = self._first_held(until, inside, place.start, block)
        end = limit if held is None else held - place.start
        inside = replace(inside, end=min(inside.end, place.start + end))
        span = segment.body.span
        made_for = self._ticks(limit - cursor, span)
        body = core.For(self._rewrite(segment.body, inside)[0], made_for, span)
        done = replace(segment, body=body, until=self._ticks(end, until.span))
        return done, end if held is not None or isinstance(bound, Fraction) else None

    def _waiting(
        self, segments: tuple[core.Segment, ...], after: Fraction
    ) -> list[core.Segment]:
        """Return what waits for a metric: a `next` before it asks where it would start."""
        done = []
        nothing = Reactions(self._horizon, self._problems, Recorded())
        for index, segment in enumerate(segments):
            at = after + index
            body: core.Core = core.Reference("entry", segment.span)
            if not isinstance(segment.body, core.Stop):
                place = _Place(at, Fraction(1), True, Open.UNKNOWN, at, at)
                body, _ = nothing._rewrite(segment.body, place)
            until = self._ticks(at + 1, segment.span) if index + 1 < len(segments) else None
            done.append(replace(segment, body=body, until=until, waits=True))
        return done

    # -- conditions ---------------------------------------------------------------------

    def _first_held(
        self,
        condition: core.Core,
        place: _Place,
        block_start: Fraction,
        block: Length,
    ) -> Fraction | None:
        """Return the first end of an epoch inside a place after which a condition holds."""
        holds = self._causes.test(condition, place.begun, block_start, block)
        if holds is None:
            return None
        epoch = self._causes.first_epoch(place.begun)
        while epoch < self._course.known:
            tick = self._causes.end_of(epoch)
            if tick >= place.end:
                return None
            try:
                cause = holds(epoch)
            except MetricError as error:
                spans = [
                    one.span for one in reactions(condition) if watched(one) == error.metric
                ]
                self._report(error, spans[0])
                return None
            if cause is not None:
                self._note("switch", tick, cause, condition.span)
                return tick
            epoch += 1
        return None

    def _looks(self, metric: str, rules: Rules, first: int, span: Span) -> Iterator[Look]:
        try:
            yield from self._course.looks(metric, rules, first)
        except MetricError as error:
            self._report(error, span)

    # -- small things -------------------------------------------------------------------

    def _ticks(self, ticks: Fraction, span: Span) -> core.Time:
        unit = "epochs" if self._horizon.step is None else "steps"
        return core.Time(ticks, unit, span)

    def _note(
        self,
        kind: str,
        tick: Fraction,
        cause: str,
        span: Span,
        *,
        restore: bool = False,
        best: int | None = None,
    ) -> None:
        self.happened.append(Reaction(kind, self._target, tick, cause, span, restore, best))

    def _note_stop(self, tick: Fraction, span: Span) -> None:
        self.stop = tick if self.stop is None else min(tick, self.stop)
        self._note("stop", tick, "", span)

    def _report(self, error: MetricError, span: Span) -> None:
        message, label, repair = told_of(error)
        self._problems.add("LRS606", message, span, label, help=repair)


def _stops(node: core.Core) -> bool:
    return isinstance(node, core.Stop) or any(map(_stops, core.children(node)))


def _first_reaction(node: core.Core) -> Span:
    found = min(reactions(node), key=lambda one: one.span)
    return found.span
