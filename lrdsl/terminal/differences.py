"""Where two plans differ, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrdsl.highlights import length_in_words, saved_after
from lrdsl.render import visible
from lrdsl.scales import format_rate, format_time
from lrdsl.terminal.ink import wrap

if TYPE_CHECKING:
    from lrdsl.comparison import Comparison, Difference, Stretch
    from lrdsl.plan import Plan

_MOST = 12
"""Stretches that are listed."""


def in_words(
    found: Comparison, before: tuple[str, Plan], after: tuple[str, Plan], width: int
) -> list[str]:
    """Return what comparing two plans has shown, as lines of at most `width` columns.

    Args:
        found: the comparison.
        before: the name and the plan of the first.
        after: likewise of the second.
        width: columns of the terminal.
    """
    (one, plan), (other, other_plan) = before, after
    one, other = visible(one), visible(other)
    out: list[str] = []
    if not found.lengths:
        out += wrap(f"{one} trains {length_in_words(plan)}", width)
        out += wrap(f"{other} trains {length_in_words(other_plan)}", width)
    for names, name in ((found.only_before, one), (found.only_after, other)):
        for target in names:
            out += wrap(f"only {name} sets {target}", width)
    for difference in found.targets:
        out += _of_target(difference, plan, width)
    if not found.snapshots:
        counts = [_snapshots(name, which) for name, which in ((one, plan), (other, other_plan))]
        out += wrap(f"the snapshots differ: {counts[0]}, {counts[1]}", width)
    return out


def ways_in_words(
    ways: Sequence[tuple[str, Comparison]], one: str, other: str, width: int
) -> list[str]:
    """Return in which ways that metrics may lead them two schedules differ.

    Args:
        ways: what the metrics would do, and what comparing the plans has shown then.
        one: the name of the first schedule.
        other: that of the second.
        width: columns of the terminal.
    """
    out: list[str] = []
    for words, found in ways:
        targets = ", ".join(one.target for one in found.targets if one.differing)
        what = f"{targets} differs" if targets else "their lengths differ"
        out += wrap(f"{words}, {what} between {visible(one)} and {visible(other)}", width)
    return out


def summary(difference: Difference) -> str:
    """Return at how many steps a target differs, in a few words."""
    steps, name = difference.steps, difference.target
    whole = f"all {steps:,}" if steps > 1 else "the one"
    noun = "step" if steps == 1 else "steps"
    looked = difference.compared < steps
    of = f" ({difference.compared:,} compared)" if looked else ""
    if not difference.differing:
        where = f"the {difference.compared:,} compared of {steps:,}" if looked else whole
        return f"{name} is the same at {where} {noun}"
    count = f"{difference.differing:,} of {difference.compared if looked else steps:,}"
    if difference.differing == difference.compared:
        count = whole
    return f"{name} differs at {count} {noun}{of}"


def _of_target(difference: Difference, plan: Plan, width: int) -> list[str]:
    out = wrap(summary(difference), width)
    shown = difference.stretches
    if len(shown) > _MOST:
        shown = (*shown[: _MOST // 2], *shown[-_MOST // 2 :])
    for at, stretch in enumerate(shown):
        if at == _MOST // 2 and len(shown) < len(difference.stretches):
            more = len(difference.stretches) - len(shown)
            out.append(f"  and {more:,} more ranges")
        words = wrap(_of_stretch(stretch, plan), max(width - 2, 1))
        out += [f"  {line}" for line in words]
    return out


def _of_stretch(stretch: Stretch, plan: Plan) -> str:
    first, last = stretch.first, stretch.last
    where = f"step {first:,}" if first == last else f"steps {first:,} to {last:,}"
    per_epoch = plan.steps_per_epoch
    if per_epoch is not None:
        start, end = (format_time(step / per_epoch) for step in (first, last))
        where += f" (epoch {start})" if start == end else f" (epochs {start} to {end})"
    before, after = format_rate(stretch.before), format_rate(stretch.after)
    if before == after:
        before, after = f"{stretch.before:.9g}", f"{stretch.after:.9g}"
    by = f"{before} → {after}"
    if stretch.before:
        share = (stretch.after - stretch.before) / abs(stretch.before)
        by += f" ({share:+.3g}×)" if abs(share) >= 10 else f" ({100 * share:+.3g}%)"
    if first == last:
        return f"{where}: {by}"
    return f"{where}: furthest apart at step {stretch.widest:,}, {by}"


def _snapshots(name: str, plan: Plan) -> str:
    count, options = len(plan.snapshots), plan.snapshot_options
    text = f"{name} has {count:,}" if count else f"{name} has none"
    if options is not None and options.keep is not None:
        return f"{text} and keeps {options.keep}"
    if options is not None and options.best is not None:
        return f"{text} and keeps the best {options.best} by {options.monitor}"
    times = [format_time(saved_after(plan, one)) for one in plan.snapshots[:4]]
    return f"{text} (after {', '.join(times)}{', …' if count > 4 else ''})" if times else text
