"""`lrdsl fmt`: write schedules in the one style."""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from difflib import unified_diff
from io import StringIO
from pathlib import Path

import click

from lrdsl.cli.completion import complete_words
from lrdsl.cli.options import STDIN, UnusableFile, has_colour, show_problems, write
from lrdsl.diagnostics import LrsError
from lrdsl.reading import MOST_BYTES, decode

_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, shell_complete=complete_words
)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if something would.")
@click.option("--diff", is_flag=True, help="Write nothing but what would change, as a diff.")
@click.pass_context
def fmt(ctx: click.Context, files: tuple[str, ...], check: bool, diff: bool) -> None:
    """Write schedules in the one style; `-` reads standard input and writes standard output.

    Comments stay, and so do single blank lines between statements.  A file is replaced in
    one go, and only after its new text was proven to mean the same.  One that does not parse
    is left alone, and told of.  Exit status: 0 if all is well; 1 if a file does not parse,
    or with --check or --diff if one would change; 2 if a file cannot be read or written.

    Example: lrdsl fmt --diff examples/*.lrs
    """
    only_shows = check or diff
    found: Counter[str] = Counter()
    for file in files:
        try:
            old = _read(file)
            new = _formatted(old, file)
            if diff:
                _show(old, new, file)
            elif check and new != old:
                write(f"would reformat {_name(file)}", sys.stdout)
            if not only_shows and file == STDIN:
                sys.stdout.buffer.write(new)
            elif not only_shows and new != old:
                _replace(file, new)
            found["changed" if new != old else "unchanged"] += 1
        except UnusableFile as error:
            error.show()
            found["unusable"] += 1
        except LrsError as error:
            show_problems(error)
            found["wrong"] += 1
    sys.stdout.flush()
    if only_shows or files != (STDIN,):
        write(_tally(found, only_shows), sys.stderr)
    if found["unusable"]:
        ctx.exit(2)
    ctx.exit(1 if found["wrong"] or (only_shows and found["changed"]) else 0)


def _read(file: str) -> bytes:
    try:
        if file == STDIN:
            return sys.stdin.buffer.read(MOST_BYTES)
        with Path(file).open("rb") as opened:
            return opened.read(MOST_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unusable("read", file, error) from None


def _formatted(data: bytes, file: str) -> bytes:
    """Return a file's bytes in the one style, with line ends like that of its first line."""
    from lrdsl.formatting import format_source

    source = decode(data, _name(file))
    text = format_source(source)
    first = source.text.partition("\n")[0]
    return (text.replace("\n", "\r\n") if first.endswith("\r") else text).encode()


def _replace(file: str, data: bytes) -> None:
    """Put `data` in the place of a file's content, whole or not at all.

    What a link leads to is replaced, and not the link; mode and owner stay.
    """
    from lrdsl.training.files import replacing

    target = Path(os.path.realpath(file))
    try:
        with target.open("rb+"):  # a rename would not ask whether the file may be written
            pass
        with replacing(target) as beside:
            beside.write_bytes(data)
            before = target.stat()
            if hasattr(os, "chown"):
                with suppress(PermissionError):
                    os.chown(beside, before.st_uid, before.st_gid)
            shutil.copymode(target, beside)
    except OSError as error:
        raise _unusable("write", file, error) from None


def _show(old: bytes, new: bytes, file: str) -> None:
    colour = has_colour(sys.stdout)
    for line in _diff(old.decode("utf-8"), new.decode("utf-8"), _name(file)):
        painted = click.style(line, fg=_COLOURS.get(line[:1])) if colour else line
        write(painted, sys.stdout)


def _diff(old: str, new: str, name: str) -> Iterator[str]:
    before, after = (StringIO(text, newline="\n").readlines() for text in (old, new))
    for line in unified_diff(before, after, name, name):
        yield line.rstrip("\r\n")
        if not line.endswith("\n") and line[:1] in "+- ":
            yield "\\ No newline at end of file"


def _tally(found: Counter[str], only_shows: bool) -> str:
    would = "would be " if only_shows else ""
    parts = [
        f"{found[key]:,} file{'' if found[key] == 1 else 's'} {words}"
        for key, words in (
            ("changed", f"{would}reformatted"),
            ("unchanged", "already formatted" if only_shows else "left unchanged"),
            ("wrong", "with errors"),
            ("unusable", "skipped"),
        )
        if found[key]
    ]
    return ", ".join(parts)


def _name(file: str) -> str:
    return "<stdin>" if file == STDIN else file


def _unusable(verb: str, file: str, error: Exception) -> UnusableFile:
    why = getattr(error, "strerror", None) or str(error)
    return UnusableFile(f"cannot {verb} `{file}`: {why}")
