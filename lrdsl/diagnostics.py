"""Diagnostics as data: what was found, where, what was needed, and the repair to type."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lrdsl.records import dataclass
from lrdsl.source import SourceText, Span

CODES: dict[str, str] = {
    # Syntax
    "LRS101": "the file is not readable text",
    "LRS102": "something else was expected here",
    "LRS103": "two segments follow each other without `then`",
    "LRS104": "a call has a space before its parenthesis",
    "LRS105": "a number is malformed",
    "LRS106": "a parenthesis has no partner",
    "LRS107": "the text is over a limit",
    "LRS108": "a keyword is used as a name",
    "LRS109": "the file holds no schedule",
    "LRS110": "a bare schedule stands beside other statements",
    "LRS111": "a statement is given twice",
    "LRS112": "a log of metrics cannot be read",
    # Names and arguments
    "LRS201": "a name is not defined",
    "LRS202": "a curve or function does not exist",
    "LRS203": "an argument does not exist",
    "LRS204": "an argument is missing",
    "LRS205": "an argument is given twice, or one too many is",
    "LRS206": "a name cannot be defined here",
    "LRS207": "a value is set from outside that the file does not declare",
    "LRS208": "a name is used as what it is not",
    # Time and units
    "LRS301": "a boundary is not after the one before it",
    "LRS302": "a segment never runs",
    "LRS303": "steps and epochs cannot be converted",
    "LRS304": "a length is needed and unknown",
    "LRS305": "a percentage of a length that it would itself decide",
    "LRS306": "a time is needed here",
    "LRS307": "a segment before `then` has no end",
    "LRS308": "a length is not above zero",
    "LRS309": "`train` and the run disagree",
    "LRS310": "`train` counts whole epochs and steps",
    # Values
    "LRS401": "a time stands where a value is needed",
    "LRS402": "a parameter varies in time",
    "LRS403": "a value is not finite",
    "LRS404": "a rate is negative",
    "LRS405": "a factor does not say where it starts",
    "LRS406": "`next` is used where nothing follows",
    "LRS407": "the optimizer's own value is needed and unknown",
    "LRS408": "a parameter is out of its range",
    "LRS409": "a condition stands where a value is needed",
    "LRS410": "a reaction to a metric stands where it cannot be planned",
    # Advice
    "LRS501": "a `let` is not used",
    "LRS502": "a turn is cut short and leaves no snapshot",
    "LRS503": "the training ends inside a segment",
    "LRS504": "a plateau never cuts",
    # The running fit
    "LRS601": "`fit` cannot apply this schedule exactly",
    "LRS602": "`fit` and the plan disagree",
    "LRS603": "a snapshot cannot be saved",
    "LRS604": "a run that goes on has another plan than before",
    "LRS605": "the state of a run cannot be kept or taken up",
    "LRS606": "a metric is missing, or is not a number",
}
"""Every code with the rule that it stands for.  A code never changes its meaning."""


class Severity(StrEnum):
    """How bad a diagnostic is: an error stops the program, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the source and what is to be said of it."""

    span: Span
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem: its code, one line of what was found, its places, and the repair.

    `primary` is None only where the problem is not in the text (a running `fit`, a
    file that cannot be read).
    """

    code: str
    message: str
    primary: Label | None = None
    secondary: tuple[Label, ...] = ()
    help: str | None = None
    severity: Severity = Severity.ERROR

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"unregistered diagnostic code {self.code!r}")

    def position(self) -> tuple[int, int, str]:
        """Return the key that sorts diagnostics in the order of the source."""
        if self.primary is None:
            return (-1, -1, self.code)
        return (self.primary.span.start, self.primary.span.end, self.code)


class LrsWarning(UserWarning):
    """What is dubious about a schedule that is used all the same.

    Filter it as any warning: `warnings.simplefilter("error", lrdsl.LrsWarning)` makes `fit`
    refuse what it would warn of.
    """


class LrsError(Exception):
    """A schedule that cannot be used, with every problem found.

    Attributes:
        diagnostics: the problems, in source order.
        source: the text that they are about.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], source: SourceText) -> None:
        self.diagnostics = tuple(diagnostics)
        self.source = source
        super().__init__(self.diagnostics, source)

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it: the problems in place, not our frames."""
        from lrdsl.showing import of_error

        return of_error(self)

    def __str__(self) -> str:
        from lrdsl.render import render_full

        problems = "\n\n".join(render_full(d, self.source) for d in self.diagnostics)
        # A traceback prints the class's name first: the message starts on its own line.
        return "\n" + problems
