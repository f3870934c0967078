"""Talking to the person at the terminal while a program of theirs runs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

import click

from lrdsl.cli.options import can_show, has_colour, write
from lrdsl.render import render_full
from lrdsl.terminal.ink import CHARACTERS
from lrdsl.training.dialogue import Answer, Tone

if TYPE_CHECKING:
    from lrdsl.diagnostics import LrsError
    from lrdsl.plan import Plan

_WIDEST = 400
_COLOURS = {Tone.PLAIN: None, Tone.GOOD: "green", Tone.BAD: "red"}


class TerminalDialogue:
    """Writes to standard error, so that the program's own output can be piped.

    A `lrdsl.training.dialogue.Dialogue`.
    """

    def __init__(self, *, yes: bool) -> None:
        self._yes = yes
        # Now: the program may put another stream in its place, or close this one.
        self._stream = sys.stderr
        self._colour = has_colour(self._stream)
        self._unicode = can_show(self._stream, f"{CHARACTERS}≠")

    def say(self, line: str, tone: Tone = Tone.PLAIN) -> None:
        """Print one line."""
        if not self._unicode:
            line = line.replace("≠", "!=").replace("→", "->").replace("…", "...")
        self._write(click.style("lrdsl: ", dim=True) + click.style(line, fg=_COLOURS[tone]))

    def show_plan(self, plan: Plan, *, in_units_of_base: bool = False) -> None:
        """Show the curve of a plan and its summary."""
        from lrdsl.preview import preview

        width = _width(self._stream)
        self._write(preview(plan, width, unicode=self._unicode, colour=self._colour))
        for warning in plan.warnings:
            self._write("\n" + render_full(warning, plan.program.source, colour=self._colour))
        if in_units_of_base:
            self._write(
                "The rates are in units of base, the optimizer's own rate, which is not "
                "known before `fit`."
            )

    def show_problem(self, problem: LrsError) -> None:
        """Print the diagnostics of an error."""
        for diagnostic in problem.diagnostics:
            self._write(render_full(diagnostic, problem.source, colour=self._colour) + "\n")

    def ask(self) -> Answer:
        """Ask whether to train with what was shown."""
        if self._yes:
            return Answer.YES
        if sys.stdin is None or not sys.stdin.isatty():
            return Answer.NOBODY
        try:
            agreed = click.confirm("Train with this schedule?", err=True)
        except click.Abort:  # Ctrl-C, or the end of input
            self._write("")
            return Answer.INTERRUPTED
        return Answer.YES if agreed else Answer.NO

    def _write(self, text: str) -> None:
        # What the program has printed comes first, if both go to one place.
        if sys.stdout is not None and not sys.stdout.closed:
            with suppress(OSError):  # a reader that is gone: the program will hear of it
                sys.stdout.flush()
        write(text if self._colour else click.unstyle(text), self._stream)
        self._stream.flush()


class WorkerDialogue(TerminalDialogue):
    """Agrees to all and tells of problems only: somebody answers the chief of the cluster."""

    def __init__(self) -> None:
        super().__init__(yes=True)

    def say(self, line: str, tone: Tone = Tone.PLAIN) -> None:
        """Print one line, if it tells of a problem."""
        if tone is Tone.BAD:
            super().say(line, tone)

    def show_plan(self, plan: Plan, *, in_units_of_base: bool = False) -> None:
        """Show nothing: the chief does."""


def _width(stream: TextIO) -> int:
    """Return the columns of the terminal that `stream` goes to; 80 if it is none."""
    # The standard library asks about standard output, which may well be piped elsewhere.
    try:
        columns = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        columns = 0
    if os.environ.get("COLUMNS", "").isdigit():
        columns = int(os.environ["COLUMNS"])
    return min(columns, _WIDEST) or 80  # some terminals say that they have none
