"""The value of a `let`: how much of each unit it is."""

from __future__ import annotations

from fractions import Fraction
from math import isfinite

from lrdsl import core
from lrdsl.numeric.constants import Constant, apply_constant, as_fraction, is_chain
from lrdsl.source import Span


def terms(node: core.Core) -> dict[str, Constant] | None:
    """Return how much of each unit ("" for plain numbers) a constant is; None if it is none.

    So a `let` is a handful of nodes, however many `let`s it is made from.
    """
    match node:
        case core.Number(value=value):
            return {"": value}
        case core.Time(value=value, unit=unit):
            return {unit: value}
        case core.Apply(function=function, operands=operands):
            parts = [terms(operand) for operand in operands]
            known = [part for part in parts if part is not None]
            if len(known) < len(parts):
                return None
            if all(part.keys() == {""} for part in known):
                return {"": apply_constant(function, [part[""] for part in known])}
            if function == "+":
                total: dict[str, Constant] = {}
                for part in known:
                    for unit, value in part.items():
                        total[unit] = apply_constant("+", [total.get(unit, Fraction(0)), value])
                return total
            if function == "negative":
                return {u: apply_constant("negative", [v]) for u, v in known[0].items()}
            if function in "*/" or is_chain(function):
                # One of them is a time.
                which = next((p for p in known if p.keys() != {""}), {})
                return {
                    unit: apply_constant(
                        function,
                        [value if p is which else p.get("", Fraction(1)) for p in known],
                    )
                    for unit, value in which.items()
                }
    return None


def is_finite(value: Constant) -> bool:
    """Return whether a constant is a number."""
    return isinstance(value, Fraction) or isfinite(value)


def sum_of(terms: dict[str, Constant], span: Span) -> core.Core:
    """Return the node that adds up so much of each unit."""
    parts: list[core.Core] = [
        core.Time(as_fraction(value), unit, span) if unit else core.Number(value, span)
        for unit, value in terms.items()
    ]
    if len(parts) == 1:
        return parts[0]
    return core.Apply("+", tuple(parts), True, False, span)
