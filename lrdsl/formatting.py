"""Formatting: a text in the one style, proven to say what it said."""

from __future__ import annotations

from lrdsl import limits
from lrdsl.diagnostics import Diagnostic, LrsError
from lrdsl.source import SourceText
from lrdsl.syntax.parser import parse
from lrdsl.syntax.printer import print_file


def format_source(source: SourceText) -> str:
    """Return a text in the one style, with its comments, and lines that end in LF.

    What it returns parses to the same tree, has the same comments in the same order, and is
    formatted already; each is checked here.

    Raises:
        LrsError: the text is no .lrs file (LRS1xx).
        RuntimeError: a bug: one of these checks fails.
    """
    tree = parse(source)
    text = print_file(tree, source)
    if len(text) > limits.CHARACTERS:
        problem = Diagnostic(
            code="LRS107",
            message=f"formatted, the text has {len(text):,} characters",
            help=f"at most {limits.CHARACTERS:,} are allowed: part it into several files",
        )
        raise LrsError([problem], source)
    formatted = SourceText(text, source.name)
    again = parse(formatted)
    if again.statements != tree.statements:
        raise RuntimeError("the formatted text would mean something else")
    if again.comments != tree.comments:
        raise RuntimeError("the formatted text would have other comments")
    if print_file(again, formatted) != text:
        raise RuntimeError("the formatted text would be formatted again")
    return text
