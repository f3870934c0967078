"""`lrdsl curves`: list every curve there is, or explain one and draw it."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Iterator
from itertools import groupby, zip_longest
from textwrap import wrap
from typing import Final

import click

from lrdsl.catalogue import Page, pages
from lrdsl.cli.completion import complete_curve
from lrdsl.cli.options import can_show, has_colour, terminal_width, write
from lrdsl.records import dataclass
from lrdsl.suggest import suggest
from lrdsl.terminal.ink import CHARACTERS
from lrdsl.vocabulary import FOREIGN, REFERENCES

EPOCHS, STEPS_PER_EPOCH = 100, 10
"""The training that an example is drawn over."""

_NARROWEST = 20
_SIGNATURE = 60  # columns that signatures take at most beside their summaries
_SUMMARY = 60  # columns that a summary takes at least beside its signature
_LABEL, _TEXT = 12, 36  # columns of a label, and those that a text needs beside it

_GLUE = "\xa0"  # a space where no line ends

_BY_NAME = "what stands after `*` is given by name"
_MORE = "`lrdsl curves NAME` explains a curve and draws it."

_SPELLED: Final = str.maketrans(
    {
        **{"τ": "tau", "π": "pi", "ρ": "rho", "β": "beta", "√": "sqrt"},
        **{"⌊": "floor(", "⌋": ")", "⌈": "ceil(", "⌉": ")"},
        **{"·": "*", "−": "-", "≤": "<=", "…": "...", "ä": "a"},
    }
)
"""How the pages are written where there is only ASCII."""


@click.command()
@click.argument("name", metavar="[NAME]", required=False, shell_complete=complete_curve)
def curves(name: str | None) -> None:
    """List the curves of the language, or explain the one called NAME.

    What it comes to, its parameters and where it is from, with an example that is drawn in
    the terminal.

    Example: lrdsl curves warm_restarts
    """
    sheet = _Sheet(
        max(terminal_width(), _NARROWEST),
        can_show(sys.stdout, f"{CHARACTERS}τ√"),
        has_colour(sys.stdout),
    )
    known = pages()
    if name is None:
        lines = [*_list(known.values(), sheet)]
    elif name in known:
        lines = [*_explain(known[name], sheet), "", *_draw(known[name], sheet)]
    else:
        meant = suggest(name, known, FOREIGN)
        hint = f"Did you mean `{meant}`?" if meant else "`lrdsl curves` lists those there are."
        raise click.UsageError(f"there is no curve `{name}`. {hint}")
    write("\n".join(lines), sys.stdout)


@dataclass(frozen=True, slots=True)
class _Sheet:
    """What the terminal has room for, and can show."""

    width: int
    unicode: bool
    colour: bool

    def lines(self, text: str, first: int = 0, others: int | None = None) -> list[str]:
        """Return `text` in lines, the first of them and the others indented so far."""
        if not self.unicode:
            text = re.sub(r"π(?=\w)", "π·", text)
            text = re.sub(r"√(\w+)", r"√(\1)", text).translate(_SPELLED)
        # A unit belongs to the number before it on the same line.
        text = re.sub(r"(?<=\d) (?=(?:step|epoch)s?\b)", _GLUE, text)
        broken = wrap(
            text,
            self.width,
            initial_indent=" " * first,
            subsequent_indent=" " * (first if others is None else others),
            break_on_hyphens=False,
        )
        return [line.replace(_GLUE, " ").rstrip() for line in broken]

    def signature(self, text: str, indent: int) -> list[str]:
        """Return a signature in lines that break between parameters only."""
        # `m2=2 *` at the end of a line would be a riddle.
        glued = re.sub("(?<!,) ", _GLUE, text)
        fits = max(map(len, glued.split(" "))) <= self.width - indent - 4
        return self.lines(glued if fits else text, indent, indent + 4)

    def strong(self, line: str, words: str) -> str:
        """Return `line` with the words that it begins with, after its indent, in bold."""
        if not self.colour or not line.lstrip().startswith(words):
            return line
        return line.replace(words, click.style(words, bold=True), 1)


# The list.


def _list(known: Collection[Page], sheet: _Sheet) -> Iterator[str]:
    left = min(_SIGNATURE, 2 * sheet.width // 5)
    if sheet.width - left < _SUMMARY:
        left = 0
    for section, group in groupby(known, lambda page: page.section):
        yield from sheet.lines(section)
        for page in group:
            yield from _entry(page, left, sheet)
        yield ""
    yield from sheet.lines(f"{_BY_NAME.capitalize()}. {_MORE}")


def _entry(page: Page, left: int, sheet: _Sheet) -> Iterator[str]:
    """Yield a curve's signatures, and its summary from column `left` on, or below."""
    signatures = [line for text in page.signatures for line in sheet.signature(text, 2)]
    summary = sheet.lines(page.summary, left or 6)
    rows: Iterable[str] = [*signatures, *summary]
    if max(map(len, signatures)) + 2 <= left:
        rows = (
            f"{signature:<{left}}{line[left:]}".rstrip()
            for signature, line in zip_longest(signatures, summary, fillvalue="")
        )
    for row in rows:
        is_call = row.lstrip().startswith(f"{page.name}(")
        yield sheet.strong(row, page.name) if is_call else row


