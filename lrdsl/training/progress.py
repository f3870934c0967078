"""How a training is going, told while it runs: lines that stay, and some that change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from lrdsl.terminal.ink import Ink
from lrdsl.training.display import LiveLines
from lrdsl.training.itinerary import Itinerary, Moment, Stand, metrics_in

if TYPE_CHECKING:
    from lrdsl.plan import Plan

_REDRAWN = 0.1
"""Seconds between two drawings: more often nobody can read."""

_TOLD = 1.0
"""Seconds between two lines of epochs, if nothing special happens in them."""


@dataclass
class _Fit:
    """The `fit` that runs.

    Attributes:
        plan: gives its plan by what is known so far.
        epochs: how many it has.
        where: the epoch and batch that run.
        seen: how many batches have begun.
        pace_from: when the second began, and its step: the first is compiled, which says
            nothing of those to come.
        last: where the last epoch ended.
    """

    plan: Callable[[], Plan]
    epochs: int
    where: tuple[int, int] = (0, 0)
    seen: int = 0
    pace_from: tuple[float, int] | None = None
    last: Stand | None = None
    itinerary: Itinerary | None = None

    def step(self, epoch: int, batch: int) -> int:
        return epoch * (self.plan().steps_per_epoch or 0) + batch

    def stand(self, step: int, rate_of: int) -> Stand:
        plan = self.plan()
        if self.itinerary is None or not self.itinerary.is_of(plan):
            self.itinerary = Itinerary(plan)
        return self.itinerary.at(step, rate_of)

    def left(self, step: int, now: float) -> float | None:
        """Return the seconds left, by the pace so far, validation included."""
        if self.pace_from is None:
            return None
        start, first = self.pace_from
        if step <= first:
            return None
        return max((self.plan().total_steps or 0) - step, 0) * (now - start) / (step - first)


class Progress:
    """Tells of one `fit` after another.

    At a terminal two lines change in place: how far the training is, and what the schedule
    does.  There and in a pipe a line is printed when an epoch is over; of epochs shorter
    than a second only one a second, and those in which the segment changes or a model is
    saved.

    Args:
        say: prints a line that stays.
        stream: where the lines that change are drawn; None for none.
        ink: what that terminal can show.
        clock: returns the time, in seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        stream: TextIO | None,
        ink: Ink,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._say = say
        self._stream = stream
        self._live = None if stream is None else LiveLines(stream, ink)
        self._ink = ink
        self._clock = clock
        self._told = -_TOLD
        self._drawn = -_REDRAWN
        self._fit: _Fit | None = None

    @property
    def is_live(self) -> bool:
        """Whether lines change in place."""
        return self._live is not None

    def begin(self, plan: Callable[[], Plan], epochs: int) -> None:
        """Begin with a `fit`; `plan` gives its plan by what is known so far."""
        self._fit = _Fit(plan, epochs)
        if self._live is not None:
            self._live.open()

    def at_batch(self, epoch: int, batch: int, logs: Mapping[str, object] | None) -> None:
        """Hear that a batch is about to run; the logs are those of the ones before."""
        fit, now = self._fit, self._clock()
        assert fit is not None, "it has begun"
        if fit.pace_from is None and fit.seen:
            fit.pace_from = (now, fit.step(epoch, batch))
        fit.seen += 1
        fit.where = (epoch, batch)
        self._draw(logs, now)

    def at_validation(self, logs: Mapping[str, object] | None) -> None:
        """Hear that the epoch's model is being validated."""
        self._draw(logs, self._clock(), is_validating=True)

    def at_epoch_end(self, epoch: int, logs: Mapping[str, object] | None) -> None:
        """Hear that an epoch is over, and tell of it if it is time."""
        fit, now = self._fit, self._clock()
        assert fit is not None, "it has begun"
        done = fit.step(epoch + 1, 0)
        stand = fit.stand(done, rate_of=done - 1)  # of what comes, at the rate that was
        before, fit.last = fit.last, stand
        happened = before is not None and (
            (before.number, before.snapshot) != (stand.number, stand.snapshot)
        )
        if not happened and epoch + 1 < fit.epochs and now - self._told < _TOLD:
            return
        self._told = now
        steps = fit.step(1, 0)
        metrics, left = metrics_in(logs), fit.left(done, now)
        moment = Moment(epoch, fit.epochs, steps - 1, steps, stand, metrics, left)
        line = moment.of_epoch(has_ahead=self._live is None)  # else that is told below it
        # A terminal's lines are to be read at a glance; in a file nothing is cut.
        room = None if self._stream is None else _width(self._stream) - len("lrdsl: ") - 1
        self._say(line if room is None else self._ink.fit(line, room))

    def end(self) -> None:
        """Take away what changes."""
        if self._live is not None:
            self._live.close()

    def _draw(
        self, logs: Mapping[str, object] | None, now: float, *, is_validating: bool = False
    ) -> None:
        fit = self._fit
        if self._live is None or self._stream is None or fit is None:
            return
        if now - self._drawn < _REDRAWN:
            return
        self._drawn = now
        (epoch, batch), steps = fit.where, fit.step(1, 0)
        step = fit.step(epoch, min(batch, steps - 1))
        stand, metrics = fit.stand(step, rate_of=step), metrics_in(logs)
        left = fit.left(step, now)
        moment = Moment(epoch, fit.epochs, batch, steps, stand, metrics, left, is_validating)
        width = _width(self._stream)
        full, empty = self._ink.pick("━", "="), self._ink.pick("─", "-")
        self._live.show([moment.bar(width - 1, full=full, empty=empty), moment.ahead()], width)


def is_one_place(one: TextIO | None, other: TextIO | None) -> bool:
    """Return whether two streams go to the same place."""
    try:
        assert one is not None
        assert other is not None
        first, second = os.fstat(one.fileno()), os.fstat(other.fileno())
    except (AssertionError, AttributeError, OSError, ValueError):
        return False
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80
