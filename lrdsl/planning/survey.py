"""What is wrong with the times of a schedule, whatever its values are."""

from __future__ import annotations

from fractions import Fraction

from lrdsl import core
from lrdsl.planning.conditions import reactions, survey_condition, survey_plateau
from lrdsl.planning.layout import Layout
from lrdsl.planning.times import Length, Open


def survey(
    layout: Layout, node: core.Core, length: Length, block: Length, follows: bool
) -> None:
    """Report what is wrong with the times of a schedule, whatever its values are.

    Args:
        layout: the layout of one horizon.
        node: the schedule.
        length: the length of its segment.
        block: the length of the block around it, for `%`.
        follows: whether a segment follows it.
    """
    match node:
        case core.Reference(name="next"):
            if not follows:
                layout.nothing_follows(node.span)
        case core.Curve(kind=kind, parameters=parameters):
            if "every" in parameters:
                layout.positive(parameters["every"], block, "every")
            if "cycles" in parameters:
                layout.count(parameters["cycles"], "cycles", least=1)
            if kind == "noise":
                layout.count(parameters["seed"], "seed", least=0)
            if kind == "plateau":
                survey_plateau(layout, parameters, node.span)
            if kind == "geometric" and isinstance(parameters["to"], core.Number):
                layout.reachable(parameters["to"].value, parameters["to"].span)
            for parameter in parameters.values():
                survey(layout, parameter, length, block, follows)
        case core.Sequence(segments=segments):
            last = len(segments) - 1
            for segment in segments:
                if segment.until is not None and core.is_condition(segment.until):
                    survey_condition(layout, segment.until, length)
            for index, placed in enumerate(layout.place(node, length)[0]):
                until = placed.end if isinstance(placed.end, Fraction) else length
                part: Length = Open.UNKNOWN
                if isinstance(until, Fraction) and isinstance(placed.start, Fraction):
                    part = until - placed.start
                survey(layout, placed.segment.body, part, length, follows or index < last)
        case core.For(operand=operand, length=own):
            survey(layout, operand, layout.duration(own, block, "for"), block, follows)
        case core.Skip(operand=operand, amount=amount):
            layout.duration(amount, block, "skip")
            survey(layout, operand, Open.UNKNOWN, block, follows)
        case core.By(operand=operand, interval=interval):
            if interval is not None:
                layout.positive(interval, block, "by")
            survey(layout, operand, length, block, follows)
        case core.Snapshot(operand=operand, parameters=parameters):
            for name in ("keep", "best"):
                if name in parameters:
                    layout.count(parameters[name], name, least=1)
            survey(layout, operand, length, block, follows)
        case core.Repeat(operand=operand, count=count, scale=scale):
            layout.scale(scale)
            for reaction in reactions(operand):
                layout.problems.add(
                    "LRS410",
                    "a reaction to a metric stands inside `repeat`",
                    reaction.span,
                    "each turn would be another one",
                    help="react to the whole, `(… repeat) until stalled(…)`, or multiply: "
                    "`(… repeat) * plateau(from=1)`",
                )
            turns = layout.turns(node, block)
            if turns is not None:
                inside = turns.length
                survey(layout, turns.body, inside, inside, follows or count is None)
        case core.Measure(time=time):
            layout.positive(time, block, "/")
        case core.Apply(operands=operands):
            for operand in operands:
                survey(layout, operand, length, length, follows)
