"""What kind each node is, and whether that is the kind its place needs."""

from __future__ import annotations

from lrdsl import core
from lrdsl.analysis.problems import Problems
from lrdsl.numeric.constants import as_float, is_chain
from lrdsl.source import Span


class Kinds:
    """Reports nodes that are not what their place needs."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def need_constant(self, node: core.Core, what: str) -> None:
        """Report what varies within a segment; `what` is the word before it."""
        if not core.varies(node):
            return
        repair = "write a number, a `let` or a parameter"
        if isinstance(node, core.TargetValue):
            repair = (
                f"`{node.target} = …` sets a target; name a number by `let {node.target} = …`"
            )
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

    def time_misplaced(self, node: core.Core) -> None:
        """Report a time where a value is needed."""
        repair = "write a number"
        what = "a time stands where a value is needed"
        if isinstance(node, core.Time) and node.unit == "%":
            what = "a percentage stands where a value is needed"
            repair = f"write the number `{as_float(node.value / 100):g}`"
        elif any(isinstance(n, core.Time) and n.unit == "%" for n in core.children(node)):
            repair = "write a percentage as a number, as in `0.3`"
        self._problems.add("LRS401", what, node.span, "not a value", help=repair)

    def condition_misplaced(self, node: core.Core) -> None:
        """Report a condition where a value is needed."""
        self._problems.add(
            "LRS409",
            "a condition stands where a value is needed",
            node.span,
            "only `until` takes a condition",
            help="write `until` before it",
        )

    def need_starts(self, parts: list[core.Core], operator: str) -> None:
        """Report factors that would start at whatever was in force."""
        for part in parts:
            curve = _open_curve(part)
            if curve is None:
                continue
            # A warmup climbs to what follows it, which a factor does not know.
            warmup = isinstance(curve.parameters.get("to"), core.Reference)
            repair = "say `from=`, as in `linear(from=0, to=1)`"
            if curve.kind == "exponential":
                repair = (
                    "the function is `e ^ x`; the curve takes `from=`, as in `exp(0.1, from=1)`"
                )
            if warmup:
                repair = "write the factor out: `(linear(from=0, to=1) for 5)`"
            self._problems.add(
                "LRS405",
                f"a curve inside `{operator}` does not say where it starts",
                curve.span,
                "would climb to the rate that follows" if warmup else "would start at a rate",
                help=repair,
            )

    def apply(self, function: str, operands: list[core.Core], span: Span) -> core.Core:
        """Return a function of nodes, after reporting operands that it cannot take."""
        if len(operands) == 1 and function in "+*":
            return operands[0]
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
                self.time_misplaced(operand)
        varying = any(map(core.varies, operands))
        # What was reported counts as a value, so that it is reported once.
        is_time = bool(times) and not wrong
        return core.Apply(function, tuple(operands), is_time, varying, span)


def _open_curve(node: core.Core) -> core.Curve | None:
    """Return a curve whose start is decided by what was in force before `node`."""
    match node:
        case core.Curve(open=is_open):
            return node if is_open else None
        case core.Sequence(segments=segments):
            return _open_curve(segments[0].body)
        case (
            core.For(operand=operand)
            | core.Skip(operand=operand)
            | core.Repeat(operand=operand)
            | core.By(operand=operand)
            | core.Snapshot(operand=operand)
        ):
            return _open_curve(operand)
        case core.Apply(operands=operands):
            return next((c for c in map(_open_curve, operands) if c is not None), None)
    return None
