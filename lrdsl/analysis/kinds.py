"""What kind each node is, and whether that is the kind its place needs."""

from __future__ import annotations

from lrdsl import core
from lrdsl.analysis.problems import Problems
from lrdsl.analysis.terms import terms
from lrdsl.numeric.constants import as_float, is_chain
from lrdsl.source import Span
from lrdsl.vocabulary import TIME_CLOCKS


class Kinds:
    """Reports nodes that are not what their place needs."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        # By identity; the node is kept beside, so that its id stays its own.
        self._open_calls: dict[int, tuple[core.Core, str]] = {}

    def starts_open(self, node: core.Core, call: str) -> None:
        """Note what a function gave that starts at what was in force; `call` would not."""
        self._open_calls[id(node)] = (node, call)

    def need_constant(self, node: core.Core, what: str) -> None:
        """Report what varies within a segment; `what` is the word before it."""
        if not core.varies(node):
            return
        repair = "write a number, a `let` or a parameter"
        if isinstance(node, core.TargetValue):
            repair = (
                f"`{node.target} = …` sets a target; name a number by `let {node.target} = …`"
            )
        elif what in ("for", "skip"):
            # `A for 5 * B` reads as if the time were `5 * B`.
            repair = f"the arithmetic after it is part of the time: write `(… {what} 5) * …`"
        elif what in ("from", "to", "max", "min", "value"):
            repair = "write the curve as a formula: `0.1 + 0.9 * progress`"
        self._problems.add(
            "LRS402",
            f"`{what}` varies in time",
            node.span,
            "must be constant within the segment",
            help=repair,
        )

    def need_value(self, node: core.Core) -> None:
        """Report what is a time or a condition."""
        if core.is_condition(node):
            self.condition_misplaced(node)
        elif core.is_time(node):
            self.time_misplaced(node)

    def time_misplaced(self, node: core.Core, *, is_divisor: bool = False) -> None:
        """Report a time where a value is needed."""
        repair = "write a number"
        if is_divisor:
            repair = "a time divides a clock, or another time: `max(elapsed / 5 steps, 1)`"
        what = "a time stands where a value is needed"
        if isinstance(node, core.Time) and node.unit == "%":
            what = "a percentage stands where a value is needed"
            repair = f"write the number `{as_float(node.value / 100):g}`"
        elif isinstance(node, core.Time) and not is_divisor:
            repair = f"write the number `{as_float(node.value):g}`"
        elif any(isinstance(n, core.Time) and n.unit == "%" for n in core.children(node)):
            repair = "write a percentage as a number, as in `0.3`"
        self._problems.add("LRS401", what, node.span, "not a value", help=repair)

    def condition_misplaced(self, node: core.Core, *, after: str = "") -> None:
        """Report a condition where a value is needed; `after` is the word before a time."""
        repair = "write `until` before it"
        if after in ("for", "skip"):
            repair = f"write `until` instead of `{after}`"
        self._problems.add(
            "LRS409",
            "a condition stands where a value is needed",
            node.span,
            "only `until` takes a condition",
            help=repair,
        )

    def need_starts(self, parts: list[core.Core], operator: str) -> None:
        """Report factors that would start at whatever was in force."""
        for part in parts:
            start = self._open_start(part)
            if start is None:
                continue
            # A warmup climbs to what follows it, which a factor does not know.
            warmup = False
            repair = "say `from=`, as in `linear(from=0, to=1)`"
            if id(start) in self._open_calls:
                repair = f"say where it starts, as in `{self._open_calls[id(start)][1]}`"
            elif isinstance(start, core.Curve):
                warmup = _climbs_to_next(start)
                if start.kind == "exponential":
                    repair = (
                        "the function is `e ^ x`; the curve takes `from=`, "
                        "as in `exp(0.1, from=1)`"
                    )
            if warmup:
                repair = "write the factor out: `(linear(from=0, to=1) for 5)`"
            self._problems.add(
                "LRS405",
                f"a curve inside `{operator}` does not say where it starts",
                start.span,
                "would climb to the rate that follows" if warmup else "would start at a rate",
                help=repair,
            )

    def _open_start(self, node: core.Core) -> core.Core | None:
        """Return what starts at whatever was in force before `node`."""
        if id(node) in self._open_calls:
            return node
        match node:
            case core.Curve(open=is_open):
                return node if is_open else None
            case core.Sequence(segments=segments):
                start = self._open_start(segments[0].body)
                if len(segments) > 1 and _climbs_to_next(start):
                    # A warmup starts by itself, and where it climbs to is inside.
                    rest = core.Sequence(segments[1:], node.span)
                    return self._open_start(rest)
                return start
            case (
                core.For(operand=operand)
                | core.Skip(operand=operand)
                | core.Repeat(operand=operand)
                | core.By(operand=operand)
                | core.Snapshot(operand=operand)
            ):
                return self._open_start(operand)
            case core.Apply(operands=operands):
                found = (self._open_start(operand) for operand in operands)
                return next((start for start in found if start is not None), None)
        return None

    def apply(self, function: str, operands: list[core.Core], span: Span) -> core.Core:
        """Return a function of nodes, after reporting operands that it cannot take."""
        if len(operands) == 1 and function in "+*":
            return operands[0]
        if "/" in function:
            operands = _measured(function, operands)
        times = [operand for operand in operands if core.is_time(operand)]
        for operand in operands:
            if core.is_condition(operand):
                self.condition_misplaced(operand)
        wrong: list[core.Core] = []
        if times and function not in ("+", "negative"):
            # A multiple of one time is a time; anything else of times is not.
            divisors = [
                operand
                for operator, operand in zip(function, operands[1:], strict=False)
                if operator == "/"
            ]
            is_multiple = function in "*/" or is_chain(function)
            wrong = times[1:] if is_multiple and times[0] not in divisors else times
            for operand in wrong:
                self.time_misplaced(operand, is_divisor=operand in divisors)
        varying = any(map(core.varies, operands))
        # What was reported counts as a value, so that it is reported once.
        is_time = bool(times) and not wrong
        return core.Apply(function, tuple(operands), is_time, varying, span)


def _climbs_to_next(node: core.Core | None) -> bool:
    """Return whether a node is a warmup, the only curve whose `to` is `next` by itself."""
    return isinstance(node, core.Curve) and isinstance(
        node.parameters.get("to"), core.Reference
    )


def _measured(function: str, operands: list[core.Core]) -> list[core.Core]:
    """Return the operands of a quotient, with its times as numbers.

    A time stands beside a clock, or beside another time, on the other side of a `/`.
    """
    result = list(operands)
    dividends: list[int] = []
    operators = "*" + (function if is_chain(function) else function * (len(operands) - 1))
    for index, (operator, operand) in enumerate(zip(operators, operands, strict=True)):
        if not (core.is_time(operand) or _clock(operand)):
            continue
        if operator == "*":
            dividends.append(index)
            continue
        # The nearest one before it, unless both are clocks, whose quotient needs nothing.
        if dividends and (core.is_time(operand) or core.is_time(operands[dividends[-1]])):
            which = dividends.pop()
            result[which], result[index] = _pair(operands[which], operand)
    return result


def _pair(dividend: core.Core, divisor: core.Core) -> tuple[core.Core, core.Core]:
    """Return the two sides of a quotient of times as numbers."""
    clock = _clock(dividend) or _clock(divisor)
    amounts = [terms(side) or {} for side in (dividend, divisor)]
    if clock is None and amounts[0].keys() == amounts[1].keys() and len(amounts[0]) == 1:
        (above,), (below,) = (amount.values() for amount in amounts)
        return core.Number(above, dividend.span), core.Number(below, divisor.span)
    return _measure(dividend, clock), _measure(divisor, clock)


def _measure(side: core.Core, clock: str | None) -> core.Core:
    return core.Measure(side, clock, side.span) if core.is_time(side) else side


def _clock(node: core.Core) -> str | None:
    """Return the name of the clock that a node is a multiple of, if it counts a unit."""
    match node:
        case core.Clock(name=name):
            return name if name in TIME_CLOCKS else None
        case core.Apply(function="negative" | "*" | "/" as function, operands=operands):
            factors = operands if function != "/" else operands[:1]
        case core.Apply(function=function, operands=operands) if is_chain(function):
            signs = zip(f"*{function}", operands, strict=True)
            factors = tuple(operand for sign, operand in signs if sign == "*")
        case _:
            return None
    clocks = [clock for clock in map(_clock, factors) if clock is not None]
    return clocks[0] if len(clocks) == 1 else None
