"""When turns and cycles are over, and which snapshots are due then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import TypeAlias

from lrdsl import core, limits
from lrdsl.planning.layout import Layout, plus
from lrdsl.planning.times import ZERO, Length
from lrdsl.planning.turns import Turns
from lrdsl.records import dataclass

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


def turn_ends(
    layout: Layout,
    node: core.Core,
    start: Fraction,
    length: Length,
    block: Length,
    seen: Window,
) -> Iterator[Due]:
    """Yield when each turn and cycle inside a schedule is over, in local ticks.

    Args:
        layout: the layout of one horizon.
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
            cycles = layout.count(parameters["cycles"], "cycles", least=1)
            each = length / cycles if cycles else ZERO
            cycle = max((seen[0] - start) // each, 0) if each else 0
            while cycles and cycle < cycles and start + each * cycle < seen[1]:
                cycle += 1
                yield Due(start + each * cycle, seen[1])
        case core.Repeat():

            def turn(turns: Turns, part: Window) -> Iterator[Due]:
                yield from turn_ends(layout, turns.body, ZERO, turns.length, turns.length, part)
                yield Due(turns.length, part[1])

            yield from _over_turns(layout, node, start, block, seen, turn)
        case _:
            for child, at, long, around, part in _inside(
                layout, node, start, length, block, seen
            ):
                yield from turn_ends(layout, child, at, long, around, part)


def snapshots(
    layout: Layout,
    node: core.Core,
    start: Fraction,
    length: Length,
    block: Length,
    seen: Window,
) -> Iterator[Due]:
    """Yield when each snapshot is due, in local ticks, also one that comes too late.

    Takes what `turn_ends` takes.
    """
    if not isinstance(length, Fraction) or seen[0] >= seen[1] or not _has_snapshot(node):
        return
    match node:
        case core.Snapshot(operand=operand):
            alone = True
            for due in turn_ends(layout, operand, start, length, block, seen):
                alone = False
                yield Due(due.time, due.limit, node)
            if alone:
                end = plus(start, layout.natural(operand, block))
                end = min(end, seen[1]) if isinstance(end, Fraction) else seen[1]
                if end > seen[0]:
                    yield Due(end, seen[1], node)
            yield from snapshots(layout, operand, start, length, block, seen)
        case core.Repeat():

            def turn(turns: Turns, part: Window) -> Iterator[Due]:
                return snapshots(layout, turns.body, ZERO, turns.length, turns.length, part)

            yield from _over_turns(layout, node, start, block, seen, turn)
        case _:
            for child, at, long, around, part in _inside(
                layout, node, start, length, block, seen
            ):
                yield from snapshots(layout, child, at, long, around, part)


def _over_turns(
    layout: Layout,
    node: core.Repeat,
    start: Fraction,
    block: Length,
    seen: Window,
    inside: Callable[[Turns, Window], Iterator[Due]],
) -> Iterator[Due]:
    """Yield what is due inside each turn of a repeat that is seen."""
    turns = layout.turns(node, block)
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
    layout: Layout,
    node: core.Core,
    start: Fraction,
    length: Fraction,
    block: Length,
    seen: Window,
) -> Iterator[tuple[core.Core, Fraction, Length, Length, Window]]:
    """Yield what is directly inside: schedule, start, length, block, what is seen."""

    def child(
        inner: core.Core, at: Fraction, long: Length, around: Length
    ) -> tuple[core.Core, Fraction, Length, Length, Window]:
        end = min(seen[1], at + long) if isinstance(long, Fraction) else seen[1]
        return inner, at, long, around, (max(seen[0], at), end)

    match node:
        case core.For(operand=operand, length=own):
            yield child(operand, start, layout.duration(own, block, "for"), block)
        case core.Skip(operand=operand, amount=amount):
            skipped = layout.duration(amount, block, "skip")
            if isinstance(skipped, Fraction):
                yield child(operand, start - skipped, length + skipped, block)
        case core.By(operand=operand) | core.Snapshot(operand=operand):
            yield child(operand, start, length, block)
        case core.Apply(operands=operands):
            for operand in operands:
                yield child(operand, start, length, length)
        case core.Sequence():
            for placed in layout.place(node, length)[0]:
                if not isinstance(placed.start, Fraction) or placed.start >= length:
                    return
                end = placed.end if isinstance(placed.end, Fraction) else length
                yield child(
                    placed.segment.body, start + placed.start, end - placed.start, length
                )


def _has_snapshot(node: core.Core) -> bool:
    if isinstance(node, core.Snapshot):
        return True
    return any(map(_has_snapshot, core.children(node)))
