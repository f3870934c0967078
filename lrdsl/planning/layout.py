"""Where in time everything stands: lengths, boundaries, turns.  Rationals only, no values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from itertools import islice, pairwise
from typing import TypeAlias

from lrdsl import core, limits
from lrdsl.analysis.problems import Problems
from lrdsl.diagnostics import Label, Severity
from lrdsl.numeric.constants import Constant, apply_constant, as_float, as_fraction
from lrdsl.planning.horizon import Horizon
from lrdsl.source import Span


class Open(Enum):
    """A length that is no number."""

    ENDLESS = "without an end of its own"
    UNKNOWN = "not known yet"
    CONTENTS = "decided by what is inside"


Length: TypeAlias = Fraction | Open

ZERO = Fraction(0)

_NEVER = 2**64
"""Ticks that no training has."""

_TIME_BITS = 256
"""Bits of a denominator beyond which the edges of stretched turns are rounded: the numbers
would grow with every turn."""

Window: TypeAlias = tuple[Fraction, Fraction]
"""The stretch of time in which a schedule is seen: after the first, up to the second."""


@dataclass(frozen=True, slots=True)
class Due:
    """The end of a turn or a cycle, and the snapshot that waits for it, if one does.

    `limit` is where what is around it ends: before `time`, the turn is cut short.
    """

    time: Fraction
    limit: Fraction
    snapshot: core.Snapshot | None = None

    @property
    def is_reached(self) -> bool:
        """Whether the turn runs to its end."""
        return self.time <= self.limit

    def outside(self, start: Fraction, slower: Fraction) -> Due:
        """Return the same as seen from outside a turn."""
        return Due(start + slower * self.time, start + slower * self.limit, self.snapshot)


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment of a sequence with its place, in ticks from the start of the block.

    `end` is where the next begins; for the last segment where its `until` ends it, ENDLESS
    if it has none.
    """

    segment: core.Segment
    start: Length
    end: Length


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a repeat: the first one's length, their number, and how they stretch."""

    body: core.Core
    length: Fraction
    count: int | None
    stretch: Fraction

    @property
    def edges(self) -> tuple[Fraction, ...]:
        """Where each stretched turn begins, from the start of the repeat, and the last ends."""
        return _stretched(self.length, self.stretch, self.count)

    @property
    def end(self) -> Length:
        """Where the last turn ends, from the start of the repeat."""
        if self.count is not None:
            return self.length * self.count if self.stretch == 1 else self.edges[-1]
        if self.stretch < 1:
            return self.length / (1 - self.stretch)
        return Open.ENDLESS

    def each(self, after: Fraction) -> Iterator[tuple[Fraction, Fraction]]:
        """Yield where each turn begins, from the start of the repeat, and how slow it is.

        Turns that end at `after` or before it are left out.
        """
        if self.stretch == 1:
            turn = max(after // self.length, 0)
            while self.count is None or turn < self.count:
                yield self.length * turn, Fraction(1)
                turn += 1
            return
        for start, end in pairwise(self.edges):
            if end > after:
                yield start, (end - start) / self.length


@lru_cache(maxsize=64)
def _stretched(length: Fraction, stretch: Fraction, count: int | None) -> tuple[Fraction, ...]:
    """Return where stretched turns begin and the last ends, as far as any training sees.

    Exact while that is short; beyond, rounded so finely that no step can tell.
    """
    edges = [ZERO]
    for _ in range(limits.TURNS + 1 if count is None else count):
        edge = _short(edges[-1] + length)
        if edge == edges[-1] or edge > _NEVER:
            break
        edges.append(edge)
        length = _short(length * stretch)
    return tuple(edges) if len(edges) > 1 else (ZERO, length)


def _short(time: Fraction) -> Fraction:
    if time.denominator.bit_length() <= _TIME_BITS:
        return time
    return Fraction(round(time * 2**_TIME_BITS), 2**_TIME_BITS)


class Layout:
    """Places a program in time, for one horizon.

    With `lenient`, what the horizon leaves open is UNKNOWN and not reported: a text is
    checked before anybody knows how long it trains, or how many steps an epoch has.
    """

    def __init__(self, horizon: Horizon, problems: Problems, *, lenient: bool = False) -> None:
        self.horizon = horizon
        self.problems = problems
        self._lenient = lenient

    # -- constants ----------------------------------------------------------------------

    def constant(self, node: core.Core, what: str) -> Constant | None:
        """Return a number that is the same everywhere, None after reporting why it is not."""
        match node:
            case core.Number(value=value):
                return value
            case core.Apply(function=function, operands=operands, is_time=False):
                values = [self.constant(operand, what) for operand in operands]
                known = [v for v in values if v is not None]
                return apply_constant(function, known) if len(known) == len(values) else None
        name = node.name if isinstance(node, core.Clock | core.Reference) else "this"
        self.problems.add(
            "LRS306",
            f"`{name}` decides `{what}`",
            node.span,
            "times and counts are numbers known before training",
            help="write a number, or a `let`",
        )
        return None

    def count(self, node: core.Core, what: str, least: int) -> int | None:
        """Return a whole number, None after reporting why it is none."""
        value = self.constant(node, what)
        if value is None:
            return None
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            self._out_of_range(node.span, what, value, "a whole number", str(max(least, 3)))
            return None
        if value < least:
            self._out_of_range(node.span, what, value, f"at least {least}", str(max(least, 3)))
            return None
        return int(value)

    def _out_of_range(
        self, span: Span, what: str, value: Constant, needed: str, example: str
    ) -> None:
        self.problems.add(
            "LRS408",
            f"`{what}` cannot be {as_float(value):g}",
            span,
            f"must be {needed}",
            help=f"write {example}",
        )

    def ratio(self, node: core.Core | None, what: str) -> Fraction | None:
        """Return a number above 0 as a rational (1 where it is left out)."""
        if node is None:
            return Fraction(1)
        value = self.constant(node, what)
        if value is None:
            return None
        if not 0 < value < float("inf"):
            self._out_of_range(node.span, what, value, "above 0", "1")
            return None
        return as_fraction(value)

    def scale(self, node: core.Core | None) -> float:
        """Return by how much each turn of a repeat is higher than the one before."""
        value = Fraction(1) if node is None else self.constant(node, "scale")
        if node is None or value is None:
            return 1.0
        if not 0 <= value < float("inf"):
            self._out_of_range(node.span, "scale", value, "0 or above", "0.9")
            return 1.0
        return as_float(value)

    # -- times --------------------------------------------------------------------------

    def time(self, node: core.Core, block: Length, what: str) -> Length:
        """Return a time in ticks; UNKNOWN where the horizon leaves it open.

        Args:
            node: the time.
            block: length of the block that `%` and `end` are of.
            what: the word before it, for messages.
        """
        match node:
            case core.Time(value=value, unit=unit):
                return self._of_unit(value, unit, block, node.span)
            case core.Apply(function="+", operands=operands, is_time=True):
                total = ZERO
                unknown = False
                for operand in operands:
                    part = self.time(operand, block, what)
                    if isinstance(part, Fraction):
                        total += part
                    else:
                        unknown = True
                return Open.UNKNOWN if unknown else total
            case core.Apply(function="min" | "max" as which, operands=operands, is_time=True):
                # `or` and `and` between times.
                times = [self.time(operand, block, what) for operand in operands]
                known_times = [time for time in times if isinstance(time, Fraction)]
                if len(known_times) < len(times):
                    return Open.UNKNOWN
                return min(known_times) if which == "min" else max(known_times)
            case core.Apply(function="negative", operands=(operand,), is_time=True):
                part = self.time(operand, block, what)
                return -part if isinstance(part, Fraction) else part
            case core.Apply(function=function, operands=operands, is_time=True):
                # A multiple of one time.
                ticks: Length = Fraction(1)
                factors: list[Constant | None] = []
                for operand in operands:
                    if core.is_time(operand):
                        ticks = self.time(operand, block, what)
                        factors.append(Fraction(1))
                    else:
                        factors.append(self.constant(operand, what))
                known = [f for f in factors if f is not None]
                if len(known) < len(factors) or not isinstance(ticks, Fraction):
                    return Open.UNKNOWN
                return self._finite(apply_constant(function, known), ticks, node.span, what)
        number = self.constant(node, what)
        if number is None:
            return Open.UNKNOWN
        ticks_each = self.bare(node.span)
        if ticks_each is None:
            return Open.UNKNOWN
        return self._finite(number, ticks_each, node.span, what)

    def bare(self, span: Span) -> Fraction | None:
        """Return the ticks of what bare numbers count, None after reporting them unknown."""
        ticks = self.horizon.bare_ticks
        if ticks is None and not self._lenient:
            self.problems.add(
                "LRS303",
                "a bare number counts epochs, and the training is given in steps",
                span,
                "steps per epoch are not known",
                help="write `train 10000 steps` in the file, so that it counts steps, "
                "or say how many steps an epoch has: `--steps-per-epoch 390`",
            )
        return ticks

    def _finite(self, number: Constant, ticks: Fraction, span: Span, what: str) -> Length:
        try:
            return as_fraction(number) * ticks
        except ValueError:
            self.problems.add(
                "LRS403",
                f"the time after `{what}` is not finite",
                span,
                f"comes to {number}",
                help="check the formula",
            )
            return Open.UNKNOWN

    def _of_unit(self, value: Fraction, unit: str, block: Length, span: Span) -> Length:
        horizon = self.horizon
        if unit in ("%", "end"):
            share = value / 100 if unit == "%" else value
            if isinstance(block, Fraction):
                return share * block
            if block is Open.CONTENTS:
                what = "`end`" if unit == "end" else "a percentage"
                self.problems.add(
                    "LRS305",
                    f"{what} of a length that it would itself decide",
                    span,
                    "the block is as long as its contents",
                    help="say how long the block is with `for` or `until`, "
                    "or write the time in epochs or steps",
                )
            return Open.UNKNOWN
        ticks = horizon.epoch if unit == "epochs" else horizon.step
        if ticks is not None:
            return value * ticks
        if not self._lenient:
            self.problems.add(
                "LRS303",
                f"{unit} cannot be converted to {horizon.unit}",
                span,
                "steps per epoch are not known",
                help=_convertible(horizon),
            )
        return Open.UNKNOWN

    # -- lengths ------------------------------------------------------------------------

    def natural(self, node: core.Core, block: Length) -> Length:
        """Return how long a schedule is by itself, in ticks.

        Args:
            node: the schedule.
            block: length of the block around it, for `%`.
        """
        match node:
            case core.For(length=length):
                return self.duration(length, block, "for")
            case core.Skip(operand=operand, amount=amount):
                whole = self.natural(operand, block)
                skipped = self.duration(amount, block, "skip")
                if isinstance(whole, Fraction) and isinstance(skipped, Fraction):
                    return max(whole - skipped, ZERO)
                return whole if whole is Open.ENDLESS else Open.UNKNOWN
            case core.By(operand=operand) | core.Snapshot(operand=operand):
                return self.natural(operand, block)
            case core.Repeat():
                turns = self.turns(node, block)
                return Open.UNKNOWN if turns is None else turns.end
            case core.Sequence():
                return self.place(node, Open.CONTENTS)[1]
            case core.Apply(operands=operands):
                # A plain number has no length of its own and asks for none.
                lengths = [self.natural(o, Open.CONTENTS) for o in operands if core.varies(o)]
                if not lengths or Open.ENDLESS in lengths:
                    return Open.ENDLESS
                known = [length for length in lengths if isinstance(length, Fraction)]
                return max(known) if len(known) == len(lengths) else Open.UNKNOWN
        return Open.ENDLESS

    def duration(self, node: core.Core, block: Length, what: str) -> Length:
        """Return a length, which may be 0 but not less."""
        length = self.time(node, block, what)
        if isinstance(length, Fraction) and length < 0:
            self.problems.add(
                "LRS308",
                f"a length of {self.horizon.describe(length)}",
                node.span,
                "must not be below zero",
                help="write a length above zero",
            )
            return Open.UNKNOWN
        return length

    def positive(self, node: core.Core, block: Length, what: str) -> Length:
        """Return a length above 0."""
        length = self.time(node, block, what)
        if isinstance(length, Fraction) and length <= 0:
            self.problems.add(
                "LRS308",
                f"`{what}` is {self.horizon.describe(length)}",
                node.span,
                "must be above zero",
                help="write a length above zero",
            )
            return Open.UNKNOWN
        return length

    def turns(self, node: core.Repeat, block: Length) -> Turns | None:
        """Return the turns of a repeat, None after reporting why there are none.

        A `for` directly before `repeat` says how long the first turn is, from outside it,
        so a percentage there is of the block around the repeat.
        """
        if isinstance(node.operand, core.For):
            body = node.operand.operand
            length = self.positive(node.operand.length, block, "for")
        else:
            body = node.operand
            length = self.natural(body, Open.CONTENTS)
        if length is Open.ENDLESS:
            self.problems.add(
                "LRS304",
                "`repeat` of what has no length",
                body.span,
                "how long is one turn?",
                help="say so with `for`, as in `cosine(max=0.1) for 10 repeat`",
            )
            return None
        if length == 0:
            self.problems.add(
                "LRS308",
                "`repeat` of what has length 0",
                body.span,
                "a turn must be longer than nothing",
                help="write a length above zero",
            )
            return None
        count = None
        if node.count is not None:
            count = self.count(node.count, "repeat", least=1)
            if count is None:
                return None
        stretch = self.ratio(node.stretch, "stretch")
        if not isinstance(length, Fraction) or stretch is None:
            return None
        if stretch != 1 and count is not None and count > limits.TURNS:
            self.problems.add(
                "LRS107",
                f"{count} stretched turns",
                node.span,
                f"at most {limits.TURNS:,} are allowed",
                help="repeat fewer times",
            )
            return None
        return Turns(body, length, count, stretch)

    def place(self, node: core.Sequence, block: Length) -> tuple[tuple[Placed, ...], Length]:
        """Place the segments of a sequence.

        Args:
            node: the sequence.
            block: its length, as far as what is around it decides that.

        Returns:
            The segments with their places, and the sequence's natural length.
        """
        placed: list[Placed] = []
        cursor: Length = ZERO
        natural: Length = ZERO
        before: core.Core | None = None
        last = len(node.segments) - 1
        for index, segment in enumerate(node.segments):
            start = cursor
            if isinstance(start, Fraction) and isinstance(block, Fraction) and start >= block:
                self._never_reached(segment, start, block)
            if segment.until is not None:
                cursor = self._boundary(segment.until, block, start, before)
                before = segment.until
                end = natural = cursor
            elif index == last and block is not Open.CONTENTS:
                # It runs to the end of the block, however long it would be by itself.
                natural, end = Open.UNKNOWN, Open.ENDLESS
            else:
                length = self.natural(segment.body, block)
                if length is Open.ENDLESS and index < last:
                    self._no_end(segment)
                    length = Open.UNKNOWN
                cursor = _plus(start, length)
                natural = Open.ENDLESS if length is Open.ENDLESS else cursor
                end = cursor if index < last else Open.ENDLESS
                before = None
            placed.append(Placed(segment, start, end))
        return tuple(placed), natural

    def _boundary(
        self, until: core.Core, block: Length, start: Length, before: core.Core | None
    ) -> Length:
        if core.is_condition(until):
            for time in _times(until):
                self.time(time, block, "until")
            return Open.UNKNOWN
        boundary = self.time(until, block, "until")
        if not (isinstance(boundary, Fraction) and isinstance(start, Fraction)):
            return boundary
        if boundary > start:
            return boundary
        describe = self.horizon.describe
        if start == 0:
            self.problems.add(
                "LRS302",
                f"a segment until {describe(boundary)} never runs",
                until.span,
                "must be above zero",
                help="delete the segment, or give it a later boundary",
            )
        else:
            later = _plain(self.horizon.in_unit(start + boundary))
            self.problems.add(
                "LRS301",
                f"the boundary {describe(boundary)} is not after the one before it",
                until.span,
                f"must be greater than {describe(start)}",
                secondary=()
                if before is None or before.span == until.span
                else (Label(before.span, "the segment before runs to here"),),
                help="`until` counts from the start of the block; to run this segment for "
                f"{describe(boundary)}, did you mean `until {later}`?",
            )
        return Open.UNKNOWN

    def _never_reached(self, segment: core.Segment, start: Fraction, block: Fraction) -> None:
        describe = self.horizon.describe
        self.problems.add(
            "LRS302",
            f"a segment from {describe(start)} on never runs",
            segment.span,
            f"the block around it ends at {describe(block)}",
            help="train longer, or give earlier boundaries",
            severity=Severity.WARNING,
        )

    def _no_end(self, segment: core.Segment) -> None:
        self.problems.add(
            "LRS307",
            "a segment before `then` does not say how long it is",
            segment.body.span,
            "where does it end?",
            help="write `until 10` (a time) or `for 10` (a length) after it",
        )

    def survey(self, node: core.Core, length: Length, block: Length, follows: bool) -> None:
        """Report what is wrong with the times of a schedule, whatever its values are.

        Args:
            node: the schedule.
            length: the length of its segment.
            block: the length of the block around it, for `%`.
            follows: whether a segment follows it.
        """
        match node:
            case core.Reference(name="next"):
                if not follows:
                    self.nothing_follows(node.span)
            case core.Curve(kind=kind, parameters=parameters):
                if "every" in parameters:
                    self.positive(parameters["every"], block, "every")
                if "cycles" in parameters:
                    self.count(parameters["cycles"], "cycles", least=1)
                if kind == "noise":
                    self.count(parameters["seed"], "seed", least=0)
                if kind == "geometric" and isinstance(parameters["to"], core.Number):
                    self.reachable(parameters["to"].value, parameters["to"].span)
                for parameter in parameters.values():
                    self.survey(parameter, length, block, follows)
            case core.Sequence(segments=segments):
                last = len(segments) - 1
                for index, placed in enumerate(self.place(node, length)[0]):
                    until = placed.end if isinstance(placed.end, Fraction) else length
                    part: Length = Open.UNKNOWN
                    if isinstance(until, Fraction) and isinstance(placed.start, Fraction):
                        part = until - placed.start
                    self.survey(placed.segment.body, part, length, follows or index < last)
            case core.For(operand=operand, length=own):
                self.survey(operand, self.duration(own, block, "for"), block, follows)
            case core.Skip(operand=operand, amount=amount):
                self.duration(amount, block, "skip")
                self.survey(operand, Open.UNKNOWN, block, follows)
            case core.By(operand=operand, interval=interval):
                if interval is not None:
                    self.positive(interval, block, "by")
                self.survey(operand, length, block, follows)
            case core.Snapshot(operand=operand, parameters=parameters):
                for name in ("keep", "best"):
                    if name in parameters:
                        self.count(parameters[name], name, least=1)
                self.survey(operand, length, block, follows)
            case core.Repeat(count=count, scale=scale):
                self.scale(scale)
                turns = self.turns(node, block)
                if turns is not None:
                    inside = turns.length
                    self.survey(turns.body, inside, inside, follows or count is None)
            case core.Apply(operands=operands):
                for operand in operands:
                    self.survey(operand, length, length, follows)

    def nothing_follows(self, span: Span) -> None:
        """Report a `next` after which nothing comes."""
        self.problems.add(
            "LRS406",
            "`next` is used where nothing follows",
            span,
            "climbs to where the following segment starts",
            help="write `then` and a segment after it, or say the end: `linear(to=0.1)`",
        )

    def reachable(self, end: Constant, span: Span) -> None:
        """Report an `exp(to=…)` that never gets there."""
        if not end > 0:
            self.problems.add(
                "LRS403",
                f"`exp` never reaches {as_float(end):g}",
                span,
                "must be above 0",
                help="name a small rate, as in `exp(to=1e-6)`, or use `linear(to=0)`",
            )

    # -- turns and snapshots ------------------------------------------------------------

    def turn_ends(
        self, node: core.Core, start: Fraction, length: Length, block: Length, seen: Window
    ) -> Iterator[Due]:
        """Yield when each turn and cycle inside a schedule is over, in local ticks.

        Args:
            node: the schedule.
            start: local tick at which it begins.
            length: its length.
            block: the length of the block around it, for `%`.
            seen: what is seen of it; turns of which nothing is seen are left out.
        """
        if not isinstance(length, Fraction) or seen[0] >= seen[1]:
            return
        match node:
            case core.Curve(kind="cosine", parameters=parameters):
                cycles = self.count(parameters["cycles"], "cycles", least=1)
                each = length / cycles if cycles else ZERO
                cycle = max((seen[0] - start) // each, 0) if each else 0
                while cycles and cycle < cycles and start + each * cycle < seen[1]:
                    cycle += 1
                    yield Due(start + each * cycle, seen[1])
            case core.Repeat():

                def turn(turns: Turns, part: Window) -> Iterator[Due]:
                    yield from self.turn_ends(
                        turns.body, ZERO, turns.length, turns.length, part
                    )
                    yield Due(turns.length, part[1])

                yield from self._over_turns(node, start, block, seen, turn)
            case _:
                for child, at, long, around, part in self._inside(
                    node, start, length, block, seen
                ):
                    yield from self.turn_ends(child, at, long, around, part)

    def snapshots(
        self, node: core.Core, start: Fraction, length: Length, block: Length, seen: Window
    ) -> Iterator[Due]:
        """Yield when each snapshot is due, in local ticks, also one that comes too late.

        Takes what `turn_ends` takes.
        """
        if not isinstance(length, Fraction) or seen[0] >= seen[1] or not _has_snapshot(node):
            return
        match node:
            case core.Snapshot(operand=operand):
                alone = True
                for due in self.turn_ends(operand, start, length, block, seen):
                    alone = False
                    yield Due(due.time, due.limit, node)
                if alone:
                    end = _plus(start, self.natural(operand, block))
                    end = min(end, seen[1]) if isinstance(end, Fraction) else seen[1]
                    if end > seen[0]:
                        yield Due(end, seen[1], node)
                yield from self.snapshots(operand, start, length, block, seen)
            case core.Repeat():

                def turn(turns: Turns, part: Window) -> Iterator[Due]:
                    return self.snapshots(turns.body, ZERO, turns.length, turns.length, part)

                yield from self._over_turns(node, start, block, seen, turn)
            case _:
                for child, at, long, around, part in self._inside(
                    node, start, length, block, seen
                ):
                    yield from self.snapshots(child, at, long, around, part)

    def _over_turns(
        self,
        node: core.Repeat,
        start: Fraction,
        block: Length,
        seen: Window,
        inside: Callable[[Turns, Window], Iterator[Due]],
    ) -> Iterator[Due]:
        """Yield what is due inside each turn of a repeat that is seen."""
        turns = self.turns(node, block)
        if turns is None:
            return
        whole: list[Due] | None = None
        for begin, slower in turns.each(seen[0] - start):
            at = start + begin
            if at >= seen[1]:
                return
            part = (
                max((seen[0] - at) / slower, ZERO),
                min((seen[1] - at) / slower, turns.length),
            )
            if part == (ZERO, turns.length):
                # All turns that are seen whole are alike.
                if whole is None:
                    whole = [*islice(inside(turns, part), limits.SNAPSHOTS + 1)]
                dues: Iterable[Due] = whole
                if not whole:
                    return
            else:
                dues = inside(turns, part)
            yield from (due.outside(at, slower) for due in dues)

    def _inside(
        self, node: core.Core, start: Fraction, length: Fraction, block: Length, seen: Window
    ) -> Iterator[tuple[core.Core, Fraction, Length, Length, Window]]:
        """Yield what is directly inside: schedule, start, length, block, what is seen."""

        def child(
            inner: core.Core, at: Fraction, long: Length, around: Length
        ) -> tuple[core.Core, Fraction, Length, Length, Window]:
            end = min(seen[1], at + long) if isinstance(long, Fraction) else seen[1]
            return inner, at, long, around, (max(seen[0], at), end)

        match node:
            case core.For(operand=operand, length=own):
                yield child(operand, start, self.duration(own, block, "for"), block)
            case core.Skip(operand=operand, amount=amount):
                skipped = self.duration(amount, block, "skip")
                if isinstance(skipped, Fraction):
                    yield child(operand, start - skipped, length + skipped, block)
            case core.By(operand=operand) | core.Snapshot(operand=operand):
                yield child(operand, start, length, block)
            case core.Apply(operands=operands):
                for operand in operands:
                    yield child(operand, start, length, length)
            case core.Sequence():
                for placed in self.place(node, length)[0]:
                    if not isinstance(placed.start, Fraction) or placed.start >= length:
                        return
                    end = placed.end if isinstance(placed.end, Fraction) else length
                    yield child(
                        placed.segment.body, start + placed.start, end - placed.start, length
                    )


def _plus(a: Length, b: Length) -> Length:
    return a + b if isinstance(a, Fraction) and isinstance(b, Fraction) else Open.UNKNOWN


def _plain(amount: Fraction) -> str:
    whole = amount.denominator == 1 and abs(amount) < 10**15
    return str(amount.numerator) if whole else f"{as_float(amount):.10g}"


def _convertible(horizon: Horizon) -> str:
    if horizon.unit == "steps":
        return "say how many steps an epoch has: `--steps-per-epoch 390`"
    return (
        "say how many steps an epoch has: `train 90 epochs of 390 steps`, "
        "or `--steps-per-epoch 390`"
    )


def _times(node: core.Core) -> Iterator[core.Core]:
    if isinstance(node, core.Joined):
        for item in node.items:
            yield from _times(item)
    elif not core.is_condition(node):
        yield node


def _has_snapshot(node: core.Core) -> bool:
    if isinstance(node, core.Snapshot):
        return True
    return any(map(_has_snapshot, core.children(node)))
