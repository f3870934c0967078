"""`%load_ext lrdsl`: cells of IPython that hold a schedule, `%%lrs`."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core import magic_arguments
from IPython.core.error import UsageError
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from lrdsl.program import make_program
from lrdsl.render import render_full
from lrdsl.source import SourceText


@magics_class
class LrsMagics(Magics):
    """The magic of lrdsl."""

    @magic_arguments.magic_arguments()
    @magic_arguments.argument("--epochs", type=int, help="epochs of training")
    @magic_arguments.argument("--steps-per-epoch", type=int, help="steps in an epoch")
    @magic_arguments.argument("--base", type=float, help="the optimizer's own rate")
    @magic_arguments.argument(
        "words",
        nargs="*",
        metavar="NAME or LET=VALUE",
        help="the variable that the program is bound to, `schedule` by default; and values "
        "for the cell's `let`s",
    )
    @cell_magic
    def lrs(self, line: str, cell: str) -> None:
        """Read the cell as a schedule, bind it to a variable, and show its curve.

        %%lrs resnet --epochs 90 --steps-per-epoch 390 peak=0.05
        """
        asked = magic_arguments.parse_argstring(self.lrs, line)
        names = [word for word in asked.words if "=" not in word]
        lets = dict(word.split("=", 1) for word in asked.words if "=" in word)
        if len(names) > 1 or not all(name.isidentifier() for name in names):
            raise UsageError(f"%%lrs takes one name of a variable, not `{' '.join(names)}`")
        name = names[0] if names else "schedule"
        # So that lines have the numbers that the cell shows: the first is that of `%%lrs`.
        program = make_program(SourceText("\n" + cell, name), lets)
        shown: Any = program
        length = (asked.epochs, asked.steps_per_epoch, asked.base)
        if program.train is not None or any(one is not None for one in length):
            shown = program.plan(
                epochs=asked.epochs, steps_per_epoch=asked.steps_per_epoch, base=asked.base
            )
        self.shell.user_ns[name] = program
        display(shown)
        for warning in shown.warnings:
            print(render_full(warning, program.source), file=sys.stderr)


def register(shell: Any) -> None:
    """Give a shell of IPython the magic `%%lrs`."""
    shell.register_magics(LrsMagics)
