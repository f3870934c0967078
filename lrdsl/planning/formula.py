"""A plan's curves as data: formulas of the clocks, with every length a number of ticks.

A formula is bound to one training: boundaries, lengths and counts are numbers, names are
gone.  It holds nothing but numbers, words of this module and other formulas, so it can be
written to a file and read back.  Ticks are steps where steps are known, else epochs.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, TypeAlias

from lrdsl.records import dataclass, fields


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A number: a rational where the text gives one, else a float64."""

    value: Fraction | float


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """`ticks · scale + offset`, of the training's ticks or of the enclosing turn's."""

    absolute: bool
    scale: Fraction
    offset: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """The turn of the enclosing repeat, from 0; 0 outside any."""


@dataclass(frozen=True, slots=True, eq=False)
class Apply:
    """A function of formulas, value by value; operators go by their signs."""

    function: str
    operands: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """A primitive curve over its clock: progress in [0, 1], or elapsed time over `every`."""

    kind: str
    clock: Clock
    parameters: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Piecewise:
    """`pieces[i]` from `starts[i]` (local ticks) to the next; the new piece owns its start."""

    starts: tuple[Fraction, ...]
    pieces: tuple[Formula, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Hold:
    """`operand` before local tick `end`, and `value` from there on."""

    operand: Formula
    end: Fraction
    value: Formula


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """The operand's value at local tick `at`, or with `left` what it tends to from before."""

    operand: Formula
    at: Fraction
    left: bool


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """Turns of equal `length` from local tick `start`; turn i is `scale`^i times as high."""

    operand: Formula
    start: Fraction
    length: Fraction
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Turn i begins at local tick `starts[i]` and is the first, `slower[i]` times slower."""

    operand: Formula
    starts: tuple[Fraction, ...]
    slower: tuple[Fraction, ...]
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class LastTurn:
    """`last` in turn `count` − 1 of the enclosing repeat, `other` before."""

    count: int
    last: Formula
    other: Formula


@dataclass(frozen=True, slots=True, eq=False)
class NextTurn:
    """The operand's value at the start of the turn after this one, which is `length` long."""

    operand: Formula
    length: Fraction


@dataclass(frozen=True, slots=True, eq=False)
class By:
    """The operand's value at the start of each interval.

    Intervals count from local tick `start`; with `absolute`, from the start of training,
    the first one cut at `start`.
    """

    operand: Formula
    start: Fraction
    interval: Fraction
    absolute: bool


@dataclass(frozen=True, slots=True, eq=False)
class Outer:
    """A formula of the clocks outside the enclosing repeat."""

    operand: Formula


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """A formula of the training's own clock: another target."""

    operand: Formula


Formula: TypeAlias = (
    Const
    | Clock
    | Cycle
    | Apply
    | Curve
    | Piecewise
    | Hold
    | Instant
    | Repeat
    | Stretch
    | LastTurn
    | NextTurn
    | By
    | Outer
    | Root
)

_TYPES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        Const,
        Clock,
        Cycle,
        Apply,
        Curve,
        Piecewise,
        Hold,
        Instant,
        Repeat,
        Stretch,
        LastTurn,
        NextTurn,
        By,
        Outer,
        Root,
    )
}


def operands(formula: Formula) -> tuple[Formula, ...]:
    """Return the formulas directly inside one."""
    match formula:
        case Apply(operands=inner) | Piecewise(pieces=inner):
            return inner
        case Curve(parameters=inner):
            return inner
        case Hold(operand=first, value=second) | LastTurn(last=first, other=second):
            return (first, second)
        case (
            Instant(operand=only)
            | Repeat(operand=only)
            | Stretch(operand=only)
            | NextTurn(operand=only)
            | By(operand=only)
            | Outer(operand=only)
            | Root(operand=only)
        ):
            return (only,)
    return ()


def to_data(item: Any) -> Any:
    """Return a formula, or a part of one, as lists, strings and numbers for JSON."""
    if isinstance(item, tuple):
        return ["tuple", *map(to_data, item)]
    if isinstance(item, bool):
        return item
    if isinstance(item, Fraction):
        return ["Fraction", str(item)]
    if isinstance(item, float):
        return ["float", item.hex()]  # exact, and strict JSON for what is not finite
    if isinstance(item, int | str):
        return item
    return [type(item).__name__, *(to_data(getattr(item, f.name)) for f in fields(item))]


def from_data(data: Any) -> Any:
    """Return what `to_data` was given.

    Raises:
        KeyError: the data names a kind of formula that does not exist.
    """
    if not isinstance(data, list):
        return data
    kind, *rest = data
    if kind == "tuple":
        return tuple(map(from_data, rest))
    if kind == "Fraction":
        return Fraction(rest[0])
    if kind == "float":
        return float.fromhex(rest[0])
    return _TYPES[kind](*map(from_data, rest))
