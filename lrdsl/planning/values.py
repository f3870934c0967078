"""What a word or a curve of the checked tree is worth as a formula, in its place in time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction

from lrdsl import core
from lrdsl.analysis.problems import Problems
from lrdsl.numeric.constants import apply_constant
from lrdsl.planning.formula import Apply, By, Clock, Const, Curve, Cycle, Formula, Piecewise
from lrdsl.planning.frames import Frame
from lrdsl.planning.horizon import Horizon
from lrdsl.planning.instants import value_at
from lrdsl.planning.layout import Layout
from lrdsl.planning.times import ZERO, Open
from lrdsl.source import Span
from lrdsl.targets import RATE, is_rate, split

ONE = Const(Fraction(1))
NOTHING = Const(Fraction(0))
"""Stands in where something was reported; the formula is then never used."""


def own_values(
    targets: Sequence[str], bases: Mapping[str, float], own: Mapping[str, float]
) -> dict[str, Mapping[str, float]]:
    """Return, for each target, the own values of the optimizer's parts that it is for.

    Args:
        targets: what the program sets.
        bases: the own rates of the parts by their names.
        own: own values of other targets, by target.
    """
    known: dict[str, Mapping[str, float]] = {
        f"{part}.{RATE}": {part: rate} for part, rate in bases.items()
    }
    rest = {part: rate for part, rate in bases.items() if f"{part}.{RATE}" not in targets}
    # Where every part has a rate of its own, `lr` is but a name for what they are made of.
    known[RATE] = rest or bases
    for target in targets:
        part, word = split(target)
        if is_rate(target):
            continue
        said = own.get(target, own.get(word))
        known[target] = {} if said is None else {part or "": said}
        if part is None:
            # Those parts that have no target of their own, where there are parts.
            alike = [name for name in own if split(name)[1] == word and name not in targets]
            of_parts = {one: own[name] for name in alike if (one := split(name)[0])}
            known[target] = of_parts or known[target]
    return known


class Values(ABC):
    """Binds clocks, references and curves of one target; what they are made of, others do.

    Args:
        horizon: what is known of the training's length.
        problems: where what is wrong goes.
        base: the optimizer's own rate.
        own: for a target, the own values of the optimizer's parts that it is for, where they
            are known; for a rate `base` else.

    Attributes:
        starts_from_own: the targets that anywhere are the optimizer's own value.
    """

    def __init__(
        self,
        horizon: Horizon,
        problems: Problems,
        base: float | None,
        own: Mapping[str, Mapping[str, float]],
    ) -> None:
        self._horizon = horizon
        self._problems = problems
        self._base = base
        self._own_values = own
        self._target = RATE
        self._layout = Layout(horizon, problems)
        self.starts_from_own: set[str] = set()

    @abstractmethod
    def _bind(self, node: core.Core, frame: Frame) -> Formula:
        """Return the formula of any expression."""

    @abstractmethod
    def _hold(self, formula: Formula, end: Fraction, frame: Frame) -> Formula:
        """Return a formula that keeps its last value from one local tick on."""

    def _apply(self, function: str, parts: list[Formula]) -> Formula:
        constants = [part.value for part in parts if isinstance(part, Const)]
        if len(constants) == len(parts):
            return Const(apply_constant(function, constants))
        return Apply(function, tuple(parts))

    def _clock(self, name: str, span: Span, frame: Frame) -> Formula:
        horizon = self._horizon
        match name:
            case "epoch" | "step":
                ticks = horizon.epoch if name == "epoch" else horizon.step
                if ticks is None:
                    self._layout.time(
                        core.Time(Fraction(1), f"{name}s", span), Open.UNKNOWN, name
                    )
                    return NOTHING
                return Clock(True, 1 / ticks, ZERO)
            case "elapsed" | "duration":
                ticks = self._layout.bare(span)
                if ticks is None:
                    return NOTHING
                if name == "duration":
                    return Const(frame.length / ticks)
                return Clock(False, 1 / ticks, -frame.start / ticks)
            case "progress":
                return self._progress(frame)
        return Cycle() if frame.turning else Const(ZERO)

    def _measure_of(self, time: core.Core, clock: str | None, frame: Frame) -> Formula:
        ticks = self._layout.positive(time, frame.block, "/")
        each: Fraction | None
        match clock:
            case "epoch" | "step":
                each = self._horizon.epoch if clock == "epoch" else self._horizon.step
            case "elapsed" | "duration":
                each = self._layout.bare(time.span)
            case _:
                each = Fraction(1)
        # Without what the clock counts, the clock itself is reported.
        return Const(ticks / each) if isinstance(ticks, Fraction) and each else NOTHING

    def _progress(self, frame: Frame) -> Clock:
        length = frame.length or Fraction(1)  # a segment without length is never asked
        return Clock(False, 1 / length, -frame.start / length)

    def _reference(self, name: str, span: Span, frame: Frame) -> Formula:
        self._asked = span
        if name == "base":
            return self._own(span)
        if name == "entry":
            return frame.entry()
        if frame.next is None:
            self._layout.nothing_follows(span)
            return NOTHING
        return frame.next(frame.entry)

    def _own(self, span: Span) -> Formula:
        """Return the target's own value in the optimizer."""
        target = self._target
        self.starts_from_own.add(target)
        own = self._own_values.get(target, {})
        word = split(target)[1]
        if len({*own.values()}) > 1:
            first, *_ = own
            what = "rates" if is_rate(target) else f"`{word}`"
            self._problems.add(
                "LRS407",
                f"the parts of the optimizer differ in their own {what}: "
                + ", ".join(f"{value!r} (`{name}`)" for name, value in own.items()),
                span,
                "would start from one of them",
                help=f"give each its curve, `{first}.{word} = …`, or say with `from=` where "
                "all of them start",
            )
            return ONE
        base = next(iter(own.values()), self._base if is_rate(target) else None)
        if base is not None:
            return Const(base)
        if is_rate(target):
            self._problems.add(
                "LRS407",
                "the optimizer's own rate is needed and unknown",
                span,
                "would start from it",
                help="say it with `from=` (or `max=`), "
                "or give `--base 0.001` (`base=0.001` in Python)",
            )
        else:
            example = "0.004" if word.endswith("decay") else "0.9"
            self._problems.add(
                "LRS407",
                f"the optimizer's own `{word}` is needed and unknown",
                span,
                "would start from it",
                help=f"write `from={example}`, or the number in place of `base` "
                f'(`own={{"{target}": {example}}}` in Python); `fit` reads it from the '
                "optimizer",
            )
        return ONE

    def _curve(self, node: core.Curve, frame: Frame) -> Formula:
        parameters = node.parameters
        if node.kind == "const":
            return self._bind(parameters["value"], frame)
        if node.kind == "noise":
            seed = self._layout.constant(parameters["seed"], "seed")
            clock = self._every(parameters["every"], frame)
            if seed is None or clock is None:
                return NOTHING
            return Curve("noise", clock, (Const(seed),))
        if node.kind in ("linear", "cosine", "poly", "geometric"):
            cycles: tuple[Formula, ...] = ()
            if node.kind == "cosine":
                count = self._layout.count(parameters["cycles"], "cycles", least=1)
                cycles = (Const(Fraction(count or 1)),)
            ends = ("power", "from", "to") if node.kind == "poly" else ("from", "to")
            bound = tuple(self._bind(parameters[name], frame) for name in ends)
            if node.kind == "geometric" and isinstance(bound[1], Const):
                self._layout.reachable(bound[1].value, parameters["to"].span)
            return Curve(node.kind, self._progress(frame), bound + cycles)
        clock = self._every(parameters["every"], frame)
        order = {
            "exponential": ("rate", "from"),
            "decay": ("factor", "from"),
            "inverse": ("rate", "power", "from"),
        }[node.kind]
        if clock is None or not all(name in parameters for name in order):
            return NOTHING
        bound = tuple(self._bind(parameters[name], frame) for name in order)
        return Curve(node.kind, clock, bound)

    def _plateau(self, node: core.Plateau, frame: Frame) -> Formula:
        """Return one piece for each change; no plateau stands inside a repeat."""

        def number(name: str, default: float) -> float:
            if name not in node.parameters:
                return default
            return value_at(self._bind(node.parameters[name], frame), frame.start)

        value, least, most = (
            number(name, default)
            for name, default in (("from", 0.0), ("min", 0.0), ("max", float("inf")))
        )
        factor, rise = number("factor", 1.0), number("rise", 1.0)
        starts, pieces = [frame.start], [Const(value)]
        for tick, kind in node.changes:
            if kind == "cut" and value > least:
                value = max(value * factor, least)
            elif kind == "rise" and value < most:
                value = min(value * rise, most)
            else:
                continue
            starts.append(tick)
            pieces.append(Const(value))
        return Piecewise(tuple(starts), tuple(pieces)) if len(pieces) > 1 else pieces[0]

    def _every(self, every: core.Core, frame: Frame) -> Clock | None:
        ticks = self._layout.positive(every, frame.block, "every")
        if not isinstance(ticks, Fraction):
            return None
        return Clock(False, 1 / ticks, -frame.start / ticks)

    def _by(
        self, operand: core.Core, interval: core.Core | None, span: Span, frame: Frame
    ) -> Formula:
        formula = self._bind(operand, frame)
        if interval is None:
            epoch = core.Time(Fraction(1), "epochs", span)
            ticks = self._layout.time(epoch, Open.UNKNOWN, "by")
        else:
            ticks = self._layout.positive(interval, frame.block, "by")
        if not isinstance(ticks, Fraction):
            return NOTHING
        staircase = By(formula, frame.start, ticks, interval is None)
        # At the end of its operand it stays in its last interval, and holds that.
        natural = self._layout.natural(operand, frame.block)
        if isinstance(natural, Fraction) and 0 < natural < frame.length:
            return self._hold(staircase, frame.start + natural, frame)
        return staircase

    def _no_next(self, span: Span, message: str) -> None:
        self._problems.add(
            "LRS406",
            message,
            span,
            "the last turn has no next",
            help="write `then` and a segment after it, or say the end: `linear(to=0)`",
        )
