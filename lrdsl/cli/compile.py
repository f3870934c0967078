"""`lrdsl compile`: write a schedule as a Python module that needs no lrdsl."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lrdsl.cli.options import (
    Horizon,
    UnusableFile,
    file_argument,
    horizon_options,
    make_plan,
    overrides_argument,
    write,
)


@click.command()
@file_argument
@overrides_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    metavar="MODULE.py",
    help="The file to write.",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@horizon_options
def compile(
    file: str, overrides: tuple[str, ...], output: Path, force: bool, horizon: Horizon
) -> None:
    """Write the schedule in FILE (`-` is standard input) as a Python module.

    The module needs no lrdsl: it has a NumPy function of the step and a Keras callback.
    NAME=VALUE sets a `let` of FILE.

    Example: lrdsl compile resnet.lrs --steps-per-epoch 390 -o resnet_schedule.py
    """
    if output.suffix != ".py" or not output.stem.isidentifier():
        raise click.UsageError(
            f"`{output}` is not the name of a module: letters, digits and `_`, then .py"
        )
    plan = make_plan(file, overrides, horizon)
    from lrdsl.export import module_text

    text = module_text(plan)
    try:
        with output.open("w" if force else "x", encoding="utf-8", newline="\n") as module:
            module.write(text)
    except FileExistsError:
        raise UnusableFile(f"`{output}` exists; --force replaces it") from None
    except OSError as error:
        raise UnusableFile(f"cannot write `{output}`: {error.strerror or error}") from None
    write(f"wrote {output}", sys.stderr)
