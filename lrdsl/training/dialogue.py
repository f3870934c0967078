"""What a run says to a person and asks of them, whoever prints it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lrdsl.diagnostics import LrsError
    from lrdsl.plan import Plan


class Status:
    """The exit statuses of `lrdsl train` that are not the program's own."""

    DONE = 0
    FAILED = 1  # not trained, or not as planned
    REFUSED = 2  # nobody answered, or the request cannot be carried out
    OUR_BUG = 3
    INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


class Answer(Enum):
    """What came of the question whether to train."""

    YES = "yes"
    NO = "no"
    NOBODY = "nobody"
    INTERRUPTED = "interrupted"

    def consequence(self) -> tuple[int, str] | None:
        """Return the exit status and the words that end the run; None to go on."""
        match self:
            case Answer.YES:
                return None
            case Answer.NO:
                return Status.FAILED, "nothing was trained"
            case Answer.INTERRUPTED:
                return Status.INTERRUPTED, "interrupted: nothing was trained"
            case Answer.NOBODY:
                return Status.REFUSED, (
                    "nobody can answer here, as standard input is not a terminal: nothing "
                    "was trained; to answer in advance, write `lrdsl train --yes`"
                )


class Tone(Enum):
    """How a line is meant; a terminal shows it by a colour."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"


class Dialogue(Protocol):
    """The person at the terminal."""

    def say(self, line: str, tone: Tone = Tone.PLAIN) -> None:
        """Print one line."""

    def show_plan(self, plan: Plan, *, in_units_of_base: bool = False) -> None:
        """Show the curve of a plan and its summary."""

    def show_problem(self, problem: LrsError) -> None:
        """Print the diagnostics of an error."""

    def ask(self) -> Answer:
        """Ask whether to train with what was shown."""
