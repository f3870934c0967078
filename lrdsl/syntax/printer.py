"""Syntax tree → canonical text: one style, comments kept, parsing back to the same tree."""

from __future__ import annotations

import sys

from lrdsl.source import SourceText
from lrdsl.syntax import nodes
from lrdsl.syntax.documents import (
    Bracket,
    Chain,
    Comment,
    Document,
    Equation,
    Group,
    Indent,
    Line,
    Tailed,
    lay_out,
)

WIDTH = 88
"""A statement that fits in this many columns stands on one line."""


def print_file(file: nodes.File, source: SourceText | None = None) -> str:
    """Return the canonical text of a file.

    Each statement begins a line.  One that is longer than `WIDTH`, or holds a comment, breaks
    before each `then` of its outermost sequence, and further inside where it must.

    Args:
        file: the tree.
        source: the text that the tree came from; where it has blank lines between
            statements or comments, one is kept.
    """
    lines: list[str] = []
    builder = _Builder(file.comments)
    ends = [statement.span.start for statement in file.statements[1:]] + [file.span.end + 1]
    for statement, following in zip(file.statements, ends, strict=False):
        _own_lines(builder.before(statement.span.start), lines, source)
        _keep_blank(statement.span.start, lines, source)
        document = builder.statement(statement)
        inside = builder.before(statement.span.end)
        lines += lay_out((document, *inside, *builder.beside(following)), WIDTH)
    _own_lines(builder.before(file.span.end + 1), lines, source)
    return "".join(f"{line}\n" for line in lines)


def print_expression(expression: nodes.Expression) -> str:
    """Return the canonical text of an expression, on one line and without comments."""
    return "".join(lay_out(_Builder(()).expression(expression), sys.maxsize))


def _own_lines(
    comments: tuple[nodes.Comment, ...], lines: list[str], source: SourceText | None
) -> None:
    for comment in comments:
        _keep_blank(comment.span.start, lines, source)
        lines.append(comment.text)
