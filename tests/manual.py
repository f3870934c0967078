"""The README's list of every command and option, made from what `--help` says."""

from __future__ import annotations

import inspect
import re

import click

from lrdsl.cli.main import COMMANDS, cli

BEGIN = "<!-- made from `--help` by `pytest tests/test_manual.py --update-goldens` -->\n"
END = "<!-- end of what is made -->\n"

_SHARED = ("epochs", "steps_per_epoch", "base")
"""Options that are told of once."""


def manual() -> str:
    """Return the whole list, in Markdown."""
    context = click.Context(cli, info_name="lrdsl")
    shared: dict[str, str] = {}
    entries = []
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        entries.append(_entry(command, click.Context(command, context, info_name=name), shared))
    options = "\n".join(f"- {words}: {meaning}" for words, meaning in shared.items())
    return "\n".join([f"Where a command plans:\n\n{options}\n", *entries])


def _entry(command: click.Command, context: click.Context, shared: dict[str, str]) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"### `{context.command_path} {usage}`", *_paragraphs(command.help or "")]
    rows, planning = [], False
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if not isinstance(parameter, click.Option) or record is None:
            continue
        words, meaning = f"`{record[0]}`", re.sub(r" {2,}", " ", record[1])
        if parameter.name in _SHARED:
            shared[words] = meaning
            planning = True
        else:
            rows.append(f"| {_cell(words)} | {_cell(meaning)} |")
    if rows:
        parts.append("\n".join(["| option | meaning |", "| --- | --- |", *rows]))
    if planning:
        parts.append("Also `--epochs`, `--steps-per-epoch` and `--base`.")
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraphs(text: str) -> list[str]:
    found = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if block.startswith("\b\n"):  # which click leaves as it is
            found.append("```text\n" + block.removeprefix("\b\n") + "\n```")
            continue
        line = re.sub(r"\s+", " ", block)
        found.append(re.sub(r"^Example: (.*)$", r"Example: `\1`", line))
    return found
