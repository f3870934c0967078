"""What the commands share: their common arguments, reading files, and writing to a terminal."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from lrdsl import reading
from lrdsl.cli.completion import complete_words
from lrdsl.diagnostics import LrsError
from lrdsl.records import dataclass
from lrdsl.render import render_full
from lrdsl.source import SourceText

if TYPE_CHECKING:
    from lrdsl.plan import Plan
    from lrdsl.program import Program

_Command = TypeVar("_Command", bound=Callable[..., Any])

STDIN = "-"
_WIDEST = 400

_PLAIN = {"→": "->", "≠": "!=", "×": "x", "…": "..."}
"""Signs of our own, and what is written where the encoding lacks them."""


class UnusableFile(click.ClickException):
    """A file that cannot be read or written: exit status 2, without a usage line."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Horizon:
    """What the command line says of a training, or what it names, such as a run."""

    epochs: int | None
    steps_per_epoch: int | None
    base: float | None
    own: Mapping[str, float] | None = None


# Arguments and options.


def file_argument(command: _Command) -> _Command:
    """Add the argument FILE, which `open_program` takes."""
    return click.argument("file", metavar="FILE", shell_complete=complete_words)(command)


def overrides_argument(command: _Command) -> _Command:
    """Add the arguments NAME=VALUE, which `parse_overrides` takes."""
    argument = click.argument(
        "overrides", metavar="[NAME=VALUE]...", nargs=-1, shell_complete=complete_words
    )
    return argument(command)


def horizon_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --epochs, --steps-per-epoch and --base; the command gets them as one `horizon`."""

    def with_horizon(
        *args: Any,
        epochs: int | None,
        steps_per_epoch: int | None,
        base: float | None,
        **kwargs: Any,
    ) -> Any:
        if base is not None and not math.isfinite(base):
            raise click.UsageError(f"--base: a rate is a finite number, not {base}")
        return command(*args, horizon=Horizon(epochs, steps_per_epoch, base), **kwargs)

    with_horizon.__doc__ = command.__doc__
    with_horizon.__name__ = command.__name__
    if hasattr(command, "__click_params__"):
        with_horizon.__click_params__ = command.__click_params__  # type: ignore[attr-defined]
    for option in (
        click.option(
            "--base",
            type=click.FloatRange(min=0),
            metavar="RATE",
            help="The optimizer's own rate, where FILE uses `base`.",
        ),
        click.option(
            "--steps-per-epoch",
            type=click.IntRange(min=1),
            metavar="N",
            help="Steps in an epoch, where FILE has no `train` line that says so.",
        ),
        click.option(
            "--epochs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Epochs of training, where FILE has no `train` line.",
        ),
    ):
        option(with_horizon)
    return with_horizon


def parse_overrides(words: Sequence[str]) -> dict[str, str]:
    """Return the values that `name=value` words give to names.

    Raises:
        click.UsageError: a word is not of that form, or a name is given twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            raise click.UsageError(f"expected NAME=VALUE, such as `peak=0.05`, not `{word}`")
        if name in found:
            raise click.UsageError(f"`{name}` is given twice")
        found[name] = value
    return found


# Reading.


def read_source(file: str) -> SourceText:
    """Return the text of a file, or of standard input for `-`.

    Raises:
        UnusableFile: it cannot be read.
        LrsError: it is not text in UTF-8.
    """
    try:
        if file == STDIN:
            return reading.decode(sys.stdin.buffer.read(reading.MOST_BYTES), "<stdin>")
        return reading.read_source(file)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableFile(f"cannot read `{file}`: {why}") from None


def open_program(file: str, overrides: Sequence[str]) -> Program:
    """Return the program in a file (`-` is standard input) with `name=value` words applied.

    Raises:
        click.UsageError: a word is malformed.
        UnusableFile: the file cannot be read.
        LrsError: the schedule has problems.
    """
    lets = parse_overrides(overrides)
    # Not before the words are known to be well-formed: it brings the parser and NumPy.
    from lrdsl.program import make_program

    return make_program(read_source(file), {**lets})


def make_plan(file: str, overrides: Sequence[str], horizon: Horizon) -> Plan:
    """Return the plan of the schedule in a file for the training that is asked for.

    Raises:
        click.UsageError, UnusableFile, LrsError: as `open_program`; LrsError also where
            the schedule and the training do not fit together.
    """
    program = open_program(file, overrides)
    from lrdsl.training.early import check_options

    check_options(program, epochs=horizon.epochs, steps_per_epoch=horizon.steps_per_epoch)
    return program.plan(
        epochs=horizon.epochs, steps_per_epoch=horizon.steps_per_epoch, base=horizon.base
    )


# Writing.


def has_colour(stream: TextIO) -> bool:
    """Return whether to write colours: to a terminal that has some, unless NO_COLOR is set."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not is_plain


def can_show(stream: TextIO, text: str) -> bool:
    """Return whether the stream's encoding has all the characters of `text`."""
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def terminal_width() -> int:
    """Return the columns of the terminal; COLUMNS decides if it is set, and 80 in a pipe."""
    return min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)


def write(text: str, stream: TextIO) -> None:
    """Write `text` and a line end; what the stream's encoding lacks is written out."""
    encoding = stream.encoding or "ascii"
    for sign, plain in _PLAIN.items():
        if sign in text and not can_show(stream, sign):
            text = text.replace(sign, plain)
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def show_problems(error: LrsError) -> None:
    """Print every diagnostic of an error on standard error, as a person reads it."""
    colour = has_colour(sys.stderr)
    problems = [render_full(d, error.source, colour=colour) for d in error.diagnostics]
    write("\n\n".join(problems), sys.stderr)
