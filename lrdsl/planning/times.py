"""Times of the language → ticks: rationals, converted with what the horizon knows."""

from __future__ import annotations

from enum import Enum
from fractions import Fraction
from typing import TypeAlias

from lrdsl import core
from lrdsl.analysis.problems import Problems
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


class Times:
    """Reads the times and plain numbers of a program, for one horizon.

    With `lenient`, what the horizon leaves open is UNKNOWN and not reported: a text is
    checked before anybody knows how long it trains, or how many steps an epoch has.
    """

    def __init__(self, horizon: Horizon, problems: Problems, *, lenient: bool = False) -> None:
        self.horizon = horizon
        self.problems = problems
        self._lenient = lenient

    def constant(self, node: core.Core, what: str) -> Constant | None:
        """Return a number that is the same everywhere, None after reporting why it is not."""
        match node:
            case core.Number(value=value):
                return value
            case core.Apply(operands=operands) if any(
                isinstance(operand, core.Measure) for operand in operands
            ):
                self.problems.add(
                    "LRS306",
                    f"a quotient of times decides `{what}`",
                    node.span,
                    "is known only with the steps of an epoch",
                    help="write the time itself, such as `20 steps`",
                )
                return None
            case core.Apply(function=function, operands=operands, is_time=False):
                values = [self.constant(operand, what) for operand in operands]
                known = [v for v in values if v is not None]
                return apply_constant(function, known) if len(known) == len(values) else None
        name = "a formula"
        if isinstance(node, core.Clock | core.Reference):
            name = f"`{node.name}`"
        self.problems.add(
            "LRS306",
            f"{name} decides `{what}`",
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

    def duration(self, node: core.Core, block: Length, what: str) -> Length:
        """Return a length, which may be 0 but not less."""
        length = self.time(node, block, what)
        if isinstance(length, Fraction) and length < 0:
            self.problems.add(
                "LRS308",
                f"a length of {self.horizon.describe(length)}",
                node.span,
                "must not be below zero",
                help="to begin later, write what comes before: `0.1 for 5 then …`"
                if what == "skip"
                else "write a length above zero",
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


def _convertible(horizon: Horizon) -> str:
    if horizon.unit == "steps":
        return "say how many steps an epoch has: `--steps-per-epoch 390`"
    return (
        "say how many steps an epoch has: `train 90 epochs of 390 steps`, "
        "or `--steps-per-epoch 390`"
    )
