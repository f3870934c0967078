"""Checked program → plan: bound to one horizon, proved, its segments and snapshots listed."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lrdsl import core, limits
from lrdsl.analysis.problems import Problems
from lrdsl.diagnostics import Diagnostic, Label, LrsError, Severity
from lrdsl.numeric.constants import as_float
from lrdsl.plan import Plan, Segment, Snapshot, SnapshotOptions
from lrdsl.planning.bind import Binder, Cut
from lrdsl.planning.dues import Due, snapshots, turn_ends
from lrdsl.planning.evaluate import value_at
from lrdsl.planning.formula import Formula
from lrdsl.planning.frames import Part
from lrdsl.planning.horizon import Horizon, make_horizon
from lrdsl.planning.layout import Layout
from lrdsl.planning.verify import LARGEST, find_fault
from lrdsl.source import Span
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_expression

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
) -> Plan:
    """Bind a program; see `Program.plan`."""
    for name, count in (
        ("epochs", epochs),
        ("steps_per_epoch", steps_per_epoch),
        ("steps", steps),
    ):
        if count is not None and (isinstance(count, bool) or int(count) != count or count < 1):
            raise ValueError(f"{name} must be a whole number above zero, not {count!r}")
    if base is not None and not 0 <= base <= LARGEST:
        raise ValueError(f"base must be a rate, not {base!r}")
    source = program.source
    if program.reactive is not None:
        raise LrsError([_reactive(program)], source)
    horizon, contradictions = make_horizon(program.train, epochs, steps_per_epoch, steps)
    if contradictions:
        raise LrsError(contradictions, source)
    if horizon.total is None:
        raise LrsError([_no_length(program)], source)
    problems = Problems()
    formulas: dict[str, Formula] = {}
    parts: dict[str, tuple[Part, ...]] = {}
    binder = Binder(horizon, problems, base)
    for name, node in program.checked.targets:
        formulas[name], parts[name] = binder.target(name, node)
    dues = _due_snapshots(program, horizon, problems)
    options = _options(dues, Layout(horizon, problems))
    if not problems.errors:
        _verify(formulas, parts, horizon, problems)
    if problems.errors:
        raise LrsError(problems.errors, source)
    _tell_cuts(binder.cuts, horizon, problems)
    lr = "lr" if "lr" in formulas else next(iter(formulas))
    layout = Layout(horizon, problems)
    segments = {
        name: tuple(_segment(program, part, formulas[name], horizon, layout) for part in some)
        for name, some in parts.items()
    }
    whole_steps = None if horizon.step is None else int(horizon.total)
    whole_epochs = horizon.in_epochs(horizon.total)
    known = {*program.warnings}
    return Plan(
        program,
        horizon.unit,
        int(whole_epochs)
        if whole_epochs is not None and whole_epochs.denominator == 1
        else None,
        int(horizon.epoch) if horizon.epoch is not None and horizon.step is not None else None,
        whole_steps,
        horizon.in_unit(horizon.total),
        base,
        _snapshots(dues, formulas[lr], horizon),
        options,
        (*program.warnings, *(w for w in problems.warnings if w not in known)),
        formulas,
        horizon,
        segments,
    )


def _reactive(program: Program) -> Diagnostic:
    assert program.reactive is not None
    return Diagnostic(
        code="LRS410",
        message="a schedule that reacts to metrics cannot be planned yet",
        primary=Label(program.reactive, "depends on what training measures"),
        help="use times only, such as `until 30`, in what you plan or train today",
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


def _verify(
    formulas: dict[str, Formula],
    parts: dict[str, tuple[Part, ...]],
    horizon: Horizon,
    problems: Problems,
) -> None:
    assert horizon.total is not None
    for name, formula in formulas.items():
        fault = find_fault(
            formula,
            horizon.total,
            whole_ticks=horizon.step is not None,
            negative=name != "lr",
        )
        if fault is None:
            continue
        part = next((p for p in reversed(parts[name]) if p.start <= fault.tick), parts[name][0])
        when = horizon.describe(fault.tick)
        epochs = horizon.in_epochs(fault.tick)
        if horizon.step is not None and horizon.unit != "steps" and epochs is not None:
            when = f"step {int(fault.tick):,} (epoch {float(epochs):.6g})"
        else:
            when = f"{horizon.unit.removesuffix('s')} {float(horizon.in_unit(fault.tick)):.10g}"
        what = "rate" if name == "lr" else f"`{name}`"
        if fault.value is None:
            problems.add(
                "LRS403",
                f"the {what} cannot be shown to be finite and not negative",
                part.span,
                f"unsettled from {when} on",
                help="bound it: `clip(…, 0, 1)`",
            )
        elif np.isfinite(fault.value) and abs(fault.value) <= LARGEST:
            problems.add(
                "LRS404",
                f"the {what} is negative at {when}",
                part.span,
                f"comes to {fault.value:.6g} there",
                help="keep it above zero: `max(…, 0)`",
            )
        else:
            problems.add(
                "LRS403",
                f"the {what} is not finite at {when}",
                part.span,
                f"comes to {fault.value:.6g} there"
                + (", beyond float32" if np.isfinite(fault.value) else ""),
                help="check the formula there: 0 / 0, or a root of what is below zero?"
                if np.isnan(fault.value)
                else "check the formula there, or bound it: `min(…, 1)`",
            )


def _tell_cuts(cuts: Sequence[Cut], horizon: Horizon, problems: Problems) -> None:
    """Warn of what the training ends inside of."""
    total = horizon.total
    assert total is not None
    for cut in cuts:
        lost = cut.end - total
        if lost < _UNNOTICED * (cut.end - cut.start):
            continue
        what = "this segment" if cut.target == "lr" else f"this segment of `{cut.target}`"
        runs = as_float(100 * (total - cut.start) / (cut.end - cut.start))
        stops = value_at(cut.formula, total, left=True)
        aim = value_at(cut.formula, cut.end, left=True)
        where = f"stops after {runs:.3g}% of it, at {stops:.6g}"
        if np.isfinite(aim) and f"{aim:.6g}" != f"{stops:.6g}":
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
        value_at(formula, part.start),
        value_at(formula, end, left=True),
        _one_line(program, part),
        program.source.location(part.span.start)[0],
        tuple(sorted(set(cycles))[:_CYCLES]),
    )


def _one_line(program: Program, part: Part) -> str:
    text = program.source.slice(part.span)
    if "\n" not in text and "#" not in text:
        return " ".join(text.split())
    # Comments and line ends are not part of what the segment says.
    tree = parse(type(program.source)(f"lr = {text}\n")).statements[0]
    return print_expression(tree.body)  # type: ignore[union-attr]


def _due_snapshots(program: Program, horizon: Horizon, problems: Problems) -> list[Due]:
    total = horizon.total
    assert total is not None
    layout = Layout(horizon, problems)
    zero = Fraction(0)
    found: list[Due] = []
    cut: dict[Span, Due] = {}
    for _, node in program.checked.targets:
        dues = snapshots(layout, node, zero, total, total, (zero, total))
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
        inside = "training" if due.limit == total else "the block around it"
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


def _snapshots(dues: Sequence[Due], formula: Formula, horizon: Horizon) -> tuple[Snapshot, ...]:
    result: list[Snapshot] = []
    seen: set[Fraction] = set()
    for time in (due.time for due in dues):
        step = None if horizon.step is None else -int(-time // 1) - 1
        place = time if step is None else Fraction(step)
        if place in seen:  # two that ask for the same model get it once
            continue
        seen.add(place)
        value = value_at(formula, time, left=True) if step is None else value_at(formula, place)
        result.append(
            Snapshot(
                len(result) + 1,
                step,
                horizon.in_unit(time),
                horizon.in_epochs(time),
                value,
            )
        )
    return tuple(result)


def _options(dues: Sequence[Due], layout: Layout) -> SnapshotOptions | None:
    chosen: SnapshotOptions | None = None
    first: core.Snapshot | None = None
    for node in {due.snapshot.span: due.snapshot for due in dues if due.snapshot}.values():
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
    return SnapshotOptions(counts["keep"], counts["best"], word)
