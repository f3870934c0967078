"""`lrdsl watch`: a schedule's curve, drawn anew each time that its file is saved."""

from __future__ import annotations

import os
import sys
import time
import webbrowser
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING

import click

from lrdsl.cli.options import (
    STDIN,
    Horizon,
    UnusableFile,
    can_show,
    file_argument,
    has_colour,
    horizon_options,
    overrides_argument,
    parse_overrides,
    terminal_width,
    write,
)
from lrdsl.terminal.ink import CHARACTERS, Ink
from lrdsl.watching.follow import POLL, Follower
from lrdsl.watching.frame import fitted, plain
from lrdsl.watching.screen import Screen, screen
from lrdsl.watching.sight import Sight, Training

if TYPE_CHECKING:
    from lrdsl.watching.page import Page


@click.command()
@file_argument
@overrides_argument
@click.option(
    "--open",
    "has_page",
    is_flag=True,
    help="Show it in the browser too: a page for this machine alone, that changes by itself.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="N",
    help="With --open: the port of the page.  [default: a free one]",
)
@horizon_options
def watch(
    file: str,
    overrides: tuple[str, ...],
    has_page: bool,
    port: int | None,
    horizon: Horizon,
) -> None:
    """Show the curve of the schedule in FILE, and draw it anew each time that it is saved.

    While the text is wrong, the last good curve stays, dimmed, with what is wrong under it.
    `q` or Ctrl-C ends it.  In a pipe each curve is printed below the one before.

    Example: lrdsl watch resnet.lrs --open
    """
    if file == STDIN:
        raise click.UsageError("there is nothing to watch in standard input: name a file")
    if port is not None and not has_page:
        raise click.UsageError("`--port` is that of the page: it goes with `--open`")
    training = Training(
        {**parse_overrides(overrides)}, horizon.epochs, horizon.steps_per_epoch, horizon.base
    )
    follower = Follower(file)
    sight = _first(follower, Sight(file), training)
    if sight.trouble is not None:
        raise UnusableFile(f"cannot read `{file}`: {sight.trouble}")
    with ExitStack() as stack:
        page = _open_page(port) if has_page else None
        if page is not None:
            stack.callback(page.stop)
            page.show(sight)
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            terminal = stack.enter_context(screen(sys.stdout))
            _on_a_screen(terminal, follower, sight, training, page)
        else:
            _in_a_pipe(follower, sight, training, page)


def _first(follower: Follower, sight: Sight, training: Training) -> Sight:
    while (content := follower.look()) is None:
        time.sleep(POLL)
    return sight.after(content, training, datetime.now())


def _on_a_screen(
    terminal: Screen,
    follower: Follower,
    sight: Sight,
    training: Training,
    page: Page | None,
) -> None:
    ink = Ink(can_show(sys.stdout, CHARACTERS), has_colour(sys.stdout))
    drawn: object = None
    typed = ""
    while "q" not in typed:
        content = follower.look()
        if content is not None:
            sight = sight.after(content, training, datetime.now())
        shown = (sight, terminal.size)
        if content is not None and sight.is_current and sight.has_range:
            note = f"watching {sight.file}  working out what may happen"
            terminal.draw(fitted(*shown, note, ink=ink, has_range=False))
        if shown != drawn or typed:  # any key draws anew, what another program has spoiled too
            terminal.draw(fitted(*shown, _note(sight, page), ink=ink))
            drawn = shown
        if content is not None and page is not None:
            page.show(sight)
        typed = terminal.wait(POLL)


def _in_a_pipe(follower: Follower, sight: Sight, training: Training, page: Page | None) -> None:
    unicode, colour = can_show(sys.stdout, CHARACTERS), has_colour(sys.stdout)
    if page is not None:
        write(f"showing {sight.file} at {page.address}", sys.stderr)
    content: object = sight
    while True:
        if content is not None:
            text = plain(sight, terminal_width(), unicode=unicode, colour=colour)
            write(f"{text}\n", sys.stdout)
            sys.stdout.flush()
        time.sleep(POLL)
        content = new = follower.look()
        if new is not None:
            sight = sight.after(new, training, datetime.now())
            if page is not None:
                page.show(sight)


def _note(sight: Sight, page: Page | None) -> str:
    parts = [f"watching {sight.file}"]
    if page is not None:
        parts.append(page.address)
    if sight.is_current and sight.planned is not None:
        parts.append(f"saved at {sight.planned:%H:%M:%S}")
    return "  ".join([*parts, "q ends"])


def _open_page(port: int | None) -> Page:
    from lrdsl.watching.page import Page

    try:
        page = Page(port or 0)
    except OSError as error:
        raise UnusableFile(f"cannot serve at port {port}: {error.strerror}") from None
    page.start()
    if _has_a_window():
        webbrowser.open(page.address)
    return page


def _has_a_window() -> bool:
    """Whether a browser can open one: where none can, it might take the terminal."""
    if os.environ.get("BROWSER") or sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
