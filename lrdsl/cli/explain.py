"""`lrdsl explain`: what a code means, with a wrong example and the repaired one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from textwrap import indent, wrap

import click

from lrdsl.cli.completion import complete_code
from lrdsl.cli.options import has_colour, terminal_width, write
from lrdsl.diagnostics import CODES
from lrdsl.explanations import EXPLANATIONS, Example, Explanation

_NARROWEST = 20
_WIDEST = 88


@click.command()
@click.argument("code", metavar="[CODE]", required=False, shell_complete=complete_code)
def explain(code: str | None) -> None:
    """Say what the code of a message means, with a wrong example and the repaired one.

    Without CODE: list all of them.

    Example: lrdsl explain LRS301
    """
    if code is None:
        lines = [f"{one}  {rule}" for one, rule in CODES.items()]
    else:
        known = _find(code)
        lines = [*_page(known, EXPLANATIONS[known], has_colour(sys.stdout))]
    write("\n".join(lines), sys.stdout)


def _find(written: str) -> str:
    """Return the code that is meant: `LRS301`, `lrs301` or `301`."""
    code = f"LRS{written.upper().removeprefix('LRS')}"
    if code not in CODES:
        raise click.UsageError(
            f"there is no code `{written}`. `lrdsl explain` lists those there are."
        )
    return code


def _page(code: str, told: Explanation, colour: bool) -> Iterator[str]:
    width = max(min(terminal_width(), _WIDEST), _NARROWEST)
    yield from wrap(f"{code}: {CODES[code]}", width)
    yield ""
    yield from wrap(told.meaning, width)
    examples = (("Wrong", "red", told.wrong), ("Right", "green", told.right))
    for title, shade, example in examples:
        label = f"{title}{_how(example, told.kind)}:"
        yield ""
        yield click.style(label, fg=shade, bold=True) if colour else label
        yield indent(_visible(example.text), "    ")


def _how(example: Example, kind: str) -> str:
    """Return how an example is used, in words."""
    if kind == "python":
        return ", in Python"
    if kind == "log":
        return ", with --metrics"
    return f", with {example.options}" if example.options else ""


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
