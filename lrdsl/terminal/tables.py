"""What a plan will do, or has done, in tables: values, segments, events, snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from lrdsl.highlights import Highlights, highlights, in_figures, saved_after
from lrdsl.render import display_width
from lrdsl.scales import format_rate, format_time
from lrdsl.terminal.chart import event_numbers
from lrdsl.terminal.ink import DIM, EVENT, MARK, Ink, wrap

if TYPE_CHECKING:
    from lrdsl.plan import Event, Plan, Snapshot

_MOST_SEGMENTS = 24
_MOST_SNAPSHOTS = 12
_MOST_EVENTS = 12

_T = TypeVar("_T")


def values(plan: Plan, target: str, width: int, ink: Ink) -> list[str]:
    """Return what a target begins with, reaches and ends with."""
    marks = highlights(plan, target)
    first, peak, last = in_figures(marks)
    rows = [
        ("first", first, ""),
        ("peak", peak, f"at {_moment(plan, marks, width)}"),
        ("last", last, "" if marks.is_executed else "at the end"),
    ]
    widest = max(len(value) for _, value, _ in rows)
    return [
        ink.fit(f"{name:<5}  {value:<{widest}}  {note}".rstrip(), width)
        for name, value, note in rows
    ]


def _moment(plan: Plan, marks: Highlights, width: int) -> str:
    step = f"step {format_time(marks.peak_step)}" if marks.peak_step is not None else ""
    if plan.unit == "steps":
        return step or f"step {format_time(marks.peak_time)}"
    epoch = f"epoch {format_time(marks.peak_time)}"
    return f"{epoch}, {step}" if step and width >= 60 else epoch


def segments(plan: Plan, target: str, width: int, ink: Ink) -> list[str]:
    """Return the table of a target's segments."""
    found = plan.segments_of(target)
    shown = _ends(found, _MOST_SEGMENTS)
    left_out = len(found) - _MOST_SEGMENTS
    arrow = ink.pick("→", "->")
    rows = [
        (
            format_time(s.start),
            format_time(s.end),
            format_rate(s.first_value),
            format_rate(s.end_value),
            str(s.line),
            s.text,
        )
        for s in shown
        if s is not None
    ]
    unit = plan.unit
    head = ("from", "to", "first", "last", "line")
    widths = [max(len(h), *(len(r[i]) for r in rows)) for i, h in enumerate(head)]
    numbers = (
        f"{head[0]:>{widths[0]}}  {head[1]:>{widths[1]}}  "
        f"{head[2]:>{widths[2]}} {' ' * len(arrow)} {head[3]:<{widths[3]}}"
    )
    room = width - len(numbers) - widths[4] - 4
    is_wide = room >= 16
    heading = numbers + (f"  {head[4]:>{widths[4]}}" if is_wide else "")
    title = f"{len(found):,} segment{'s' if len(found) > 1 else ''} ({unit})"
    out = [*wrap(title, width), ink.paint(ink.fit(heading, width), DIM)]
    left = iter(rows)
    for segment in shown:
        if segment is None:
            out.append(_more(left_out, width, ink))
            continue
        start, end, first, last, line, text = next(left)
        row = (
            f"{start:>{widths[0]}}  {end:>{widths[1]}}  "
            f"{first:>{widths[2]}} {arrow} {last:<{widths[3]}}"
        )
        if is_wide:
            out.append(f"{row}  {line:>{widths[4]}}  {ink.fit(text, room)}")
        else:
            out.append(ink.fit(row, width))
            out.append("  " + ink.paint(ink.fit(f"line {line}: {text}", width - 2), DIM))
    return out


def events(plan: Plan, width: int, ink: Ink) -> list[str]:
    """Return the list of what a plan did because of metrics, none where there is nothing."""
    found = plan.events
    if not found:
        return []
    arrow = ink.pick("→", "->")
    numbers = event_numbers(plan)
    several = len(plan.targets) > 1
    shown = _ends(found, _MOST_EVENTS)
    rows = {
        event: (
            str(numbers[event]),
            _event_time(event),
            f"{event.target} {event.kind}" if several else event.kind,
            _change(event, arrow),
        )
        for event in shown
        if event is not None
    }
    widths = [max(len(row[i]) for row in rows.values()) for i in range(4)]
    unit = "epoch" if found[0].epoch is not None else "step"
    plural = "s" if len(found) > 1 else ""
    out = [*wrap(f"{len(found):,} event{plural} ({unit})", width)]
    for event in shown:
        if event is None:
            out.append(_more(len(found) - _MOST_EVENTS, width, ink))
            continue
        number, time, kind, change = rows[event]
        lead = f"{number:>{widths[0]}}"
        row = f"  {time:>{widths[1]}}  {kind:<{widths[2]}}  {change:<{widths[3]}}"
        why = event.cause.replace("`", "") or f"line {event.line}: {event.text}"
        room = width - len(lead) - len(row) - 2
        if room >= display_width(why):
            text = [f"{row}  {ink.fit(why, room)}"]
        else:
            text = [ink.fit(row, width - len(lead))]
            text += ["  " + ink.paint(ink.text(line), DIM) for line in wrap(why, width - 2)]
        out += [ink.paint(lead, EVENT) + text[0], *text[1:]]
    return out


def _event_time(event: Event) -> str:
    return format_time(event.time if event.epoch is None else event.epoch)


def _change(event: Event, arrow: str) -> str:
    if event.kind == "stop":
        return format_rate(event.before)
    return f"{format_rate(event.before)} {arrow} {format_rate(event.after)}"


def snapshots(plan: Plan, width: int, ink: Ink) -> list[str]:
    """Return the list of the models to be saved, none where there are none."""
    found = plan.snapshots
    if not found:
        return []
    count = len(found)
    title = f"{count:,} snapshot{'s' if count > 1 else ''}, saved at the end of"
    options = plan.snapshot_options
    if options is not None and options.keep is not None:
        title = f"{title.partition(',')[0]}, the last {options.keep} kept, saved at the end of"
    if options is not None and options.best is not None:
        which = "highest" if options.mode == "max" else "lowest"
        number = "one" if options.best == 1 else str(options.best)
        title = (
            f"{title.partition(',')[0]}, the {number} with the {which} "
            f"{options.monitor} kept, saved at the end of"
        )
    shown = _ends(found, _MOST_SNAPSHOTS)
    rows = [
        (str(s.index), _snapshot_time(plan, s), format_rate(s.value))
        for s in shown
        if s is not None
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    out = [*wrap(ink.text(title), width)]
    left = iter(rows)
    for snapshot in shown:
        if snapshot is None:
            out.append(_more(count - _MOST_SNAPSHOTS, width, ink))
            continue
        index, time, value = next(left)
        text = ink.fit(f"{index:>{widths[0]}}  {time:<{widths[1]}}  rate {value}", width - 2)
        out.append(f"{ink.paint(ink.pick('◆', '#'), MARK)} {text}")
    return out


def _snapshot_time(plan: Plan, snapshot: Snapshot) -> str:
    return f"{plan.unit.removesuffix('s')} {format_time(saved_after(plan, snapshot))}"


def _ends(items: Sequence[_T], most: int) -> list[_T | None]:
    """Return all items, or those at both ends with None between them."""
    return list(_with_gap(items, most))


def _with_gap(items: Sequence[_T], most: int) -> Iterator[_T | None]:
    if len(items) <= most:
        yield from items
        return
    yield from items[: most // 2]
    yield None
    yield from items[len(items) - most // 2 :]


def _more(count: int, width: int, ink: Ink) -> str:
    return ink.fit(f"{ink.pick('…', '...')} {count:,} more", width)
