"""What a shell offers while a command is typed: schedules, their `let`s, codes and curves.

click makes the shells' scripts and asks here.  Files are searched and not parsed, so that
they may hold errors, and so that a shell does not wait.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from lrdsl.diagnostics import CODES

_COMMENT = re.compile(r"#[^\r\n]*")
_LET = re.compile(r"\blet\s+([A-Za-z_]\w*)\s*=")
_MOST_BYTES = 1_000_000


def complete_words(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the `.lrs` files and folders that a word may become, and `name=` of `let`s.

    Where there is none, the shell offers whatever files there are.
    """
    paths = (CompletionItem(path, is_path=True) for path in _schedules(incomplete))
    found = [*_names(ctx, incomplete), *paths]
    return found or [CompletionItem(incomplete, type="file")]


def complete_script(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the `name=` of `let`s that a word may become; and the shell's files."""
    return [*_names(ctx, incomplete), CompletionItem(incomplete, type="file")]


def complete_code(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the codes of messages that a word may become, each with what it is about."""
    start = incomplete.upper()
    return [
        CompletionItem(code, help=rule)
        for code, rule in CODES.items()
        if code.startswith(start)
    ]


def complete_curve(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of the curves that a word may become."""
    from lrdsl.catalogue import pages

    return [CompletionItem(name) for name in pages() if name.startswith(incomplete)]


def _names(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    names = (f"{name}=" for name in _lets(ctx))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _schedules(incomplete: str) -> Iterator[str]:
    folder, start = os.path.split(incomplete)
    try:
        entries = sorted(os.scandir(folder or "."), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(start) or (not start and entry.name.startswith(".")):
            continue
        path = os.path.join(folder, entry.name)  # noqa: PTH118 - Path would drop `./`
        if entry.is_dir():
            yield f"{path}{os.sep}"
        elif entry.name.endswith(".lrs"):
            yield path


def _lets(ctx: click.Context) -> list[str]:
    """Return the names that the schedules among the words so far declare."""
    words: list[str] = list(ctx.args)
    for value in ctx.params.values():
        words += [value] if isinstance(value, str) else value if _is_words(value) else []
    found: dict[str, None] = {}
    for word in words:
        if not word.endswith(".lrs"):
            continue
        try:
            with Path(word).open("rb") as file:
                text = file.read(_MOST_BYTES).decode("utf-8", "replace")
        except OSError:
            continue
        found |= dict.fromkeys(_LET.findall(_COMMENT.sub("", text)))
    return list(found)


def _is_words(value: object) -> bool:
    return isinstance(value, tuple) and all(isinstance(word, str) for word in value)
