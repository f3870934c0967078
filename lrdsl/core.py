"""The checked tree: what a program says once names are resolved and calls expanded.

Every node keeps the span that a message about it should show: the user's own text, also for
what a prelude function expands to.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TypeAlias

from lrdsl.records import dataclass
from lrdsl.source import Span


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """A number; rational where the text gives one."""

    value: Fraction | float
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Time:
    """A number of a unit: "epochs", "steps", "%" of the block, or "end" of the block."""

    value: Fraction
    unit: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """How many of what a clock counts a time is (`elapsed / 10 steps`), a number.

    `clock` is None where a time is divided by a time, which no unit matters to.
    """

    time: Core
    clock: str | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """`epoch`, `step`, `elapsed`, `duration`, `progress` or `cycle`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """`base`, `entry` or `next`."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class TargetValue:
    """The value of a target above."""

    target: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """A pointwise function; `-` is `negative` and `/` between operands is `/` of two.

    `is_time` where the operands are times (sums and multiples of them), `varies` where the
    result is not constant within a segment.
    """

    function: str
    operands: tuple[Core, ...]
    is_time: bool
    varies: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A primitive curve with its parameters by name, defaults filled in.

    `open` where nobody said where it starts, so that it takes what was in force.
    """

    kind: str
    parameters: dict[str, Core]
    open: bool
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Plateau:
    """The curve `plateau` with what it did, as far as the metrics are known.

    `changes` are the ticks of the training at which it changed, with how: "cut" or "rise".
    """

    parameters: dict[str, Core]
    changes: tuple[tuple[Fraction, str], ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """A body and its boundary (a time or a condition); None for the last or a natural end.

    `waits` where it begins when a condition holds, which has not been so far.
    """

    body: Core
    until: Core | None
    span: Span
    waits: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A block: segments one after another."""

    segments: tuple[Segment, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class For:
    """The operand, `length` long."""

    operand: Core
    length: Core
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Skip:
    """The operand as if `amount` had passed."""

    operand: Core
    amount: Core
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """The operand again and again."""

    operand: Core
    count: Core | None
    stretch: Core | None
    scale: Core | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class By:
    """The operand's value at the start of each interval; None for training's epochs."""

    operand: Core
    interval: Core | None
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """The operand, with a model saved at the end of each of its turns."""

    operand: Core
    parameters: dict[str, Core]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Compare:
    """`metric < limit` and its kin."""

    metric: str
    operator: str
    limit: Core
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Stalled:
    """`stalled(metric, …)`."""

    metric: str
    parameters: dict[str, Core]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """A word or a quoted name where a parameter takes one: a metric, a mode."""

    text: str
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """Conditions and times joined by `and` or `or`."""

    operator: str
    items: tuple[Core, ...]
    span: Span


@dataclass(frozen=True, slots=True, eq=False)
class Stop:
    """The end of training."""

    span: Span


Core: TypeAlias = (
    Number
    | Time
    | Measure
    | Clock
    | Reference
    | TargetValue
    | Apply
    | Curve
    | Plateau
    | Sequence
    | For
    | Skip
    | Repeat
    | By
    | Snapshot
    | Compare
    | Stalled
    | Word
    | Joined
    | Stop
)

Condition: TypeAlias = Compare | Stalled | Joined


def is_time(node: Core) -> bool:
    """Return whether a node is a time with a unit, rather than a value."""
    return isinstance(node, Time) or (isinstance(node, Apply) and node.is_time)


def varies(node: Core) -> bool:
    """Return whether a node's value can change within a segment."""
    match node:
        case Number() | Time() | Measure() | Reference() | Word():
            return False
        case Clock(name=name):
            return name not in ("duration", "cycle")
        case Apply(varies=apply_varies):
            return apply_varies
        case Curve(kind="const", parameters=parameters):
            return varies(parameters["value"])
    return True


def is_condition(node: Core) -> bool:
    """Return whether a node looks at metrics."""
    return isinstance(node, Compare | Stalled | Joined)


def children(node: Core | Segment) -> tuple[Core, ...]:
    """Return the nodes directly under one."""
    match node:
        case Apply(operands=operands) | Joined(items=operands):
            return operands
        case (
            Curve(parameters=parameters)
            | Plateau(parameters=parameters)
            | Stalled(parameters=parameters)
        ):
            return tuple(parameters.values())
        case Sequence(segments=segments):
            return tuple(
                part for s in segments for part in (s.body, s.until) if part is not None
            )
        case For(operand=operand, length=other) | Skip(operand=operand, amount=other):
            return (operand, other)
        case Repeat(operand=operand, count=count, stretch=stretch, scale=scale):
            parts = (operand, count, stretch, scale)
            return tuple(part for part in parts if part is not None)
        case By(operand=operand, interval=interval):
            return (operand,) if interval is None else (operand, interval)
        case Snapshot(operand=operand, parameters=parameters):
            return (operand, *parameters.values())
        case Compare(limit=limit):
            return (limit,)
        case Measure(time=time):
            return (time,)
    return ()
