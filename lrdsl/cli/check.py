"""`lrdsl check`: report what is wrong in schedules, and change nothing."""

from __future__ import annotations

import sys

import click

from lrdsl.cli.completion import complete_words
from lrdsl.cli.options import UnusableFile, has_colour, read_source, write
from lrdsl.diagnostics import Diagnostic, LrsError, Severity
from lrdsl.render import render_concise, render_full, render_json
from lrdsl.source import SourceText


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_words
)
@click.option(
    "--output-format",
    type=click.Choice(["full", "concise", "json"]),
    default="full",
    show_default=True,
    help="full: with the source lines; concise: one line each; json: one document.",
)
@click.pass_context
def check(ctx: click.Context, files: tuple[str, ...], output_format: str) -> None:
    """Report what is wrong in schedules; `-` reads standard input.

    Problems go to standard output, their number to standard error.  Exit status: 0 if there
    are none, or only warnings; 1 if there are errors; 2 if a file cannot be read.

    Example: lrdsl check --output-format concise examples/*.lrs
    """
    found: list[tuple[Diagnostic, SourceText]] = []
    unreadable = 0
    for file in files:
        try:
            source, problems = _diagnose(file)
        except UnusableFile as error:
            error.show()
            unreadable += 1
            continue
        if output_format != "json":
            for problem in problems:
                _print(problem, source, output_format)
        found.extend((problem, source) for problem in problems)
    if output_format == "json":
        write(render_json(found), sys.stdout)

    sys.stdout.flush()
    severities = [problem.severity for problem, _ in found]
    errors = severities.count(Severity.ERROR)
    write(_tally(errors, len(found) - errors, len(files) - unreadable), sys.stderr)
    ctx.exit(2 if unreadable else 1 if errors else 0)


def _diagnose(file: str) -> tuple[SourceText, list[Diagnostic]]:
    from lrdsl.program import diagnose

    try:
        source = read_source(file)
    except LrsError as error:
        return error.source, list(error.diagnostics)
    return source, list(diagnose(source))


def _print(problem: Diagnostic, source: SourceText, output_format: str) -> None:
    if output_format == "concise":
        write(render_concise(problem, source), sys.stdout)
    else:
        write(render_full(problem, source, colour=has_colour(sys.stdout)) + "\n", sys.stdout)


def _tally(errors: int, warnings: int, files: int) -> str:
    counts = [
        f"{number:,} {noun}{'' if number == 1 else 's'}"
        for number, noun in ((errors, "error"), (warnings, "warning"))
        if number
    ]
    return (
        f"{' and '.join(counts) or 'no problems'} in {files:,} file{'' if files == 1 else 's'}"
    )
