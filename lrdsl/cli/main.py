"""The command `lrdsl`: finds the subcommand, and turns what goes wrong into an exit status.

Nothing heavy is imported here: a subcommand's module is imported when it is called, so that
help and mistyped commands answer at once.
"""

from __future__ import annotations

import atexit
import errno
import gc
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lrdsl.diagnostics import LrsError
from lrdsl.suggest import suggest

COMMANDS = {
    "check": "Report what is wrong in schedules.",
    "fmt": "Write schedules in the one style.",
    "plot": "Show a schedule's curve, here or as a picture.",
    "watch": "Show a schedule's curve, anew at each save.",
    "diff": "Say where two schedules differ, and by how much.",
    "show": "Print the schedule that a picture shows.",
    "values": "Write the value at every step, as a table.",
    "curves": "List the curves of the language, or explain one.",
    "explain": "Say what the code of a message means.",
    "train": "Train a Keras program with a schedule.",
    "ensemble": "Average the snapshots of a training, as one model.",
    "compile": "Write a schedule as a Python module of its own.",
}
"""Every subcommand with its line in the list of commands."""

LASTING = {"watch", "ensemble"}
"""Those that may run for long, and have memory to give back while they do.

`train` is at once over until the script begins, which has its garbage collected.
"""

PROBLEMS = 1
"""Exit status: the input has problems."""

UNUSABLE = 2
"""Exit status: the command was used wrongly, or a file cannot be read."""

BUG = 3
"""Exit status: a bug in lrdsl."""

INTERRUPTED = 130
READER_GONE = 141  # what the shell reports of a program that the broken pipe has killed

TRACEBACK = "LRDSL_TRACEBACK"
"""Environment variable: if set, a bug shows where it happened."""


COMPLETION = "_LRDSL_COMPLETE"
"""Environment variable by which click is asked for what a shell offers."""


class _LazyGroup(click.Group):
    """Commands named in `COMMANDS`, each imported from its module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if cmd_name in LASTING:
            gc.enable()
        command = getattr(importlib.import_module(f"lrdsl.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click's own would import every command for its first line of help.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # Not the group's own, which imports every command for its first line of help.
        found = [
            CompletionItem(name, help=line)
            for name, line in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            meant = suggest(name, COMMANDS)
            if meant is None and Path(name).suffix == ".lrs":
                hint = f" To see the curve of a schedule: lrdsl plot {name}"
            else:
                hint = f" Did you mean `{meant}`?" if meant else ""
            raise click.UsageError(f"there is no command `{name}`.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except LrsError as error:
            from lrdsl.cli.options import show_problems

            show_problems(error)
            ctx.exit(PROBLEMS)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # The reader has what it wanted (`lrdsl values x.lrs | head`).
            _drop_output()
            ctx.exit(READER_GONE)
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                # Files are named where they are written; what is left are the streams.
                _drop_output()
                click.echo(f"Error: cannot write the output: {error.strerror}", err=True)
                ctx.exit(UNUSABLE)
            _report_bug(error)
            ctx.exit(BUG)
        return result


def _drop_output() -> None:
    """Write no more: Python would fail once more when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_bug(error: Exception) -> None:
    if os.environ.get(TRACEBACK):
        traceback.print_exc()
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    what = traceback.format_exception_only(error)[-1].strip()
    click.echo(
        f"lrdsl: a bug in lrdsl, sorry: {what[:500]}{where}\n"
        f"Please report it, with the schedule and with what {TRACEBACK}=1 shows.",
        err=True,
    )


def _show_version(ctx: click.Context, _: click.Parameter, is_asked: bool) -> None:
    if is_asked and not ctx.resilient_parsing:
        from importlib.metadata import PackageNotFoundError, version

        try:
            click.echo(f"lrdsl {version('lrdsl')}")
        except PackageNotFoundError:  # run from a check-out that is not installed
            click.echo("lrdsl, not installed")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 88},
    no_args_is_help=True,
    epilog="`lrdsl COMMAND --help` says more, with an example. Exit status: 0 fine, 1 the "
    "schedule has problems, 2 the command was used wrongly or a file cannot be read, 3 a bug "
    "in lrdsl.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """See the curve of a learning-rate schedule, and train by it.

    \b
    Example:
      echo 'warmup(5) then cosine(max=0.1)' | lrdsl plot - --epochs 90
    """  # noqa: D301 - click wants the backspace itself


def main() -> None:
    """Run the command line; the entry point of the package."""
    # A command that is over at once makes little garbage, and importing matplotlib much that
    # is none: looking through it, once more at the end, took a fifth of the time of a picture.
    gc.disable()
    atexit.register(lambda: None if gc.isenabled() else gc.freeze())
    if COMPLETION in os.environ:
        from lrdsl.cli.shells import register

        register()
    cli(prog_name="lrdsl")
