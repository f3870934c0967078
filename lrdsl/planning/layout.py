"""Where in time everything stands: lengths, boundaries, turns.  No values."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from lrdsl import core, limits
from lrdsl.diagnostics import Label, Severity
from lrdsl.numeric.constants import Constant, as_float
from lrdsl.planning.times import ZERO, Length, Open, Times
from lrdsl.planning.turns import Turns
from lrdsl.records import dataclass
from lrdsl.source import Span


@dataclass(frozen=True, slots=True)
class Placed:
    """A segment of a sequence with its place, in ticks from the start of the block.

    `end` is where the next begins; for the last segment where its `until` ends it, ENDLESS
    if it has none.
    """

    segment: core.Segment
    start: Length
    end: Length


class Layout(Times):
    """Places a program in time, for one horizon."""

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
            if (
                isinstance(start, Fraction)
                and isinstance(block, Fraction)
                and start >= block
                and not segment.waits
            ):
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
                cursor = self._short(plus(start, length), segment)
                natural = Open.ENDLESS if length is Open.ENDLESS else cursor
                end = cursor if index < last else Open.ENDLESS
                before = None
            placed.append(Placed(segment, start, end))
        return tuple(placed), natural

    def _short(self, time: Length, segment: core.Segment) -> Length:
        """Report a boundary whose fraction would cost more with every segment."""
        if isinstance(time, Fraction) and time.denominator.bit_length() > limits.TIME_BITS:
            self.problems.add(
                "LRS107",
                f"a boundary needs a fraction of more than {limits.TIME_BITS:,} bits",
                segment.span,
                "the lengths before it have no common unit",
                help="write the lengths in steps, or as decimals",
            )
            return Open.UNKNOWN
        return time

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
        return self.ordered(boundary, start, until, before)

    def ordered(
        self, boundary: Fraction, start: Fraction, until: core.Core, before: core.Core | None
    ) -> Length:
        """Return a boundary, UNKNOWN after reporting that it is not after its start."""
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


def plus(a: Length, b: Length) -> Length:
    """Return the sum of two lengths, UNKNOWN where one is no number."""
    return a + b if isinstance(a, Fraction) and isinstance(b, Fraction) else Open.UNKNOWN


def _plain(amount: Fraction) -> str:
    whole = amount.denominator == 1 and abs(amount) < 10**15
    return str(amount.numerator) if whole else f"{as_float(amount):.10g}"


def _times(node: core.Core) -> Iterator[core.Core]:
    if isinstance(node, core.Joined):
        for item in node.items:
            yield from _times(item)
    elif not core.is_condition(node):
        yield node
