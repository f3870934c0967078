"""Diagnostics to text: for people (full), for `grep` (concise), for programs (JSON).

A renderer knows nothing of the checks.  Its cost is bounded by what it prints, not by the
length of the source's lines: a megabyte on one line is never copied or measured whole.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import groupby

from lrdsl.diagnostics import Diagnostic, Label, Severity
from lrdsl.records import dataclass
from lrdsl.source import SourceText, Span

WIDEST_LINE = 110
"""Source lines that take more columns than this are cut around the caret."""

LONGEST_MESSAGE = 600
"""Messages and labels that quote more than this are cut in the middle."""

_CONTEXT = 40  # columns kept in front of the caret on a line that is cut
_MOST_CHARACTERS = 4 * WIDEST_LINE  # a bound for text of no width (combining marks)
_TAB = 4
_CUT = "…"

_RESET = "\x1b[0m"
_BOLD = "\x1b[1m"
_RED = "\x1b[1;31m"
_YELLOW = "\x1b[1;33m"
_BLUE = "\x1b[1;34m"
_CYAN = "\x1b[1;36m"

# Cc control, Cf invisible or reordering, Cs half of a pair, Cn not assigned, Co private,
# Zl and Zp line ends that no editor counts: none is safe, or visible, on a terminal.
_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def render_full(diagnostic: Diagnostic, source: SourceText, *, colour: bool = False) -> str:
    """Return the diagnostic as a person reads it: message, place, source lines, help.

    Args:
        diagnostic: what to show.
        source: the text that its places are in.
        colour: whether to write escape codes.  Without, there are none, whatever the
            source holds.
    """
    paint = _Paint(colour)
    tint = _RED if diagnostic.severity is Severity.ERROR else _YELLOW
    marks = sorted(_marks(diagnostic, source), key=_Mark.position)
    width = len(str(max((mark.line for mark in marks), default=1)))
    gutter = paint(" " * width + " |", _BLUE)

    head = paint(f"{diagnostic.severity.value}[{diagnostic.code}]", tint)
    out = [head + paint(f": {_one_line(diagnostic.message)}", _BOLD)]
    out.append(" " * width + paint("-->", _BLUE) + " " + _place(diagnostic, source))
    if marks:
        out.append(gutter)
        out.extend(_snippet(marks, source, width, tint, paint))
    if diagnostic.help is not None:
        out.append(gutter)
        lead = " " * width + " " + paint("=", _BLUE) + " " + paint("help", _CYAN) + ": "
        indent = " " * (width + len(" = help: "))
        first, *others = diagnostic.help.split("\n")
        out.append(lead + _one_line(first))
        out.extend(indent + _one_line(line) for line in others)
    return "\n".join(line.rstrip() for line in out)


def render_concise(diagnostic: Diagnostic, source: SourceText) -> str:
    """Return the diagnostic in one line: `file:line:col: LRS102 error: message`."""
    return (
        f"{_place(diagnostic, source)}: {diagnostic.code} {diagnostic.severity.value}: "
        f"{_one_line(diagnostic.message)}"
    )


def render_json(problems: Iterable[tuple[Diagnostic, SourceText]]) -> str:
    """Return all the diagnostics, each beside its source, as one JSON document.

    A list of objects with `code`, `severity`, `message`, `file`, `line`, `column`,
    `end_line`, `end_column`, `label`, `help` and `related` (the other places).  Lines and
    columns count from 1, the end's column is the first one past it, and all four are null
    where the problem is not in the text.  Only ASCII, so that any encoding can carry it.
    """
    return json.dumps([_as_object(d, source) for d, source in problems], indent=2)


def visible(text: str) -> str:
    r"""Return `text` with what a terminal would obey or hide written out (`\x1b`, `\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_escape, text))


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` (of `visible` characters) takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


# The parts of the full form.


@dataclass(frozen=True, slots=True)
class _Mark:
    """A run of carets under one source line: a label, or one end of a long label."""

    line: int
    line_start: int
    start: int
    end: int
    text: str
    is_primary: bool

    def position(self) -> tuple[int, int, int]:
        return (self.line, self.start, self.end)


def _marks(diagnostic: Diagnostic, source: SourceText) -> Iterator[_Mark]:
    labels = [(label, False) for label in diagnostic.secondary]
    if diagnostic.primary is not None:
        labels.append((diagnostic.primary, True))
    for label, is_primary in labels:
        yield from _marks_of(label, is_primary, source)


def _marks_of(label: Label, is_primary: bool, source: SourceText) -> Iterator[_Mark]:
    start, end = _within(label.span, source)
    line, column = source.location(start)
    line_start = start - column + 1
    last_line, last_column = source.location(max(start, end - 1))
    if line == last_line:
        yield _Mark(line, line_start, start, end, label.text, is_primary)
        return
    # What lies between the two ends needs no caret: the eye joins them.
    last_start = max(start, end - 1) - last_column + 1
    indent = _indent(source.text, last_start, end)
    yield _Mark(line, line_start, start, end, "", is_primary)
    yield _Mark(last_line, last_start, last_start + indent, end, label.text, is_primary)


def _within(span: Span, source: SourceText) -> tuple[int, int]:
    start = min(max(span.start, 0), len(source.text))
    return start, min(max(span.end, start), len(source.text))


def _indent(text: str, start: int, end: int) -> int:
    piece = text[start : min(end, start + _MOST_CHARACTERS)]
    return min(len(piece) - len(piece.lstrip()), max(len(piece) - 1, 0))


def _snippet(
    marks: list[_Mark], source: SourceText, width: int, tint: str, paint: _Paint
) -> Iterator[str]:
    previous = 0
    for line, group in groupby(marks, key=lambda mark: mark.line):
        on_line = list(group)
        if previous and line == previous + 2:
            between = _short_line_before(source.text, on_line[0].line_start)
            # One line left out would take as much room as the line itself.
            yield "..." if between is None else _numbered(line - 1, width, between, paint)
        elif previous and line > previous + 1:
            yield "..."
        previous = line
        shown: _Excerpt | None = None
        for mark in on_line:
            # On a line that is cut, each place has a part of the line to itself.
            if shown is None or shown.is_cut:
                shown = _excerpt(source.text, mark.line_start, mark.start)
                yield _numbered(line, width, shown.text, paint)
            before, carets = shown.columns(mark.start, mark.end)
            underline = ("^" if mark.is_primary else "-") * carets
            if mark.text:
                underline += " " + _one_line(mark.text)
            yield (
                paint(" " * width + " |", _BLUE)
                + " "
                + " " * before
                + paint(underline, tint if mark.is_primary else _BLUE)
            )


def _numbered(line: int, width: int, text: str, paint: _Paint) -> str:
    return (paint(f"{line:>{width}} |", _BLUE) + " " + text).rstrip()


def _short_line_before(text: str, line_start: int) -> str | None:
    """Return the line that ends where `line_start` begins, unless it would be cut."""
    end = line_start - 1
    start = text.rfind("\n", max(0, end - WIDEST_LINE - 1), end) + 1
    if end - start > WIDEST_LINE:
        return None
    excerpt = _excerpt(text, start, start)
    return None if excerpt.is_cut else excerpt.text


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """A source line, or the part of it around a caret, as printed."""

    text: str
    is_cut: bool
    first: int  # offset of the first character shown
    edges: list[int]  # column where each character begins, then where the last one ends

    def columns(self, start: int, end: int) -> tuple[int, int]:
        """Return the column under `start` and the number of carets up to `end`."""
        last = len(self.edges) - 1
        begin = self.edges[min(max(start - self.first, 0), last)]
        stop = self.edges[min(max(end - self.first, 0), last)]
        return begin, max(stop - begin, 1)


def _excerpt(text: str, line_start: int, anchor: int) -> _Excerpt:
    line_end = _line_end(text, line_start, line_start + _MOST_CHARACTERS)
    if line_end is not None:
        whole = _expand(text, line_start, line_end, "")
        if whole.edges[-1] <= WIDEST_LINE:
            return whole

    first, room = anchor, _CONTEXT
    while first > line_start and anchor - first < _MOST_CHARACTERS:
        room -= _TAB if text[first - 1] == "\t" else display_width(_escape(text[first - 1]))
        if room < 0:
            break
        first -= 1
    found = _line_end(text, anchor, anchor + _MOST_CHARACTERS)
    end = anchor + _MOST_CHARACTERS if found is None else found
    part = _expand(text, first, max(end, first), _CUT if first > line_start else "")
    fits = len(part.edges) - 1
    while fits and part.edges[fits] > WIDEST_LINE:
        fits -= 1
    if found is None or fits < len(part.edges) - 1:
        part = _expand(text, first, first + fits, _CUT if first > line_start else "")
        return _Excerpt(part.text + _CUT, True, first, part.edges)
    return _Excerpt(part.text, True, first, part.edges)


def _line_end(text: str, start: int, limit: int) -> int | None:
    """Return where the line through `start` ends, or None if that is past `limit`."""
    end = text.find("\n", start, limit + 1)
    if end < 0:
        if len(text) > limit:
            return None
        return len(text)
    if end > start and text[end - 1] == "\r":
        end -= 1
    return end


def _expand(text: str, start: int, end: int, lead: str) -> _Excerpt:
    pieces = [lead]
    column = len(lead)
    edges = [column]
    for character in text[start:end]:
        piece = " " * (_TAB - column % _TAB) if character == "\t" else _escape(character)
        pieces.append(piece)
        column += display_width(piece)
        edges.append(column)
    return _Excerpt("".join(pieces), False, start, edges)


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _ESCAPED:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        code -= 0xDC00  # how Python keeps a byte that is not text ("surrogateescape")
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me") or "\u1160" <= character <= "\u11ff":
        return 0  # drawn over the character before it (U+1160…: inside a Hangul syllable)
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def _one_line(text: str) -> str:
    if len(text) > LONGEST_MESSAGE:
        half = LONGEST_MESSAGE // 2
        text = f"{text[:half]} {_CUT} {text[-half:]}"
    return visible(text)


def _place(diagnostic: Diagnostic, source: SourceText) -> str:
    name = _one_line(source.name)
    if diagnostic.primary is None:
        return name
    line, column = source.location(diagnostic.primary.span.start)
    return f"{name}:{line}:{column}"


@dataclass(frozen=True, slots=True)
class _Paint:
    """Puts text in a colour, or leaves it as it is."""

    colour: bool

    def __call__(self, text: str, code: str) -> str:
        return f"{code}{text}{_RESET}" if self.colour else text


# JSON.


def _as_object(diagnostic: Diagnostic, source: SourceText) -> dict[str, object]:
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity.value,
        "message": diagnostic.message,
        "file": source.name,
        **_range(diagnostic.primary, source),
        "label": diagnostic.primary.text if diagnostic.primary is not None else None,
        "help": diagnostic.help,
        "related": [
            {**_range(label, source), "label": label.text} for label in diagnostic.secondary
        ],
    }


def _range(label: Label | None, source: SourceText) -> dict[str, object]:
    if label is None:
        return {"line": None, "column": None, "end_line": None, "end_column": None}
    start, end = _within(label.span, source)
    line, column = source.location(start)
    end_line, end_column = source.location(end)
    return {"line": line, "column": column, "end_line": end_line, "end_column": end_column}
