"""The diagnostics found so far, each reported once."""

from __future__ import annotations

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, Label, Severity
from lrdsl.source import Span


class Problems:
    """Collects diagnostics; a `def` that is called ten times reports its mistake once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Span], Diagnostic] = {}
        self._counts = dict.fromkeys(Severity, 0)

    def add(
        self,
        code: str,
        message: str,
        span: Span,
        label: str = "",
        *,
        help: str | None = None,
        secondary: tuple[Label, ...] = (),
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Add a diagnostic, unless the same one is there or there are too many."""
        # One of a kind at one place: what a prelude call expands to shares its span.
        key = (code, span)
        # Counted apart: an error is never lost among warnings.
        if self._counts[severity] < limits.DIAGNOSTICS and key not in self._found:
            self._counts[severity] += 1
            self._found[key] = Diagnostic(
                code=code,
                message=message,
                primary=Label(span, label),
                secondary=secondary,
                help=help,
                severity=severity,
            )

    @property
    def full(self) -> bool:
        """Whether there are so many errors that further ones are not looked for."""
        return self._counts[Severity.ERROR] >= limits.DIAGNOSTICS

    @property
    def errors(self) -> list[Diagnostic]:
        """The errors, in source order."""
        return self._sorted(Severity.ERROR)

    @property
    def warnings(self) -> list[Diagnostic]:
        """The warnings, in source order."""
        return self._sorted(Severity.WARNING)

    def _sorted(self, severity: Severity) -> list[Diagnostic]:
        chosen = (d for d in self._found.values() if d.severity is severity)
        return sorted(chosen, key=Diagnostic.position)
