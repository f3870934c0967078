"""`%load_ext lrdsl`: cells of IPython that hold a schedule, `%%lrs`."""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.display import display

from lrdsl.program import make_program
from lrdsl.render import render_full
from lrdsl.source import SourceText

_ABOUT = """Read the cell as a schedule, bind it to a variable, and show its curve.

Example: %%lrs resnet --epochs 90 --steps-per-epoch 390 peak=0.05"""


def register(shell: Any) -> None:
    """Give a shell of IPython the magic `%%lrs`."""
    parser = MagicArgumentParser("%%lrs", description=_ABOUT)
    parser.add_argument("--epochs", type=int, help="epochs of training")
    parser.add_argument("--steps-per-epoch", type=int, help="steps in an epoch")
    parser.add_argument("--base", type=float, help="the optimizer's own rate")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="NAME or LET=VALUE",
        help="the variable that the program is bound to, `schedule` by default, and values for "
        "the cell's `let`s",
    )

    def lrs(line: str, cell: str) -> None:
        asked = parser.parse_argstring(line)
        names = [word for word in asked.words if "=" not in word]
        lets = dict(word.split("=", 1) for word in asked.words if "=" in word)
        if len(names) > 1 or not all(name.isidentifier() for name in names):
            raise UsageError(f"%%lrs takes one name of a variable, not `{' '.join(names)}`")
        name = names[0] if names else "schedule"
        # So that lines have the numbers that the cell shows: the first is that of `%%lrs`.
        program = make_program(SourceText("\n" + cell, name), lets)
        shown: Any = program
        length = {
            "epochs": asked.epochs,
            "steps_per_epoch": asked.steps_per_epoch,
            "base": asked.base,
        }
        if any(one is not None for one in length.values()):
            shown = program.plan(**length)
        shell.user_ns[name] = program
        display(shown)
        for warning in shown.warnings:
            print(render_full(warning, program.source), file=sys.stderr)

    lrs.__doc__ = parser.format_help()
    shell.register_magic_function(lrs, magic_kind="cell", magic_name="lrs")
