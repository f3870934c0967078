"""Source text and the places in it: half-open code-point offsets, shown as line and column."""

from __future__ import annotations

from bisect import bisect_right

from lrdsl.records import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The half-open range of code points `[start, end)` of a source text."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """Return the span from the start of this one to the end of `other`."""
        return Span(self.start, other.end)


@dataclass(frozen=True, slots=True)
class SourceText:
    """A schedule's text, its name in messages, and where its lines begin.

    Offsets count code points of `text`; lines and columns count from 1 and exist
    only in what a person reads.
    """

    text: str
    name: str = "<text>"
    _line_starts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = [0]
        position = self.text.find("\n")
        while position >= 0:
            starts.append(position + 1)
            position = self.text.find("\n", position + 1)
        object.__setattr__(self, "_line_starts", tuple(starts))

    def location(self, offset: int) -> tuple[int, int]:
        """Return the line and column, both from 1, of a code-point offset."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def line(self, number: int) -> str:
        """Return the text of line `number` (from 1) without its line end."""
        start = self._line_starts[number - 1]
        if number < len(self._line_starts):
            end = self._line_starts[number] - 1
        else:
            end = len(self.text)
        return self.text[start:end].removesuffix("\r")

    def slice(self, span: Span) -> str:
        """Return the text that `span` covers."""
        return self.text[span.start : span.end]