# A page.


def _explain(page: Page, sheet: _Sheet) -> Iterator[str]:
    for line in sheet.lines(f"{page.name}: {page.summary}", 0, 4):
        yield sheet.strong(line, page.name)
    yield ""
    left = _LABEL if sheet.width >= _LABEL + _TEXT else 2
    for label, lines in _parts(page, left, sheet):
        if lines[0][:_LABEL].strip():  # no room beside it
            lines.insert(0, label)
        else:
            lines[0] = label.ljust(_LABEL) + lines[0][_LABEL:]
        yield sheet.strong(lines[0], label)
        yield from lines[1:]


def _parts(page: Page, left: int, sheet: _Sheet) -> Iterator[tuple[str, list[str]]]:
    """Yield the label and the lines of each part of a page; most are indented by `left`."""
    signatures = (sheet.signature(signature, left) for signature in page.signatures)
    yield "Signature", [line for lines in signatures for line in lines]
    yield "Formula", sheet.lines(page.formula, left)
    yield "Parameters", _items(page.parameters, left, sheet)
    where = [*_where(page)]
    if where:
        yield "Where", _items("; ".join(where) + ".", left, sheet)
    yield "Source", sheet.lines(page.source, left)
    if page.definition is not None:
        yield "Definition", [*_code(page.definition, sheet)]
    yield "Example", sheet.lines(page.example, left, left + 4)


def _where(page: Page) -> Iterator[str]:
    """Yield what the words of a page mean."""
    if re.search(r"(?<![a-z_])[τp](?![a-z_])", page.formula):
        yield "τ is the time since its segment began, p = τ / its length"
    if re.search(r"\btimes?\b", page.parameters):
        yield "a time is `10` (of the file's unit), `500 steps` or `30%`"
    signatures = " ".join(page.signatures)
    if "=entry" in signatures:
        yield f"`entry` is {REFERENCES['entry']}"
    if "*," in signatures:
        yield _BY_NAME


def _items(text: str, left: int, sheet: _Sheet) -> list[str]:
    parts = re.split("(?<=;) ", text)
    return [line for part in parts for line in sheet.lines(part, left, left + 2)]


def _code(text: str, sheet: _Sheet) -> Iterator[str]:
    # Its lines are long, so that they begin below the label.
    for written in text.splitlines():
        indent = min(2 + len(written) - len(written.lstrip()), sheet.width // 3)
        yield from sheet.lines(written.strip(), indent, indent + 4)


def _draw(page: Page, sheet: _Sheet) -> list[str]:
    # Not before a curve is to be drawn: they bring the parser and NumPy.
    from lrdsl.preview import drawing
    from lrdsl.program import make_program
    from lrdsl.source import SourceText

    program = make_program(SourceText(page.example, page.name))
    plan = program.plan(epochs=EPOCHS, steps_per_epoch=STEPS_PER_EPOCH)
    picture = drawing(plan, sheet.width, unicode=sheet.unicode, colour=sheet.colour)
    return picture.split("\n")
