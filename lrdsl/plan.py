"""A plan: a program bound to one training, every value of every step decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.planning.formula import Formula
from lrdsl.planning.horizon import Horizon
from lrdsl.planning.instants import value_at
from lrdsl.records import dataclass, field
from lrdsl.targets import RATE, listed, main

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from lrdsl.program import Program
    from lrdsl.source import SourceText, Span

# NumPy is imported where it is used: checking a schedule makes a plan, and asks it nothing.

Steps: TypeAlias = "int | slice | range | ArrayLike"

_BLOCK = 2**15
"""Steps evaluated at once: what they need stays in the processor's cache."""


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a plan.

    Attributes:
        start, end: when it runs, [start, end) in the plan's unit.
        first_step, end_step: its steps, [first_step, end_step); None where steps are unknown.
        line: the line on which it stands, from 1.
        cycles: where its turns and cycles end, in the plan's unit (the first thousand).
        first_value: the value at `start`.
        end_value: what the value tends to at `end`.
        text: the segment's text, on one line.
    """

    start: Fraction
    end: Fraction
    first_step: int | None
    end_step: int | None
    line: int
    cycles: tuple[Fraction, ...]
    formula: Formula = field(repr=False)
    ticks: tuple[Fraction, Fraction] = field(repr=False)
    source: SourceText = field(repr=False)
    span: Span = field(repr=False)

    # What nobody asks for when a schedule is but checked is worked out when it is asked for.

    @cached_property
    def first_value(self) -> float:
        """The value at `start`."""
        return value_at(self.formula, self.ticks[0])

    @cached_property
    def end_value(self) -> float:
        """What the value tends to at `end`."""
        return value_at(self.formula, self.ticks[1], left=True)

    @cached_property
    def text(self) -> str:
        """The segment's text, on one line."""
        from lrdsl.syntax.parser import parse
        from lrdsl.syntax.printer import print_expression

        text = self.source.slice(self.span)
        if "\n" not in text and "#" not in text:
            return " ".join(text.split())
        # Comments and line ends are not part of what the segment says.
        tree = parse(type(self.source)(f"lr = {text}\n")).statements[0]
        return print_expression(tree.body)  # type: ignore[union-attr]

    def _seen(self) -> tuple[object, ...]:
        """Return what a reader sees of it."""
        times = (self.start, self.end, self.first_step, self.end_step, self.line, self.cycles)
        return (*times, self.first_value, self.end_value, self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Segment) and self._seen() == other._seen()

    def __hash__(self) -> int:
        return hash((self.start, self.end, self.line))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model to be saved.

    Attributes:
        index: its number, from 1.
        step: the step, counted from 0, after which it is saved; None where steps are unknown.
        time: when the cycle that it ends is over, in the plan's unit.
        epoch: the same in epochs, None where steps per epoch are unknown.
        value: the rate of the last step before it.
    """

    index: int
    step: int | None
    time: Fraction
    epoch: Fraction | None
    formula: Formula = field(repr=False)
    tick: Fraction = field(repr=False)

    @cached_property
    def value(self) -> float:
        """The rate of the last step before it."""
        return value_at(self.formula, self.tick, left=self.step is None)

    def _seen(self) -> tuple[object, ...]:
        return self.index, self.step, self.time, self.epoch, self.value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self._seen() == other._seen()

    def __hash__(self) -> int:
        return hash((self.index, self.time))


@dataclass(frozen=True, slots=True)
class SnapshotOptions:
    """Which snapshots stay: the last `keep`, or the `best` of a `monitor`ed metric.

    `mode` says which those are, "max" or "min"; `span` is where the program asks for it.
    """

    keep: int | None
    best: int | None
    monitor: str | None
    mode: str | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a plan did because of a metric, or the end that `stop` made.

    Attributes:
        kind: "switch" to the next segment, "cut" or "rise" of a plateau, or "stop".
        target: of which target.
        time: when, in the plan's unit.
        epoch: the same in epochs, None where steps per epoch are unknown.
        step: the first step that sees it; None where steps are unknown.
        before, after: the target's value on both sides.
        cause: why, in words; empty where a time is the cause, or nothing was measured.
        text: the condition or the plateau, as written.
        line: the line on which it stands, from 1.
        restores: the epoch, from 0, whose weights the training goes back to (the state at
            its end); None where it goes on.
    """

    kind: str
    target: str
    time: Fraction
    epoch: Fraction | None
    step: int | None
    before: float
    after: float
    cause: str
    text: str
    line: int
    restores: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A program bound to one training.

    Made by `Program.plan`.  Every value is known to be finite, and every rate not negative.

    Attributes:
        program: what was bound.
        unit: "epochs" or "steps", what the file counts and the plan's times are in.
        epochs: length of the training in epochs, None where it is not known or not whole.
        steps_per_epoch: batches of an epoch, None where they are not known.
        total_steps: length of the training in steps, None where it is not known; where the
            program stops training, up to there.
        length: the same in `unit`.
        base: the optimizer's own rate, where it was given.
        bases: the own rates of the parts of a `MultiOptimizer`, where they were given.
        own: the optimizer's own values of other targets, by target, where they were given.
        snapshots: the models to be saved, in order.
        snapshot_options: which of them stay, None where the program asks for none.
        warnings: what the training will not reach or not save, and the program's own advice.
        events: what it did because of metrics, in the order of time.
        log: the metrics of the epochs that are over, for a program that reacts to them.  What
            comes after these epochs is planned as if no condition held any more.
        best_epochs: the epochs whose weights a plateau may still go back to.
    """

    program: Program
    unit: str
    epochs: int | None
    steps_per_epoch: int | None
    total_steps: int | None
    length: Fraction
    base: float | None
    bases: Mapping[str, float]
    own: Mapping[str, float]
    snapshots: tuple[Snapshot, ...]
    snapshot_options: SnapshotOptions | None
    warnings: tuple[Diagnostic, ...]
    events: tuple[Event, ...]
    log: tuple[Mapping[str, float], ...] = field(repr=False)
    best_epochs: frozenset[int] = field(repr=False)
    formulas: dict[str, Formula] = field(repr=False)
    horizon: Horizon = field(repr=False)
    _segments: dict[str, tuple[Segment, ...]] = field(repr=False)
    asked: tuple[int | None, int | None, int | None] = field(repr=False)

    @property
    def targets(self) -> tuple[str, ...]:
        """What the plan sets, in the order of the text; "lr" is the rate."""
        return tuple(self.formulas)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments of the rate, or of the first target where the rate is not set."""
        return self.segments_of(main(self.targets))

    def segments_of(self, target: str) -> tuple[Segment, ...]:
        """Return the segments of one target.

        Raises:
            KeyError: the plan does not set the target.
        """
        self._formula(target)
        return self._segments[target]

    def values(self, steps: Steps | None = None, target: str = RATE) -> NDArray[np.float64]:
        """Return the values of a target, one for each step asked for.

        A step's value depends on the step alone: asked for by itself, in a slice or with all
        the others, in any order, it is the same to the bit.  Memory is that of the answer.

        Args:
            steps: all steps (None), one step, a slice or range of them, or an array of any
                shape.  Steps count from 0 over the whole training; slices and negative steps
                work as for a list.
            target: which target.

        Returns:
            float64 of the shape of `steps` (0-dimensional for one step).

        Raises:
            LrsError: steps per epoch are not known (LRS303).
            IndexError: a step outside the training.
            KeyError: the plan does not set the target.
        """
        import numpy as np

        from lrdsl.planning.filling import fill

        formula = self._formula(target)
        total = self._known_steps()
        if steps is None:
            steps = range(total)
        elif isinstance(steps, slice):
            steps = range(total)[steps]
        if isinstance(steps, range):
            result = np.empty(len(steps))
            if steps.step == 1 and steps.start >= 0:
                self._checked(np.array([*steps[:1], *steps[-1:]], dtype=np.int64), total)
                fill(formula, steps.start, result)
                return result
            for low in range(0, len(steps), _BLOCK):
                part = steps[low : low + _BLOCK]
                keys = np.arange(part.start, part.stop, part.step, dtype=np.int64)
                result[low : low + len(part)] = self._at(formula, self._checked(keys, total))
            return result
        chosen = np.asarray(steps)
        if chosen.size and not np.issubdtype(chosen.dtype, np.integer):
            raise IndexError(f"steps are whole numbers, not {chosen.dtype}")
        keys = self._checked(chosen.astype(np.int64).ravel(), total)
        result = np.empty(keys.size)
        for low in range(0, keys.size, _BLOCK):
            result[low : low + _BLOCK] = self._at(formula, keys[low : low + _BLOCK])
        return result.reshape(chosen.shape)

    def replay(
        self, metrics: Iterable[Mapping[str, float]] | Mapping[str, Sequence[float]]
    ) -> Plan:
        """Return the plan of a run in which these metrics were measured.

        A pure function of the plan's program, its training and the metrics.  Of two logs of
        which one begins as the other, the plans agree to the bit as far as the shorter one
        decides: to the end of the epoch after its last row.

            history = model.fit(...)
            plan.replay(history.history).events

        Args:
            metrics: a row of metrics by name for each epoch, from the first on; an empty one
                for an epoch of which nothing is known.  Or a list for each metric, all of
                one length.

        Raises:
            TypeError, ValueError: it is neither, or the lists are of several lengths.
            LrsError: a metric is missing or not a number (LRS606), or what the program does
                then cannot be planned (LRS3xx, LRS4xx).
        """
        from lrdsl.planner import replay
        from lrdsl.planning.courses import missing_in, rows_of

        rows = rows_of(metrics)
        if rows and isinstance(metrics, Mapping):  # a whole history, not what is known so far
            found = missing_in(metrics, self.program.metrics)
            if found:
                raise LrsError(found, self.program.source)
        return replay(self, rows)

    @property
    def is_stopped(self) -> bool:
        """Whether the program stops the training before its end."""
        return self.length < self.horizon.in_unit(self.horizon.total or Fraction(0))

    @property
    def settled_steps(self) -> int | None:
        """How many steps no metric can change any more; None where steps are unknown."""
        if self.program.reactive is None or self.total_steps is None:
            return self.total_steps
        assert self.steps_per_epoch is not None
        return min(self.total_steps, (len(self.log) + 1) * self.steps_per_epoch)

    def rate(self, step: int, target: str = RATE) -> float:
        """Return a step's rate as training uses it: the float32 of `values(step)`.

        For loops of your own, `optimizer.learning_rate = plan.rate(step)` before each step.

        Args:
            step: counted from 0 over the whole training; negative ones from its end.
            target: which rate, `slow.lr` for that of the part `slow`.

        Raises:
            LrsError: steps per epoch are not known (LRS303).
            IndexError: a step outside the training.
            KeyError: the plan does not set the target.
        """
        import numpy as np

        return float(self.values(step, target).astype(np.float32))

    def polyline(
        self, target: str = "lr", points: int = 2000
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return points of a target's curve for a picture, both sides of each jump included.

        Args:
            target: which target.
            points: about how many; boundaries and ends of cycles come on top.

        Returns:
            Times in the plan's unit, not decreasing, and the values there.  Where steps are
            known every point is a step.

        Raises:
            KeyError: the plan does not set the target.
        """
        from lrdsl.planning.evaluate import evaluate_at
        from lrdsl.planning.sample import sample_ticks

        formula = self._formula(target)
        edges = [
            edge * self.horizon.unit_ticks
            for segment in self._segments[target]
            for edge in (segment.start, *segment.cycles)
        ]
        total = self.length * self.horizon.unit_ticks
        ticks, left = sample_ticks(edges, total, points, whole=self.total_steps is not None)
        values = evaluate_at(formula, ticks)
        if left.any():
            values[left] = evaluate_at(formula, ticks.take(left), left=True)
        return (ticks * (1 / self.horizon.unit_ticks)).to_float(), values

    def plot(self, ax: Any = None, *, theme: str = "light", log: bool | None = None) -> Any:
        """Draw the plan with matplotlib.

        Args:
            ax: axes to draw on; None for a figure of its own.
            theme: "light" or "dark".
            log: whether the axes of values are logarithmic; None where the curves decide.

        Returns:
            The axes given, or the new `matplotlib.figure.Figure`.

        Raises:
            ValueError: there is no such theme.
        """
        from lrdsl.plotting import draw

        return draw(self, ax, theme=theme, log=log)

    def __repr__(self) -> str:
        """Return the length, the targets and how much there is of the rest, on one line."""
        from lrdsl.highlights import length_in_words

        counts = (
            (sum(map(len, self._segments.values())), "segment"),
            (len(self.snapshots), "snapshot"),
            (len(self.events), "event"),
        )
        rest = [f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts if n]
        return f"<Plan: {length_in_words(self)}; {', '.join([listed(self.targets), *rest])}>"

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        """Return the curve, which a notebook shows."""
        from lrdsl.showing import of_plan

        return of_plan(self)

    def _formula(self, target: str) -> Formula:
        if target not in self.formulas:
            raise KeyError(f"the plan sets {', '.join(self.formulas)}, not {target!r}")
        return self.formulas[target]

    def _known_steps(self) -> int:
        if self.total_steps is None:
            raise LrsError(
                [
                    Diagnostic(
                        code="LRS303",
                        message="the plan knows no steps",
                        help="give `--steps-per-epoch 390` (`steps_per_epoch=390` in Python), "
                        "or write `train 60 epochs of 390 steps`",
                    )
                ],
                self.program.source,
            )
        return self.total_steps

    def _checked(self, keys: NDArray[np.int64], total: int) -> NDArray[np.int64]:
        import numpy as np

        if keys.size and (keys.min() < -total or keys.max() >= total):
            raise IndexError(f"the training has steps 0 to {total - 1}")
        return np.where(keys < 0, keys + total, keys)

    def _at(self, formula: Formula, keys: NDArray[np.int64]) -> NDArray[np.float64]:
        from lrdsl.numeric.exact import Exact
        from lrdsl.planning.evaluate import evaluate_at

        return evaluate_at(formula, Exact(keys, Fraction(1), Fraction(0)))
