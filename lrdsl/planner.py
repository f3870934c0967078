"""Checked program → plan: bound to one horizon, proved, its segments and snapshots listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any

from lrdsl import core, limits
from lrdsl.analysis.problems import Problems
from lrdsl.diagnostics import Diagnostic, Label, LrsError, Severity
from lrdsl.metrics import better_mode
from lrdsl.numeric.constants import as_float
from lrdsl.plan import Event, Plan, Segment, Snapshot, SnapshotOptions
from lrdsl.planning.bind import Binder
from lrdsl.planning.courses import (
    Course,
    MetricError,
    Recorded,
    Row,
    Supposed,
    observation,
    told_of,
)
from lrdsl.planning.dues import Due, snapshots, turn_ends
from lrdsl.planning.formula import Formula
from lrdsl.planning.frames import Cut, Part
from lrdsl.planning.horizon import Horizon, make_horizon
from lrdsl.planning.instants import value_at
from lrdsl.planning.layout import Layout
from lrdsl.planning.reactions import Reaction, Reactions
from lrdsl.planning.values import own_values
from lrdsl.planning.verify import LARGEST, verify
from lrdsl.records import replace
from lrdsl.source import Span
from lrdsl.targets import RATE, main

if TYPE_CHECKING:
    from lrdsl.program import Program

_CYCLES = 1000
"""Ends of cycles listed for one segment at most."""

_UNNOTICED = Fraction(1, 100)
"""The share of a segment that may be lost at its end without a word."""


def make_plan(
    program: Program,
    epochs: int | None,
    steps_per_epoch: int | None,
    steps: int | None,
    base: float | None,
    bases: Mapping[str, float],
    own: Mapping[str, float],
    course: Course | None = None,
) -> Plan:
    """Bind a program; see `Program.plan`.

    `course` says what the metrics did, for a program that reacts to them: nothing yet.
    """
    course = Recorded() if course is None else course
    for name, count in (
        ("epochs", epochs),
        ("steps_per_epoch", steps_per_epoch),
        ("steps", steps),
    ):
        if count is not None and (isinstance(count, bool) or int(count) != count or count < 1):
            raise ValueError(f"{name} must be a whole number above zero, not {count!r}")
    for rate in (base, *bases.values()):
        if rate is not None and not 0 <= rate <= LARGEST:
            raise ValueError(f"base must be a rate, not {rate!r}")
    source = program.source
    horizon, contradictions = make_horizon(program.train, epochs, steps_per_epoch, steps)
    if contradictions:
        raise LrsError(contradictions, source)
    if horizon.total is None:
        raise LrsError([_no_length(program)], source)
    problems = Problems()
    formulas: dict[str, Formula] = {}
    parts: dict[str, tuple[Part, ...]] = {}
    binder = Binder(horizon, problems, base, own_values(program.targets, bases, own))
    reactions = Reactions(horizon, problems, course)
    targets = {name: reactions.target(name, node) for name, node in program.checked.targets}
    if problems.errors:  # what metrics did is not known, so there is nothing to bind
        raise LrsError(problems.errors, source)
    for name, node in targets.items():
        formulas[name], parts[name] = binder.target(name, node)
    end = horizon.total if reactions.stop is None else reactions.stop
    dues = _due_snapshots(targets.values(), horizon, end, problems)
    asking = [due.snapshot for due in dues if due.snapshot]
    if program.reactive is not None:  # others may be due once the metrics are known
        asking += [one for _, node in program.checked.targets for one in _asking_in(node)]
    options = _options(asking, Layout(horizon, problems))
    if not problems.errors:
        verify(formulas, parts, horizon, problems)
    if problems.errors:
        raise LrsError(problems.errors, source)
    _tell_cuts(binder.cuts, horizon, problems)
    lr = main(program.targets)
    layout = Layout(horizon, problems)
    segments = {
        name: tuple(
            _segment(program, replace(part, end=min(part.end, end)), formula, horizon, layout)
            for part in parts[name]
            if part.start < end
        )
        for name, formula in formulas.items()
    }
    whole_epochs = horizon.in_epochs(horizon.total)
    known = {*program.warnings}
    return Plan(
        program,
        horizon.unit,
        int(whole_epochs)
        if whole_epochs is not None and whole_epochs.denominator == 1
        else None,
        int(horizon.epoch) if horizon.epoch is not None and horizon.step is not None else None,
        None if horizon.step is None else -int(-end // 1),
        horizon.in_unit(end),
        base,
        dict(bases),
        dict(own),
        _snapshots(dues, formulas[lr], horizon, problems),
        options,
        (*program.warnings, *(w for w in problems.warnings if w not in known)),
        _events(program, reactions, formulas, horizon),
        course.rows if isinstance(course, Recorded) else (),
        frozenset(reactions.best),
        formulas,
        horizon,
        segments,
        (epochs, steps_per_epoch, steps),
    )


def replay(plan: Plan, rows: tuple[Row, ...]) -> Plan:
    """Return the plan of a run in which these metrics were measured; see `Plan.replay`."""
    program = plan.program
    problems = Problems()
    for epoch, row in enumerate(rows):
        for metric, span in program.metrics.items():
            try:
                observation(row, metric, epoch)
            except MetricError as error:
                message, label, repair = told_of(error)
                problems.add("LRS606", message, span, label, help=repair)
    if problems.errors:
        raise LrsError(problems.errors, program.source)
    return _again(plan, Recorded(rows))


def suppose(plan: Plan, first: int, *, compares: bool = True) -> Plan:
    """Return the plan of a run whose metrics stall from epoch `first` on.

    From then on each comparison with a limit holds, or, if none `compares`, never.
    """
    epochs = plan.horizon.in_epochs(plan.horizon.total or Fraction(0))
    return _again(plan, Supposed(first, int(epochs or 0), compares))


def _again(plan: Plan, course: Course) -> Plan:
    return make_plan(plan.program, *plan.asked, plan.base, plan.bases, plan.own, course)


def _events(
    program: Program, reactions: Reactions, formulas: dict[str, Formula], horizon: Horizon
) -> tuple[Event, ...]:
    """Return what happened, in the order of time; what training does not reach did not."""
    stop = reactions.stop
    found = [one for one in reactions.happened if stop is None or one.tick <= stop]
    events = [
        _event(program, one, formulas, horizon)
        for one in sorted(found, key=lambda one: one.tick)
    ]
    # A plateau at its floor changes nothing.
    return tuple(e for e in events if e.kind in ("switch", "stop") or e.before != e.after)


def _event(
    program: Program, reaction: Reaction, formulas: dict[str, Formula], horizon: Horizon
) -> Event:
    formula, tick = formulas[reaction.target], reaction.tick
    epochs = horizon.in_epochs(tick)
    return Event(
        reaction.kind,
        reaction.target,
        horizon.in_unit(tick),
        epochs,
        None if horizon.step is None else -int(-tick // 1),
        value_at(formula, tick, left=True),
        value_at(formula, tick),
        reaction.cause,
        program.source.slice(reaction.span),
        program.source.location(reaction.span.start)[0],
        reaction.best if reaction.restore else None,
    )


def _no_length(program: Program) -> Diagnostic:
    node = program.checked.targets[0][1]
    wanting = next((s for _, n in program.checked.targets for s in _needs_length(n)), node.span)
    return Diagnostic(
        code="LRS304",
        message="the length of training is not known",
        primary=Label(wanting, "how long does it train?"),
        help="write `train 60 epochs` in the file, "
        "or give `--epochs 60` (`epochs=60` in Python)",
    )


def _needs_length(node: core.Core) -> list[Any]:
    if isinstance(node, core.Curve) and node.kind in ("linear", "cosine", "poly", "geometric"):
        return [node.span]
    if isinstance(node, core.For):
        return []
    return [span for child in core.children(node) for span in _needs_length(child)]


def _tell_cuts(cuts: Sequence[Cut], horizon: Horizon, problems: Problems) -> None:
    """Warn of what the training ends inside of."""
    total = horizon.total
    assert total is not None
    for cut in cuts:
        lost = cut.end - total
        if lost < _UNNOTICED * (cut.end - cut.start):
            continue
        what = "this segment" if cut.target == RATE else f"this segment of `{cut.target}`"
        runs = as_float(100 * (total - cut.start) / (cut.end - cut.start))
        stops = value_at(cut.formula, total, left=True)
        aim = value_at(cut.formula, cut.end, left=True)
        where = f"stops after {runs:.3g}% of it, at {stops:.6g}"
        if isfinite(aim) and f"{aim:.6g}" != f"{stops:.6g}":
            where += f", and would end at {aim:.6g}"
        problems.add(
            "LRS503",
            f"the training ends {horizon.describe(lost)} before {what} does",
            cut.span,
            where,
            help=f"train for {horizon.describe(cut.end)}, or let it end by "
            f"{horizon.describe(total)}; a last segment that has no length ends with training",
            severity=Severity.WARNING,
        )


def _segment(
    program: Program, part: Part, formula: Formula, horizon: Horizon, layout: Layout
) -> Segment:
    end = part.end
    turns = turn_ends(layout, part.body, part.start, part.length, part.block, (part.start, end))
    cycles = [
        horizon.in_unit(turn.time) for turn in islice(turns, 2 * _CYCLES) if turn.is_reached
    ]
    steps = horizon.step is not None
    return Segment(
        horizon.in_unit(part.start),
        horizon.in_unit(end),
        -int(-part.start // 1) if steps else None,
        -int(-end // 1) if steps else None,
        program.source.location(part.span.start)[0],
        tuple(sorted(set(cycles))[:_CYCLES]),
        formula,
        (part.start, end),
        program.source,
        part.span,
    )


def _due_snapshots(
    nodes: Iterable[core.Core], horizon: Horizon, end: Fraction, problems: Problems
) -> list[Due]:
    total = horizon.total
    assert total is not None
    layout = Layout(horizon, problems)
    zero = Fraction(0)
    found: list[Due] = []
    cut: dict[Span, Due] = {}
    for node in nodes:
        dues = snapshots(layout, node, zero, total, total, (zero, end))
        for count, due in enumerate(dues):
            assert due.snapshot is not None
            span = due.snapshot.span
            if due.is_reached:
                found.append(due)
            else:
                cut.setdefault(span, due)
            if count > limits.SNAPSHOTS:
                problems.add(
                    "LRS107",
                    f"more than {limits.SNAPSHOTS:,} snapshots",
                    span,
                    "one for each turn",
                    help="save fewer: put `snapshot` after longer turns",
                )
                return []
    for span, due in cut.items():
        inside = "training" if due.limit == end else "the block around it"
        problems.add(
            "LRS502",
            "a turn is cut short and leaves no snapshot",
            span,
            f"it would end at {horizon.describe(due.time)}, {inside} at "
            f"{horizon.describe(due.limit)}",
            help="choose a length of which a whole number fits",
            severity=Severity.WARNING,
        )
    return sorted(found, key=lambda due: due.time)


def _snapshots(
    dues: Sequence[Due], formula: Formula, horizon: Horizon, problems: Problems
) -> tuple[Snapshot, ...]:
    last: dict[Fraction, Due] = {}  # two that ask for the same model get it once
    warned: set[Span] = set()
    for due in dues:
        place = due.time if horizon.step is None else Fraction(-int(-due.time // 1) - 1)
        before = last.get(place)
        last[place] = due
        assert due.snapshot is not None
        span = due.snapshot.span
        if before is not None and before.time != due.time and span not in warned:
            warned.add(span)
            problems.add(
                "LRS502",
                "a turn leaves no snapshot: the next one ends within the same step",
                span,
                f"both end in step {int(place):,}",
                help="save fewer: no more than one for each step",
                severity=Severity.WARNING,
            )
    result: list[Snapshot] = []
    for place, due in last.items():
        time, is_step = due.time, horizon.step is not None
        result.append(
            Snapshot(
                len(result) + 1,
                int(place) if is_step else None,
                horizon.in_unit(time),
                horizon.in_epochs(time),
                formula,
                place if is_step else time,
            )
        )
    return tuple(result)


def _asking_in(node: core.Core | core.Segment) -> Iterator[core.Snapshot]:
    if isinstance(node, core.Snapshot):
        yield node
    for child in core.children(node):
        yield from _asking_in(child)


def _options(asking: Sequence[core.Snapshot], layout: Layout) -> SnapshotOptions | None:
    chosen: SnapshotOptions | None = None
    first: core.Snapshot | None = None
    for node in {one.span: one for one in asking}.values():
        options = _options_of(node, layout)
        if first is not None and options != chosen:
            layout.problems.add(
                "LRS205",
                "two snapshots differ in which models stay",
                node.span,
                "says otherwise",
                help="give both the same `keep`, or the same `best` and `monitor`",
                secondary=(Label(first.span, "says one thing"),),
            )
        if first is None:
            first, chosen = node, options
    return chosen


def _options_of(node: core.Snapshot, layout: Layout) -> SnapshotOptions:
    counts = {
        name: layout.count(node.parameters[name], name, least=1)
        if name in node.parameters
        else None
        for name in ("keep", "best")
    }
    monitor = node.parameters.get("monitor")
    word = monitor.text if isinstance(monitor, core.Word) else None
    said = node.parameters.get("mode")
    mode = None if word is None else better_mode(word)
    if isinstance(said, core.Word) and said.text != "auto":
        mode = said.text
    return SnapshotOptions(counts["keep"], counts["best"], word, mode, node.span)
