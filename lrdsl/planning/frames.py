"""Where an expression stands while it is bound, and what a reader sees of it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeAlias

from lrdsl import core
from lrdsl.planning.formula import Formula
from lrdsl.planning.times import Length
from lrdsl.records import dataclass
from lrdsl.source import Span

Entry: TypeAlias = Callable[[], Formula]
Next: TypeAlias = Callable[[Entry], Formula]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where an expression stands.

    Attributes:
        start: local tick at which its segment began.
        length: ticks that the segment has.
        block: length of the block around it, for `%`.
        entry: what was in force before the segment.
        next: given an entry, where the following segment starts; None where none follows.
        turning: inside a repeat, where `cycle` counts.
        shown: on the way from the file down to the segments that a reader sees.
    """

    start: Fraction
    length: Fraction
    block: Length
    entry: Entry
    next: Next | None
    turning: bool = False
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Part:
    """A segment as a reader sees it: where it runs, and the text it is from.

    `length` is what its formula was made for: longer than it runs where a block cuts it,
    shorter where it holds its last value.
    """

    start: Fraction
    end: Fraction
    length: Fraction
    span: Span
    body: core.Core
    block: Length


@dataclass(frozen=True, slots=True)
class Cut:
    """What has an end of its own, which the end of training comes before.

    Attributes:
        target: what it is for.
        formula: what it says, also beyond the end of training.
        start, end: its own, in ticks.
        span: its text.
    """

    target: str
    formula: Formula
    start: Fraction
    end: Fraction
    span: Span
