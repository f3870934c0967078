"""Checked tree → formulas: bound to one horizon, every length a number, every name gone."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from types import MappingProxyType

from lrdsl import core, limits
from lrdsl.analysis.problems import Problems
from lrdsl.numeric.constants import apply_constant
from lrdsl.planning.formula import (
    Const,
    Formula,
    Hold,
    Instant,
    LastTurn,
    NextTurn,
    Outer,
    Piecewise,
    Repeat,
    Root,
    Stretch,
)
from lrdsl.planning.frames import Cut, Entry, Frame, Next, Part
from lrdsl.planning.horizon import Horizon
from lrdsl.planning.instants import value_at
from lrdsl.planning.layout import Placed
from lrdsl.planning.sizes import Sizes, depends_on_turn
from lrdsl.planning.times import ZERO, Open
from lrdsl.planning.turns import Turns
from lrdsl.planning.values import NOTHING, Values
from lrdsl.records import replace
from lrdsl.source import Span

_LOOK_AHEAD = 50
"""Segments that `next` looks through one after another at most."""

_LOOKS = 1000
"""Segments that one `next` looks through at most, where each asks for it more than once."""

_GRAIN = Fraction(1, 10**6)
"""Ticks below which nobody sees a turn that is ever shorter."""

_TARGET_DEPTH = 150
_TARGET_SIZE = 5 * limits.NODES
"""How deep and how large the formula of a target may be, with those of the targets in it."""

_DEPTH = 100
_SIZE = 1000
"""How deep and how large a formula may be that an `entry` stands for turn after turn."""


class Binder(Values):
    """Binds the targets of one program to one horizon.

    Args:
        horizon: what is known of the training's length.
        problems: where what is wrong goes.
        base: the optimizer's own rate.
        own: for a target, the own values of the optimizer's parts that it is for, where they
            are known; for a rate `base` else.

    Attributes:
        cuts: what the end of training cuts short, the outermost of each.
        starts_from_own: the targets that anywhere are the optimizer's own value.
    """

    def __init__(
        self,
        horizon: Horizon,
        problems: Problems,
        base: float | None,
        own: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        super().__init__(horizon, problems, base, own)
        self._targets: dict[str, Formula] = {}
        self._parts: list[Part] = []
        self._looking = 0
        self._looks = 0
        self._sizes = Sizes()
        self.cuts: list[Cut] = []

    def target(self, name: str, node: core.Core) -> tuple[Formula, tuple[Part, ...]]:
        """Return the formula of a target and its segments; targets above it are bound."""
        total = self._horizon.total
        assert total is not None
        self._target = name
        self._asked = node.span
        self._parts = []
        frame = Frame(ZERO, total, total, lambda: self._own(node.span), None)
        formula = self._segment(node, frame)
        self._targets[name] = formula
        depth, size = self._sizes.of(formula)
        if depth > _TARGET_DEPTH or size > _TARGET_SIZE:
            self._problems.add(
                "LRS107",
                f"`{name}` is made of other targets too often",
                node.span,
                "too many formulas within one another",
                help="write the formula out, with `def` where it is used again",
            )
        # A reader sees each segment until the next begins: cut where its block is cut, and
        # holding its last value where its block is longer.
        if not self._parts:  # something was reported
            return formula, ()
        ends = [*(part.start for part in self._parts[1:]), total]
        parts = (replace(p, end=end) for p, end in zip(self._parts, ends, strict=True))
        return formula, tuple(parts)

    # -- expressions --------------------------------------------------------------------

    def _segment(self, node: core.Core, frame: Frame) -> Formula:
        """Bind the body of a segment, and note it if a reader sees it."""
        inner = node
        while isinstance(inner, core.Snapshot):
            inner = inner.operand
        if isinstance(inner, core.Sequence) and (len(inner.segments) > 1 or not frame.shown):
            return self._bind(node, frame)
        formula = self._bind(node, replace(frame, shown=False))
        if frame.shown:
            end = frame.start + frame.length
            self._parts.append(
                Part(frame.start, end, frame.length, node.span, node, frame.block)
            )
        return formula

    def _bind(self, node: core.Core, frame: Frame) -> Formula:
        match node:
            case core.Number(value=value):
                return Const(value)
            case core.Clock(name=name):
                return self._clock(name, node.span, frame)
            case core.Measure(time=time, clock=clock):
                return self._measure_of(time, clock, frame)
            case core.Reference(name=name):
                return self._reference(name, node.span, frame)
            case core.TargetValue(target=target):
                return Root(self._targets.get(target, NOTHING))
            case core.Apply(function=function, operands=parts):
                inside = replace(frame, block=frame.length, shown=False)
                return self._apply(function, [self._bind(part, inside) for part in parts])
            case core.Curve():
                return self._curve(node, frame)
            case core.Plateau():
                return self._plateau(node, frame)
            case core.For(operand=operand, length=length):
                return self._for(operand, length, frame)
            case core.Skip(operand=operand, amount=amount):
                skipped = self._layout.duration(amount, frame.block, "skip")
                if not isinstance(skipped, Fraction):
                    return NOTHING
                return self._bind(
                    operand,
                    replace(frame, start=frame.start - skipped, length=frame.length + skipped),
                )
            case core.By(operand=operand, interval=interval):
                return self._by(operand, interval, node.span, frame)
            case core.Snapshot(operand=operand):
                return self._bind(operand, frame)
            case core.Sequence():
                return self._sequence(node, frame)
            case core.Repeat():
                return self._repeat(node, frame)
        return NOTHING  # a condition or a word, reported when the tree was checked

    def _for(self, operand: core.Core, length: core.Core, frame: Frame) -> Formula:
        ticks = self._layout.duration(length, frame.block, "for")
        if not isinstance(ticks, Fraction):
            return NOTHING
        if ticks == 0:
            return frame.entry()
        formula = self._bind(operand, replace(frame, length=ticks))
        if ticks >= frame.length:  # a tighter bound cuts, and nothing is held
            self._note_cut(operand, formula, frame.start, ticks, frame)
            return formula
        return self._hold(formula, frame.start + ticks, frame)

    def _hold(self, formula: Formula, end: Fraction, frame: Frame) -> Formula:
        return self._hold_as(formula, formula, end, frame)

    def _hold_as(
        self, formula: Formula, closing: Formula, end: Fraction, frame: Frame
    ) -> Formula:
        """Return a formula that from `end` on holds what `closing` comes to there."""
        return Hold(formula, end, self._limit(closing, end, frame))

    def _note_cut(
        self, node: core.Core, formula: Formula, start: Fraction, length: Fraction, frame: Frame
    ) -> None:
        """Note what is longer than its frame, where that ends because training does.

        A constant is left out: it is the same however long it runs.
        """
        total = self._horizon.total
        assert total is not None
        inner = node
        while isinstance(inner, core.For | core.Skip | core.By | core.Snapshot):
            inner = inner.operand
        ends_with_training = not frame.turning and frame.start + frame.length == total
        if ends_with_training and start < total < start + length and core.varies(inner):
            self.cuts.append(Cut(self._target, formula, start, start + length, node.span))

    # -- time ---------------------------------------------------------------------------

    def _sequence(self, node: core.Sequence, frame: Frame) -> Formula:
        placed, _ = self._layout.place(node, frame.length)
        # A segment of length 0 is skipped, and what was in force passes through.
        running = [p for p in placed if p.end != p.start]
        if any(Open.UNKNOWN in (p.start, p.end) for p in running):
            return NOTHING
        starts: list[Fraction] = []
        pieces: list[Formula] = []
        entry = frame.entry
        for index, place in enumerate(running):
            if isinstance(place.start, Fraction) and place.start >= frame.length:
                break
            inside = self._frame_of(place, frame, entry, self._following(running, index, frame))
            formula = self._segment(place.segment.body, inside)
            self._note_cut(place.segment.body, formula, inside.start, inside.length, frame)
            starts.append(inside.start)
            pieces.append(formula)
            entry = self._hand_over(formula, inside.start + inside.length, frame)
        whole = pieces[0] if len(pieces) == 1 else Piecewise(tuple(starts), tuple(pieces))
        end = running[-1].end
        if isinstance(end, Fraction) and end < frame.length:
            return self._hold(whole, frame.start + end, frame)
        return whole

    def _frame_of(
        self, place: Placed, frame: Frame, entry: Entry, following: Next | None
    ) -> Frame:
        assert isinstance(place.start, Fraction)
        end = place.end if isinstance(place.end, Fraction) else frame.length
        if end <= place.start:  # beyond the end of the block; only its start is asked for
            end = place.start + 1
        return replace(
            frame,
            start=frame.start + place.start,
            length=end - place.start,
            block=frame.length,
            entry=entry,
            next=following,
        )

    def _hand_over(self, formula: Formula, end: Fraction, frame: Frame) -> Entry:
        """Return the entry of what follows a formula, computed once and only if used."""
        known: list[Formula] = []

        def entry() -> Formula:
            if not known:
                known.append(self._limit(formula, end, frame))
            return known[0]

        return entry

    def _following(self, running: list[Placed], index: int, frame: Frame) -> Next | None:
        if index + 1 == len(running):
            return frame.next
        place = running[index + 1]
        body = place.segment.body

        def following(entry: Entry) -> Formula:
            after = self._following(running, index + 1, frame)
            inside = replace(self._frame_of(place, frame, entry, after), shown=False)
            return self._start(body, inside)

        return following

    def _start(self, node: core.Core, frame: Frame) -> Formula:
        """Return the value with which a segment starts."""
        if not self._looking:
            self._looks = 0
        self._looking += 1
        self._looks += 1
        try:
            if self._looking > _LOOK_AHEAD or self._looks > _LOOKS:
                self._problems.add(
                    "LRS107",
                    f"`next` looks through more than {_LOOK_AHEAD} segments",
                    node.span,
                    "too far",
                    help="say the value that the ramp climbs to: `linear(to=0.1)`",
                )
                return NOTHING
            return self._start_of(node, frame)
        finally:
            self._looking -= 1

    def _start_of(self, node: core.Core, frame: Frame) -> Formula:
        match node:
            case core.Curve(kind="const", parameters=parameters):
                return self._start(parameters["value"], frame)
            case core.Plateau(parameters=parameters):
                return self._bind(parameters["from"], frame)
            case core.Curve(kind=kind, parameters=parameters) if kind != "noise":
                return self._bind(parameters["from"], frame)
            case (
                core.For(operand=operand)
                | core.By(operand=operand)
                | core.Snapshot(operand=operand)
            ):
                # The start needs no length; what is wrong with one is reported in its place.
                return self._start(operand, frame)
            case core.Sequence():
                placed, _ = self._layout.place(node, frame.length)
                running = [p for p in placed if p.end != p.start]
                if any(Open.UNKNOWN in (p.start, p.end) for p in running):
                    return NOTHING
                following = self._following(running, 0, frame)
                inside = self._frame_of(running[0], frame, frame.entry, following)
                return self._start(running[0].segment.body, inside)
        return self._at(
            self._bind(node, replace(frame, shown=False)), frame.start, frame, left=False
        )

    def _limit(self, formula: Formula, at: Fraction, frame: Frame) -> Formula:
        return self._at(formula, at, frame, left=True)

    def _at(self, formula: Formula, at: Fraction, frame: Frame, *, left: bool) -> Formula:
        """Return a formula's value at one local tick, a constant wherever it is one."""
        if isinstance(formula, Const) or self._problems.errors:
            return formula if isinstance(formula, Const) else NOTHING
        if frame.turning and depends_on_turn(formula):
            depth, size = self._sizes.of(formula)
            if depth > _DEPTH or size > _SIZE:
                self._problems.add(
                    "LRS107",
                    "what is in force here comes through too many segments",
                    self._asked,
                    "depends on the turn through all of them",
                    help="say where the segment starts with `from=`",
                )
                return NOTHING
            return Instant(formula, at, left)
        return Const(value_at(formula, at, left=left))

    # -- repeat -------------------------------------------------------------------------

    def _repeat(self, node: core.Repeat, frame: Frame) -> Formula:
        turns = self._layout.turns(node, frame.block)
        scale = self._layout.scale(node.scale)
        if turns is None:
            return NOTHING
        inside = Frame(
            ZERO,
            turns.length,
            turns.length,
            lambda: _outside(frame.entry()),
            None,
            turning=True,
            shown=False,
        )
        inside = replace(inside, next=self._next_turn(turns, scale, inside, frame, node.span))
        body = self._bind(turns.body, inside)
        formula: Formula
        if turns.stretch == 1:
            formula = Repeat(body, frame.start, turns.length, scale)
        else:
            count = self._turns_seen(turns, frame, node.span)
            edges = turns.edges[: count + 1]
            slower = tuple((b - a) / turns.length for a, b in pairwise(edges))
            starts = tuple(frame.start + edge for edge in edges[:-1])
            formula = Stretch(body, starts, slower, scale)
        end = turns.end
        if isinstance(end, Fraction) and turns.count is not None:
            self._note_cut(turns.body, formula, frame.start, end, frame)
        if not isinstance(end, Fraction) or end >= frame.length:
            return formula
        if turns.count is None and scale < 1:
            # Infinitely many turns, each lower than the one before, sink to 0.
            return Hold(formula, frame.start + end, Const(ZERO))
        if turns.count is None and scale > 1:
            return Hold(formula, frame.start + end, Const(float("inf")))
        closing = formula
        if isinstance(formula, Stretch) and turns.count is None:
            # Of ever shorter turns one stands for the last, and ends where they all end.
            begin = frame.start + end - turns.length * formula.slower[-1]
            closing = replace(formula, starts=(*formula.starts[:-1], begin))
        return self._hold_as(formula, closing, frame.start + end, frame)

    def _turns_seen(self, turns: Turns, frame: Frame, span: Span) -> int:
        """Return how many stretched turns there are, as far as any instant asks."""
        end = turns.end
        until = min(end, frame.length) if isinstance(end, Fraction) else frame.length
        endless = turns.count is None and turns.stretch < 1
        for count, start in enumerate(turns.edges[:-1]):
            if start >= until or (endless and count and until - start < _GRAIN):
                return count
        count = len(turns.edges) - 1
        # Instants are whole steps of the training, and none may be left that asks for more.
        whole = self._horizon.step is not None and not frame.turning
        rest = frame.start + turns.edges[-1]
        seen = endless and whole and -(-rest // 1) >= frame.start + until
        if turns.edges[-1] < until and turns.count is None and not seen:
            self._problems.add(
                "LRS107",
                f"more than {limits.TURNS:,} stretched turns",
                span,
                "stretches too little for this length",
                help="stretch more, or leave `stretch` out",
            )
        return count

    def _next_turn(
        self, turns: Turns, scale: float, inside: Frame, frame: Frame, span: Span
    ) -> Next:
        """Return where what follows a turn starts: the next turn, or what follows the last."""

        def following(entry: Entry) -> Formula:
            # Every turn starts from the repeat's own entry.
            start = self._start(turns.body, inside)
            if not isinstance(start, Const):
                start = NextTurn(start, turns.length)
            again = self._apply("*", [Const(scale), start]) if scale != 1 else start
            if turns.count is None:
                return again
            if frame.next is None:
                self._no_next(span, "`next` is used where nothing follows the last turn")
                return NOTHING

            def last_entry() -> Formula:
                own = entry()
                if isinstance(own, Const):
                    return own
                self._no_next(span, "`next` after the last turn depends on the turn")
                return NOTHING

            last = _outside(frame.next(last_entry))
            if scale != 1:
                height = apply_constant("^", [scale, Fraction(turns.count - 1)])
                last = self._apply("/", [last, Const(height)])
            return LastTurn(turns.count, last, again)

        return following


def _outside(formula: Formula) -> Formula:
    """Return a formula of the clocks around a repeat, as seen from inside it."""
    return formula if isinstance(formula, Const) else Outer(formula)
