"""`lrdsl show`: the schedule that a picture was drawn from."""

from __future__ import annotations

import sys

import click

from lrdsl.cli.options import UnusableFile, write
from lrdsl.render import visible


@click.command()
@click.argument("picture", metavar="PICTURE")
@click.pass_context
def show(ctx: click.Context, picture: str) -> None:
    """Print the schedule that PICTURE shows: a png, svg or pdf that lrdsl has drawn.

    The text goes to standard output, as it was used, with the values that were set from
    outside; how long the training was and the text's SHA-256 go to standard error.

    Exit status: 1 if the text is not the one that was drawn.

    Example: lrdsl show plan.png > again.lrs
    """
    from lrdsl.stamp import NoStamp, read_stamp

    try:
        drawn = read_stamp(picture)
    except NoStamp as error:
        raise UnusableFile(f"cannot read the schedule of `{picture}`: {error}") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        why = getattr(error, "strerror", None) or str(error)
        raise UnusableFile(f"cannot read `{picture}`: {why}") from None
    for at, one in enumerate(drawn):
        if len(drawn) > 1:
            gap = "\n" if at else ""
            write(f"{gap}# {visible(one.name)}", sys.stdout)
        write(one.text.rstrip("\n"), sys.stdout)
        sys.stdout.flush()
        write(visible(f"{one.name}: {one.training}, sha256 {one.sha256}"), sys.stderr)
    changed = [one.name for one in drawn if not one.is_genuine]
    for name in changed:
        write(
            f"{visible(name)}: this is not the text that was drawn: its SHA-256 differs",
            sys.stderr,
        )
    ctx.exit(1 if changed else 0)
