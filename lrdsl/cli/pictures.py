"""What the commands that draw share: the options of a picture, and writing it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from lrdsl.cli.options import UnusableFile, write

_Command = TypeVar("_Command", bound=Callable[..., Any])

SUFFIXES = (".png", ".svg", ".pdf")  # of `lrdsl.plotting`, which is not cheap to import
THEMES = ("light", "dark")  # likewise


def output_option(command: _Command) -> _Command:
    """Add -o, the picture that `check_picture` looks at."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="PICTURE",
        help="Draw into this file: .png, .svg or .pdf.  [default: draw in the terminal]",
    )(command)


def look_options(command: Any) -> Any:
    """Add --theme, and --log and --linear; the command gets them as `theme` and `is_log`."""
    command = click.option(
        "--log/--linear",
        "is_log",
        default=None,
        help="Draw the values on a logarithmic scale, or on a linear one.  [default: as the "
        "curve calls for]",
    )(command)
    return click.option(
        "--theme",
        type=click.Choice(THEMES),
        help=f"The colours of the picture.  [default: {THEMES[0]}]",
    )(command)


def check_picture(output: Path | None, theme: str | None) -> str:
    """Return the theme of a picture.

    Raises:
        click.UsageError: the file's name does not say what kind of picture it is, or there
            is a theme and no picture.
    """
    if output is None and theme is not None:
        raise click.UsageError("--theme is for a picture: add `-o plan.png`")
    if output is not None and output.suffix.lower() not in SUFFIXES:
        raise click.UsageError(
            f"`{output}` does not say what kind of picture it is: end it in "
            f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
    return theme or THEMES[0]


@contextmanager
def saving(output: Path) -> Iterator[None]:
    """Say that the picture was written, or raise UnusableFile if it could not be."""
    try:
        yield
    except OSError as error:
        if not output.parent.exists():
            why = f"there is no folder `{output.parent}`"
            raise UnusableFile(f"cannot write `{output}`: {why}") from None
        raise UnusableFile(f"cannot write `{output}`: {error.strerror or error}") from None
    write(f"wrote {output}", sys.stderr)
